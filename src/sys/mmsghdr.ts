/**
 * The structures that sendmmsg and recvmmsg take (recvmmsg(2), cmsg(3)), of which the batches of udp_sender.ts and
 * udp_receiver.ts are made. They are laid out once; per datagram only positions and lengths are written.
 *
 *   mmsghdr 64: | name 8 | namelen 4 · pad 4 | iov 8 | iovlen 8 | control 8 | controllen 8 | flags 4 · pad 4 | msg_len 4 · pad 4 |
 *   cmsghdr:    | len 8 | level 4 | type 4 | data |
 */
import { putU32le, putU64le } from "../wire/bytes.ts";
import { IP_TOS, IPPROTO_IP } from "./linux.ts";

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

/** Writes the control message, CMSG_ROOM bytes, that gives a datagram its Type of Service (ip(7)). */
export function encodeTos(b: Uint8Array, at: number, tos: number): void {
  putU64le(b, at, CMSG_DATA_AT + 4);
  putU32le(b, at + CMSG_LEVEL_AT, IPPROTO_IP);
  putU32le(b, at + CMSG_TYPE_AT, IP_TOS);
  putU64le(b, at + CMSG_DATA_AT, tos);
}
