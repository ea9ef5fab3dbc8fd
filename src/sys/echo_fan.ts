/**
 * ICMP echoes (raw(7), RFC 792, RFC 4443 §4) to many addresses of one family at once from one raw socket, for the lab: every
 * echo has a number of its own, and answers are told by it. `sys/pinger.ts` is for one address, and knows why there is no
 * answer; this one only counts what came back. Nothing blocks but `wait`.
 */
import { randomBytes } from "node:crypto";
import { formatAddress, parseAddress } from "../wire/address.ts";
import { equalBytes, putU16le, putU32, putU32le, u32 } from "../wire/bytes.ts";
import {
  decodeEcho,
  encodeEcho,
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  ICMP_LEN,
  ICMPV6_ECHO_REPLY,
  ICMPV6_ECHO_REQUEST,
} from "../wire/icmp.ts";
import { decodeIpv4, PROTOCOL_ICMP, PROTOCOL_ICMPV6 } from "../wire/ipv4.ts";
import { closeDescriptor, libc } from "./libc.ts";
import {
  AF_INET,
  AF_INET6,
  decodeSockaddr,
  encodeSockaddr,
  SOCKADDR_ROOM,
  sockaddrLength,
} from "./sockaddr.ts";
import { EAGAIN, EINTR } from "../ports/sys_error.ts";
import { check } from "./failed.ts";
import {
  MSG_DONTWAIT,
  POLLFD_LEN,
  POLLIN,
  SO_RCVBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_SOCKET,
} from "./linux.ts";

/** | token 8 | number 4 | zeros | */
const TOKEN_LEN = 8;
const NUMBER_AT = TOKEN_LEN;
const PAYLOAD_LEN = 56; // with the ICMP header the 64 bytes of ping(8)
const BUFFER_LEN = 2048;
/** Answers to some thousand echoes may wait for their reader. */
const RECEIVE_BUFFER_LEN = 4 * 1024 * 1024;
// raw(7), linux/icmp.h, icmpv6.h: a set bit keeps messages of that type from the socket. The one has 32 bits, the other 256.
const SOL_RAW = 255;
const ICMP_FILTER = 1;
const ICMPV6_FILTER = 1;
const ICMPV6_FILTER_LEN = 32;

/** An answer: the number of its echo, and who sent it. */
export interface EchoAnswer {
  readonly number: number;
  readonly from: string;
}

/** Opens a fan in the network namespace of the calling thread. Throws SysError without CAP_NET_RAW. */
export function openEchoFan(family: 4 | 6 = 4): EchoFan {
  return new EchoFan(family);
}

export class EchoFan {
  readonly #libc = libc();
  readonly #family: 4 | 6;
  readonly #fd: number;
  readonly #identifier: number;
  readonly #payload = new Uint8Array(PAYLOAD_LEN);
  readonly #to = new Uint8Array(new ArrayBuffer(SOCKADDR_ROOM));
  readonly #from = new Uint8Array(new ArrayBuffer(SOCKADDR_ROOM));
  readonly #fromLength = new Uint8Array(new ArrayBuffer(4));
  readonly #pollfd = new Uint8Array(new ArrayBuffer(POLLFD_LEN));
  readonly #echo = new Uint8Array(new ArrayBuffer(ICMP_LEN + PAYLOAD_LEN));
  readonly #received = new Uint8Array(new ArrayBuffer(BUFFER_LEN));
  #open = true;

