/**
 * What a packet must share with another to be its neighbour in a superframe. `Flow` is a parsed view of one
 * packet's headers, used over and over; the comparisons read packet memory and allocate nothing.
 */
import { i32, u16 } from "../../wire/bytes.ts";
import { decodeIp, ipIsV4, ipProtocol } from "../../wire/ip.ts";
import {
  IPV4_DESTINATION_AT,
  IPV4_ID_AT,
  IPV4_MIN_LEN,
  IPV4_SOURCE_AT,
  IPV4_TTL_AT,
  ipv4IsFragment,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
} from "../../wire/ipv4.ts";
import { IPV6_LEN, IPV6_NEXT_HEADER_AT, IPV6_PAYLOAD_LENGTH_AT, IPV6_SOURCE_AT } from "../../wire/ipv6.ts";
import {
  decodeTcp,
  TCP_ACK,
  TCP_ACKNOWLEDGMENT_AT,
  TCP_DATA_OFFSET_AT,
  TCP_FLAGS_AT,
  TCP_MIN_LEN,
  TCP_PSH,
} from "../../wire/tcp.ts";
import { decodeUdp, UDP_CHECKSUM_AT, UDP_LEN, UDP_LENGTH_AT } from "../../wire/udp.ts";

/** Where these lie in the 32 bits that hold them. */
const DONT_FRAGMENT = 0x4000;
const PSH_IN_WORD = TCP_PSH << 16;

/** Where the headers of a packet end, and whether it may be merged at all. Offsets count from its beginning. */
export class Flow {
  v4 = true;
  isTcp = true;
  protocol = 0;
  /** Offset of the transport header. */
  transport = 0;
  /** Bytes of all headers. */
  headers = 0;
  mergeable = false;

  copy(other: Flow): void {
    this.v4 = other.v4;
    this.isTcp = other.isTcp;
    this.protocol = other.protocol;
    this.transport = other.transport;
    this.headers = other.headers;
    this.mergeable = other.mergeable;
  }

  /** Reads TCP or UDP straight behind the IP header. False for anything else: it belongs to no flow we know. */
  parse(b: Uint8Array, at: number, length: number): boolean {
    const end = at + length;
    const ip = decodeIp(b, at, end);
    if (ip < 0) return false;
    this.v4 = ipIsV4(b, at);
    this.protocol = ipProtocol(b, at);
    this.isTcp = this.protocol === PROTOCOL_TCP;
    if (!this.isTcp && this.protocol !== PROTOCOL_UDP) return false;
    if (this.v4 && ipv4IsFragment(b, at)) return false;
    const transportLength = this.isTcp ? decodeTcp(b, at + ip, end) : decodeUdp(b, at + ip, end);
    if (transportLength < 0) return false;
    this.transport = ip;
    this.headers = ip + transportLength;
    const plainIp = this.v4 ? ip === IPV4_MIN_LEN : ip === IPV6_LEN;
    this.mergeable = plainIp && length > this.headers &&
      (this.isTcp ? isPlainSegment(b, at + ip) : isWholeDatagram(b, at + ip, length - ip));
    return true;
  }
}

/** ACK, perhaps PSH, and nothing that speaks for this one segment only. */
function isPlainSegment(b: Uint8Array, tcp: number): boolean {
  return (b[tcp + TCP_FLAGS_AT]! & ~TCP_PSH) === TCP_ACK;
}

/** A datagram without a checksum cannot become one with. */
function isWholeDatagram(b: Uint8Array, udp: number, length: number): boolean {
  return u16(b, udp + UDP_LENGTH_AT) === length && u16(b, udp + UDP_CHECKSUM_AT) !== 0 && length > UDP_LEN;
}

/** A packet that others may join. */
export interface First {
  /** Where it begins, and how its headers lie. */
  readonly at: number;
  readonly flow: Flow;
  /** IPv4: the identification of the last that joined it. */
  readonly lastId: number;
}

