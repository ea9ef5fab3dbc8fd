/**
 * Path MTUs that turned out smaller than the interface's. As in the kernel, what was learned is forgotten after
 * ten minutes (RFC 1191 §6.3): the path may have become wider, and if not, it is learned again.
 */
import { BoundedMap } from "../../bounds/bounded_map.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import { addressOf } from "../../wire/address.ts";

const FORGET_MS = 600_000;
/** What every path must carry: no ICMP error makes us cut finer (min_pmtu of Linux). */
const LEAST = 552;

export class PathMtus {
  /** BOUNDED: ≤ MAX_PEERS, the oldest go first. */
  readonly #known = new BoundedMap<string, { readonly mtu: number; readonly until: number }>(MAX_PEERS);

  /** Notes the MTU to an endpoint, bytes. True when it was another before. */
  learn(endpoint: string, mtu: number, now: number): boolean {
    const address = addressOf(endpoint); // whatever the port: routers, and the kernel, know addresses
    const before = this.mtu(endpoint, now);
    const known = { mtu: Math.max(mtu, LEAST), until: now + FORGET_MS };
    this.#known.renew(address, known);
    return before !== known.mtu;
  }

  /** What was learned, or null. */
  mtu(endpoint: string, now: number): number | null {
    const known = this.#known.get(addressOf(endpoint));
    return known === undefined || known.until <= now ? null : known.mtu;
  }
}