  constructor(family: 4 | 6) {
    this.#family = family;
    const kind = SOCK_RAW | SOCK_CLOEXEC;
    const op = "Cannot open a raw ICMP socket";
    const [domain, protocol] = family === 4 ? [AF_INET, PROTOCOL_ICMP] : [AF_INET6, PROTOCOL_ICMPV6];
    this.#fd = check(op, this.#libc.socket(domain, kind, protocol), "run as root or grant CAP_NET_RAW");
    const random = randomBytes(TOKEN_LEN + 2);
    this.#payload.set(random.subarray(0, TOKEN_LEN));
    this.#identifier = random.readUInt16BE(TOKEN_LEN);
    putU32le(this.#pollfd, 0, this.#fd);
    putU16le(this.#pollfd, 4, POLLIN);
    // Both are refinements: without them there is more to read, and less room.
    this.#passOnlyReplies();
    const room = new Uint8Array(new ArrayBuffer(4));
    putU32le(room, 0, RECEIVE_BUFFER_LEN);
    this.#libc.setsockopt(this.#fd, SOL_SOCKET, SO_RCVBUFFORCE, room, room.length);
  }

  #passOnlyReplies(): void {
    const filter = new Uint8Array(new ArrayBuffer(this.#family === 4 ? 4 : ICMPV6_FILTER_LEN)).fill(0xff);
    const type = this.#family === 4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY;
    // Words of 32 bits, of which the first byte has the lowest ones: so does each byte of the whole.
    filter[type >> 3]! &= ~(1 << (type & 7));
    const [level, option] = this.#family === 4 ? [SOL_RAW, ICMP_FILTER] : [PROTOCOL_ICMPV6, ICMPV6_FILTER];
    this.#libc.setsockopt(this.#fd, level, option, filter, filter.length);
  }

  /** Sends echo `number` (u32). False when the kernel refuses it: no route, no path, no room. */
  send(address: string, number: number): boolean {
    const target = parseAddress(address);
    if (target === null) throw new TypeError(`${JSON.stringify(address)} is not an address`);
    putU32(this.#payload, NUMBER_AT, number);
    const length = encodeEcho(this.#echo, 0, {
      type: this.#family === 4 ? ICMP_ECHO_REQUEST : ICMPV6_ECHO_REQUEST,
      identifier: this.#identifier,
      sequence: number & 0xffff,
      payload: this.#payload,
    });
    encodeSockaddr(this.#to, 0, this.#family, { address: target, port: 0 });
    const room = sockaddrLength(this.#family);
    return this.#libc.sendto(this.#fd, this.#echo, length, MSG_DONTWAIT, this.#to, room) >= 0;
  }

  /** Blocks the thread until there is something to receive, at most so long. */
  wait(milliseconds: number): void {
    this.#libc.poll(this.#pollfd, 1, Math.ceil(milliseconds));
  }

  /** All answers that are there. Throws SysError. */
  receive(): EchoAnswer[] {
    const answers: EchoAnswer[] = [];
    for (;;) {
      const length = this.#next();
      if (length < 0) return answers;
      const number = this.#numberIn(length);
      if (number === null) continue;
      answers.push({ number, from: formatAddress(decodeSockaddr(this.#from, 0, this.#family).address) });
    }
  }

  /** Closing twice is harmless. */
  close(): void {
    if (this.#open) closeDescriptor(this.#fd);
    this.#open = false;
  }

  /** Bytes of the next message, or −1 when there is none. */
  #next(): number {
    const b = this.#received;
    for (;;) {
      putU32le(this.#fromLength, 0, SOCKADDR_ROOM);
      const length = this.#libc.recvfrom(
        this.#fd,
        b,
        b.length,
        MSG_DONTWAIT,
        this.#from,
        this.#fromLength,
      );
      if (length >= 0) return length;
      const errno = this.#libc.errno();
      if (errno === EAGAIN) return -1;
      if (errno !== EINTR) check("Cannot read from the raw ICMP socket", -1);
    }
  }

  #numberIn(length: number): number | null {
    // A raw IPv4 socket hands over the IP header too.
    const at = this.#family === 4 ? decodeIpv4(this.#received, 0, length) : 0;
    if (at < 0) return null;
    const echo = decodeEcho(this.#received, at, length);
    const reply = this.#family === 4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY;
    if (echo === null || echo.type !== reply || echo.identifier !== this.#identifier) return null;
    const { payload } = echo;
    if (payload.length !== PAYLOAD_LEN) return null;
    const ours = equalBytes(payload.subarray(0, TOKEN_LEN), this.#payload.subarray(0, TOKEN_LEN));
    return ours ? u32(payload, NUMBER_AT) : null;
  }
}
