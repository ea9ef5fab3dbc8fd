/**
 * The one address type: 16 bytes for IPv4 and IPv6 alike, IPv4 as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2), so that no table,
 * message or comparison needs twins. Only the texts show IPv4 as people write it; prefixes are in prefix.ts. Endpoints
 * travel as canonical text, "192.168.1.10:8473". These functions are for the control plane and allocate; the packet path
 * reads addresses out of headers by number. Arrays handed in are never kept or changed.
 */

import { fromHex, putU32, toHex, u32 } from "./bytes.ts";
import { formatAddress, isMapped, parseAddress } from "./address_text.ts";

export { formatAddress, isMapped as isIpv4, parseAddress };

/** 16 bytes, network order; IPv4 as ::ffff:a.b.c.d. */
export type Address = Uint8Array;

/** A UDP endpoint. */
export interface Endpoint {
  readonly address: Address;
  readonly port: number;
}

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

export type IpVersion = 4 | 6;

/** Of the text of an endpoint or an address. */
export function ipVersion(text: string): IpVersion {
  return text.startsWith("[") || text.indexOf(":") !== text.lastIndexOf(":") ? 6 : 4;
}

/** "8473" of "192.168.1.10:8473". */
export function portOf(endpoint: string): string {
  return endpoint.slice(endpoint.lastIndexOf(":") + 1);
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
