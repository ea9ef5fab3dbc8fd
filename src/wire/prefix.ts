/**
 * A prefix as a value: the address, how many of its leading bits count, and the text that people know it by. It is made
 * where a text or bytes come in (flags, files, datagrams, netlink) and carried from there; its text is for output, JSON,
 * keys of maps and the mailbox. Prefix lengths count on 16 bytes, as addresses do: an IPv4 /24 is 120. Never changed.
 */

import { type Address, formatAddress, isIpv4, isLinkLocal, parseAddress } from "./address.ts";
import { equalBytes } from "./bytes.ts";

export class Prefix {
  readonly address: Address;
  /** 0..128 (an IPv4 /24 is 120). */
  readonly length: number;
  /** "10.42.0.0/16" for IPv4, "fd00::/8" for IPv6: equal for equal prefixes, and for no others. */
  readonly text: string;

  /** Takes the address, which must not be changed any more. Bits beyond the length may be set: see `networkOf`. */
  constructor(address: Address, length: number) {
    this.address = address;
    this.length = length;
    this.text = textOf(address, length);
  }

  /** In a sentence a prefix reads as its text, … */
  toString(): string {
    return this.text;
  }

  /** … and so it does in JSON. */
  toJSON(): string {
    return this.text;
  }
}

/** The bits before an IPv4 address in its mapped form. */
export const IPV4_BITS_AT = 96;
const MAX_EXACT_INDEX = 2 ** 46; // times 2^7 it is still an exact double

/** Reads "10.42.0.0/16" or "fd00::/8"; null when malformed or when bits are set beyond the length. */
export function parsePrefix(text: string): Prefix | null {
  const parsed = parseInterface(text);
  return parsed === null || !equalBytes(parsed.address, masked(parsed)) ? null : parsed;
}

/** The same of a value from outside, which may be anything. */
export function prefixOf(value: unknown): Prefix | null {
  return typeof value === "string" && value.length <= TEXT_MAX ? parsePrefix(value) : null;
}

/** Of a text of ours; RangeError when it is none. */
export function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === null) throw new RangeError(`Not a prefix: "${text}"`);
  return parsed;
}

