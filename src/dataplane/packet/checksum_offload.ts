/**
 * The virtio_net_hdr of a packet that goes to TUN: what the kernel is told about its checksum and its size.
 * Three states arrive: complete (flannel, VXLAN from a wire), partial (a data header that says so), and
 * unknown: a kernel VXLAN device over veth hands us packets whose checksum its offload never finished, some
 * of them whole TCP superframes. A field that equals the pseudo-header sum means partial.
 *
 *   | flags 1 | gso_type 1 | hdr_len 2 | gso_size 2 | csum_start 2 | csum_offset 2 |   linux/virtio_net.h
 */
import { putU16, u16 } from "../../wire/bytes.ts";
import { fold, sum } from "../../wire/checksum.ts";
import { ipIsV4, ipPseudoSum, ipTransport, ipTransportProtocol } from "../../wire/ip.ts";
import { PROTOCOL_TCP, PROTOCOL_UDP } from "../../wire/ipv4.ts";
import { decodeTcp, TCP_CHECKSUM_AT } from "../../wire/tcp.ts";
import { decodeUdp, UDP_CHECKSUM_AT } from "../../wire/udp.ts";
import { clearVnet, gsoType, putVnetChecksum, putVnetGso } from "./vnet.ts";

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
  const transport = ipTransport(b, at, end);
  if (transport < 0) return true;
  const protocol = ipTransportProtocol(b, at, transport);
  const isTcp = protocol === PROTOCOL_TCP;
  if (!isTcp && protocol !== PROTOCOL_UDP) return true;
  const headerLength = isTcp ? decodeTcp(b, transport, end) : decodeUdp(b, transport, end);
  if (headerLength < 0) return true;
  const field = transport + (isTcp ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT);
  const pseudo = ipPseudoSum(b, at, protocol, end - transport);
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
  // A TCP packet above the MTU is many segments in one: the kernel cuts it again where it must.
  if (superframe) putVnetGso(b, at, gsoType(ipIsV4(b, at), true), headers, mtu - headers);
  return true;
}
