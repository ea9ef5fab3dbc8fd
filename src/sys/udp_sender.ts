/**
 * The sending half of a socket's batches (udp_batches.ts has the other): datagrams are queued as pieces of packet memory,
 * and `flush` hands all of them to the kernel in as few sendmmsg(2) as there are refusals, neighbours of one size to one
 * peer as one message (UDP_SEGMENT, udp(7)):
 *
 *   1. enqueue    a datagram begins a message, or joins the train begun last
 *   2. flush      each message is laid out; what the kernel refuses as a train goes out singly
 */
import { addressOf } from "#ffi";
import { BATCH, MAX_SEGMENTS, type PacketPool, type Refusal, REPLY_SLOT } from "../ports/devices.ts";
import { putU16le, putU32le, putU64le } from "../wire/bytes.ts";
import { libc } from "./libc.ts";
import {
  CMSG_DATA_AT,
  CMSG_LEVEL_AT,
  CMSG_ROOM,
  CMSG_TYPE_AT,
  CONTROL_AT,
  CONTROLLEN_AT,
  encodePktinfo,
  IOV_AT,
  IOVLEN_AT,
  MMSGHDR_LEN,
  NAME_AT,
  NAMELEN_AT,
  PKTINFO_ROOM,
  pktinfoLength,
  putPktinfoSource,
} from "./mmsghdr.ts";
import { ADDRESS_LEN, PeerEnds } from "./peer_ends.ts";
import { RefusedSends } from "./refused_sends.ts";
import { SOCKADDR_ROOM, sockaddrLength } from "./sockaddr.ts";
import { SourceTrial } from "./source_trial.ts";
import { EAGAIN, EINTR, EINVAL, EIO, isSourceGone } from "../ports/sys_error.ts";
import type { OpenedSocket } from "./udp_socket.ts";
import { IOVEC_LEN, Vector } from "./vector.ts";
import { MSG_DONTWAIT, SOL_UDP, UDP_SEGMENT } from "./linux.ts";

/** Pieces in one queue: two for each datagram of a batch of superframes. */
const MAX_PIECES = 4096;
const MAX_DATAGRAMS = MAX_PIECES;
/** The control block of a message: UDP_SEGMENT, used by trains, then the source, where one is set. */
const SOURCE_AT = CMSG_ROOM;
const CONTROL_ROOM = CMSG_ROOM + PKTINFO_ROOM;
/** Bytes in one send, all datagrams together: 65,507 less room for an IPv6 header. */
const MAX_SEND = 65_000;

export interface SenderOptions {
  /** Whether to send trains. */
  readonly gso: boolean;
  /** Slots it may send to, from 0 on; without it those of all peers, and REPLY_SLOT. */
  readonly slots?: number;
  /** Is told the errno with which the kernel refused the first train; single datagrams go on. */
  readonly onLost?: (errno: number) => void;
  /**
   * Waits until the descriptor takes datagrams again, or says false: they are refused. Without it the call itself
   * waits.
   */
  readonly onFull?: (fd: number) => boolean;
}

/** Its methods are those of DatagramSocket in ports/devices.ts. */
export class UdpSender {
  readonly #fd: number;
  readonly #family: 4 | 6;
  readonly #libc = libc();
  protected readonly ends: PeerEnds;
  readonly #destinationsBase: number;
  readonly #headers = new Uint8Array(new ArrayBuffer(BATCH * MMSGHDR_LEN));
  /** Views of `#headers` from message i on, so that a partly sent batch goes on without a new view. */
  readonly #headersFrom: Uint8Array[] = [];
  readonly #vector: Vector;
  readonly #vectorBase: number;
  readonly #control = new Uint8Array(new ArrayBuffer(BATCH * CONTROL_ROOM));
  readonly #controlBase = addressOf(this.#control.buffer as ArrayBuffer);
  /** Where the pieces of each queued datagram begin, and whom it is for. */
  readonly #pieceOf = new Int32Array(MAX_DATAGRAMS + 1);
  readonly #slotOf = new Int32Array(MAX_DATAGRAMS);
  /** The first datagram of each message. */
  readonly #firstOf = new Int32Array(BATCH + 1);
  #datagrams = 0;
  /** Datagrams that may be queued; none while they leave. */
  #room = MAX_DATAGRAMS;
  #messages = 0;
  /** Whether the control block of message i is told to begin at the source. */
  readonly #atSource = new Uint8Array(BATCH);
  readonly #sourceLength: number;
  /** The message that may still grow: its datagram size (0: none may join), and its bytes. */
  #openSize = 0;
  #openBytes = 0;
  #gso: boolean;
  readonly #onLost: ((errno: number) => void) | undefined;
  readonly #onFull: ((fd: number) => boolean) | undefined;
  /** Whether room was waited for in vain in this flush: what is left is refused at once. */
  #full = false;
  readonly #trial: SourceTrial;
  readonly #refused = new RefusedSends();

