/**
 * What `why` and the log tell a person to do about a node that has no path: the host, its firewall, or the routers
 * between. Pure. A record says where its node listens, and where others see it after that
 * (control/records/own_record.ts): an address that a router made up is not a port that can be opened on the host.
 */
import type { PeerView } from "../../control/paths/view.ts";
import { addressOf, ipVersion, parseAddress, portOf } from "../../wire/address.ts";
import { contains, prefix, PRIVATE_IPV4 } from "../../wire/prefix.ts";
import type { Snapshot } from "./reports.ts";

/** What advice is made from. */
export type Surroundings = Pick<Snapshot, "view" | "underlay">;

/** Where a host listens, and the address of the router that hides it; null: none does, as far as one can see. */
interface Place {
  readonly name: string;
  readonly port: string;
  readonly outer: string | null;
}

/** RFC 6598: what a carrier gives its customers where it translates itself. */
const CARRIER = prefix("100.64.0.0/10");

/** Without an address of our own, what is wrong is here, and not with the peer that does not answer. */
export function isCutOff({ underlay }: Surroundings): boolean {
  return underlay.length === 0;
}

/** What to do about the way to a peer, and beside which of the endpoints that were tried; null: nothing. */
export function pathAdvice(
  surroundings: Surroundings,
  peer: PeerView,
): { readonly at: number; readonly fix: string } | null {
  if (isCutOff(surroundings)) {
    const fix =
      "bring this host's own link up (ip -brief address; ip link set DEV up); ovltun then reconnects by itself";
    return { at: 0, fix };
  }
  // A peer that answers at one address needs no other.
  if (peer.stopped || (peer.state === "alive" && peer.endpoint !== null)) return null;
  const at = peer.endpoint !== null ? 0 : peer.tried.findIndex(({ outcome }) => outcome.kind === "silent");
  if (at < 0) return null;
  const reach = reachAdvice(surroundings, peer, peer.tried[at]?.endpoint ?? "");
  // Other nodes hear a live peer, so it runs. No one hears the rest.
  if (peer.state === "alive") return { at, fix: reach };
  return {
    at,
    fix: `check that ${peer.name} is up and running ovltun (ovltun status there); if it is, ${reach}`,
  };
}

function reachAdvice({ view, underlay }: Surroundings, peer: PeerView, tried: string): string {
  const { name: us } = view.own;
  const there = placeOf(peer, tried);
  const here = { name: us, port: portOf(underlay.at(-1)!), outer: outerOf(view.own.translated) };
  // Behind one router the way leads by the inner addresses.
  if (there.outer === null || there.outer === here.outer) {
    const open = `open ${there.port}/udp on ${peer.name}`;
    // A host behind NAT cannot be contacted first.
    if (here.outer !== null && there.outer === null && !isInner(peer.endpoints[0] ?? tried)) return open;
    return `${open}, or start it with --peers ${ourAddress(underlay, there.port, tried)}`;
  }
  if (here.outer === null) {
    return `open ${here.port}/udp on ${us}: ${peer.name} is behind NAT, so it has to make the first contact`;
  }
  const ways = [forward(there), forward(here)].filter((way) => way !== null);
  if (ways.length === 0) {
    return "both are behind carrier-grade NAT (100.64.0.0/10), where no port can be forwarded: give one of " +
      "the two a public address, e.g. IPv6";
  }
  return `both are behind NAT: ${ways.join("; or the same for this host: ")}`;
}

/** Null where the router is the provider's. */
function forward({ name, port, outer }: Place): string | null {
  const address = parseAddress(outer!);
  if (address !== null && contains(CARRIER, address)) return null;
  return `forward ${port}/udp to ${name} on its router, and start ${name} with --advertise ${outer}`;
}

/** An address of this host for --peers on another: of the family in which we try that one, the port where it differs. */
function ourAddress(underlay: readonly string[], port: string, tried: string): string {
  const ours = underlay.find((one) => ipVersion(one) === ipVersion(tried)) ?? underlay[0]!;
  return portOf(ours) === port ? addressOf(ours) : ours;
}

function placeOf(peer: PeerView, tried: string): Place {
  const endpoints = peer.endpoints.length > 0 ? peer.endpoints : [tried];
  return { name: peer.name, port: portOf(endpoints[0]!), outer: outerOf(peer.translated) };
}

/** The address of the outermost router: the last that others see, a public one where there is one. */
function outerOf(translated: readonly string[]): string | null {
  const outer = translated.findLast((one) => !isInner(one)) ?? translated.at(-1);
  return outer === undefined ? null : addressOf(outer);
}

function isInner(endpoint: string): boolean {
  const address = parseAddress(addressOf(endpoint));
  return ipVersion(endpoint) === 6 ||
    (address !== null && PRIVATE_IPV4.some((range) => contains(range, address)));
}
