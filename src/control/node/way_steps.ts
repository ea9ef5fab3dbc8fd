/**
 * The probes of ways.ts as datagrams, and what comes back: along our own port as the link's datagrams go, along the VXLAN
 * port as VXLAN data, along a direct route from overlay address to overlay address by the kernel's route for probes
 * (host/owned.ts). Questions of the first two kinds the data plane answers by itself. Those by a direct route are
 * answered here, the way they came, and only where such a route is wanted from here, too.
 */

import {
  addressOf,
  formatEndpoint,
  type IpVersion,
  ipVersion,
  isIpv4,
  parseAddress,
  parseEndpoint,
  parseMac,
} from "../../wire/address.ts";
import {
  decodeProbe,
  encodeProbe,
  encodeWayProbe,
  PROBE_LEN,
  PROBE_READY,
  PROBE_WAY_ANSWER,
  PROBE_WAY_ASK,
  probeFlags,
  probeNonceHigh,
  probeNonceLow,
} from "../../wire/datagram.ts";
import { outerOverhead, payloadOverhead } from "../../wire/overhead.ts";
import { vxlanProbe } from "../../wire/way_probe.ts";
import type { Holders } from "../lease/holders.ts";
import type { Core } from "./core.ts";
import type { Link } from "../links/link_table.ts";
import { subnetsOf } from "../records/record.ts";
import { askedAt, type DirectKind, isDirect } from "../paths/way.ts";
import type { WayProbe } from "../paths/ways.ts";

/** Large probes a second, all peers together. */
const LARGE_PER_SECOND = 200;
/** Answers a second to what comes by direct routes. */
const ANSWERS_PER_SECOND = 2000;

/** Sends what is due. */
export function tickWays(core: Core, now: number): void {
  const mayMeasure = () => core.throttle.allows("large probes", LARGE_PER_SECOND, now);
  const { probes, changed } = core.ways.tick((id) => core.roundTrips.rttMs(id), mayMeasure, now);
  for (const probe of probes) send(core, probe);
  core.changed ||= changed;
}

function send(core: Core, probe: WayProbe): void {
  const link = core.agreed.get(probe.id);
  if (link === null || link.endpoint === null) return;
  if (probe.kind === "own") return sendOwn(core, link, probe);
  const { mesh } = core.life;
  if (mesh === null) return;
  const family = probe.kind === "direct6" || !isIpv4(mesh.network.address) ? 6 : 4;
  const own = overlayAddress(core, core.identity.id, family);
  const target = overlayAddress(core, probe.id, family);
  if (own === null || target === null) return;
  const b = new Uint8Array(PROBE_LEN);
  encodeWayProbe(b, 0, PROBE_WAY_ASK, probe.ready ? PROBE_READY : 0, probe.nonceHigh, probe.nonceLow);
  if (isDirect(probe.kind)) {
    return sendDirect(core, link, probe.kind, target, padded(b, probe.size - outerOverhead(family)));
  }
  const room = probe.size - outerOverhead(ipVersion(link.endpoint));
  const ends = {
    vni: mesh.vni,
    sourceMac: parseMac(core.own.vtepMac)!,
    targetMac: parseMac(core.store.get(probe.id)?.vtepMac ?? "") ?? new Uint8Array(6),
    source: own,
    target,
  };
  const { address } = parseEndpoint(link.endpoint)!;
  const to = formatEndpoint({ address, port: mesh.vxlanPort });
  core.actions.push({ kind: "send", to, bytes: vxlanProbe(ends, b, room), by: "vxlan" });
}

function sendOwn(core: Core, link: Link, { size, nonceHigh, nonceLow }: WayProbe): void {
  const b = new Uint8Array(PROBE_LEN);
  encodeProbe(b, 0, link.sendIndex, nonceHigh, nonceLow, 0);
  const sealed = core.sealed === null ? 0 : payloadOverhead("sealed");
  core.links.measure(link, padded(b, size - outerOverhead(ipVersion(link.endpoint!)) - sealed));
}

function sendDirect(
  { actions, ways }: Core,
  link: Link,
  kind: DirectKind,
  target: Uint8Array,
  bytes: Uint8Array,
): void {
  const gateway = ways.gateway(link.id, kind);
  if (gateway === null) return;
  const { port } = parseEndpoint(link.endpoint!)!;
  const to = formatEndpoint({ address: target, port });
  actions.push({ kind: "send", to, bytes, by: "direct", gateway });
}

/** An answer to a probe of a way; false if unsolicited. */
export function onWayAnswer(core: Core, bytes: Uint8Array, now: number): boolean {
  const found = core.ways.receive(bytes, now);
  if (found === null) return false;
  core.changed ||= found.changed;
  return true;
}

/** A probe that came by a direct route, from a peer's overlay address; false when it is not to be answered. */
export function onWayQuestion(core: Core, bytes: Uint8Array, from: string, now: number): boolean {
  if (decodeProbe(bytes, 0, bytes.length) !== PROBE_WAY_ASK) return false;
  const id = holderOf(core.holders, addressOf(from));
  if (id === null || core.agreed.get(id) === null) return false;
  const kind = ipVersion(from) === 6 ? "direct6" : "direct";
  const gateway = core.ways.gateway(id, kind);
  if (gateway === null) return false;
  if (!core.throttle.allows("direct answers", ANSWERS_PER_SECOND, now)) return false;
  const asked = core.ways.asked(id, kind, probeFlags(bytes, 0), now);
  if (asked === null) return false;
  const b = new Uint8Array(PROBE_LEN);
  const flags = asked.ready ? PROBE_READY : 0;
  encodeWayProbe(b, 0, PROBE_WAY_ANSWER, flags, probeNonceHigh(bytes, 0), probeNonceLow(bytes, 0));
  core.actions.push({ kind: "send", to: from, bytes: b, by: "direct", gateway });
  return true;
}

// Where a node is asked, in a subnet of what it holds.
function overlayAddress(
  { holders, identity, lease }: Core,
  id: string,
  family: IpVersion,
): Uint8Array | null {
  if (id === identity.id && lease.state !== "confirmed") return null;
  const claim = holders.leaseOf(id);
  const subnet = claim === null
    ? undefined
    : subnetsOf(claim).find(({ address }) => isIpv4(address) === (family === 4));
  return subnet === undefined ? null : askedAt(subnet);
}

function holderOf(holders: Holders, device: string): string | null {
  const address = parseAddress(device);
  return address === null ? null : holders.leaseAt(address)?.nodeId ?? null;
}

function padded(probe: Uint8Array, length: number): Uint8Array {
  if (length <= probe.length) return probe;
  const b = new Uint8Array(length);
  b.set(probe);
  return b;
}
