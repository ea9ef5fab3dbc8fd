/**
 * A path probe that travels as VXLAN data does: RFC 7348, Ethernet, IPv4 and UDP around the 32 bytes of datagram.ts,
 * from one node's overlay address to the other's. That our own port answers says nothing of the VXLAN port: firewalls
 * know them by number. The UDP checksum is left out (RFC 768); the data plane turns a question into its answer where it
 * lies. The caller owns every buffer.
 *
 *   | VXLAN 8 | Ethernet 14 | IPv4 20 | UDP 8 | probe 32 | zeroes |
 */

import { putU16, putU32, u32 } from "./bytes.ts";
import { decodeProbe, PROBE_LEN } from "./datagram.ts";
import { encodeEthernet, ETHERNET_LEN, ETHERTYPE_IPV4, MAC_LEN } from "./ethernet.ts";
import { ipIsV4 } from "./ip.ts";
import {
  encodeIpv4,
  fixIpv4Checksum,
  IPV4_DESTINATION_AT,
  IPV4_MIN_LEN,
  IPV4_SOURCE_AT,
  IPV4_TOTAL_LENGTH_AT,
  ipv4HeaderLength,
  ipv4IsFragment,
  ipv4Protocol,
  PROTOCOL_UDP,
} from "./ipv4.ts";
import { decodeUdp, encodeUdp, UDP_LEN, UDP_LENGTH_AT, udpDestinationPort } from "./udp.ts";
import { encodeVxlan, VXLAN_LEN } from "./vxlan.ts";

/** UDP port of such a probe inside the overlay, whatever port the node itself has. */
export const WAY_PROBE_PORT = 8473;

/** Bytes of the inner packet before the probe. */
const INNER_LEN = IPV4_MIN_LEN + UDP_LEN;
/** Bytes of the VXLAN datagram before the probe. */
export const VXLAN_PROBE_AT = VXLAN_LEN + ETHERNET_LEN + INNER_LEN;
const TTL = 64;

/** Where a VXLAN probe comes from and goes to: MACs of 6 bytes, IPv4 addresses as u32. */
export interface VxlanProbeEnds {
  readonly vni: number;
  readonly sourceMac: Uint8Array;
  readonly targetMac: Uint8Array;
  readonly source: number;
  readonly target: number;
}

/** A VXLAN datagram of `length` bytes (at least VXLAN_PROBE_AT + PROBE_LEN) around the probe. */
export function vxlanProbe(ends: VxlanProbeEnds, probe: Uint8Array, length: number): Uint8Array {
  const b = new Uint8Array(Math.max(length, VXLAN_PROBE_AT + probe.length));
  const packet = VXLAN_LEN + ETHERNET_LEN;
  const inner = b.length - packet;
  encodeVxlan(b, 0, ends.vni);
  encodeEthernet(b, VXLAN_LEN, ends.targetMac, ends.sourceMac, ETHERTYPE_IPV4);
  encodeIpv4(b, packet, {
    totalLength: inner,
    id: 0,
    dontFragment: true,
    ttl: TTL,
    protocol: PROTOCOL_UDP,
    source: ends.source,
    destination: ends.target,
  });
  encodeUdp(b, packet + IPV4_MIN_LEN, WAY_PROBE_PORT, WAY_PROBE_PORT, inner - IPV4_MIN_LEN);
  b.set(probe, VXLAN_PROBE_AT);
  return b;
}

/** Where the probe begins in the decoded IPv4 packet at..end, or −1 when it carries none. */
export function wayProbeAt(b: Uint8Array, at: number, end: number): number {
  if (!ipIsV4(b, at) || ipv4Protocol(b, at) !== PROTOCOL_UDP || ipv4IsFragment(b, at)) return -1;
  const udp = at + ipv4HeaderLength(b, at);
  if (decodeUdp(b, udp, end) < 0 || udpDestinationPort(b, udp) !== WAY_PROBE_PORT) return -1;
  return decodeProbe(b, udp + UDP_LEN, end) < 0 ? -1 : udp + UDP_LEN;
}

/**
 * Turns the frame at `frame` whose packet holds a probe at `probe` (already made an answer) towards the asker: ends
 * swapped, what is behind the probe left out. Returns the length of the frame.
 */
export function answerVxlanFrame(b: Uint8Array, frame: number, probe: number, ownMac: Uint8Array): number {
  b.copyWithin(frame, frame + MAC_LEN, frame + 2 * MAC_LEN);
  b.set(ownMac, frame + MAC_LEN);
  const packet = frame + ETHERNET_LEN;
  const source = u32(b, packet + IPV4_SOURCE_AT);
  putU32(b, packet + IPV4_SOURCE_AT, u32(b, packet + IPV4_DESTINATION_AT));
  putU32(b, packet + IPV4_DESTINATION_AT, source);
  const length = probe + PROBE_LEN - packet;
  putU16(b, packet + IPV4_TOTAL_LENGTH_AT, length);
  const udp = probe - UDP_LEN;
  putU16(b, udp + UDP_LENGTH_AT, UDP_LEN + PROBE_LEN);
  encodeUdp(b, udp, WAY_PROBE_PORT, WAY_PROBE_PORT, UDP_LEN + PROBE_LEN);
  fixIpv4Checksum(b, packet);
  return ETHERNET_LEN + length;
}
