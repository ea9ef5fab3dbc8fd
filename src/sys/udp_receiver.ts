/**
 * The receiving half of a socket's batches: up to BATCH trains in one recvmmsg(2), each into a slot of packet memory;
 * several equal-sized datagrams from one peer are one train (UDP_GRO, udp(7)). What is asked of train `i` holds until the
 * next `receive`.
 */
import { addressOf } from "#ffi";
import { BATCH, HEADROOM, type PacketPool, SLOT_CAPACITY, SLOT_LENGTH } from "../ports/devices.ts";
import { formatAddress, parseEndpoint } from "../wire/address.ts";
import { putU32le, putU64le, u16, u16le, u32le } from "../wire/bytes.ts";
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
  MSG_LEN_AT,
  NAME_AT,
  NAMELEN_AT,
  PKTINFO_ROOM,
} from "./mmsghdr.ts";
import { ADDRESS_LEN, canBeSource, type LocalEnds, readPktinfo } from "./local_ends.ts";
import { encodeSockaddr, sameSockaddr, SOCKADDR_ROOM, sockaddrText } from "./sockaddr.ts";
import { EAGAIN, EINTR } from "../ports/sys_error.ts";
import { failed } from "./failed.ts";
import type { OpenedSocket } from "./udp_socket.ts";
import { IOVEC_LEN, Vector } from "./vector.ts";
import {
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_PKTINFO,
  MSG_DONTWAIT,
  SO_RXQ_OVFL,
  SOL_SOCKET,
  SOL_UDP,
  UDP_GRO,
} from "./linux.ts";

/** struct sockaddr_in and sockaddr_in6: | family 2 | port 2 | … */
const PORT_AT = 2;
/** UDP_GRO, SO_RXQ_OVFL and our own address. */
const CONTROL_ROOM = 2 * CMSG_ROOM + PKTINFO_ROOM;

/** Its methods are those of DatagramSocket in ports/devices.ts. */
export class UdpReceiver {
  readonly #fd: number;
  readonly #family: 4 | 6;
  readonly #pool: PacketPool;
  readonly #libc = libc();
  readonly #firstSlot: number;
  readonly #sources = new Uint8Array(new ArrayBuffer(BATCH * SOCKADDR_ROOM));
  readonly #headers = new Uint8Array(new ArrayBuffer(BATCH * MMSGHDR_LEN));
  readonly #vector: Vector;
  readonly #control = new Uint8Array(new ArrayBuffer(BATCH * CONTROL_ROOM));
  readonly #segments = new Int32Array(BATCH);
  /** Our address that each train was sent to, IPv4 mapped; 0 in #hasLocal: the kernel did not say. */
  readonly #locals = new Uint8Array(new ArrayBuffer(BATCH * ADDRESS_LEN));
  readonly #hasLocal = new Uint8Array(BATCH);
  #overflows = 0;

  /** Receives into BATCH slots from `firstSlot` on; `gro`: asks for trains. */
  constructor(socket: OpenedSocket, pool: PacketPool, firstSlot: number, gro: boolean) {
    this.#fd = socket.fd;
    this.#family = socket.family;
    this.#pool = pool;
    this.#firstSlot = firstSlot;
    this.#vector = new Vector(pool, BATCH);
    this.#layOut();
    if (gro) this.#askForTrains();
  }

