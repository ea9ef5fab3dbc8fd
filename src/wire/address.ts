// The one address type: 16 bytes for IPv4 and IPv6 alike, IPv4 as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2), so that
// no table, message or comparison needs twins. Prefix lengths count on those 16 bytes: an IPv4 /24 is 120.
// Only the texts show IPv4 as people write it. These functions are for the control plane and allocate; the
// packet path reads addresses out of headers by number. Arrays handed in are never kept or changed.

import { equalBytes, fromHex, putU32, toHex, u32 } from "./bytes.ts";
import { formatAddress, isMapped, parseAddress } from "./address_text.ts";

export { formatAddress, isMapped as isIpv4, parseAddress };

/** 16 bytes, network order; IPv4 as ::ffff:a.b.c.d. */
export type Address = Uint8Array;

/** An address and how many of its leading bits count, 0..128 (an IPv4 /24 is 120). */
export interface Prefix {
  readonly address: Address;
  readonly length: number;
}

/** A UDP endpoint. */
export interface Endpoint {
  readonly address: Address;
  readonly port: number;
}

const IPV4_BITS_AT = 96; // the bits before an IPv4 address in its mapped form
const MAX_EXACT_INDEX = 2 ** 46; // times 2^7 it is still an exact double

/** The mapped form of an IPv4 address given as an unsigned 32-bit number. */
export function addressFromU32(value: number): Address {
  const a = new Uint8Array(16);
  a[10] = 0xff;
  a[11] = 0xff;
  putU32(a, 12, value);
  return a;
}

/** The IPv4 address of a mapped address as an unsigned 32-bit number; of others, their last 32 bits. */
export function addressToU32(a: Address): number {
  return u32(a, 12);
}

/** 0.0.0.0 or :: */
export function isUnspecified(a: Address): boolean {
  if (isMapped(a)) return u32(a, 12) === 0;
  return a.every((byte) => byte === 0);
}

/** 127.0.0.0/8 or ::1 */
export function isLoopback(a: Address): boolean {
  if (isMapped(a)) return a[12] === 127;
  return a.every((byte, i) => byte === (i === 15 ? 1 : 0));
}

/** 224.0.0.0/4 or ff00::/8 */
export function isMulticast(a: Address): boolean {
  return isMapped(a) ? (a[12]! & 0xf0) === 0xe0 : a[0] === 0xff;
}

/** 169.254.0.0/16 or fe80::/10 */
export function isLinkLocal(a: Address): boolean {
  if (isMapped(a)) return a[12] === 169 && a[13] === 254;
  return a[0] === 0xfe && (a[1]! & 0xc0) === 0x80;
}

/** Reads "10.42.0.0/16" or "fd00::/8"; null when malformed or when bits are set beyond the length. */
export function parsePrefix(text: string): Prefix | null {
  const parsed = parseInterface(text);
  if (parsed === null || !equalBytes(parsed.address, networkOf(parsed).address)) return null;
  return parsed;
}

/** Reads "10.42.7.1/24": like parsePrefix, but the address may be that of a host. */
export function parseInterface(text: string): Prefix | null {
  const slash = text.indexOf("/");
  if (slash < 0) return null;
  const address = parseAddress(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (address === null || !/^(0|[1-9][0-9]{0,2})$/.test(digits)) return null;
  const offset = text.includes(":") ? 0 : IPV4_BITS_AT;
  const length = Number(digits) + offset;
  return length <= 128 ? { address, length } : null;
}

/** "10.42.0.0/16" for IPv4, "fd00::/8" for IPv6. */
export function formatPrefix(p: Prefix): string {
  const text = formatAddress(p.address);
  if (!isMapped(p.address)) return `${text}/${p.length}`;
  return p.length >= IPV4_BITS_AT ? `${text}/${p.length - IPV4_BITS_AT}` : `::ffff:${text}/${p.length}`;
}

/** IPv4 behind routers that translate: RFC 1918, and RFC 6598, which a carrier's customers share. */
export const PRIVATE_IPV4: readonly Prefix[] = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
]
  .map((text) => parsePrefix(text)!);

/** Not of the public Internet: PRIVATE_IPV4, unique local IPv6 (RFC 4193), or link-local. */
export function isPrivate(a: Address): boolean {
  if (isLinkLocal(a)) return true;
  return isMapped(a) ? PRIVATE_IPV4.some((range) => contains(range, a)) : (a[0]! & 0xfe) === 0xfc;
}

/** The same prefix with the bits beyond its length cleared. */
export function networkOf(p: Prefix): Prefix {
  const address = p.address.slice();
  for (let i = 0; i < 16; i++) {
    const kept = Math.min(8, Math.max(0, p.length - 8 * i));
    address[i] = address[i]! & (0xff00 >>> kept);
  }
  return { address, length: p.length };
}

/** Whether `a` lies in `p`. */
export function contains(p: Prefix, a: Address): boolean {
  const whole = p.length >>> 3;
  for (let i = 0; i < whole; i++) if (p.address[i] !== a[i]) return false;
  const rest = p.length & 7;
  return rest === 0 || ((p.address[whole]! ^ a[whole]!) & (0xff00 >>> rest) & 0xff) === 0;
}