/** Whether the packet at `at`, which `flow` describes, has the addresses, protocol and ports of the first. */
export function sameFlow(
  b: Uint8Array,
  { at: first, flow: itsFlow }: First,
  at: number,
  flow: Flow,
): boolean {
  if (itsFlow.v4 !== flow.v4 || itsFlow.protocol !== flow.protocol) return false;
  if (i32(b, first + itsFlow.transport) !== i32(b, at + flow.transport)) return false;
  const from = flow.v4 ? IPV4_SOURCE_AT : IPV6_SOURCE_AT;
  const to = flow.v4 ? IPV4_MIN_LEN : IPV6_LEN;
  for (let i = from; i < to; i += 4) if (i32(b, first + i) !== i32(b, at + i)) return false;
  return true;
}

/**
 * Whether the packet of `length` bytes at `q` is one that the kernel could have cut from the same superframe as the
 * first: equal in every header but for length, identification, checksums, PSH, and the TCP sequence number, which is the
 * caller's to compare. Reads words: a superframe costs this for each segment. What must be equal differs between IPv4
 * and IPv6, so each has its own.
 */
export function isSibling(v: DataView, first: First, q: number, length: number): boolean {
  const { at: p, flow } = first;
  if (!(flow.v4 ? isSibling4(v, first, q, length) : isSibling6(v, p, q, length))) return false;
  const s = p + flow.transport, t = q + flow.transport;
  if (v.getInt32(s) !== v.getInt32(t)) return false; // ports
  if (!flow.isTcp) {
    return v.getUint16(t + UDP_LENGTH_AT) === length - flow.transport &&
      v.getUint16(t + UDP_CHECKSUM_AT) !== 0;
  }
  if (v.getInt32(s + TCP_ACKNOWLEDGMENT_AT) !== v.getInt32(t + TCP_ACKNOWLEDGMENT_AT)) return false;
  // Header length, flags, window; the AE bit of accurate ECN is among them.
  const differ = v.getInt32(s + TCP_DATA_OFFSET_AT) ^ v.getInt32(t + TCP_DATA_OFFSET_AT);
  if ((differ & ~PSH_IN_WORD) !== 0) return false;
  const options = flow.headers - flow.transport;
  for (let i = TCP_MIN_LEN; i < options; i += 4) if (v.getInt32(s + i) !== v.getInt32(t + i)) return false;
  return true;
}

function isSibling4(v: DataView, { at: p, lastId }: First, q: number, length: number): boolean {
  // Version, header length, type of service; flags and offset; TTL and protocol; addresses.
  if (v.getInt32(q) !== ((v.getInt32(p) & ~0xffff) | length)) return false;
  const id = v.getInt32(q + IPV4_ID_AT);
  if (((id ^ v.getInt32(p + IPV4_ID_AT)) & 0xffff) !== 0) return false;
  // Without Don't Fragment the ids must be those of neighbours.
  if ((id & DONT_FRAGMENT) === 0 && id >>> 16 !== ((lastId + 1) & 0xffff)) return false;
  return v.getUint16(p + IPV4_TTL_AT) === v.getUint16(q + IPV4_TTL_AT) &&
    v.getInt32(p + IPV4_SOURCE_AT) === v.getInt32(q + IPV4_SOURCE_AT) &&
    v.getInt32(p + IPV4_DESTINATION_AT) === v.getInt32(q + IPV4_DESTINATION_AT);
}

function isSibling6(v: DataView, p: number, q: number, length: number): boolean {
  if (v.getInt32(p) !== v.getInt32(q)) return false; // version, traffic class, label
  if (v.getUint16(q + IPV6_PAYLOAD_LENGTH_AT) !== length - IPV6_LEN) return false;
  if (v.getUint16(p + IPV6_NEXT_HEADER_AT) !== v.getUint16(q + IPV6_NEXT_HEADER_AT)) return false; // and hop limit
  for (let i = IPV6_SOURCE_AT; i < IPV6_LEN; i += 4) {
    if (v.getInt32(p + i) !== v.getInt32(q + i)) return false;
  }
  return true;
}
