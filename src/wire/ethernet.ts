/**
 * Ethernet II framing (IEEE 802.3, RFC 894), as VXLAN carries it between VTEPs. No VLAN tags: a frame that has
 * one shows EtherType 0x8100 and is not ours. The caller owns every buffer and has checked ETHERNET_LEN bytes.
 *
 *   | destination 6 | source 6 | EtherType 2 | payload |
 */

import { putU16, u16 } from "./bytes.ts";

export const ETHERNET_LEN = 14;
export const ETHERNET_DESTINATION_AT = 0;
export const ETHERNET_SOURCE_AT = 6;
export const ETHERNET_TYPE_AT = 12;
export const MAC_LEN = 6;

export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_IPV6 = 0x86dd;

/** Writes the 14 bytes of the header; the MACs are arrays of six bytes. */
export function encodeEthernet(
  b: Uint8Array,
  at: number,
  destinationMac: Uint8Array,
  sourceMac: Uint8Array,
  etherType: number,
): void {
  putMac(b, at + ETHERNET_DESTINATION_AT, destinationMac);
  putMac(b, at + ETHERNET_SOURCE_AT, sourceMac);
  putU16(b, at + ETHERNET_TYPE_AT, etherType);
}

/** The EtherType of the frame at `at`, or −1 when fewer than 14 bytes are left before `end`. */
export function decodeEthernet(b: Uint8Array, at: number, end: number): number {
  return end - at < ETHERNET_LEN ? -1 : u16(b, at + ETHERNET_TYPE_AT);
}

/** The EtherType of a frame whose length was checked. */
export function etherType(b: Uint8Array, at: number): number {
  return u16(b, at + ETHERNET_TYPE_AT);
}

/** Copies six bytes of `mac` to `at`. */
export function putMac(b: Uint8Array, at: number, mac: Uint8Array): void {
  for (let i = 0; i < MAC_LEN; i++) b[at + i] = mac[i]!;
}

/** Whether the MAC at `at` equals the six bytes of `mac`. */
export function macEquals(b: Uint8Array, at: number, mac: Uint8Array): boolean {
  for (let i = 0; i < MAC_LEN; i++) if (b[at + i] !== mac[i]) return false;
  return true;
}

/** Whether the MAC at `at` is ff:ff:ff:ff:ff:ff. */
export function isBroadcastMac(b: Uint8Array, at: number): boolean {
  for (let i = 0; i < MAC_LEN; i++) if (b[at + i] !== 0xff) return false;
  return true;
}

/** Whether the group bit of the MAC at `at` is set; the broadcast address is one of these. */
export function isMulticastMac(b: Uint8Array, at: number): boolean {
  return (b[at]! & 1) === 1;
}
