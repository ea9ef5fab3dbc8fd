/**
 * The data plane's end of a UDP socket: batches over sendmmsg/recvmmsg (recvmmsg(2)), several equal-sized
 * datagrams to one peer in one send (UDP_SEGMENT), several from one peer in one receive (UDP_GRO, udp(7)). The
 * message structures are laid out once; per datagram only positions and lengths are written.
 *
 *   mmsghdr 64: | name 8 | namelen 4 · pad 4 | iov 8 | iovlen 8 | control 8 | controllen 8 | flags 4 · pad 4 | msg_len 4 · pad 4 |
 *   cmsghdr:    | len 8 | level 4 | type 4 | data |
 */
import { addressOf } from "#ffi";
import {
  BATCH,
  type DatagramSocket,
  HEADROOM,
  MAX_SEGMENTS,
  type PacketPool,
  REPLY_SLOT,
  SLOT_CAPACITY,
  SLOT_LENGTH,
} from "../ports.ts";
import { parseEndpoint } from "../wire/address.ts";
import { putU16le, putU32le, putU64le, u16, u16le, u32le } from "../wire/bytes.ts";
import { libc } from "./libc.ts";
import { encodeSockaddr, sameSockaddr, SOCKADDR_ROOM, sockaddrLength, sockaddrText } from "./sockaddr.ts";
import { EAGAIN, EINTR, EINVAL, EIO, EMSGSIZE, SysError } from "./sys_error.ts";
import type { OpenedSocket } from "./udp_socket.ts";
import { IOVEC_LEN, Vector } from "./vector.ts";

const SOL_SOCKET = 1;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;
const SO_RXQ_OVFL = 40;
const MSG_DONTWAIT = 0x40;

/** struct sockaddr_in and sockaddr_in6: | family 2 | port 2 | … */
const PORT_AT = 2;
const MMSGHDR_LEN = 64;
const NAME_AT = 0;
const NAMELEN_AT = 8;
const IOV_AT = 16;
const IOVLEN_AT = 24;
const CONTROL_AT = 32;
const CONTROLLEN_AT = 40;
const MSG_LEN_AT = 56;
const CMSG_LEVEL_AT = 8;
const CMSG_TYPE_AT = 12;
const CMSG_DATA_AT = 16;
/** CMSG_SPACE of a u16 or an int. */
const CMSG_ROOM = 24;
/** UDP_GRO and SO_RXQ_OVFL. */
const CONTROL_ROOM = 2 * CMSG_ROOM;

/** Pieces in one queue: two for each datagram of a batch of superframes. */
const MAX_PIECES = 4096;
const MAX_DATAGRAMS = MAX_PIECES;
/** Bytes in one send, all datagrams together: 65,507 less room for an IPv6 header. */
const MAX_SEND = 65_000;

/** Which of the kernel's trains to use. */
export interface UdpOffloads {
  readonly gso: boolean;
  readonly gro: boolean;
}

