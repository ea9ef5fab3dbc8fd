/**
 * The data plane's end of a UDP socket: batches over packet memory. Here is the receiving half, up to BATCH trains in one
 * recvmmsg(2), each into a slot of packet memory; several equal-sized datagrams from one peer are one train (UDP_GRO,
 * udp(7)). It extends the sending half (udp_sender.ts), with whose ends of the peers' paths it compares: one object, for a
 * call that only passes on costs a packet as much as what it asks. What is asked of train `i` holds until the next
 * `receive`. What the kernel writes is read in words of 32 bits, which all of it is aligned to.
 */
import { addressOf } from "#ffi";
import {
  BATCH,
  type DatagramSocket,
  HEADROOM,
  type LocalEnd,
  type PacketPool,
  SLOT_CAPACITY,
  SLOT_LENGTH,
} from "../ports/devices.ts";
import { formatAddress, parseEndpoint } from "../wire/address.ts";
import { putU64le, u16 } from "../wire/bytes.ts";
import { libc } from "./libc.ts";
import {
  CMSG_DATA_AT,
  CMSG_LEVEL_AT,
  CMSG_ROOM,
  CMSG_TYPE_AT,
  CONTROL_AT,
  CONTROLLEN_AT,
  IN_PKTINFO_LOCAL_AT,
  IOV_AT,
  IOVLEN_AT,
  MMSGHDR_LEN,
  MSG_LEN_AT,
  NAME_AT,
  NAMELEN_AT,
  PKTINFO_ROOM,
} from "./mmsghdr.ts";
import { ADDRESS_LEN, ADDRESS_WORDS, canBeSource } from "./peer_ends.ts";
import { encodeSockaddr, SOCKADDR_ROOM, SOCKADDR_WORDS, sockaddrText } from "./sockaddr.ts";
import { EAGAIN, EINTR } from "../ports/sys_error.ts";
import { failed } from "./failed.ts";
import { type SenderOptions, UdpSender } from "./udp_sender.ts";
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
/** ::ffff:0:0/96 in words. */
const MAPPED_WORD = 0xffff0000 | 0;

// The same places in words.
const MMSGHDR_WORDS = MMSGHDR_LEN / 4;
const NAMELEN_WORD = NAMELEN_AT / 4;
const CONTROLLEN_WORD = CONTROLLEN_AT / 4;
const MSG_LEN_WORD = MSG_LEN_AT / 4;
const CONTROL_WORDS = CONTROL_ROOM / 4;
const CMSG_LEVEL_WORD = CMSG_LEVEL_AT / 4;
const CMSG_TYPE_WORD = CMSG_TYPE_AT / 4;
const CMSG_DATA_WORD = CMSG_DATA_AT / 4;

/** Which of the kernel's trains to use. */
export interface UdpOffloads {
  readonly gso: boolean;
  readonly gro: boolean;
}

export class UdpBatches extends UdpSender implements DatagramSocket {
  readonly #fd: number;
  readonly #family: 4 | 6;
  readonly #pool: PacketPool;
  readonly #libc = libc();
  readonly #firstSlot: number;
  readonly #sources = new Uint8Array(new ArrayBuffer(BATCH * SOCKADDR_ROOM));
  readonly #sourceWords = new Int32Array(this.#sources.buffer);
  readonly #headers = new Uint8Array(new ArrayBuffer(BATCH * MMSGHDR_LEN));
  readonly #headerWords = new Int32Array(this.#headers.buffer);
  readonly #vector: Vector;
  readonly #control = new Int32Array(BATCH * CONTROL_WORDS);
  readonly #segments = new Int32Array(BATCH);
  /** Our address that each train was sent to, IPv4 mapped; 0 in #hasLocal: the kernel did not say. */
  readonly #locals = new Int32Array(BATCH * ADDRESS_WORDS);
  readonly #localBytes = new Uint8Array(this.#locals.buffer);
  readonly #hasLocal = new Uint8Array(BATCH);
  /** The slot whose peer train i is known to come from, to the address that it always uses; −1: not looked up yet. */
  readonly #unmoved = new Int32Array(BATCH).fill(-1);
  /** How many of the first headers the last receive may have written to. */
  #used = BATCH;
  #overflows = 0;

  /** Receives into BATCH slots from `firstSlot` on; `gro`: asks for trains. */
  constructor(
    socket: OpenedSocket,
    pool: PacketPool,
    firstSlot: number,
    options: UdpOffloads & SenderOptions,
  ) {
    super(socket, pool, options);
    this.#fd = socket.fd;
    this.#family = socket.family;
    this.#pool = pool;
    this.#firstSlot = firstSlot;
    this.#vector = new Vector(pool, BATCH);
    this.#layOut();
    if (options.gro) this.#askForTrains();
  }

