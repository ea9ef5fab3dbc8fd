/**
 * The structures that sendmmsg and recvmmsg take (recvmmsg(2), cmsg(3)), of which the batches of udp_sender.ts and
 * udp_batches.ts are made. They are laid out once; per datagram only positions and lengths are written.
 *
 *   mmsghdr 64: | name 8 | namelen 4 · pad 4 | iov 8 | iovlen 8 | control 8 | controllen 8 | flags 4 · pad 4 | msg_len 4 · pad 4 |
 *   cmsghdr:    | len 8 | level 4 | type 4 | data |
 */
import { putU32le, putU64le } from "../wire/bytes.ts";
import { IP_PKTINFO, IP_TOS, IPPROTO_IP, IPPROTO_IPV6, IPV6_PKTINFO } from "./linux.ts";

export const MMSGHDR_LEN = 64;
export const NAME_AT = 0;
export const NAMELEN_AT = 8;
export const IOV_AT = 16;
export const IOVLEN_AT = 24;
export const CONTROL_AT = 32;
export const CONTROLLEN_AT = 40;
export const MSG_LEN_AT = 56;

export const CMSG_LEVEL_AT = 8;
export const CMSG_TYPE_AT = 12;
export const CMSG_DATA_AT = 16;
/** CMSG_SPACE of a u16 or an int. */
export const CMSG_ROOM = 24;

/**
 * Room of a control message that names the local end of a datagram (ip(7), ipv6(7)). A socket of IPv6 names IPv4
 * addresses mapped, both ways:
 *
 *   in_pktinfo 12: | interface 4 | local address 4 | address in the header 4 |    IP_PKTINFO
 *   in6_pktinfo 20: | address 16 | interface 4 |                                  IPV6_PKTINFO
 */
export const PKTINFO_ROOM = 40;
/** Where in_pktinfo has the local address: both that a datagram came to, and that one leaves from. */
export const IN_PKTINFO_LOCAL_AT = 4;
const IN_PKTINFO_LEN = 12;
const IN6_PKTINFO_LEN = 20;
const IPV6_LEN = 16;
/** Where a mapped address has its IPv4 address. */
const MAPPED_AT = 12;

/** Writes the control message, CMSG_ROOM bytes, that gives a datagram its Type of Service (ip(7)). */
export function encodeTos(b: Uint8Array, at: number, tos: number): void {
  putU64le(b, at, CMSG_DATA_AT + 4);
  putU32le(b, at + CMSG_LEVEL_AT, IPPROTO_IP);
  putU32le(b, at + CMSG_TYPE_AT, IP_TOS);
  putU64le(b, at + CMSG_DATA_AT, tos);
}

/** Length of the control message for a socket of this family. */
export function pktinfoLength(family: 4 | 6): number {
  return CMSG_DATA_AT + (family === 4 ? IN_PKTINFO_LEN : IN6_PKTINFO_LEN);
}

/** Writes the head of the control message at `at`, for any interface; the address is still missing. */
export function encodePktinfo(b: Uint8Array, at: number, family: 4 | 6): void {
  b.fill(0, at, at + PKTINFO_ROOM);
  putU32le(b, at, pktinfoLength(family));
  putU32le(b, at + CMSG_LEVEL_AT, family === 4 ? IPPROTO_IP : IPPROTO_IPV6);
  putU32le(b, at + CMSG_TYPE_AT, family === 4 ? IP_PKTINFO : IPV6_PKTINFO);
}

/** Writes the source, from `from` of `address`, into the control message at `at`. No allocation. */
export function putPktinfoSource(
  b: Uint8Array,
  at: number,
  family: 4 | 6,
  address: Uint8Array,
  from: number,
): void {
  const data = at + CMSG_DATA_AT;
  if (family === 6) { for (let i = 0; i < IPV6_LEN; i++) b[data + i] = address[from + i]!; }
  else for (let i = 0; i < 4; i++) b[data + IN_PKTINFO_LOCAL_AT + i] = address[from + MAPPED_AT + i]!;
}
