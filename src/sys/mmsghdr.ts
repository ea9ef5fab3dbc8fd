/**
 * The structures that sendmmsg and recvmmsg take (recvmmsg(2), cmsg(3)), of which the batches of udp_sender.ts and
 * udp_receiver.ts are made. They are laid out once; per datagram only positions and lengths are written.
 *
 *   mmsghdr 64: | name 8 | namelen 4 · pad 4 | iov 8 | iovlen 8 | control 8 | controllen 8 | flags 4 · pad 4 | msg_len 4 · pad 4 |
 *   cmsghdr:    | len 8 | level 4 | type 4 | data |
 */
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

export const MSG_DONTWAIT = 0x40;
