/**
 * The virtio_net_hdr before every packet that crosses TUN (linux/virtio_net.h), native-endian: what is known of
 * its checksum, and whether it is a superframe that stands for many segments.
 *
 *   | flags 1 | gso_type 1 | hdr_len 2 | gso_size 2 | csum_start 2 | csum_offset 2 |
 *
 * `at` is where the packet begins; the header lies before it. hdr_len is wrong on forwarded packets: not read.
 */
import { VNET_LEN } from "../../ports/devices.ts";
import { putU16le, u16le } from "../../wire/bytes.ts";

const GSO_TYPE_AT = 1;
const HDR_LEN_AT = 2;
const GSO_SIZE_AT = 4;
const CSUM_START_AT = 6;
const CSUM_OFFSET_AT = 8;

const NEEDS_CSUM = 1;
export const GSO_NONE = 0;
export const GSO_TCPV4 = 1;
export const GSO_TCPV6 = 4;
export const GSO_UDP_L4 = 5;
const GSO_ECN = 0x80;

/** The gso_type of superframes of one IP version and transport. */
export function gsoType(v4: boolean, isTcp: boolean): number {
  return isTcp ? v4 ? GSO_TCPV4 : GSO_TCPV6 : GSO_UDP_L4;
}

/** Whether the checksum at csum_start + csum_offset holds only the pseudo-header sum. */
export function vnetNeedsChecksum(b: Uint8Array, at: number): boolean {
  return (b[at - VNET_LEN]! & NEEDS_CSUM) !== 0;
}

/** GSO_NONE for a single packet. */
export function vnetGsoType(b: Uint8Array, at: number): number {
  return b[at - VNET_LEN + GSO_TYPE_AT]! & ~GSO_ECN;
}

/** Payload bytes of each segment but the last. */
export function vnetGsoSize(b: Uint8Array, at: number): number {
  return u16le(b, at - VNET_LEN + GSO_SIZE_AT);
}

/** Where the checksummed (transport) header begins, from the packet's beginning. */
export function vnetChecksumStart(b: Uint8Array, at: number): number {
  return u16le(b, at - VNET_LEN + CSUM_START_AT);
}

/** Where the checksum field lies, from csum_start. */
export function vnetChecksumOffset(b: Uint8Array, at: number): number {
  return u16le(b, at - VNET_LEN + CSUM_OFFSET_AT);
}

/** A single packet with a complete checksum. */
export function clearVnet(b: Uint8Array, at: number): void {
  for (let i = at - VNET_LEN; i < at; i++) b[i] = 0;
}

/** The checksum field holds the pseudo-header sum only; the kernel finishes it when it must. */
export function putVnetChecksum(b: Uint8Array, at: number, start: number, offset: number): void {
  clearVnet(b, at);
  b[at - VNET_LEN] = NEEDS_CSUM;
  putU16le(b, at - VNET_LEN + CSUM_START_AT, start);
  putU16le(b, at - VNET_LEN + CSUM_OFFSET_AT, offset);
}

/** Makes it a superframe: `headers` bytes of IP and transport header, `size` payload bytes a segment. */
export function putVnetGso(b: Uint8Array, at: number, type: number, headers: number, size: number): void {
  b[at - VNET_LEN + GSO_TYPE_AT] = type;
  putU16le(b, at - VNET_LEN + HDR_LEN_AT, headers);
  putU16le(b, at - VNET_LEN + GSO_SIZE_AT, size);
}