/** Whether the text of an address lies in that of a prefix; no when either is none. */
export function liesWithin(prefix: string | null, address: string): boolean {
  const [p, a] = [prefix === null ? null : parsePrefix(prefix), parseAddress(address)];
  return p !== null && a !== null && contains(p, a);
}

/** Whether two prefixes share an address: one of them contains the other. */
export function overlaps(p: Prefix, q: Prefix): boolean {
  return p.length <= q.length ? contains(p, q.address) : contains(q, p.address);
}

/** Whether both have the same length and the same address, bits beyond the length included. */
export function samePrefix(p: Prefix, q: Prefix): boolean {
  return p.length === q.length && equalBytes(p.address, q.address);
}

/**
 * The n-th subnet (from 0) of `subnetLength` bits (128-based) in `network`.
 * Throws RangeError when there is no such subnet, or n ≥ 2^46.
 */
export function nthSubnet(network: Prefix, subnetLength: number, n: number): Prefix {
  const bits = subnetLength - network.length;
  if (bits < 0 || subnetLength > 128 || !Number.isInteger(n) || n < 0) {
    throw new RangeError(`No subnet ${n} of length ${subnetLength} in ${formatPrefix(network)}`);
  }
  if (n >= MAX_EXACT_INDEX || n >= 2 ** bits) {
    throw new RangeError(`Subnet ${n} lies beyond the end of ${formatPrefix(network)}`);
  }
  const address = networkOf(network).address;
  const shift = 128 - subnetLength;
  let carry = n * 2 ** (shift & 7);
  for (let i = 15 - (shift >>> 3); i >= 0 && carry > 0; i--) {
    carry += address[i]!;
    address[i] = carry % 256;
    carry = Math.floor(carry / 256);
  }
  return { address, length: subnetLength };
}

/** The inverse of nthSubnet: the number of `subnet` in `network`, or null when it is none of its subnets. */
export function subnetIndex(network: Prefix, subnetLength: number, subnet: Prefix): number | null {
  if (subnet.length !== subnetLength || subnetLength > 128 || subnetLength < network.length) return null;
  if (!contains(network, subnet.address) || !samePrefix(subnet, networkOf(subnet))) return null;
  let n = 0;
  for (let bit = network.length; bit < subnetLength; bit++) {
    n = n * 2 + ((subnet.address[bit >>> 3]! >>> (7 - (bit & 7))) & 1);
    if (n >= MAX_EXACT_INDEX) return null;
  }
  return n;
}

/** The address `offset` places after the first one of `p`; RangeError when it lies outside. */
export function addressAt(p: Prefix, offset: number): Address {
  return nthSubnet(p, 128, offset).address;
}

/** Reads "1.2.3.4:8473" or "[fd00::1]:8473"; a bare address only with `defaultPort`. Null when malformed. */
export function parseEndpoint(text: string, defaultPort?: number): Endpoint | null {
  const bracketed = /^\[([^\]]*)\](?::([0-9]{1,5}))?$/.exec(text);
  const match = bracketed ?? /^([0-9.]+)(?::([0-9]{1,5}))?$/.exec(text);
  const host = match === null ? text : match[1]!; // else a bare IPv6 address, or nonsense
  const digits = match?.[2];
  const address = parseAddress(host);
  const port = digits === undefined ? defaultPort : Number(digits);
  if (address === null || port === undefined || port < 1 || port > 65535) return null;
  if (bracketed !== null && !host.includes(":")) return null;
  return { address, port };
}

/** "1.2.3.4:8473" or "[fd00::1]:8473". */
export function formatEndpoint(e: Endpoint): string {
  return isMapped(e.address)
    ? `${formatAddress(e.address)}:${e.port}`
    : `[${formatAddress(e.address)}]:${e.port}`;
}

/** "192.168.1.10" of "192.168.1.10:8473", "fd00::1" of "[fd00::1]:8473". */
export function addressOf(endpoint: string): string {
  return endpoint.slice(0, endpoint.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}

/** "8473" of "192.168.1.10:8473". */
export function portOf(endpoint: string): string {
  return endpoint.slice(endpoint.lastIndexOf(":") + 1);
}

/** Whether address and port are the same. */
export function sameEndpoint(d: Endpoint, e: Endpoint): boolean {
  return d.port === e.port && equalBytes(d.address, e.address);
}

/** Reads "02:42:ac:11:00:02" into six bytes; null when malformed. */
export function parseMac(text: string): Uint8Array | null {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) return null;
  return fromHex(text.replaceAll(":", ""));
}

/** The six bytes at `at` as "02:42:ac:11:00:02". */
export function formatMac(b: Uint8Array, at = 0): string {
  return toHex(b.slice(at, at + 6)).replace(/..(?!$)/g, "$&:");
}

/** Orders two prefixes as text by address, then by length; what is no prefix comes last. */
export function comparePrefixes(a: string, b: string): number {
  const [p, q] = [parsePrefix(a), parsePrefix(b)];
  if (p === null || q === null) return Number(p === null) - Number(q === null);
  for (let i = 0; i < 16; i++) {
    if (p.address[i] !== q.address[i]) return p.address[i]! - q.address[i]!;
  }
  return p.length - q.length;
}