  #layOut(): void {
    const vectors = this.#vector.address;
    const sources = addressOf(this.#sources.buffer);
    const control = addressOf(this.#control.buffer);
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

  setDestination(slot: number, endpoint: string): void {
    this.#unmoved.fill(-1);
    this.ends.setDestination(slot, endpoint);
  }

  setLocal(slot: number, local: LocalEnd | null): void {
    this.#unmoved.fill(-1);
    this.ends.setLocal(slot, local);
  }

  follow(slot: number, i: number): void {
    this.ends.follow(slot, this.#sourceWords, i * SOCKADDR_WORDS);
    this.followLocal(slot, i);
  }

  followLocal(slot: number, i: number): void {
    this.#unmoved.fill(-1);
    if (this.#hasLocal[i] === 1 && canBeSource(this.#localOf(i))) {
      this.ends.pin(slot, this.#locals, i * ADDRESS_WORDS);
    } else this.ends.setLocal(slot, null);
  }

  receive(): number {
    this.#prepare();
    const count = this.#libc.recvmmsg(this.#fd, this.#headers, BATCH, MSG_DONTWAIT, null);
    this.#used = Math.min(count + 1, BATCH);
    if (count <= 0) {
      if (count === 0) return 0;
      this.#used = 1;
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

  /** The rooms that the kernel made lengths of, one more for a message that failed. */
  #prepare(): void {
    const headers = this.#headerWords;
    for (let i = 0; i < this.#used; i++) {
      headers[i * MMSGHDR_WORDS + NAMELEN_WORD] = SOCKADDR_ROOM;
      headers[i * MMSGHDR_WORDS + CONTROLLEN_WORD] = CONTROL_ROOM;
      this.#unmoved[i] = -1;
    }
  }

  receiveAgain(datagram: Uint8Array, from: string): number {
    const at = this.position(0);
    this.#pool.bytes.set(datagram, at);
    encodeSockaddr(this.#sources, 0, this.#family, parseEndpoint(from)!);
    this.#headerWords[MSG_LEN_WORD] = datagram.length;
    this.#segments[0] = 0;
    this.#hasLocal[0] = 0;
    this.#unmoved[0] = -1;
    return at;
  }

  /** From port 0, which cannot be answered: as good as empty. It was forged, or changed on the path. */
  #leaveOut(i: number): void {
    this.#headerWords[i * MMSGHDR_WORDS + MSG_LEN_WORD] = 0;
    this.#segments[i] = 0;
  }

  #readControl(i: number): void {
    const w = this.#control;
    this.#segments[i] = 0;
    this.#hasLocal[i] = 0;
    const words = this.#headerWords[i * MMSGHDR_WORDS + CONTROLLEN_WORD]! >> 2;
    const end = i * CONTROL_WORDS + words;
    for (let at = i * CONTROL_WORDS; at + CMSG_DATA_WORD < end; at += alignedWords(w[at]!)) {
      const level = w[at + CMSG_LEVEL_WORD];
      const type = w[at + CMSG_TYPE_WORD];
      const data = at + CMSG_DATA_WORD;
      if (level === SOL_UDP && type === UDP_GRO) this.#segments[i] = w[data]! & 0xffff;
      else if (level === SOL_SOCKET && type === SO_RXQ_OVFL) this.#overflows = w[data]! >>> 0;
      else if (level === IPPROTO_IPV6 && type === IPV6_PKTINFO) this.#setLocal6(i, data);
      else if (level === IPPROTO_IP && type === IP_PKTINFO) this.#setLocal4(i, data);
    }
  }

  #setLocal6(i: number, data: number): void {
    const w = this.#control, locals = this.#locals, at = i * ADDRESS_WORDS;
    locals[at] = w[data]!;
    locals[at + 1] = w[data + 1]!;
    locals[at + 2] = w[data + 2]!;
    locals[at + 3] = w[data + 3]!;
    this.#hasLocal[i] = 1;
  }

  #setLocal4(i: number, data: number): void {
    const locals = this.#locals, at = i * ADDRESS_WORDS;
    locals[at] = locals[at + 1] = 0;
    locals[at + 2] = MAPPED_WORD;
    locals[at + 3] = this.#control[data + IN_PKTINFO_LOCAL_AT / 4]!;
    this.#hasLocal[i] = 1;
  }

  position(i: number): number {
    return (this.#firstSlot + i) * SLOT_LENGTH + HEADROOM;
  }

  length(i: number): number {
    return this.#headerWords[i * MMSGHDR_WORDS + MSG_LEN_WORD]!;
  }

  segment(i: number): number {
    return this.#segments[i]! === 0 ? this.length(i) : this.#segments[i]!;
  }

  isFrom(i: number, slot: number, withPort: boolean): boolean {
    return this.ends.isDestination(slot, this.#sourceWords, i * SOCKADDR_WORDS, withPort);
  }

  isTo(i: number, slot: number): boolean {
    return this.#hasLocal[i] === 0 || this.ends.isLocal(slot, this.#locals, i * ADDRESS_WORDS);
  }

  isUnmoved(i: number, slot: number): boolean {
    if (this.#unmoved[i] === slot) return true;
    if (!this.isFrom(i, slot, true) || !this.isTo(i, slot)) return false;
    this.#unmoved[i] = slot;
    return true;
  }

  local(i: number): string {
    if (this.#hasLocal[i] === 0) return "";
    const address = this.#localOf(i);
    return canBeSource(address) ? formatAddress(address) : "";
  }

  source(i: number): string {
    return sockaddrText(this.#sources, i * SOCKADDR_ROOM, this.#family);
  }

  #localOf(i: number): Uint8Array {
    return this.#localBytes.subarray(i * ADDRESS_LEN, (i + 1) * ADDRESS_LEN);
  }

  overflows(): number {
    return this.#overflows;
  }
}

/** How far the next control message is, in words, by the length of this one: CMSG_NXTHDR. */
function alignedWords(length: number): number {
  return Math.max(CMSG_ROOM, (length + 7) & ~7) >>> 2;
}