/** One socket's batches over packet memory. `firstSlot` is the first of BATCH slots that it receives into. */
export class UdpBatches implements DatagramSocket {
  readonly #fd: number;
  readonly #sendFd: number;
  readonly #family: 4 | 6;
  readonly #pool: PacketPool;
  readonly #libc = libc();
  readonly #firstSlot: number;
  readonly #destinations = new Uint8Array(new ArrayBuffer((REPLY_SLOT + 1) * SOCKADDR_ROOM));
  readonly #destinationsBase = addressOf(this.#destinations.buffer as ArrayBuffer);
  readonly #sources = new Uint8Array(new ArrayBuffer(BATCH * SOCKADDR_ROOM));
  readonly #inbound = new Uint8Array(new ArrayBuffer(BATCH * MMSGHDR_LEN));
  readonly #inboundVector: Vector;
  readonly #inboundControl = new Uint8Array(new ArrayBuffer(BATCH * CONTROL_ROOM));
  readonly #segments = new Int32Array(BATCH);
  readonly #outbound = new Uint8Array(new ArrayBuffer(BATCH * MMSGHDR_LEN));
  /** Views of `#outbound` from message i on, so that a partly sent batch goes on without a new view. */
  readonly #outboundFrom: Uint8Array[] = [];
  readonly #outboundVector: Vector;
  readonly #outboundVectorBase: number;
  readonly #outboundControl = new Uint8Array(new ArrayBuffer(BATCH * CMSG_ROOM));
  readonly #outboundControlBase = addressOf(this.#outboundControl.buffer as ArrayBuffer);
  /** Where the pieces of each queued datagram begin, and whom it is for. */
  readonly #pieceOf = new Int32Array(MAX_DATAGRAMS + 1);
  readonly #slotOf = new Int32Array(MAX_DATAGRAMS);
  /** The first datagram of each message. */
  readonly #firstOf = new Int32Array(BATCH + 1);
  #datagrams = 0;
  /** Datagrams that may be queued; none while they leave. */
  #room = MAX_DATAGRAMS;
  #messages = 0;
  /** The message that may still grow: its datagram size (0: none may join), and its bytes. */
  #openSize = 0;
  #openBytes = 0;
  #gso: boolean;
  readonly #onLost: (errno: number) => void;
  readonly #onFull: ((fd: number) => boolean) | null;
  /** Whether room was waited for in vain in this flush: what is left is refused at once. */
  #full = false;
  #overflows = 0;
  #tooLongFor = -1;

  /**
   * `onLost` is told the errno with which the kernel refused the first train; single datagrams go on. `onFull` waits
   * until the descriptor takes datagrams again, or says false: they are refused. Without it the call itself waits.
   */
  constructor(
    socket: OpenedSocket,
    pool: PacketPool,
    firstSlot: number,
    offloads: UdpOffloads,
    onLost: (errno: number) => void,
    onFull: ((fd: number) => boolean) | null = null,
  ) {
    this.#onLost = onLost;
    this.#onFull = onFull;
    this.#fd = socket.fd;
    this.#sendFd = socket.sendFd ?? socket.fd;
    this.#family = socket.family;
    this.#pool = pool;
    this.#firstSlot = firstSlot;
    this.#gso = offloads.gso;
    this.#inboundVector = new Vector(pool, BATCH);
    this.#outboundVector = new Vector(pool, MAX_PIECES);
    this.#outboundVectorBase = this.#outboundVector.address;
    this.#layOutInbound();
    for (let i = 0; i < BATCH; i++) this.#layOutOutbound(i);
    if (offloads.gro) this.#askForTrains();
  }

