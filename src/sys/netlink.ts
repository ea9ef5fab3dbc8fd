/**
 * Netlink sockets (netlink(7), rtnetlink(7), nfnetlink): requests that wait for their acknowledgement, dumps, batches, and
 * a second kind of socket that hears of changes. Both belong to the network namespace of the thread that opened
 * them and stay there. Everything is synchronous: the kernel answers within the call, so a wait is a fault,
 * and ends in an error after two seconds. What the kernel says of a refused request is in the SysError.
 */

import {
  type Acknowledgement,
  attributeTextAt,
  decodeAcknowledgement,
  decodeMessages,
  encodeMessage,
  join,
  type NetlinkMessage,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_LEN,
} from "../wire/netlink.ts";
import { putU16le, putU32le, putU64le, u32le } from "../wire/bytes.ts";
import { libc } from "./libc.ts";
import { EAGAIN, EINTR, EIO, EMSGSIZE, ENOBUFS, EPERM, SysError } from "../ports/sys_error.ts";
import { check, failed } from "./failed.ts";
import {
  MSG_TRUNC,
  SO_RCVBUFFORCE,
  SO_RCVTIMEO,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
} from "./linux.ts";

const AF_NETLINK = 16;
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const ETIMEDOUT = 110;
const SOCKADDR_NL_LEN = 12; // | family u16 | pad u16 | port u32 | groups u32 |

const RECEIVE_LEN = 65536; // the kernel fills at most 32 KiB of a dump at once; one link may need more
const TIMEOUT_SECONDS = 2;
const DUMP_TRIES = 10;
/** A few thousand events wait in it: while a routing daemon loses a neighbour there are more. */
const EVENT_BUFFER_LEN = 4 << 20;
/** Looked at in one go; of more, that there were more is all that counts. */
const EVENTS_AT_ONCE = 4096;
const THROWN_AWAY_AT_ONCE = 65_536;

/** rtnetlink multicast groups (RTNLGRP_…). */
export const GROUP_LINK = 1;
export const GROUP_IPV4_ADDRESS = 5;
export const GROUP_IPV4_ROUTE = 7;
export const GROUP_IPV4_RULE = 8;
export const GROUP_IPV6_ADDRESS = 9;
export const GROUP_IPV6_ROUTE = 11;
export const GROUP_IPV6_RULE = 19;
export const GROUP_IPV4_NETCONF = 24;
export const GROUP_IPV6_NETCONF = 25;
export const GROUP_NEXTHOP = 32; // since Linux 5.3

/** What to ask. `op` begins the message of the error: `Cannot add …`. */
export interface NetlinkRequest {
  readonly op: string;
  readonly type: number;
  readonly flags?: number;
  readonly payload: Uint8Array;
  /** Of the answers only those are kept for whose payload this says yes, at once, before the next is looked at. */
  readonly keep?: (payload: Uint8Array) => boolean;
}

/** What was asked of the kernel, and how much it answered. */
export interface NetlinkTraffic {
  readonly requests: number;
  /** Bytes. */
  readonly received: number;
}

/** A socket with its receive buffer; both ends of the story share it. */
class NetlinkSocket {
  readonly fd: number;
  readonly #buffer = new Uint8Array(new ArrayBuffer(RECEIVE_LEN));
  readonly #from = new Uint8Array(new ArrayBuffer(SOCKADDR_NL_LEN));
  readonly #fromLength = new Uint8Array(new ArrayBuffer(4));

