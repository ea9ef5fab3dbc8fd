/**
 * ICMP and ICMPv6 echo over a raw socket (raw(7), RFC 792, RFC 4443 §4), for `ovltun ping`: one echo at a time, waited
 * for with poll(2). Blocks the calling thread, as a command may. A raw socket hears all ICMP of the host: an answer is
 * ours by identifier, sequence and a random token in the payload; an error is ours by the echo it quotes.
 */
import { randomBytes } from "node:crypto";
import { equalBytes, i32, putU16le, putU32le, u16 } from "../wire/bytes.ts";
import { type Address, formatAddress, isIpv4, parseAddress } from "../wire/address.ts";
import {
  decodeEcho,
  encodeEcho,
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  ICMP_LEN,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  ICMPV6_ECHO_REPLY,
  ICMPV6_ECHO_REQUEST,
  ICMPV6_PACKET_TOO_BIG,
  ICMPV6_TIME_EXCEEDED,
  ICMPV6_UNREACHABLE,
} from "../wire/icmp.ts";
import {
  decodeIpv4,
  IPV4_DESTINATION_AT,
  IPV4_MIN_LEN,
  ipv4HeaderLength,
  ipv4Protocol,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
} from "../wire/ipv4.ts";
import { IPV6_DESTINATION_AT, IPV6_LEN, IPV6_NEXT_HEADER_AT } from "../wire/ipv6.ts";
import { libc } from "./libc.ts";
import {
  AF_INET,
  AF_INET6,
  decodeSockaddr,
  encodeSockaddr,
  SOCKADDR_ROOM,
  sockaddrLength,
} from "./sockaddr.ts";
import { EAGAIN, EINTR, errnoName } from "../ports/sys_error.ts";
import { check } from "./failed.ts";
import { MSG_DONTWAIT, POLLIN, SOCK_CLOEXEC, SOCK_RAW } from "./linux.ts";

const TOKEN_LEN = 8;
const PAYLOAD_LEN = 56; // with the ICMP header the 64 bytes of ping(8)
const BUFFER_LEN = 2048;

/** Bytes of one echo, ICMP header and payload. */
export const ECHO_LEN = ICMP_LEN + PAYLOAD_LEN;

/** Codes of ICMP destination unreachable (RFC 792, RFC 1812 §5.2.7.1), by number. */
const UNREACHABLE4: Readonly<Record<number, string>> = {
  0: "network unreachable",
  1: "host unreachable",
  2: "protocol unreachable",
  3: "port unreachable",
  4: "fragmentation needed",
  9: "network prohibited",
  10: "host prohibited",
  13: "communication prohibited",
};
/** Codes of ICMPv6 destination unreachable (RFC 4443 §3.1). */
const UNREACHABLE6: Readonly<Record<number, string>> = {
  0: "no route to destination",
  1: "communication prohibited",
  3: "address unreachable",
  4: "port unreachable",
};

/** Opens a pinger for one address. Throws SysError without CAP_NET_RAW, TypeError when `address` is none. */
export function openPinger(address: string): Pinger {
  const target = parseAddress(address);
  if (target === null) throw new TypeError(`${JSON.stringify(address)} is not an address`);
  return new Pinger(target);
}

/** Echoes to one address; close it. */
class Pinger {
  readonly #libc = libc();
  readonly #target: Address;
  readonly #family: 4 | 6;
  readonly #fd: number;
  readonly #identifier: number;
  readonly #payload: Uint8Array;
  readonly #sockaddr = new Uint8Array(new ArrayBuffer(SOCKADDR_ROOM));
  readonly #from = new Uint8Array(new ArrayBuffer(SOCKADDR_ROOM));
  readonly #fromLength = new Uint8Array(new ArrayBuffer(4));
  readonly #pollfd = new Uint8Array(new ArrayBuffer(8));
  readonly #send = new Uint8Array(new ArrayBuffer(ECHO_LEN));
  readonly #receive = new Uint8Array(new ArrayBuffer(BUFFER_LEN));
  #sequence = 0;
  #error: string | null = null;
  #open = true;