  #layOutInbound(): void {
    const vectors = this.#inboundVector.address;
    const sources = addressOf(this.#sources.buffer as ArrayBuffer);
    const control = addressOf(this.#inboundControl.buffer as ArrayBuffer);
    for (let i = 0; i < BATCH; i++) {
      this.#inboundVector.push(this.position(i), SLOT_CAPACITY);
      const at = i * MMSGHDR_LEN;
      putU64le(this.#inbound, at + NAME_AT, sources + i * SOCKADDR_ROOM);
      putU64le(this.#inbound, at + IOV_AT, vectors + i * IOVEC_LEN);
      putU64le(this.#inbound, at + IOVLEN_AT, 1);
      putU64le(this.#inbound, at + CONTROL_AT, control + i * CONTROL_ROOM);
    }
  }

  #layOutOutbound(i: number): void {
    const at = i * MMSGHDR_LEN;
    putU32le(this.#outbound, at + NAMELEN_AT, sockaddrLength(this.#family));
    putU64le(this.#outbound, at + CONTROL_AT, this.#outboundControlBase + i * CMSG_ROOM);
    this.#outboundFrom.push(this.#outbound.subarray(at));
    const cmsg = i * CMSG_ROOM;
    putU32le(this.#outboundControl, cmsg, CMSG_DATA_AT + 2);
    putU32le(this.#outboundControl, cmsg + CMSG_LEVEL_AT, SOL_UDP);
    putU32le(this.#outboundControl, cmsg + CMSG_TYPE_AT, UDP_SEGMENT);
  }

  /** A kernel without UDP_GRO hands over single datagrams, as before. */
  #askForTrains(): void {
    const on = new Uint8Array(new ArrayBuffer(4));
    on[0] = 1;
    this.#libc.setsockopt(this.#fd, SOL_UDP, UDP_GRO, on, 4);
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

  // ------------------------------------------------------------------------------------------------- sending

  enqueue(slot: number, headAt: number, headLength: number, bodyAt: number, bodyLength: number): boolean {
    const d = this.#datagrams;
    const length = headLength + bodyLength;
    const vector = this.#outboundVector;
    if (d >= this.#room || vector.count + 2 > MAX_PIECES) return false;
    if (!this.#joins(slot, length)) {
      if (this.#messages === BATCH) return false;
      this.#firstOf[this.#messages++] = d;
      this.#openSize = length;
      this.#openBytes = 0;
    } else if (length < this.#openSize) this.#openSize = 0; // only the last of a train may be short
    this.#openBytes += length;
    this.#pieceOf[d] = vector.count;
    this.#slotOf[d] = slot;
    this.#datagrams = d + 1;
    vector.push(headAt, headLength);
    if (bodyLength > 0) vector.push(bodyAt, bodyLength);
    return true;
  }

  /** Whether a datagram may join the train that was begun last. */
  #joins(slot: number, length: number): boolean {
    const d = this.#datagrams;
    if (d === 0 || !this.#gso || length > this.#openSize || this.#slotOf[d - 1] !== slot) return false;
    return d - this.#firstOf[this.#messages - 1]! < MAX_SEGMENTS && this.#openBytes + length <= MAX_SEND;
  }

  flush(): number {
    if (this.#datagrams === 0 || this.#room === 0) return 0;
    this.#room = 0;
    this.#full = false;
    this.#pieceOf[this.#datagrams] = this.#outboundVector.count;
    this.#firstOf[this.#messages] = this.#datagrams;
    for (let m = 0; m < this.#messages; m++) this.#layOut(m, this.#firstOf[m]!, this.#firstOf[m + 1]!);
    const refused = this.#send();
    this.#room = MAX_DATAGRAMS;
    this.#datagrams = 0;
    this.#messages = 0;
    this.#openSize = 0;
    this.#outboundVector.count = 0;
    return refused;
  }

  /** Makes message `m` of the datagrams from `first` to `end`. */
  #layOut(m: number, first: number, end: number): void {
    const at = m * MMSGHDR_LEN;
    const from = this.#pieceOf[first]!;
    putU64le(this.#outbound, at + NAME_AT, this.#destinationsBase + this.#slotOf[first]! * SOCKADDR_ROOM);
    putU64le(this.#outbound, at + IOV_AT, this.#outboundVectorBase + from * IOVEC_LEN);
    putU32le(this.#outbound, at + IOVLEN_AT, this.#pieceOf[end]! - from);
    putU32le(this.#outbound, at + CONTROLLEN_AT, end - first > 1 ? CMSG_ROOM : 0);
    if (end - first > 1) putU16le(this.#outboundControl, m * CMSG_ROOM + CMSG_DATA_AT, this.#sizeOf(first));
  }

  #sizeOf(datagram: number): number {
    let size = 0;
    for (let p = this.#pieceOf[datagram]!; p < this.#pieceOf[datagram + 1]!; p++) {
      size += this.#outboundVector.lengthOf(p);
    }
    return size;
  }

  /** A full send buffer holds the batch back instead of losing it. */
  #send(): number {
    let refused = 0;
    for (let m = 0; m < this.#messages;) {
      const sent = this.#sendMessages(m, this.#messages - m);
      if (sent > 0) {
        m += sent;
        continue;
      }
      const errno = this.#libc.errno();
      if (errno === EINTR || (errno === EAGAIN && this.#waitForRoom())) continue;
      const first = this.#firstOf[m]!, end = this.#firstOf[m + 1]!;
      // EIO: the interface has no checksum offload; EINVAL: it knows no trains, or not of this size.
      if (end - first > 1 && (errno === EIO || errno === EINVAL)) {
        refused += this.#sendSingly(m, first, end, errno);
      } else {
        if (errno === EMSGSIZE) this.#tooLongFor = this.#slotOf[first]!;
        refused += end - first;
      }
      m++;
    }
    return refused;
  }

  #sendMessages(m: number, count: number): number {
    const flags = this.#onFull === null ? 0 : MSG_DONTWAIT;
    return this.#libc.sendmmsg(this.#sendFd, this.#outboundFrom[m]!, count, flags);
  }

  #waitForRoom(): boolean {
    if (this.#full || this.#onFull === null) return false;
    this.#full = !this.#onFull(this.#sendFd);
    return !this.#full;
  }

  /**
   * The datagrams of a train refused with `errno`, one by one. When the first leaves, it was the train that the
   * kernel did not want; else the path takes no such datagram (before 6.14 that is EINVAL for trains, too). Uses
   * message `m` for each.
   */
  #sendSingly(m: number, first: number, end: number, errno: number): number {
    let refused = 0;
    for (let d = first; d < end;) {
      this.#layOut(m, d, d + 1);
      if (this.#sendMessages(m, 1) < 0) {
        const why = this.#libc.errno();
        if (why === EINTR || (why === EAGAIN && this.#waitForRoom())) continue;
        if (why === EMSGSIZE) this.#tooLongFor = this.#slotOf[d]!;
        refused++;
      } else if (d === first && this.#gso) {
        this.#gso = false;
        this.#onLost(errno);
      }
      d++;
    }
    return refused;
  }

  tooLongFor(): number {
    const slot = this.#tooLongFor;
    this.#tooLongFor = -1;
    return slot;
  }

  // ----------------------------------------------------------------------------------------------- receiving

  receive(): number {
    for (let i = 0, at = 0; i < BATCH; i++, at += MMSGHDR_LEN) {
      putU32le(this.#inbound, at + NAMELEN_AT, SOCKADDR_ROOM);
      putU32le(this.#inbound, at + CONTROLLEN_AT, CONTROL_ROOM);
    }
    const count = this.#libc.recvmmsg(this.#fd, this.#inbound, BATCH, MSG_DONTWAIT, null);
    if (count <= 0) {
      if (count === 0) return 0;
      const errno = this.#libc.errno();
      if (errno === EAGAIN || errno === EINTR) return 0;
      throw new SysError("Cannot receive from the UDP socket", errno);
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
    putU32le(this.#inbound, MSG_LEN_AT, datagram.length);
    this.#segments[0] = 0;
    return at;
  }

  /** From port 0, which nobody can be answered at: as good as empty. Its sender chose that, or somebody on the way. */
  #leaveOut(i: number): void {
    putU32le(this.#inbound, i * MMSGHDR_LEN + MSG_LEN_AT, 0);
    this.#segments[i] = 0;
  }

  #readControl(i: number): void {
    const b = this.#inboundControl;
    const end = i * CONTROL_ROOM + u32le(this.#inbound, i * MMSGHDR_LEN + CONTROLLEN_AT);
    this.#segments[i] = 0;
    for (let at = i * CONTROL_ROOM; at + CMSG_DATA_AT + 2 <= end; at += CMSG_ROOM) {
      const level = u32le(b, at + CMSG_LEVEL_AT);
      const type = u32le(b, at + CMSG_TYPE_AT);
      if (level === SOL_UDP && type === UDP_GRO) this.#segments[i] = u16le(b, at + CMSG_DATA_AT);
      else if (level === SOL_SOCKET && type === SO_RXQ_OVFL) this.#overflows = u32le(b, at + CMSG_DATA_AT);
    }
  }

  position(i: number): number {
    return (this.#firstSlot + i) * SLOT_LENGTH + HEADROOM;
  }

  length(i: number): number {
    return u32le(this.#inbound, i * MMSGHDR_LEN + MSG_LEN_AT);
  }

  segment(i: number): number {
    return this.#segments[i]! === 0 ? this.length(i) : this.#segments[i]!;
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