  constructor(flags: number, protocol: number) {
    this.fd = check(
      "Cannot open a netlink socket",
      libc().socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, protocol),
    );
  }

  /** setsockopt(2) with an int; false when the kernel refuses. */
  set(level: number, name: number, value: number): boolean {
    const b = new Uint8Array(new ArrayBuffer(4));
    putU32le(b, 0, value);
    return libc().setsockopt(this.fd, level, name, b, 4) === 0;
  }

  /** Bytes that were read so far. */
  received = 0;

  /**
   * The messages of the next datagram from the kernel, or the errno. They are a copy, or with `lent` borrowed until the
   * next call. A process can send to our port too: what does not come from the kernel, port 0, is skipped.
   */
  receive(lent = false): NetlinkMessage[] | number {
    for (;;) {
      putU32le(this.#fromLength, 0, SOCKADDR_NL_LEN);
      const length = libc().recvfrom(
        this.fd,
        this.#buffer,
        RECEIVE_LEN,
        MSG_TRUNC,
        this.#from,
        this.#fromLength,
      );
      if (length < 0) {
        const errno = libc().errno();
        if (errno === EINTR) continue;
        return errno;
      }
      if (u32le(this.#from, 4) !== 0) continue;
      this.received += length;
      if (length > RECEIVE_LEN) return EMSGSIZE;
      const datagram = lent ? this.#buffer.subarray(0, length) : this.#buffer.slice(0, length);
      return decodeMessages(datagram) ?? EIO;
    }
  }

  close(): void {
    libc().close(this.fd);
  }
}

/** A connection for requests and dumps. Throws SysError when the socket cannot be opened. */
export class NetlinkConnection {
  readonly #socket: NetlinkSocket;
  #sequence = 0;
  #requests = 0;
  #closed = false;

  /** `strict`: dumps are to answer exactly what was asked, as kernels before Linux 4.20 cannot. */
  constructor(strict = true, protocol = NETLINK_ROUTE) {
    this.#socket = new NetlinkSocket(0, protocol);
    const timeout = new Uint8Array(new ArrayBuffer(16)); // struct timeval
    putU64le(timeout, 0, TIMEOUT_SECONDS);
    libc().setsockopt(this.#socket.fd, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.length);
    // Older kernels lack some of these and then answer less precisely, which every reader of ours bears.
    for (const option of [NETLINK_EXT_ACK, NETLINK_CAP_ACK, ...strict ? [NETLINK_GET_STRICT_CHK] : []]) {
      this.#socket.set(SOL_NETLINK, option, 1);
    }
  }

  get traffic(): NetlinkTraffic {
    return { requests: this.#requests, received: this.#socket.received };
  }

  /** Sends a request and waits for its acknowledgement; the messages that came before it. Throws SysError. */
  request(request: NetlinkRequest): NetlinkMessage[] {
    const sequence = this.#send(request, NLM_F_ACK);
    const { messages, end } = this.#collect(sequence, request);
    if (end.errno !== 0) throw refusal(request.op, end, request.payload);
    return messages;
  }

  /**
   * All answers to a dump. A dump during which the tables changed is begun again; after ten times the last
   * answer counts, which may then lack an entry or hold one twice. Throws SysError.
   */
  dump(request: NetlinkRequest): NetlinkMessage[] {
    for (let tries = 1;; tries++) {
      const sequence = this.#send(request, NLM_F_DUMP);
      const { messages, end, interrupted } = this.#collect(sequence, request);
      const again = interrupted || end.errno === ENOBUFS || end.errno === EINTR;
      if (again && tries < DUMP_TRIES) continue;
      if (end.errno !== 0) throw refusal(request.op, end);
      return messages;
    }
  }

  /**
   * Sends messages in one datagram, between the marks of a batch (nfnetlink), and waits for the acknowledgement of each. Where
   * it was refused, the kernel still acknowledges those that it undid: what counts is the first error. Throws SysError.
   */
  batch(messages: readonly NetlinkRequest[], [begin, end]: readonly [NetlinkRequest, NetlinkRequest]): void {
    const first = this.#sequence + 1;
    const encode = ({ type, flags = 0, payload }: NetlinkRequest, ack: number) =>
      encodeMessage(type, NLM_F_REQUEST | ack | flags, ++this.#sequence, payload);
    const datagram = join([
      encode(begin, 0),
      ...messages.map((message) => encode(message, NLM_F_ACK)),
      encode(end, 0),
    ]);
    this.#requests++;
    check(begin.op, libc().sendto(this.#socket.fd, datagram, datagram.length, 0, null, 0));
    for (let open = messages.length; open > 0;) {
      const received = this.#socket.receive();
      if (received === EAGAIN) throw new SysError(begin.op, ETIMEDOUT, "the kernel did not answer");
      if (typeof received === "number") throw failed(begin.op, received);
      for (const answer of received) {
        const at = answer.sequence - first - 1; // -1: the batch as a whole
        const outcome = at < -1 || at >= messages.length ? null : decodeAcknowledgement(answer);
        if (outcome === null) continue;
        if (outcome.errno !== 0) {
          throw refusal(messages[at]?.op ?? begin.op, outcome, messages[at]?.payload);
        }
        open--;
      }
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  #send(request: NetlinkRequest, flags: number): number {
    if (this.#closed) throw new TypeError("This netlink connection is closed");
    this.#sequence = (this.#sequence + 1) >>> 0 || 1;
    this.#requests++;
    const b = encodeMessage(
      request.type,
      NLM_F_REQUEST | flags | (request.flags ?? 0),
      this.#sequence,
      request.payload,
    );
    check(request.op, libc().sendto(this.#socket.fd, b, b.length, 0, null, 0));
    return this.#sequence;
  }

  // Answers to earlier requests that ran into their timeout are passed over by their sequence number.
  #collect(
    sequence: number,
    { op, keep }: NetlinkRequest,
  ): { messages: NetlinkMessage[]; end: Acknowledgement; interrupted: boolean } {
    const messages: NetlinkMessage[] = [];
    let interrupted = false;
    for (;;) {
      const received = this.#socket.receive(keep !== undefined);
      if (received === EAGAIN) throw new SysError(op, ETIMEDOUT, "the kernel did not answer");
      if (received === ENOBUFS) return { messages, end: { errno: ENOBUFS, text: null }, interrupted };
      if (typeof received === "number") throw failed(op, received);
      for (const message of received) {
        if (message.sequence !== sequence) continue;
        interrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0;
        const end = decodeAcknowledgement(message);
        if (end !== null) return { messages, end, interrupted };
        if (message.type <= NLMSG_DONE) continue;
        if (keep === undefined) messages.push(message);
        else if (keep(message.payload)) messages.push({ ...message, payload: message.payload.slice() });
      }
    }
  }
}

/** With the kernel's own sentence where it gives one, and the text that it objects to in what was sent. */
function refusal(op: string, end: Acknowledgement, payload?: Uint8Array): SysError {
  const hint = end.errno === EPERM ? "run as root or grant CAP_NET_ADMIN" : "";
  const objected = payload === undefined || end.offset === undefined
    ? null
    : attributeTextAt(payload, end.offset - NLMSG_LEN);
  const subject = objected === null ? op : `${op}, at ${JSON.stringify(objected)}`;
  if (end.text === null) return failed(subject, end.errno, hint);
  return new SysError(subject, end.errno, end.text, hint);
}

/** A socket that hears of changes. It never blocks. Throws SysError when it cannot be opened. */
export class NetlinkEvents {
  readonly #socket: NetlinkSocket;
  #closed = false;

  constructor(groups: readonly number[], protocol = NETLINK_ROUTE) {
    this.#socket = new NetlinkSocket(SOCK_NONBLOCK, protocol);
    // Unbound, the socket has port 0, which the kernel takes for the originator and leaves out.
    const address = new Uint8Array(new ArrayBuffer(SOCKADDR_NL_LEN));
    putU16le(address, 0, AF_NETLINK);
    check("Cannot bind a netlink socket", libc().bind(this.#socket.fd, address, SOCKADDR_NL_LEN));
    this.#socket.set(SOL_SOCKET, SO_RCVBUFFORCE, EVENT_BUFFER_LEN);
    for (const group of groups) {
      if (this.#socket.set(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)) continue;
      const errno = libc().errno();
      // Nothing of that kind happens on a kernel that does not know the group.
      if (group === GROUP_NEXTHOP) continue;
      this.close();
      throw failed(`Cannot join netlink group ${group}`, errno);
    }
  }

  /** For poll(2): readable when something changed. */
  get fd(): number {
    return this.#socket.fd;
  }

  /** Bytes. */
  get received(): number {
    return this.#socket.received;
  }

  /** What is waiting, and whether something is missing in it: the kernel dropped it, or there is more than is read. */
  read(): { readonly messages: NetlinkMessage[]; readonly lost: boolean } {
    const messages: NetlinkMessage[] = [];
    let lost = false;
    while (messages.length < EVENTS_AT_ONCE) {
      const received = this.#closed ? EAGAIN : this.#socket.receive();
      if (received === EAGAIN) return { messages, lost };
      if (typeof received !== "number") messages.push(...received);
      else if (received === ENOBUFS || received === EMSGSIZE || received === EIO) lost = true;
      else throw failed("Cannot read netlink events", received);
    }
    for (let i = 0; i < THROWN_AWAY_AT_ONCE && this.#socket.receive(true) !== EAGAIN;) i++;
    return { messages, lost: true };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }
}
