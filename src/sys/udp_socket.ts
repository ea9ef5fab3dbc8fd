/**
 * UDP sockets (udp(7)): opening with big buffers, sending one datagram from the control plane, and the
 * batches of the data plane over sendmmsg/recvmmsg (recvmmsg(2)). The message structures are laid out once;
 * per batch only positions and lengths are written.
 */
import { addressOf } from "#ffi";
import {
  BATCH,
  type DatagramSocket,
  HEADROOM,
  MAX_PEERS,
  type PacketPool,
  SLOT_CAPACITY,
  SLOT_LENGTH,
} from "../ports.ts";
import { parseEndpoint } from "../wire/address.ts";
import { putU32le, putU64le, u32le } from "../wire/bytes.ts";
import { libc } from "./libc.ts";
import {
  AF_INET,
  AF_INET6,
  encodeSockaddr,
  sameSockaddr,
  SOCKADDR_ROOM,
  sockaddrLength,
  sockaddrText,
} from "./sockaddr.ts";
import { check, EADDRINUSE, EAFNOSUPPORT, EAGAIN, EINTR, SysError } from "./sys_error.ts";

const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SO_RXQ_OVFL = 40;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const MSG_DONTWAIT = 0x40;
/** Socket buffers, bytes; published gains of 30 % over the default. */
const BUFFER_BYTES = 7 << 20;

const IOVEC_LEN = 16;
const MMSGHDR_LEN = 64;
const MSG_NAME_AT = 0;
const MSG_NAMELEN_AT = 8;
const MSG_IOV_AT = 16;
const MSG_IOVLEN_AT = 24;
const MSG_CONTROL_AT = 32;
const MSG_CONTROLLEN_AT = 40;
const MSG_LEN_AT = 56;
/** CMSG_SPACE(sizeof(u32)): the overflow counter of SO_RXQ_OVFL. */
const CONTROL_ROOM = 24;
const CMSG_DATA_AT = 16;

/** An open UDP socket and the address family it speaks. */
export interface OpenedSocket {
  readonly fd: number;
  readonly family: 4 | 6;
}

function setInt(fd: number, level: number, name: number, value: number): number {
  const bytes = new Uint8Array(new ArrayBuffer(4));
  putU32le(bytes, 0, value);
  return libc().setsockopt(fd, level, name, bytes, 4);
}

/** Opens a UDP socket on every address of the host: IPv6 and IPv4, or IPv4 where there is no IPv6. */
export function openUdp(port: number, flag = "--port"): OpenedSocket {
  const c = libc();
  let family: 4 | 6 = 6;
  let fd = c.socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 && c.errno() === EAFNOSUPPORT) {
    family = 4;
    fd = c.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  }
  check("Cannot open a UDP socket", fd);
  if (family === 6) setInt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  // The FORCE options pass the limits of net.core.*mem_max but need CAP_NET_ADMIN.
  if (setInt(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES) < 0) {
    setInt(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES);
  }
  if (setInt(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES) < 0) {
    setInt(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES);
  }
  setInt(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
  const name = new Uint8Array(new ArrayBuffer(SOCKADDR_ROOM));
  encodeSockaddr(name, 0, family, { address: anyAddress(family), port });
  if (c.bind(fd, name, sockaddrLength(family)) < 0) {
    const errno = c.errno();
    c.close(fd);
    const hint = errno === EADDRINUSE ? `another program holds it; stop that or choose another ${flag}` : "";
    throw new SysError(`Cannot listen on UDP port ${port}`, errno, undefined, hint);
  }
  return { fd, family };
}

function anyAddress(family: 4 | 6): Uint8Array {
  const address = new Uint8Array(16);
  if (family === 4) address[10] = address[11] = 0xff;
  return address;
}

const destination = new Uint8Array(new ArrayBuffer(SOCKADDR_ROOM));

/** Sends one datagram. Returns 0, or the errno of the refusal: what cannot be sent now is tried again by its owner. */
export function sendDatagram(socket: OpenedSocket, bytes: Uint8Array, to: string): number {
  const endpoint = parseEndpoint(to);
  if (endpoint === null || !encodeSockaddr(destination, 0, socket.family, endpoint)) return EAFNOSUPPORT;
  // A copy: the bytes may lie in memory that the runtime moves.
  const copy = new Uint8Array(new ArrayBuffer(bytes.length));
  copy.set(bytes);
  const sent = libc().sendto(
    socket.fd,
    copy,
    copy.length,
    MSG_DONTWAIT,
    destination,
    sockaddrLength(socket.family),
  );
  return sent < 0 ? libc().errno() : 0;
}

function putPointer(b: Uint8Array, at: number, base: number, offset: number): void {
  putU64le(b, at, base + offset);
}

/** One socket's batches over packet memory. `firstSlot` is the first of BATCH slots that it receives into. */
export class UdpBatches implements DatagramSocket {
  readonly #fd: number;
  readonly #family: 4 | 6;
  readonly #libc = libc();
  readonly #poolBase: number;
  readonly #firstSlot: number;
  readonly #destinations = new Uint8Array(new ArrayBuffer(MAX_PEERS * SOCKADDR_ROOM));
  readonly #destinationsBase = addressOf(this.#destinations.buffer as ArrayBuffer);
  readonly #sources = new Uint8Array(new ArrayBuffer(BATCH * SOCKADDR_ROOM));
  readonly #control = new Uint8Array(new ArrayBuffer(BATCH * CONTROL_ROOM));
  readonly #inbound = new Uint8Array(new ArrayBuffer(BATCH * MMSGHDR_LEN));
  readonly #inboundVectors = new Uint8Array(new ArrayBuffer(BATCH * IOVEC_LEN));
  readonly #outbound = new Uint8Array(new ArrayBuffer(BATCH * MMSGHDR_LEN));
  /** Views of `#outbound` from message i on, so that a partly sent batch goes on without a new view. */
  readonly #outboundFrom: Uint8Array[] = [];
  readonly #outboundVectors = new Uint8Array(new ArrayBuffer(BATCH * IOVEC_LEN));
  #queued = 0;
  #overflows = 0;

