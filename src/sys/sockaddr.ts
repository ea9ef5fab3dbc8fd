/**
 * struct sockaddr_in and sockaddr_in6 (ip(7), ipv6(7)) to and from the one address type. A dual-stack
 * socket speaks sockaddr_in6 with mapped IPv4; where the kernel has no IPv6, sockaddr_in.
 */
import { type Endpoint, formatEndpoint } from "../wire/address.ts";
import { putU16, putU16le, u16 } from "../wire/bytes.ts";

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
/** Room for either kind; a multiple of 8. */
export const SOCKADDR_ROOM = 32;
/** The same in words of 32 bits. */
export const SOCKADDR_WORDS = SOCKADDR_ROOM / 4;
const PORT_AT = 2;
const IPV4_AT = 4;
const IPV6_AT = 8;

/** Bytes of the sockaddr of a family. */
export function sockaddrLength(family: 4 | 6): number {
  return family === 4 ? 16 : 28;
}

/** Writes `endpoint` as the sockaddr of `family`. False when an IPv6 address meets an IPv4 socket. */
export function encodeSockaddr(b: Uint8Array, at: number, family: 4 | 6, endpoint: Endpoint): boolean {
  b.fill(0, at, at + SOCKADDR_ROOM);
  putU16le(b, at, family === 4 ? AF_INET : AF_INET6);
  putU16(b, at + PORT_AT, endpoint.port);
  if (family === 6) b.set(endpoint.address, at + IPV6_AT);
  else if (endpoint.address[10] === 0xff && endpoint.address[11] === 0xff && endpoint.address[0] === 0) {
    b.set(endpoint.address.subarray(12, 16), at + IPV4_AT);
  } else return false;
  return true;
}

/** Reads a sockaddr the kernel filled in. */
export function decodeSockaddr(b: Uint8Array, at: number, family: 4 | 6): Endpoint {
  const address = new Uint8Array(16);
  if (family === 6) address.set(b.subarray(at + IPV6_AT, at + IPV6_AT + 16));
  else {
    address[10] = address[11] = 0xff;
    address.set(b.subarray(at + IPV4_AT, at + IPV4_AT + 4), 12);
  }
  return { address, port: u16(b, at + PORT_AT) };
}

/** The sockaddr as text, "192.168.1.11:8473". */
export function sockaddrText(b: Uint8Array, at: number, family: 4 | 6): string {
  return formatEndpoint(decodeSockaddr(b, at, family));
}

/**
 * Compares two sockaddrs of one family, each at a word of 32 bits in memory that begins with one: address, and the port
 * where asked. No allocation.
 */
export function sameSockaddr(
  a: Int32Array,
  aAt: number,
  b: Int32Array,
  bAt: number,
  family: 4 | 6,
  withPort: boolean,
): boolean {
  if (withPort && a[aAt] !== b[bAt]) return false; // the family, too
  if (family === 4) return a[aAt + 1] === b[bAt + 1];
  return a[aAt + 5] === b[bAt + 5] && a[aAt + 4] === b[bAt + 4] && a[aAt + 3] === b[bAt + 3] &&
    a[aAt + 2] === b[bAt + 2];
}
