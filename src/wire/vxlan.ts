/**
 * The VXLAN header (RFC 7348 §5), between the UDP header and the inner Ethernet frame, for kernel vxlan devices
 * and flannel nodes as peers. Reserved bits are zero when sent and ignored when received, as the RFC demands.
 * The caller owns every buffer.
 *
 *   | flags 1 (0x08: VNI is valid) | reserved 3 | VNI 3 | reserved 1 |
 */

import { putU32, u24 } from "./bytes.ts";

export const VXLAN_LEN = 8;
export const VXLAN_VNI_AT = 4;
export const MAX_VNI = 0xffffff;
/** As flannel has it. */
export const DEFAULT_VNI = 1;

const FLAGS_AT = 0;
const FLAG_VNI = 0x08;

/** Writes the eight bytes of the header; `vni` is 0..2^24−1. */
export function encodeVxlan(b: Uint8Array, at: number, vni: number): void {
  putU32(b, at + FLAGS_AT, FLAG_VNI << 24);
  putU32(b, at + VXLAN_VNI_AT, vni << 8);
}

/** The VNI, or −1 when fewer than eight bytes are left before `end` or the I flag is missing. */
export function decodeVxlan(b: Uint8Array, at: number, end: number): number {
  if (end - at < VXLAN_LEN || (b[at + FLAGS_AT]! & FLAG_VNI) === 0) return -1;
  return u24(b, at + VXLAN_VNI_AT);
}