/** Reads "10.42.7.1/24": like parsePrefix, but the address may be that of a host. */
export function parseInterface(text: string): Prefix | null {
  const slash = text.indexOf("/");
  if (slash < 0) return null;
  const address = parseAddress(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (address === null || !/^(0|[1-9][0-9]{0,2})$/.test(digits)) return null;
  const length = Number(digits) + (text.includes(":") ? 0 : IPV4_BITS_AT);
  return length <= 128 ? new Prefix(address, length) : null;
}

/** 0.0.0.0/0 or ::/0 */
export function isEverything(p: Prefix): boolean {
  return writtenLength(p) === 0;
}

/** The prefix of one address alone: an IPv4 /32, an IPv6 /128. */
export function hostPrefix(address: Address): Prefix {
  return new Prefix(address, 128);
}

/** "[ffff:…]/128" at its longest. */
const TEXT_MAX = 63;

function textOf(address: Address, length: number): string {
  const text = formatAddress(address);
  if (!isIpv4(address)) return `${text}/${length}`;
  return length >= IPV4_BITS_AT ? `${text}/${length - IPV4_BITS_AT}` : `::ffff:${text}/${length}`;
}

/** The length as people write it: 24 of an IPv4 /24. */
export function writtenLength({ address, length }: Prefix): number {
  return isIpv4(address) ? length - IPV4_BITS_AT : length;
}

/** The same prefix with the bits beyond its length cleared. */
export function networkOf(p: Prefix): Prefix {
  return new Prefix(masked(p), p.length);
}

function masked(p: Prefix): Address {
  const address = p.address.slice();
  for (let i = 0; i < 16; i++) {
    const kept = Math.min(8, Math.max(0, p.length - 8 * i));
    address[i] = address[i]! & (0xff00 >>> kept);
  }
  return address;
}

/** Whether `a` lies in `p`. */
export function contains(p: Prefix, a: Address): boolean {
  const whole = p.length >>> 3;
  for (let i = 0; i < whole; i++) if (p.address[i] !== a[i]) return false;
  const rest = p.length & 7;
  return rest === 0 || ((p.address[whole]! ^ a[whole]!) & (0xff00 >>> rest) & 0xff) === 0;
}

/** Whether the text of an address lies in a prefix; no when either is none. */
export function liesWithin(p: Prefix | null, address: string): boolean {
  const a = p === null ? null : parseAddress(address);
  return p !== null && a !== null && contains(p, a);
}

/** The one of the networks in which the text of an address lies; null: none, or it is no address. */
export function networkAround(networks: readonly Prefix[], address: string): Prefix | null {
  return networks.find((network) => liesWithin(network, address)) ?? null;
}

/** Whether `inner` is a part of `outer`, or the whole of it. */
export function isInside(inner: Prefix, outer: Prefix): boolean {
  return inner.length >= outer.length && contains(outer, inner.address);
}

/** Whether two prefixes share an address: one of them contains the other. */
export function overlaps(p: Prefix, q: Prefix): boolean {
  return p.length <= q.length ? contains(p, q.address) : contains(q, p.address);
}

/** Whether both have the same length and the same address, bits beyond the length included. */
export function samePrefix(p: Prefix | null, q: Prefix | null): boolean {
  return p?.text === q?.text;
}

/** Orders by address, then by length. */
export function comparePrefixes(p: Prefix, q: Prefix): number {
  for (let i = 0; i < 16; i++) {
    if (p.address[i] !== q.address[i]) return p.address[i]! - q.address[i]!;
  }
  return p.length - q.length;
}

/**
 * The n-th subnet (from 0) of `subnetLength` bits (128-based) in `network`.
 * Throws RangeError when there is no such subnet, or n ≥ 2^46.
 */
export function nthSubnet(network: Prefix, subnetLength: number, n: number): Prefix {
  const bits = subnetLength - network.length;
  if (bits < 0 || subnetLength > 128 || !Number.isInteger(n) || n < 0) {
    throw new RangeError(`No subnet ${n} of length ${subnetLength} in ${network}`);
  }
  if (n >= MAX_EXACT_INDEX || n >= 2 ** bits) {
    throw new RangeError(`Subnet ${n} lies beyond the end of ${network}`);
  }
  const address = masked(network);
  const shift = 128 - subnetLength;
  let carry = n * 2 ** (shift & 7);
  for (let i = 15 - (shift >>> 3); i >= 0 && carry > 0; i--) {
    carry += address[i]!;
    address[i] = carry % 256;
    carry = Math.floor(carry / 256);
  }
  return new Prefix(address, subnetLength);
}

/** The inverse of nthSubnet: the number of `subnet` in `network`, or null when it is none of its subnets. */
export function subnetIndex(network: Prefix, subnetLength: number, subnet: Prefix): number | null {
  if (subnet.length !== subnetLength || subnetLength > 128 || subnetLength < network.length) return null;
  if (!contains(network, subnet.address) || !equalBytes(subnet.address, masked(subnet))) return null;
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

/**
 * The address of a lease that its holder's device has. Of IPv4 the first, as with flannel: no bridge gives it to anybody. Of
 * IPv6 the last: the first is every router's (the Subnet-Router anycast address, RFC 4291 §2.6.1). A kernel that forwards
 * takes that one for its bridge, and refuses TCP there. A subnet of two has no such address (RFC 6164), but a bridge at its
 * end.
 */
export function deviceAddress({ address, length }: Prefix): Address {
  if (isIpv4(address) || length >= 127) return address;
  const last = address.slice();
  for (let i = 0; i < 16; i++) last[i]! |= 0xff >>> Math.min(8, Math.max(0, length - 8 * i));
  return last;
}

/**
 * Where the holder of an IPv6 lease is asked by a direct route (control/paths/ways.ts): the last address but one, which it has
 * beside `deviceAddress`. Routes of IPv6 cannot be for a Type of Service alone, so that probes have an address of their own.
 * Null: of IPv4, or in a lease with no room for it.
 */
export function probeAddress(subnet: Prefix): Address | null {
  if (isIpv4(subnet.address) || subnet.length > 126) return null;
  const address = deviceAddress(subnet).slice();
  address[15]!--;
  return address;
}

/** IPv4 behind routers that translate: RFC 1918, and RFC 6598, which a carrier's customers share. */
export const PRIVATE_IPV4: readonly Prefix[] = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
].map(prefix);

/** Not of the public Internet: PRIVATE_IPV4, unique local IPv6 (RFC 4193), or link-local. */
export function isPrivate(a: Address): boolean {
  if (isLinkLocal(a)) return true;
  return isIpv4(a) ? PRIVATE_IPV4.some((range) => contains(range, a)) : (a[0]! & 0xfe) === 0xfc;
}