  constructor(socket: OpenedSocket, pool: PacketPool, firstSlot: number) {
    this.#fd = socket.fd;
    this.#family = socket.family;
    this.#poolBase = addressOf(pool.memory);
    this.#firstSlot = firstSlot;
    this.#layOutInbound();
    this.#layOutOutbound();
  }

  #layOutInbound(): void {
    const vectors = addressOf(this.#inboundVectors.buffer as ArrayBuffer);
    const sources = addressOf(this.#sources.buffer as ArrayBuffer);
    const control = addressOf(this.#control.buffer as ArrayBuffer);
    for (let i = 0; i < BATCH; i++) {
      putPointer(this.#inboundVectors, i * IOVEC_LEN, this.#poolBase, this.position(i));
      putU64le(this.#inboundVectors, i * IOVEC_LEN + 8, SLOT_CAPACITY);
      const at = i * MMSGHDR_LEN;
      putPointer(this.#inbound, at + MSG_NAME_AT, sources, i * SOCKADDR_ROOM);
      putPointer(this.#inbound, at + MSG_IOV_AT, vectors, i * IOVEC_LEN);
      putU64le(this.#inbound, at + MSG_IOVLEN_AT, 1);
      putPointer(this.#inbound, at + MSG_CONTROL_AT, control, i * CONTROL_ROOM);
    }
  }

  #layOutOutbound(): void {
    const vectors = addressOf(this.#outboundVectors.buffer as ArrayBuffer);
    for (let i = 0; i < BATCH; i++) {
      const at = i * MMSGHDR_LEN;
      putU32le(this.#outbound, at + MSG_NAMELEN_AT, sockaddrLength(this.#family));
      putPointer(this.#outbound, at + MSG_IOV_AT, vectors, i * IOVEC_LEN);
      putU64le(this.#outbound, at + MSG_IOVLEN_AT, 1);
      this.#outboundFrom.push(this.#outbound.subarray(at));
    }
  }

  setDestination(slot: number, endpoint: string): void {
    const parsed = parseEndpoint(endpoint);
    if (parsed === null) throw new TypeError(`Not an endpoint: "${endpoint}"`);
    const at = slot * SOCKADDR_ROOM;
    // An IPv6 endpoint on an IPv4 socket: without a family and a port the kernel refuses it, and nothing comes
    // from there. 0.0.0.0 would be this host.
    if (!encodeSockaddr(this.#destinations, at, this.#family, parsed)) {
      this.#destinations.fill(0, at, at + SOCKADDR_ROOM);
    }
  }

  enqueue(at: number, length: number, slot: number): boolean {
    const i = this.#queued;
    if (i === BATCH) return false;
    putPointer(this.#outboundVectors, i * IOVEC_LEN, this.#poolBase, at);
    putU32le(this.#outboundVectors, i * IOVEC_LEN + 8, length);
    putPointer(this.#outbound, i * MMSGHDR_LEN + MSG_NAME_AT, this.#destinationsBase, slot * SOCKADDR_ROOM);
    this.#queued = i + 1;
    return true;
  }

  flush(): number {
    const queued = this.#queued;
    this.#queued = 0;
    let refused = 0;
    // The socket blocks: a full send buffer holds the batch back instead of losing it.
    for (let from = 0; from < queued;) {
      const sent = this.#libc.sendmmsg(this.#fd, this.#outboundFrom[from]!, queued - from, 0);
      if (sent > 0) from += sent;
      else if (this.#libc.errno() !== EINTR) {
        refused++;
        from++;
      }
    }
    return refused;
  }

  receive(): number {
    for (let i = 0, at = 0; i < BATCH; i++, at += MMSGHDR_LEN) {
      putU32le(this.#inbound, at + MSG_NAMELEN_AT, SOCKADDR_ROOM);
      putU32le(this.#inbound, at + MSG_CONTROLLEN_AT, CONTROL_ROOM);
    }
    const count = this.#libc.recvmmsg(this.#fd, this.#inbound, BATCH, MSG_DONTWAIT, null);
    if (count <= 0) {
      if (count === 0) return 0;
      const errno = this.#libc.errno();
      if (errno === EAGAIN || errno === EINTR) return 0;
      throw new SysError("Cannot receive from the UDP socket", errno);
    }
    const last = (count - 1) * MMSGHDR_LEN;
    if (u32le(this.#inbound, last + MSG_CONTROLLEN_AT) >= CONTROL_ROOM - 4) {
      this.#overflows = u32le(this.#control, (count - 1) * CONTROL_ROOM + CMSG_DATA_AT);
    }
    return count;
  }

  position(i: number): number {
    return (this.#firstSlot + i) * SLOT_LENGTH + HEADROOM;
  }

  length(i: number): number {
    return u32le(this.#inbound, i * MMSGHDR_LEN + MSG_LEN_AT);
  }

  isFrom(i: number, slot: number, withPort: boolean): boolean {
    return sameSockaddr(
      this.#sources,
      i * SOCKADDR_ROOM,
      this.#destinations,
      slot * SOCKADDR_ROOM,
      this.#family,
      withPort,
    );
  }

  source(i: number): string {
    return sockaddrText(this.#sources, i * SOCKADDR_ROOM, this.#family);
  }

  overflows(): number {
    return this.#overflows;
  }
}