  constructor(target: Address) {
    this.#target = target;
    this.#family = isIpv4(target) ? 4 : 6;
    const [domain, protocol] = this.#family === 4 ? [AF_INET, PROTOCOL_ICMP] : [AF_INET6, PROTOCOL_ICMPV6];
    const hint = "run as root or grant CAP_NET_RAW";
    const op = "Cannot open a raw ICMP socket";
    this.#fd = check(op, this.#libc.socket(domain, SOCK_RAW | SOCK_CLOEXEC, protocol), hint);
    const random = new Uint8Array(randomBytes(TOKEN_LEN + 2));
    this.#identifier = u16(random, TOKEN_LEN);
    this.#payload = new Uint8Array(PAYLOAD_LEN).map((_, i) => i);
    this.#payload.set(random.subarray(0, TOKEN_LEN));
    encodeSockaddr(this.#sockaddr, 0, this.#family, { address: target, port: 0 });
    putU32le(this.#pollfd, 0, this.#fd);
    putU16le(this.#pollfd, 4, POLLIN);
  }

  /** Sequence number of the newest echo, from 1. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Why the newest echo has no answer: "host unreachable from 10.42.7.0"; null after a timeout or an answer. */
  get error(): string | null {
    return this.#error;
  }

  /** Sends one echo and waits for its answer. Round trip in ms, or null (see `error`). */
  ping(timeoutMs: number): number | null {
    this.#error = null;
    this.#sequence = (this.#sequence + 1) & 0xffff;
    const type = this.#family === 4 ? ICMP_ECHO_REQUEST : ICMPV6_ECHO_REQUEST;
    const echo = { type, identifier: this.#identifier, sequence: this.#sequence, payload: this.#payload };
    const length = encodeEcho(this.#send, 0, echo);
    const start = performance.now();
    const to = sockaddrLength(this.#family);
    if (this.#libc.sendto(this.#fd, this.#send, length, 0, this.#sockaddr, to) < 0) {
      const errno = this.#libc.errno();
      this.#error = `${errnoName(errno)}, ${this.#libc.message(errno)}`;
      return null;
    }
    for (;;) {
      const remaining = timeoutMs - (performance.now() - start);
      if (remaining <= 0) return null;
      const received = this.#next(remaining);
      const rtt = performance.now() - start;
      if (received < 0) continue;
      const verdict = this.#judge(received);
      if (verdict === "answer") return rtt;
      if (verdict === "error") return null;
    }
  }

  /** Closes the socket. */
  close(): void {
    if (this.#open) this.#libc.close(this.#fd);
    this.#open = false;
  }

  /** Bytes of the next message in #receive, or −1 when none came in time. */
  #next(timeoutMs: number): number {
    if (this.#libc.poll(this.#pollfd, 1, Math.ceil(timeoutMs)) <= 0) return -1;
    putU32le(this.#fromLength, 0, SOCKADDR_ROOM);
    const length = this.#libc.recvfrom(
      this.#fd,
      this.#receive,
      BUFFER_LEN,
      MSG_DONTWAIT,
      this.#from,
      this.#fromLength,
    );
    if (length >= 0) return length;
    const errno = this.#libc.errno();
    if (errno !== EAGAIN && errno !== EINTR) check("Cannot read from the raw ICMP socket", -1);
    return -1;
  }

  #judge(length: number): "answer" | "error" | "other" {
    const b = this.#receive;
    let at = 0;
    if (this.#family === 4) { // a raw IPv4 socket hands over the IP header too
      at = decodeIpv4(b, 0, length);
      if (at < 0) return "other";
    }
    const echo = decodeEcho(b, at, length);
    if (echo !== null) {
      const reply = this.#family === 4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY;
      const ours = echo.type === reply && echo.identifier === this.#identifier &&
        echo.sequence === this.#sequence && equalBytes(echo.payload, this.#payload);
      return ours ? "answer" : "other";
    }
    const name = this.#errorName(at, length);
    if (name === null || !this.#quotesUs(at + ICMP_LEN, length)) return "other";
    this.#error = `${name} from ${formatAddress(decodeSockaddr(this.#from, 0, this.#family).address)}`;
    return "error";
  }

  #errorName(at: number, end: number): string | null {
    if (end - at < ICMP_LEN) return null;
    const type = this.#receive[at]!;
    const code = this.#receive[at + 1]!;
    if (this.#family === 4) {
      if (type === ICMP_TIME_EXCEEDED) return "time to live exceeded";
      return type === ICMP_UNREACHABLE ? UNREACHABLE4[code] ?? `unreachable (code ${code})` : null;
    }
    if (type === ICMPV6_TIME_EXCEEDED) return "hop limit exceeded";
    if (type === ICMPV6_PACKET_TOO_BIG) return "packet too big";
    return type === ICMPV6_UNREACHABLE ? UNREACHABLE6[code] ?? `unreachable (code ${code})` : null;
  }

  /** Whether the packet quoted at `at` is our newest echo; quotes may be cut after 8 bytes of ICMP. */
  #quotesUs(at: number, end: number): boolean {
    const b = this.#receive;
    let icmpAt: number;
    if (this.#family === 4) {
      if (end - at < IPV4_MIN_LEN + ICMP_LEN || ipv4Protocol(b, at) !== PROTOCOL_ICMP) return false;
      if (i32(b, at + IPV4_DESTINATION_AT) !== i32(this.#target, 12)) return false;
      icmpAt = at + ipv4HeaderLength(b, at);
    } else {
      if (end - at < IPV6_LEN + ICMP_LEN || b[at + IPV6_NEXT_HEADER_AT] !== PROTOCOL_ICMPV6) return false;
      const destination = at + IPV6_DESTINATION_AT;
      if (!equalBytes(b.subarray(destination, destination + 16), this.#target)) return false;
      icmpAt = at + IPV6_LEN;
    }
    if (icmpAt + ICMP_LEN > end) return false;
    return u16(b, icmpAt + 4) === this.#identifier && u16(b, icmpAt + 6) === this.#sequence;
  }
}
