/**
 * Every number of bytes that an encapsulation adds, in one place: device MTUs, path MTUs and the sizes of ICMP
 * answers are all derived from here, and nowhere else is a header length subtracted. The sizes are those of
 * RFC 791, RFC 8200, RFC 768, RFC 7348 §5 and docs/ (data header).
 */

import type { IpVersion } from "./address.ts";
import { DATA_LEN } from "./data_header.ts";
import { ETHERNET_LEN } from "./ethernet.ts";
import { IPV4_MIN_LEN } from "./ipv4.ts";
import { IPV6_LEN } from "./ipv6.ts";
import { UDP_LEN } from "./udp.ts";
import { VXLAN_LEN } from "./vxlan.ts";

/** AES-GCM, ChaCha20-Poly1305 and XSalsa20-Poly1305 all append 16 bytes. */
export const AEAD_TAG_LEN = 16;

/**
 * What each encapsulation puts between the UDP payload's start and the inner IP packet, and behind the packet: our
 * header in the clear or with a seal, VXLAN and Ethernet, or flannel's bare UDP.
 */
const PAYLOAD_OVERHEAD = {
  data: DATA_LEN,
  sealed: DATA_LEN + AEAD_TAG_LEN,
  vxlan: VXLAN_LEN + ETHERNET_LEN,
  flannel: 0,
} as const;

/** How a packet crosses the underlay. */
export type Encapsulation = keyof typeof PAYLOAD_OVERHEAD;

/** Bytes that the encapsulation adds inside the UDP payload. */
export function payloadOverhead(encapsulation: Encapsulation): number {
  return PAYLOAD_OVERHEAD[encapsulation];
}

/** Bytes of IP and UDP around each tunnel datagram: 28 over IPv4, 48 over IPv6. */
export function outerOverhead(version: IpVersion): number {
  return (version === 4 ? IPV4_MIN_LEN : IPV6_LEN) + UDP_LEN;
}

/** Bytes that the tunnel adds to one inner packet, by the version of IP that carries it: over IPv4 44, 60, 50, 28; over IPv6 20 more. */
export function overhead(encapsulation: Encapsulation, version: IpVersion): number {
  return outerOverhead(version) + payloadOverhead(encapsulation);
}

/** The largest inner packet that crosses an underlay of `underlayMtu` bytes in one datagram; never below 0. */
export function overlayMtu(underlayMtu: number, encapsulation: Encapsulation, version: IpVersion): number {
  return Math.max(0, underlayMtu - overhead(encapsulation, version));
}
