/**
 * A path probe that travels as VXLAN data does: RFC 7348, Ethernet, IP and UDP around the 32 bytes of datagram.ts, from one
 * node's overlay address to the other's; of IPv6 in a mesh without IPv4. That our own port answers says nothing of the VXLAN
 * port: firewalls know them by number. The UDP checksum is left out (RFC 768, RFC 6935: no host's stack sees it); the data
 * plane turns a question into its answer where it lies. The caller owns every buffer.
 *
 *   | VXLAN 8 | Ethernet 14 | IPv4 20, IPv6 40 | UDP 8 | probe 32 | zeroes |
 */

import { type Address, addressToU32, isIpv4 } from "./address.ts";
import { decodeProbe, PROBE_LEN } from "./datagram.ts";
import { encodeEthernet, ETHERNET_LEN, ETHERTYPE_IPV4, ETHERTYPE_IPV6, MAC_LEN } from "./ethernet.ts";
import { ipAddressLength, ipDestinationAt, ipProtocol, ipTransport, putIpTotalLength } from "./ip.ts";
import { encodeIpv4, IPV4_MIN_LEN, PROTOCOL_UDP } from "./ipv4.ts";
import { encodeIpv6, IPV6_LEN } from "./ipv6.ts";
import { decodeUdp, encodeUdp, UDP_LEN, udpDestinationPort } from "./udp.ts";
import { encodeVxlan, VXLAN_LEN } from "./vxlan.ts";

/** UDP port of such a probe inside the overlay, whatever port the node itself has. */
export const WAY_PROBE_PORT = 8473;

/** Where the inner packet is. */
const PACKET_AT = VXLAN_LEN + ETHERNET_LEN;
/** Bytes of the VXLAN datagram before the probe, where it is of IPv4. */
export const VXLAN_PROBE_AT = PACKET_AT + IPV4_MIN_LEN + UDP_LEN;
const TTL = 64;

/** Where a VXLAN probe comes from and goes to: MACs of 6 bytes, addresses of one family. */
export interface VxlanProbeEnds {
  readonly vni: number;
  readonly sourceMac: Uint8Array;
  readonly targetMac: Uint8Array;
  readonly source: Address;
  readonly target: Address;
}

/** A VXLAN datagram of `length` bytes, or as many as the probe needs, around the probe. */
export function vxlanProbe(ends: VxlanProbeEnds, probe: Uint8Array, length: number): Uint8Array {
  const four = isIpv4(ends.source);
  const udp = PACKET_AT + (four ? IPV4_MIN_LEN : IPV6_LEN);
  const b = new Uint8Array(Math.max(length, udp + UDP_LEN + probe.length));
  encodeVxlan(b, 0, ends.vni);
  encodeEthernet(b, VXLAN_LEN, ends.targetMac, ends.sourceMac, four ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
  if (four) {
    encodeIpv4(b, PACKET_AT, {
      totalLength: b.length - PACKET_AT,
      id: 0,
      dontFragment: true,
      ttl: TTL,
      protocol: PROTOCOL_UDP,
      source: addressToU32(ends.source),
      destination: addressToU32(ends.target),
    });
  } else {
    encodeIpv6(b, PACKET_AT, {
      payloadLength: b.length - udp,
      nextHeader: PROTOCOL_UDP,
      hopLimit: TTL,
      source: ends.source,
      destination: ends.target,
    });
  }
  encodeUdp(b, udp, WAY_PROBE_PORT, WAY_PROBE_PORT, b.length - udp);
  b.set(probe, udp + UDP_LEN);
  return b;
}

/** Where the probe begins in the decoded IP packet at..end, or −1 when it carries none. */
export function wayProbeAt(b: Uint8Array, at: number, end: number): number {
  if (ipProtocol(b, at) !== PROTOCOL_UDP) return -1; // extension headers carry none
  const udp = ipTransport(b, at, end);
  if (udp < 0) return -1;
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
  const size = ipAddressLength(b, packet);
  const to = ipDestinationAt(b, packet), from = to - size;
  for (let i = 0; i < size; i++) {
    const byte = b[from + i]!;
    b[from + i] = b[to + i]!;
    b[to + i] = byte;
  }
  const length = probe + PROBE_LEN - packet;
  encodeUdp(b, probe - UDP_LEN, WAY_PROBE_PORT, WAY_PROBE_PORT, UDP_LEN + PROBE_LEN);
  putIpTotalLength(b, packet, length);
  return ETHERNET_LEN + length;
}
