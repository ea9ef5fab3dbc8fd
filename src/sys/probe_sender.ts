/**
 * Sends a probe of a way, one datagram, beside the Worker on its own socket: whole or not at all, as the socket does with
 * data. With a Type of Service (ip(7) IP_TOS as a control message) the kernel looks the route up by it, and takes the source
 * address from that route.
 */
import { addressOf } from "#ffi";
import { parseEndpoint } from "../wire/address.ts";
import { putU32le, putU64le } from "../wire/bytes.ts";
import { libc } from "./libc.ts";
import {
  CMSG_DATA_AT,
  CMSG_LEVEL_AT,
  CMSG_ROOM,
  CMSG_TYPE_AT,
  CONTROL_AT,
  CONTROLLEN_AT,
  IOV_AT,
  IOVLEN_AT,
  MMSGHDR_LEN,
  MSG_DONTWAIT,
  NAME_AT,
  NAMELEN_AT,
} from "./mmsghdr.ts";
import { encodeSockaddr, SOCKADDR_ROOM, sockaddrLength } from "./sockaddr.ts";
import { EAFNOSUPPORT, isSourceGone } from "./sys_error.ts";
import { encodePktinfo, pktinfoLength, putPktinfoSource } from "./local_ends.ts";
import { type OpenedSocket, sourceOf } from "./udp_socket.ts";

const IPPROTO_IP = 0;
const IP_TOS = 1;
const IOVEC_LEN = 16;
/** The largest datagram that is sent here. */
const ROOM = 65_536;

const at = { name: MMSGHDR_LEN, iov: MMSGHDR_LEN + 64, control: MMSGHDR_LEN + 96, data: MMSGHDR_LEN + 160 };
let memory: Uint8Array<ArrayBuffer> | null = null;

export interface ProbeOptions {
  readonly tos?: number;
  /** Our address that it leaves from, as what else goes to that peer; not with `tos`. */
  readonly local?: string;
}

/** Returns 0, or the errno of the refusal: EMSGSIZE where our own link does not take it. */
export function sendProbe(
  socket: OpenedSocket,
  bytes: Uint8Array,
  to: string,
  { tos = 0, local = "" }: ProbeOptions = {},
): number {
  const endpoint = parseEndpoint(to);
  const b = memory ??= new Uint8Array(new ArrayBuffer(at.data + ROOM));
  if (endpoint === null || bytes.length > ROOM) return EAFNOSUPPORT;
  b.fill(0, 0, at.data);
  if (SOCKADDR_ROOM > at.iov - at.name || !encodeSockaddr(b, at.name, socket.family, endpoint)) {
    return EAFNOSUPPORT;
  }
  const base = addressOf(b.buffer);
  b.set(bytes, at.data);
  putU64le(b, NAME_AT, base + at.name);
  putU32le(b, NAMELEN_AT, sockaddrLength(socket.family));
  putU64le(b, IOV_AT, base + at.iov);
  putU32le(b, IOVLEN_AT, 1);
  putU64le(b, at.iov, base + at.data);
  putU64le(b, at.iov + IOVEC_LEN / 2, bytes.length);
  if (tos !== 0) putU64le(b, CONTROL_AT, base + at.control);
  if (tos !== 0) putU32le(b, CONTROLLEN_AT, CMSG_ROOM);
  putU32le(b, at.control, CMSG_DATA_AT + 4);
  putU32le(b, at.control + CMSG_LEVEL_AT, IPPROTO_IP);
  putU32le(b, at.control + CMSG_TYPE_AT, IP_TOS);
  putU32le(b, at.control + CMSG_DATA_AT, tos);
  const source = tos === 0 ? sourceOf(socket.family, endpoint, local) : null;
  if (source !== null) {
    putU64le(b, CONTROL_AT, base + at.control);
    putU32le(b, CONTROLLEN_AT, pktinfoLength(socket.family));
    encodePktinfo(b, at.control, socket.family);
    putPktinfoSource(b, at.control, socket.family, source, 0);
  }
  let errno = send(socket, b);
  if (source !== null && isSourceGone(errno)) {
    putU32le(b, CONTROLLEN_AT, 0);
    errno = send(socket, b);
  }
  return errno;
}

function send({ fd }: OpenedSocket, b: Uint8Array): number {
  return libc().sendmmsg(fd, b, 1, MSG_DONTWAIT) < 1 ? libc().errno() : 0;
}
