/**
 * Packet memory: who uses which slots, and the header in front of each packet in them. Both directions share one ArrayBuffer:
 * a probe or an ARP request is answered where it was received. Slots never touched cost no memory.
 */
import {
  BATCH,
  HEADROOM,
  type PacketPool,
  SLOT_LENGTH,
  SOCKET_ROLES,
  type SocketRole,
  VNET_LEN,
} from "../../ports/devices.ts";
import { checksumArena, fold, sum } from "../../wire/checksum.ts";
import { putU16, putU16le, u16, u16le } from "../../wire/bytes.ts";
import { ipIsV4, ipPseudoSum, ipTransport, ipTransportProtocol } from "../../wire/ip.ts";
import { PROTOCOL_TCP, PROTOCOL_UDP } from "../../wire/ipv4.ts";
import { decodeTcp, TCP_CHECKSUM_AT } from "../../wire/tcp.ts";
import { decodeUdp, UDP_CHECKSUM_AT, udpChecksumOnWire } from "../../wire/udp.ts";

/** Packets read from TUN, until the batch is sent. */
export const TUN_SLOTS = 0;
/** Fragments cut from packets too big for their path, until the batch is sent. */
export const FRAGMENT_SLOTS = TUN_SLOTS + BATCH;
/** One slot for the ICMP error being written. */
export const ICMP_SLOT = FRAGMENT_SLOTS + BATCH;
/** Datagrams received, BATCH slots a socket. */
const SOCKET_SLOTS = ICMP_SLOT + 1;
/** Blocks for the headers of segments cut from superframes, until the batch is sent. */
const HEADER_SLOTS = SOCKET_SLOTS + SOCKET_ROLES.length * BATCH;
const HEADER_BLOCK = 384;
export const HEADER_BLOCKS = 2048;
/** Longest IP and transport headers of a superframe: a block without its headroom. */
export const HEADERS_MAX = HEADER_BLOCK - HEADROOM;
/** Sealed datagrams, one behind the other, until they are sent: a train of them is one piece of memory. */
const SEALED_SLOTS = HEADER_SLOTS + Math.ceil((HEADER_BLOCKS * HEADER_BLOCK) / SLOT_LENGTH);
export const SEALED_AT = SEALED_SLOTS * SLOT_LENGTH;
export const SEALED_END = SEALED_AT + 5 * SLOT_LENGTH;
const SLOTS = SEALED_SLOTS + 5;

/** The first of the BATCH slots that a socket receives into. */
export function socketSlots(role: SocketRole): number {
  return SOCKET_SLOTS + SOCKET_ROLES.indexOf(role) * BATCH;
}

/** Where a packet begins in a slot. */
export function packetAt(slot: number): number {
  return slot * SLOT_LENGTH + HEADROOM;
}

/** Where header block `i` begins; headers go to HEADROOM in it, what is stamped in front of them before. */
export function headerBlock(i: number): number {
  return HEADER_SLOTS * SLOT_LENGTH + i * HEADER_BLOCK;
}

export function createPool(): PacketPool {
  const bytes = checksumArena(SLOTS * SLOT_LENGTH);
  return { memory: bytes.buffer, bytes, slots: SLOTS };
}

// ----------------------------------------------------------------------------------------------------
// The virtio_net_hdr before every packet that crosses TUN (linux/virtio_net.h), native-endian: what is known of
// its checksum, and whether it is a superframe that stands for many segments.
// | flags 1 | gso_type 1 | hdr_len 2 | gso_size 2 | csum_start 2 | csum_offset 2 |
// `at` is where the packet begins; the header lies before it. hdr_len is wrong on forwarded packets: not read. First the
// fields; then a packet from TUN, whose checksum the host left to us (its field holds the pseudo-header sum only); then
// one that goes to TUN.

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

/** Completes the checksum of a single packet from TUN. False when it would lie outside of the packet. */
export function completeChecksum(b: Uint8Array, at: number, length: number): boolean {
  const start = vnetChecksumStart(b, at);
  const offset = vnetChecksumOffset(b, at);
  if (start + offset + 2 > length) return false;
  const checksum = ~fold(sum(b, at + start, length - start, 0)) & 0xffff;
  putU16(b, at + start + offset, offset === UDP_CHECKSUM_AT ? udpChecksumOnWire(checksum) : checksum);
  return true;
}

/** Whether that checksum is the packet's own, of TCP or UDP: only then may it stay partial. Never in a fragment. */
export function isOwnChecksum(b: Uint8Array, at: number, length: number): boolean {
  const transport = ipTransport(b, at, at + length);
  if (transport < 0 || at + vnetChecksumStart(b, at) !== transport) return false;
  const protocol = ipTransportProtocol(b, at, transport);
  const offset = vnetChecksumOffset(b, at);
  return (protocol === PROTOCOL_TCP && offset === TCP_CHECKSUM_AT) ||
    (protocol === PROTOCOL_UDP && offset === UDP_CHECKSUM_AT);
}

/**
 * What is known of the transport checksum of a packet that goes to TUN: complete (flannel, VXLAN from a wire), partial (a
 * data header that says so), or unknown: a kernel VXLAN device over veth hands us packets whose checksum its offload never
 * finished, some of them whole TCP superframes. A field that equals the pseudo-header sum means partial.
 */
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
