/**
 * What `why` tells a person to do about a node that has no path: the host, its firewall, or the routers between. Pure.
 * A record says where its node listens first, and where others see it after that (control/own_record.ts), so an address
 * that a router made up is known by its place and its port. Nobody can open such a port: it is the router's.
 */
import type { PeerView } from "../control/view.ts";
import { addressOf, contains, parseAddress, portOf, PRIVATE_IPV4 } from "../wire/address.ts";
import type { Snapshot } from "./reports.ts";

/** Where a host listens, and the address of the router that hides it; null: none does, as far as one can see. */
interface Place {
  readonly port: string;
  readonly outer: string | null;
}

/** Without an address of our own, what is wrong is here, and not with whoever does not answer. */
export function isCutOff({ underlay }: Snapshot): boolean {
  return underlay.length === 0;
}

/** What to do about the way to a peer, and beside which of the endpoints that were tried; null: nothing. */
export function pathAdvice(
  snapshot: Snapshot,
  peer: PeerView,
): { readonly at: number; readonly fix: string } | null {
  if (isCutOff(snapshot)) {
    const fix =
      "bring this host's own link up (ip -brief address; ip link set DEV up); ovltun finds the way by " +
      "itself then";
    return { at: 0, fix };
  }
  // Whoever answers at one address needs no other.
  if (peer.stopped || (peer.state === "alive" && peer.endpoint !== null)) return null;
  const at = peer.endpoint !== null ? 0 : peer.tried.findIndex(({ outcome }) => outcome === "no answer");
  if (at < 0) return null;
  const reach = reachAdvice(snapshot, peer, peer.tried[at]?.endpoint ?? "");
  // The others hear whoever is alive, so it runs. Nobody hears the rest.
  if (peer.state === "alive") return { at, fix: reach };
  return {
    at,
    fix: `look whether ${peer.name} is up and ovltun runs there (on it: ovltun status); if so, ${reach}`,
  };
}

function reachAdvice({ view, underlay }: Snapshot, peer: PeerView, tried: string): string {
  const { name: us, endpoints } = view.own;
  const there = placeOf(peer.endpoints.length > 0 ? peer.endpoints : [tried]);
  const here = { port: portOf(underlay.at(-1)!), outer: outerOf(endpoints, underlay) };
  // Behind one router the way leads by the inner addresses.
  if (there.outer === null || there.outer === here.outer) {
    return `open ${there.port}/udp on ${peer.name}, or start it with --peers <us>`;
  }
  if (here.outer === null) {
    return `open ${here.port}/udp on ${us}: ${peer.name} is behind NAT, so it has to call first`;
  }
  return `both are behind NAT: ${forward(peer.name, there)}; or the same for this host: ${forward(us, here)}`;
}

function forward(name: string, { port, outer }: Place): string {
  return `on the router of ${name} forward ${port}/udp to it, and start ${name} with --advertise ${outer}`;
}

function placeOf(endpoints: readonly string[]): Place {
  const first = endpoints[0]!;
  const port = portOf(first);
  const own = endpoints.filter((one) =>
    isInner(first) ? isInner(one) && portOf(one) === port : isInner(one) || portOf(one) === port
  );
  return { port, outer: outerOf(endpoints, own) };
}

// The last address under which others see a host and which is none of its own. IPv6 is not translated.
function outerOf(endpoints: readonly string[], own: readonly string[]): string | null {
  const addresses = own.map(addressOf);
  const seen = endpoints.map(addressOf).filter((one) => !one.includes(":") && !addresses.includes(one));
  return seen.at(-1) ?? null;
}

function isInner(endpoint: string): boolean {
  const address = parseAddress(addressOf(endpoint));
  return endpoint.startsWith("[") ||
    (address !== null && PRIVATE_IPV4.some((range) => contains(range, address)));
}
