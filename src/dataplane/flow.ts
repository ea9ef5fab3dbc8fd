/**
 * What a packet must share with another to be its neighbour in a superframe. `Flow` is a parsed view of one
 * packet's headers, used over and over; the comparisons read packet memory and allocate nothing.
 */
import { i32, u16 } from "../wire/bytes.ts";
import {
  decodeIpv4,
  IPV4_ID_AT,
  IPV4_MIN_LEN,
  IPV4_PROTOCOL_AT,
  ipv4IsFragment,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
} from "../wire/ipv4.ts";
import { decodeIpv6, IPV6_LEN, IPV6_NEXT_HEADER_AT } from "../wire/ipv6.ts";
import {
  decodeTcp,
  TCP_ACK,
  TCP_ACKNOWLEDGMENT_AT,
  TCP_DATA_OFFSET_AT,
  TCP_FLAGS_AT,
  TCP_MIN_LEN,
  TCP_PSH,
  TCP_WINDOW_AT,
} from "../wire/tcp.ts";
import { decodeUdp, UDP_CHECKSUM_AT, UDP_LEN, UDP_LENGTH_AT } from "../wire/udp.ts";

const IPV4_FLAGS_AT = 6;
const DONT_FRAGMENT = 0x40;

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
    this.v4 = b[at]! >>> 4 === 4;
    const ip = this.v4 ? decodeIpv4(b, at, end) : decodeIpv6(b, at, end);
    if (ip < 0) return false;
    this.protocol = b[at + (this.v4 ? IPV4_PROTOCOL_AT : IPV6_NEXT_HEADER_AT)]!;
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

/** Whether two packets have the same addresses, protocol and ports. */
export function sameFlow(b: Uint8Array, p: number, pFlow: Flow, q: number, qFlow: Flow): boolean {
  if (pFlow.v4 !== qFlow.v4 || pFlow.protocol !== qFlow.protocol) return false;
  if (i32(b, p + pFlow.transport) !== i32(b, q + qFlow.transport)) return false;
  const from = pFlow.v4 ? 12 : 8;
  const to = pFlow.v4 ? 20 : 40;
  for (let i = from; i < to; i += 4) if (i32(b, p + i) !== i32(b, q + i)) return false;
  return true;
}

/** Whether the headers of two packets of one flow, of equal length, differ only in what a superframe restores. */
export function sameHeaders(b: Uint8Array, p: number, q: number, flow: Flow, lastId: number): boolean {
  if (flow.v4) {
    // Type of service; TTL; Don't Fragment. Without it the ids must be those of neighbours.
    if (b[p + 1] !== b[q + 1] || b[p + 8] !== b[q + 8]) return false;
    if (b[p + IPV4_FLAGS_AT] !== b[q + IPV4_FLAGS_AT]) return false;
    const next = (lastId + 1) & 0xffff;
    if ((b[q + IPV4_FLAGS_AT]! & DONT_FRAGMENT) === 0 && u16(b, q + IPV4_ID_AT) !== next) return false;
  } else if (i32(b, p) !== i32(b, q) || b[p + 7] !== b[q + 7]) return false; // traffic class, label; hop limit
  if (!flow.isTcp) return true;
  const s = p + flow.transport, t = q + flow.transport;
  if (i32(b, s + TCP_ACKNOWLEDGMENT_AT) !== i32(b, t + TCP_ACKNOWLEDGMENT_AT)) return false;
  if (u16(b, s + TCP_WINDOW_AT) !== u16(b, t + TCP_WINDOW_AT)) return false;
  // The same header length, and the same AE bit beside it (accurate ECN).
  if (b[s + TCP_DATA_OFFSET_AT] !== b[t + TCP_DATA_OFFSET_AT]) return false;
  for (let i = TCP_MIN_LEN; i < flow.headers - flow.transport; i++) if (b[s + i] !== b[t + i]) return false;
  return true;
}