  constructor(socket: OpenedSocket, pool: PacketPool, options: SenderOptions) {
    this.#family = socket.family;
    this.ends = new PeerEnds(socket.family, options.slots ?? REPLY_SLOT + 1);
    this.#destinationsBase = addressOf(this.ends.destinations.buffer as ArrayBuffer);
    this.#trial = new SourceTrial(this.ends);
    this.#sourceLength = pktinfoLength(socket.family);
    this.#onLost = options.onLost;
    this.#onFull = options.onFull;
    this.#fd = socket.sendFd ?? socket.fd;
    this.#gso = options.gso;
    this.#vector = new Vector(pool, MAX_PIECES);
    this.#vectorBase = this.#vector.address;
    for (let i = 0; i < BATCH; i++) this.#layOutOnce(i, sockaddrLength(socket.family));
  }

  #layOutOnce(i: number, nameLength: number): void {
    const at = i * MMSGHDR_LEN;
    putU32le(this.#headers, at + NAMELEN_AT, nameLength);
    putU64le(this.#headers, at + CONTROL_AT, this.#controlBase + i * CONTROL_ROOM);
    this.#headersFrom.push(this.#headers.subarray(at));
    const cmsg = i * CONTROL_ROOM;
    putU32le(this.#control, cmsg, CMSG_DATA_AT + 2);
    putU32le(this.#control, cmsg + CMSG_LEVEL_AT, SOL_UDP);
    putU32le(this.#control, cmsg + CMSG_TYPE_AT, UDP_SEGMENT);
    encodePktinfo(this.#control, cmsg + SOURCE_AT, this.#family);
  }

  enqueue(slot: number, headAt: number, headLength: number, bodyAt: number, bodyLength: number): boolean {
    const d = this.#datagrams;
    const length = headLength + bodyLength;
    const vector = this.#vector;
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
    this.#pieceOf[this.#datagrams] = this.#vector.count;
    this.#firstOf[this.#messages] = this.#datagrams;
    for (let m = 0; m < this.#messages; m++) this.#layOut(m, this.#firstOf[m]!, this.#firstOf[m + 1]!);
    const refused = this.#send();
    this.#room = MAX_DATAGRAMS;
    this.#datagrams = 0;
    this.#messages = 0;
    this.#openSize = 0;
    this.#vector.count = 0;
    return refused;
  }

  /** Makes message `m` of the datagrams from `first` to `end`. */
  #layOut(m: number, first: number, end: number): void {
    const at = m * MMSGHDR_LEN;
    const from = this.#pieceOf[first]!;
    putU64le(this.#headers, at + NAME_AT, this.#destinationsBase + this.#slotOf[first]! * SOCKADDR_ROOM);
    putU64le(this.#headers, at + IOV_AT, this.#vectorBase + from * IOVEC_LEN);
    putU32le(this.#headers, at + IOVLEN_AT, this.#pieceOf[end]! - from);
    const train = end - first > 1;
    if (train) putU16le(this.#control, m * CONTROL_ROOM + CMSG_DATA_AT, this.#sizeOf(first));
    const length = train ? CMSG_ROOM : 0;
    if (this.ends.isPinned(this.#slotOf[first]!)) this.#layOutSource(m, first, train, length);
    else {
      if (this.#atSource[m] === 1) this.#beginControl(m, 0);
      putU32le(this.#headers, at + CONTROLLEN_AT, length);
    }
  }

  /** The control block of message `m` with the source in it, behind `length` bytes. */
  #layOutSource(m: number, first: number, train: boolean, length: number): void {
    const at = m * CONTROL_ROOM + SOURCE_AT;
    const local = this.#slotOf[first]! * ADDRESS_LEN;
    putPktinfoSource(this.#control, at, this.#family, this.ends.locals, local);
    const begin = train ? 0 : 1;
    if (this.#atSource[m] !== begin) this.#beginControl(m, begin);
    putU32le(this.#headers, m * MMSGHDR_LEN + CONTROLLEN_AT, length + this.#sourceLength);
  }

  #beginControl(m: number, atSource: 0 | 1): void {
    this.#atSource[m] = atSource;
    const from = this.#controlBase + m * CONTROL_ROOM + atSource * SOURCE_AT;
    putU64le(this.#headers, m * MMSGHDR_LEN + CONTROL_AT, from);
  }

  #sizeOf(datagram: number): number {
    let size = 0;
    for (let p = this.#pieceOf[datagram]!; p < this.#pieceOf[datagram + 1]!; p++) {
      size += this.#vector.lengthOf(p);
    }
    return size;
  }

  /** A full send buffer holds the batch back instead of losing it. */
  #send(): number {
    let refused = 0;
    for (let m = 0; m < this.#messages;) {
      const sent = this.#sendMessages(m, this.#messages - m);
      if (sent > 0) {
        if (this.#trial.isUnderWay) this.#noteLeft(m, m + sent);
        m += sent;
        continue;
      }
      const errno = this.#libc.errno();
      if (errno === EINTR || (errno === EAGAIN && this.#waitForRoom())) continue;
      const first = this.#firstOf[m]!, end = this.#firstOf[m + 1]!;
      // EIO: the interface has no checksum offload; EINVAL: it knows no trains, or not of this size, or the source is gone.
      if (end - first > 1 && (errno === EIO || errno === EINVAL)) {
        refused += this.#sendSingly(m, first, end, errno);
      } else if (isSourceGone(errno) && this.#trial.begin(this.#slotOf[first]!)) {
        this.#layOutFrom(m);
        continue;
      } else {
        this.#refused.note(this.#slotOf[first]!, errno);
        refused += end - first;
      }
      m++;
    }
    this.#trial.end();
    return refused;
  }

  #sendMessages(m: number, count: number): number {
    const flags = this.#onFull === undefined ? 0 : MSG_DONTWAIT;
    return this.#libc.sendmmsg(this.#fd, this.#headersFrom[m]!, count, flags);
  }

  #waitForRoom(): boolean {
    if (this.#full || this.#onFull === undefined) return false;
    this.#full = !this.#onFull(this.#fd);
    return !this.#full;
  }

  /**
   * The datagrams of a train refused with `errno`, one by one. When the first leaves as it is, it was the train that the
   * kernel did not want; else it was the source, or the path takes no such datagram (before 6.14 that is EINVAL for
   * trains, too). Uses message `m` for each.
   */
  #sendSingly(m: number, first: number, end: number, errno: number): number {
    let refused = 0;
    let tried = false;
    for (let d = first; d < end;) {
      this.#layOut(m, d, d + 1);
      if (this.#sendMessages(m, 1) < 0) {
        const why = this.#libc.errno();
        if (why === EINTR || (why === EAGAIN && this.#waitForRoom())) continue;
        if (isSourceGone(why) && this.#trial.begin(this.#slotOf[d]!)) {
          tried = true;
          continue;
        }
        this.#refused.note(this.#slotOf[d]!, why);
        refused++;
      } else if (tried) this.#noteLeft(m, m + 1);
      else if (d === first && this.#gso) {
        this.#gso = false;
        this.#onLost?.(errno);
      }
      d++;
    }
    if (tried) this.#layOutFrom(m + 1);
    return refused;
  }

  #layOutFrom(m: number): void {
    for (let k = m; k < this.#messages; k++) this.#layOut(k, this.#firstOf[k]!, this.#firstOf[k + 1]!);
  }

  /** Messages `from` to `end` have left. */
  #noteLeft(from: number, end: number): void {
    for (let m = from; m < end; m++) if (this.#trial.left(this.#slotOf[this.#firstOf[m]!]!)) return;
  }

  sourceGoneFor(): number {
    return this.#trial.takeGone();
  }

  refusal(): Refusal | null {
    return this.#refused.take();
  }

  tooLongFor(): number {
    return this.#refused.takeTooLong();
  }
}