  #layOut(): void {
    const vectors = this.#vector.address;
    const sources = addressOf(this.#sources.buffer as ArrayBuffer);
    const control = addressOf(this.#control.buffer as ArrayBuffer);
    for (let i = 0; i < BATCH; i++) {
      this.#vector.push(this.position(i), SLOT_CAPACITY);
      const at = i * MMSGHDR_LEN;
      putU64le(this.#headers, at + NAME_AT, sources + i * SOCKADDR_ROOM);
      putU64le(this.#headers, at + IOV_AT, vectors + i * IOVEC_LEN);
      putU64le(this.#headers, at + IOVLEN_AT, 1);
      putU64le(this.#headers, at + CONTROL_AT, control + i * CONTROL_ROOM);
    }
  }

  /** A kernel without UDP_GRO hands over single datagrams, as before. */
  #askForTrains(): void {
    const on = new Uint8Array(new ArrayBuffer(4));
    on[0] = 1;
    this.#libc.setsockopt(this.#fd, SOL_UDP, UDP_GRO, on, 4);
  }

  receive(): number {
    for (let i = 0, at = 0; i < BATCH; i++, at += MMSGHDR_LEN) {
      putU32le(this.#headers, at + NAMELEN_AT, SOCKADDR_ROOM);
      putU32le(this.#headers, at + CONTROLLEN_AT, CONTROL_ROOM);
    }
    const count = this.#libc.recvmmsg(this.#fd, this.#headers, BATCH, MSG_DONTWAIT, null);
    if (count <= 0) {
      if (count === 0) return 0;
      const errno = this.#libc.errno();
      if (errno === EAGAIN || errno === EINTR) return 0;
      throw failed("Cannot receive from the UDP socket", errno);
    }
    for (let i = 0; i < count; i++) {
      this.#readControl(i);
      if (u16(this.#sources, i * SOCKADDR_ROOM + PORT_AT) === 0) this.#leaveOut(i);
    }
    return count;
  }

  receiveAgain(datagram: Uint8Array, from: string): number {
    const at = this.position(0);
    this.#pool.bytes.set(datagram, at);
    encodeSockaddr(this.#sources, 0, this.#family, parseEndpoint(from)!);
    putU32le(this.#headers, MSG_LEN_AT, datagram.length);
    this.#segments[0] = 0;
    this.#hasLocal[0] = 0;
    return at;
  }

  /** From port 0, which cannot be answered: as good as empty. It was forged, or changed on the path. */
  #leaveOut(i: number): void {
    putU32le(this.#headers, i * MMSGHDR_LEN + MSG_LEN_AT, 0);
    this.#segments[i] = 0;
  }

  #readControl(i: number): void {
    const b = this.#control;
    const end = i * CONTROL_ROOM + u32le(this.#headers, i * MMSGHDR_LEN + CONTROLLEN_AT);
    this.#segments[i] = 0;
    this.#hasLocal[i] = 0;
    for (let at = i * CONTROL_ROOM; at + CMSG_DATA_AT + 2 <= end; at += alignedLength(b, at)) {
      const level = u32le(b, at + CMSG_LEVEL_AT);
      const type = u32le(b, at + CMSG_TYPE_AT);
      if (level === SOL_UDP && type === UDP_GRO) this.#segments[i] = u16le(b, at + CMSG_DATA_AT);
      else if (level === SOL_SOCKET && type === SO_RXQ_OVFL) this.#overflows = u32le(b, at + CMSG_DATA_AT);
      else if (
        (level === IPPROTO_IPV6 && type === IPV6_PKTINFO) || (level === IPPROTO_IP && type === IP_PKTINFO)
      ) {
        readPktinfo(b, at, this.#family, this.#locals, i * ADDRESS_LEN);
        this.#hasLocal[i] = 1;
      }
    }
  }

  position(i: number): number {
    return (this.#firstSlot + i) * SLOT_LENGTH + HEADROOM;
  }

  length(i: number): number {
    return u32le(this.#headers, i * MMSGHDR_LEN + MSG_LEN_AT);
  }

  segment(i: number): number {
    return this.#segments[i]! === 0 ? this.length(i) : this.#segments[i]!;
  }

  /** True when train `i` came from the sockaddr at `at` of `known`. */
  isFrom(i: number, known: Uint8Array, at: number, withPort: boolean): boolean {
    return sameSockaddr(this.#sources, i * SOCKADDR_ROOM, known, at, this.#family, withPort);
  }

  source(i: number): string {
    return sockaddrText(this.#sources, i * SOCKADDR_ROOM, this.#family);
  }

  /** True when train `i` was sent to the address that `ends` has for `slot`; also when that is not known. */
  isTo(i: number, ends: LocalEnds, slot: number): boolean {
    return this.#hasLocal[i] === 0 || ends.is(slot, this.#locals, i * ADDRESS_LEN);
  }

  /** Copies the sockaddr of train `i` to `at` of `b`. */
  copySource(i: number, b: Uint8Array, at: number): void {
    b.set(this.#sources.subarray(i * SOCKADDR_ROOM, (i + 1) * SOCKADDR_ROOM), at);
  }

  /** What goes to `slot` leaves from the address that train `i` was sent to, if that can be. */
  pinLocal(i: number, ends: LocalEnds, slot: number): void {
    const at = i * ADDRESS_LEN;
    const usable = this.#hasLocal[i] === 1 && canBeSource(this.#locals.subarray(at, at + ADDRESS_LEN));
    if (usable) ends.pin(slot, this.#locals, at);
    else ends.set(slot, null);
  }

  local(i: number): string {
    if (this.#hasLocal[i] === 0) return "";
    const address = this.#locals.slice(i * ADDRESS_LEN, (i + 1) * ADDRESS_LEN);
    return canBeSource(address) ? formatAddress(address) : "";
  }

  overflows(): number {
    return this.#overflows;
  }
}

/** How far the next control message is: CMSG_NXTHDR. */
function alignedLength(b: Uint8Array, at: number): number {
  return Math.max(CMSG_ROOM, (u32le(b, at) + 7) & ~7);
}
