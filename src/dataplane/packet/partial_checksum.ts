/**
 * The checksum of a single packet that the host left to us: its field holds the pseudo-header sum only, and the vnet
 * header (vnet.ts) says where it is.
 */
import { putU16 } from "../../wire/bytes.ts";
import { fold, sum } from "../../wire/checksum.ts";
import { ipTransport, ipTransportProtocol } from "../../wire/ip.ts";
import { PROTOCOL_TCP, PROTOCOL_UDP } from "../../wire/ipv4.ts";
import { TCP_CHECKSUM_AT } from "../../wire/tcp.ts";
import { UDP_CHECKSUM_AT, udpChecksumOnWire } from "../../wire/udp.ts";
import { vnetChecksumOffset, vnetChecksumStart } from "./vnet.ts";

/** Completes it. False when it would lie outside of the packet. */
export function completeChecksum(b: Uint8Array, at: number, length: number): boolean {
  const start = vnetChecksumStart(b, at);
  const offset = vnetChecksumOffset(b, at);
  if (start + offset + 2 > length) return false;
  const checksum = ~fold(sum(b, at + start, length - start, 0)) & 0xffff;
  putU16(b, at + start + offset, offset === UDP_CHECKSUM_AT ? udpChecksumOnWire(checksum) : checksum);
  return true;
}

/** Whether it is the packet's own, of TCP or UDP: only then may it stay partial. Never in a fragment. */
export function isOwnChecksum(b: Uint8Array, at: number, length: number): boolean {
  const transport = ipTransport(b, at, at + length);
  if (transport < 0 || at + vnetChecksumStart(b, at) !== transport) return false;
  const protocol = ipTransportProtocol(b, at, transport);
  const offset = vnetChecksumOffset(b, at);
  return (protocol === PROTOCOL_TCP && offset === TCP_CHECKSUM_AT) ||
    (protocol === PROTOCOL_UDP && offset === UDP_CHECKSUM_AT);
}
