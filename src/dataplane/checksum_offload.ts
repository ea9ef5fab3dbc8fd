/**
 * The virtio_net_hdr of a packet that goes to TUN: what the kernel is told about its checksum and its size.
 * Three states arrive: complete (flannel, VXLAN from a wire), partial (a data header that says so), and
 * unknown: a kernel VXLAN device over veth hands us packets whose checksum its offload never finished, some
 * of them whole TCP superframes. A field that equals the pseudo-header sum means partial.
 *
 *   | flags 1 | gso_type 1 | hdr_len 2 | gso_size 2 | csum_start 2 | csum_offset 2 |   linux/virtio_net.h
 */
import { putU16, u16 } from "../wire/bytes.ts";
import { fold, sum } from "../wire/checksum.ts";
import { ipv4HeaderLength, ipv4IsFragment, ipv4Protocol, PROTOCOL_TCP, PROTOCOL_UDP } from "../wire/ipv4.ts";
import { ipv6IsFragment, ipv6Transport, ipv6TransportProtocol } from "../wire/ipv6.ts";
import { decodeTcp, TCP_CHECKSUM_AT } from "../wire/tcp.ts";
import { decodeUdp, UDP_CHECKSUM_AT } from "../wire/udp.ts";
import { pseudoSum } from "./pseudo_sum.ts";
import { clearVnet, GSO_TCPV4, GSO_TCPV6, putVnetChecksum, putVnetGso } from "./vnet.ts";

export const CHECKSUM_COMPLETE = 0;
export const CHECKSUM_PARTIAL = 1;
export const CHECKSUM_UNKNOWN = 2;

/**
 * Writes the vnet header in front of the IP packet at `at`. False when a superframe carries a checksum that
 * is wrong: segmenting it would put right checksums on damaged data.
 */
export function prepareVnet(
  b: Uint8Array,
  at: number,
  length: number,
  mtu: number,
  checksum: number,
): boolean {
  clearVnet(b, at);
  if (checksum === CHECKSUM_COMPLETE) return true;
  const end = at + length;
  const transport = transportOf(b, at, end);
  if (transport < 0) return true;
  const protocol = protocolOf(b, at, transport);
  const isTcp = protocol === PROTOCOL_TCP;
  if (!isTcp && protocol !== PROTOCOL_UDP) return true;
  const headerLength = isTcp ? decodeTcp(b, transport, end) : decodeUdp(b, transport, end);
  if (headerLength < 0) return true;
  const field = transport + (isTcp ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT);
  const pseudo = pseudoSum(b, at, protocol, end - transport);
  // Headers as long as the MTU leave no room for segments: the kernel may judge such a packet whole.
  const headers = transport + headerLength - at;
  const superframe = isTcp && length > mtu && headers < mtu;
  const partial = checksum === CHECKSUM_PARTIAL || u16(b, field) === fold(pseudo);
  if (!partial) {
    if (!superframe) return true;
    if (fold(sum(b, transport, end - transport, pseudo)) !== 0xffff) return false;
  }
  putU16(b, field, fold(pseudo));
  putVnetChecksum(b, at, transport - at, field - transport);
  if (superframe) describeSuperframe(b, at, headers, mtu);
  return true;
}

/** A TCP packet above the MTU is many segments in one: the kernel cuts it again where it must. */
function describeSuperframe(b: Uint8Array, at: number, headers: number, mtu: number): void {
  putVnetGso(b, at, b[at]! >>> 4 === 4 ? GSO_TCPV4 : GSO_TCPV6, headers, mtu - headers);
}

/** Offset of the transport header of a whole packet, or −1 for fragments and what cannot be parsed. */
function transportOf(b: Uint8Array, at: number, end: number): number {
  if (b[at]! >>> 4 === 4) return ipv4IsFragment(b, at) ? -1 : at + ipv4HeaderLength(b, at);
  return ipv6IsFragment(b, at, end) ? -1 : ipv6Transport(b, at, end);
}

function protocolOf(b: Uint8Array, at: number, transport: number): number {
  return b[at]! >>> 4 === 4 ? ipv4Protocol(b, at) : ipv6TransportProtocol(b, at, transport);
}
