/**
 * Answers of `ip route get` that are kept until something happens that could change them (host_table.ts): a route whose
 * destination contains the address comes or goes, or anything but a route changes. Against what the kernel does not tell
 * (a redirect, an IPv6 router that became unreachable) they are asked anew after a while.
 */

import { BoundedMap } from "../bounds/bounded_map.ts";
import type { Route, RouteLookup } from "../ports/host.ts";
import { type Address, parseAddress } from "../wire/address.ts";
import { contains, type Prefix } from "../wire/prefix.ts";

/** A few for each peer. */
const LOOKUPS_MAX = 16_384;
const KEPT_MS = 60_000;
/** Of more routes at once nobody looks which concern us. */
const ROUTES_AT_ONCE = 64;

interface Kept {
  readonly address: Address;
  readonly answer: RouteLookup | null;
  readonly askedAt: number;
}

export class KeptLookups {
  /** BOUNDED: ≤ LOOKUPS_MAX, the oldest go first. */
  readonly #kept = new BoundedMap<string, Kept>(LOOKUPS_MAX);

  /** Undefined: it is to be asked. */
  find(address: string, tos: number, now: number): RouteLookup | null | undefined {
    const kept = this.#kept.get(keyOf(address, tos));
    return kept === undefined || now - kept.askedAt > KEPT_MS ? undefined : kept.answer;
  }

  take(address: string, tos: number, answer: RouteLookup | null, now: number): void {
    const parsed = parseAddress(address);
    if (parsed !== null) this.#kept.renew(keyOf(address, tos), { address: parsed, answer, askedAt: now });
  }

  /** These routes came or went. True where answers are no longer good: they were used. */
  routesChanged(routes: readonly Route[]): boolean {
    // BOUNDED: by the routes
    const changed = new Map<string, Prefix>(routes.map(({ destination }) => [destination.text, destination]));
    if (changed.size > ROUTES_AT_ONCE) return this.forget();
    const before = this.#kept.size;
    for (const destination of changed.values()) {
      for (const [key, { address }] of this.#kept) if (contains(destination, address)) this.#kept.delete(key);
    }
    return this.#kept.size < before;
  }

  /** True where there was anything to forget. */
  forget(): boolean {
    const some = this.#kept.size > 0;
    this.#kept.clear();
    return some;
  }
}

function keyOf(address: string, tos: number): string {
  return `${address} ${tos}`;
}
