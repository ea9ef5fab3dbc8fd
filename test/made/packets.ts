/**
 * Packets for the data-plane tests, built byte by byte and checksummed by the slowest obvious sum, so that
 * nothing here agrees with src/wire by sharing its code.
 */
import { formatAddress, parseAddress } from "../../src/wire/address.ts";

export const TCP = 6;
export const UDP = 17;
export const DF = 0x4000;
export const MF = 0x2000;

/** RFC 1071 over the parts, one word at a time; each part but the last must be of even length. */
export function naiveSum(...parts: Uint8Array[]): number {
  let total = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) {
      total += part[i]! * 256 + (part[i + 1] ?? 0);
      if (total > 0xffff) total -= 0xffff;
    }
  }
  return total;
}

export function word(b: Uint8Array, at: number): number {
  return b[at]! * 256 + b[at + 1]!;
}

export function putWord(b: Uint8Array, at: number, value: number): void {
  b[at] = value >> 8;
  b[at + 1] = value & 255;
}

export function bytesOf(...parts: (Uint8Array | number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

export interface Ipv4Options {
  readonly fragment?: number; // flags and offset, 0 unless given
  readonly id?: number;
  readonly options?: Uint8Array;
}

export function ipv4(
  [source, destination]: readonly [string, string],
  protocol: number,
  payload: Uint8Array,
  { fragment = 0, id = 0x1234, options = new Uint8Array(0) }: Ipv4Options = {},
): Uint8Array {
  const header = new Uint8Array(20 + options.length);
  header[0] = 0x40 | (header.length / 4);
  putWord(header, 2, header.length + payload.length);
  putWord(header, 4, id);
  putWord(header, 6, fragment);
  header[8] = 64;
  header[9] = protocol;
  header.set(parseAddress(source)!.subarray(12), 12);
  header.set(parseAddress(destination)!.subarray(12), 16);
  header.set(options, 20);
  putWord(header, 10, 0xffff - naiveSum(header));
  return bytesOf(header, payload);
}

export function ipv6(
  [source, destination]: readonly [string, string],
  next: number,
  payload: Uint8Array,
): Uint8Array {
  const header = new Uint8Array(40);
  header[0] = 0x60;
  putWord(header, 4, payload.length);
  header[6] = next;
  header[7] = 64;
  header.set(parseAddress(source)!, 8);
  header.set(parseAddress(destination)!, 24);
  return bytesOf(header, payload);
}

/** The folded pseudo-header sum of an IP packet without extension headers or options. */
export function pseudoSum(packet: Uint8Array, protocol: number): number {
  const v4 = packet[0]! >> 4 === 4;
  const addresses = v4 ? packet.subarray(12, 20) : packet.subarray(8, 40);
  const length = packet.length - (v4 ? (packet[0]! & 15) * 4 : 40);
  return naiveSum(addresses, Uint8Array.of(0, protocol, length >> 8, length & 255));
}

/** What the checksum field of TCP or UDP shall hold. */
export type Sum = "complete" | "partial" | "wrong" | "none";

function finish(packet: Uint8Array, transport: number, protocol: number, kind: Sum): Uint8Array {
  const field = transport + (protocol === TCP ? 16 : 6);
  const pseudo = pseudoSum(packet, protocol);
  putWord(packet, field, 0);
  const whole = 0xffff - naiveSum(packet.subarray(transport), Uint8Array.of(pseudo >> 8, pseudo & 255));
  // An odd payload would shift the second part: add the pseudo-header first.
  const right = 0xffff - naiveSum(Uint8Array.of(pseudo >> 8, pseudo & 255), packet.subarray(transport));
  if (packet.length % 2 === 0 && whole !== right) throw new Error("The sums of the test disagree");
  const values = {
    complete: right || (protocol === UDP ? 0xffff : 0),
    partial: pseudo,
    wrong: right ^ 0x0101,
    none: 0,
  };
  putWord(packet, field, values[kind]);
  return packet;
}

function addressed(ends: readonly [string, string], protocol: number, body: Uint8Array): Uint8Array {
  return ends[0].includes(":") ? ipv6(ends, protocol, body) : ipv4(ends, protocol, body, { fragment: DF });
}

/** A UDP packet with DF from port 1000 to `port`. */
export function udp(
  ends: readonly [string, string],
  payload: Uint8Array,
  kind: Sum = "complete",
  port = 2000,
): Uint8Array {
  const head = new Uint8Array(8);
  putWord(head, 0, 1000);
  putWord(head, 2, port);
  putWord(head, 4, 8 + payload.length);
  const packet = addressed(ends, UDP, bytesOf(head, payload));
  return finish(packet, packet.length - payload.length - 8, UDP, kind);
}

/** A TCP packet with DF, flags ACK, and 12 bytes of options, from port 1000 to port 80. */
export function tcp(
  ends: readonly [string, string],
  payload: Uint8Array,
  kind: Sum = "complete",
): Uint8Array {
  const head = new Uint8Array(32);
  putWord(head, 0, 1000);
  putWord(head, 2, 80);
  putWord(head, 4, 0xfffe); // a sequence number that will wrap
  putWord(head, 10, 1);
  head[12] = 0x80;
  head[13] = 0x10;
  putWord(head, 14, 500);
  head.set([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], 20);
  const packet = addressed(ends, TCP, bytesOf(head, payload));
  return finish(packet, packet.length - payload.length - 32, TCP, kind);
}

export function sourceOf(packet: Uint8Array): string {
  return addressIn(packet, 12, 8);
}

export function destinationOf(packet: Uint8Array): string {
  return addressIn(packet, 16, 24);
}

function addressIn(packet: Uint8Array, at4: number, at6: number): string {
  if (packet[0]! >> 4 === 6) return formatAddress(packet.subarray(at6, at6 + 16));
  return packet.subarray(at4, at4 + 4).join(".");
}
