/**
 * ARP for IPv4 over Ethernet (RFC 826): a kernel VXLAN peer asks for our VTEP, and we answer. Requests only are
 * read; offsets count from the ARP body, which follows the Ethernet header. The caller owns every buffer.
 *
 *   | htype 2 | ptype 2 | hlen 1 | plen 1 | op 2 | sender MAC 6 | sender IP 4 | target MAC 6 | target IP 4 |
 */

import { i32, putU16, putU32, u16, u32 } from "./bytes.ts";
import { ETHERTYPE_IPV4, MAC_LEN, putMac } from "./ethernet.ts";

export const ARP_LEN = 28;
export const ARP_OP_AT = 6;
export const ARP_SENDER_MAC_AT = 8;
export const ARP_SENDER_IP_AT = 14;
export const ARP_TARGET_MAC_AT = 18;
export const ARP_TARGET_IP_AT = 24;

const HTYPE_AT = 0;
const PTYPE_AT = 2;
const HLEN_AT = 4;
const PLEN_AT = 5;
const HTYPE_ETHERNET = 1;
const OP_REQUEST = 1;
const OP_REPLY = 2;

/** ARP_LEN when the body at `at` is an Ethernet/IPv4 request that a host may send, else −1. */
export function decodeArpRequest(b: Uint8Array, at: number, end: number): number {
  if (end - at < ARP_LEN) return -1;
  if (u16(b, at + HTYPE_AT) !== HTYPE_ETHERNET || u16(b, at + PTYPE_AT) !== ETHERTYPE_IPV4) return -1;
  if (b[at + HLEN_AT] !== MAC_LEN || b[at + PLEN_AT] !== 4) return -1;
  if (u16(b, at + ARP_OP_AT) !== OP_REQUEST) return -1;
  // A group address as the sender would have us answer to many.
  return (b[at + ARP_SENDER_MAC_AT]! & 1) === 0 ? ARP_LEN : -1;
}

/** IPv4 address of the asker, u32; 0 in an address probe (RFC 5227). */
export function arpSenderIp(b: Uint8Array, at: number): number {
  return u32(b, at + ARP_SENDER_IP_AT);
}

/** IPv4 address asked for, u32. */
export function arpTargetIp(b: Uint8Array, at: number): number {
  return u32(b, at + ARP_TARGET_IP_AT);
}

/**
 * Writes at `outAt` the reply to a valid request: "the address you asked for is at `mac`"; returns ARP_LEN.
 * `out` may be the request's own buffer, also at the same place.
 */
export function encodeArpReply(
  out: Uint8Array,
  outAt: number,
  request: Uint8Array,
  requestAt: number,
  mac: Uint8Array,
): number {
  const macHigh = i32(request, requestAt + ARP_SENDER_MAC_AT);
  const macLow = u16(request, requestAt + ARP_SENDER_MAC_AT + 4);
  const asker = arpSenderIp(request, requestAt);
  const asked = arpTargetIp(request, requestAt);
  putU16(out, outAt + HTYPE_AT, HTYPE_ETHERNET);
  putU16(out, outAt + PTYPE_AT, ETHERTYPE_IPV4);
  out[outAt + HLEN_AT] = MAC_LEN;
  out[outAt + PLEN_AT] = 4;
  putU16(out, outAt + ARP_OP_AT, OP_REPLY);
  putMac(out, outAt + ARP_SENDER_MAC_AT, mac);
  putU32(out, outAt + ARP_SENDER_IP_AT, asked);
  putU32(out, outAt + ARP_TARGET_MAC_AT, macHigh);
  putU16(out, outAt + ARP_TARGET_MAC_AT + 4, macLow);
  putU32(out, outAt + ARP_TARGET_IP_AT, asker);
  return ARP_LEN;
}
