/**
 * Where the names among the endpoints of records lead, "home.example:8473", as the daemon found out when it was asked to.
 * The last good answer counts until there is a different good one. Nothing that a name says makes us send to this host
 * itself or to all hosts; what lies in the mesh is left out by those who use it (node/outside.ts).
 */

import { BoundedMap } from "../../bounds/bounded_map.ts";
import type { Random } from "../../ports/time.ts";
import {
  formatEndpoint,
  isIpv4,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isUnspecified,
  parseEndpoint,
} from "../../wire/address.ts";
import { isNamed } from "../../wire/named_endpoint.ts";

/** Names of one node that count. */
const NAMES_EACH = 3;
const NAMES_MAX = 512;
/** Endpoints that one name leads to. */
const ENDPOINTS_EACH = 4;
const REFRESH_MS = 30_000;
const RETRY_MS = 3000;

interface Name {
  endpoints: readonly string[];
  nextAt: number;
  /** Answers without an endpoint since the last good one. */
  failures: number;
}

/** The names of a record that count. */
export function namesOf({ endpoints }: { readonly endpoints: readonly string[] }): string[] {
  return endpoints.filter(isNamed).slice(0, NAMES_EACH);
}

export class NameTable {
  readonly #random: Random;
  // BOUNDED: ≤ NAMES_MAX, the longest unasked go first
  readonly #names = new BoundedMap<string, Name>(NAMES_MAX);

  constructor(random: Random) {
    this.#random = random;
  }

  /** Literal endpoints as they are, and for each name those that it leads to, as far as is known. */
  expand(endpoints: readonly string[]): string[] {
    const all = endpoints.flatMap((one) => isNamed(one) ? this.#names.get(one)?.endpoints ?? [] : [one]);
    return [...new Set(all)];
  }

  /** What is known of a name: where it leads, or that it does not resolve; null: not looked up yet. */
  known(name: string): { readonly endpoints: readonly string[]; readonly failed: boolean } | null {
    const known = this.#names.get(name);
    if (known === undefined || (known.failures === 0 && known.endpoints.length === 0)) return null;
    return { endpoints: known.endpoints, failed: known.failures > 0 };
  }

  /** Whether it is time to look a name up. */
  due(name: string, now: number): boolean {
    const known = this.#names.get(name);
    return known === undefined || known.nextAt <= now;
  }

  /** A lookup begins: the next is due half a minute later, a quarter more or less. */
  asked(name: string, now: number): void {
    const known = this.#names.get(name) ?? { endpoints: [], nextAt: 0, failures: 0 };
    known.nextAt = now + this.#about(REFRESH_MS);
    this.#names.renew(name, known);
  }

  /** What a lookup found; without a usable endpoint the last answer stays. True when it changed. */
  learn(name: string, found: readonly string[], now: number): boolean {
    const known = this.#names.get(name);
    if (known === undefined) return false;
    const endpoints = [...new Set(found.flatMap(callable))].sort().slice(0, ENDPOINTS_EACH);
    if (endpoints.length === 0) {
      known.failures++;
      const soon = Math.min(RETRY_MS * 2 ** Math.min(known.failures - 1, 10), REFRESH_MS);
      known.nextAt = Math.min(known.nextAt, now + this.#about(soon));
      return false;
    }
    known.failures = 0;
    const changed = endpoints.join(" ") !== known.endpoints.join(" ");
    known.endpoints = endpoints;
    return changed;
  }

  #about(ms: number): number {
    return ms * (0.75 + this.#random.below(501) / 1000);
  }
}

// Nothing that leads back to this host or to all hosts, and no IPv6 address that needs a zone.
function callable(text: string): string[] {
  const endpoint = parseEndpoint(text);
  if (endpoint === null) return [];
  const { address } = endpoint;
  const useless = isLoopback(address) || isUnspecified(address) || isMulticast(address) ||
    (isLinkLocal(address) && !isIpv4(address));
  return useless ? [] : [formatEndpoint(endpoint)];
}
