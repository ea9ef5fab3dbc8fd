/**
 * Superframes for the tests and a naive model of what they stand for, written from the rules alone
 * (Documentation/networking/segmentation-offloads.rst): it shares no code with src/dataplane.
 */
import fc from "fast-check";
import type { Frame } from "../fakes/memory_tun.ts";
import { randomBytes, seeded } from "./seeded.ts";
import { bytesOf, DF, ipv4, ipv6, naiveSum, putWord, TCP, UDP, word } from "./packets.ts";

export const FIN = 1;
export const PSH = 8;
export const ACK = 16;
export const CWR = 128;
export const GSO_TYPES = { tcp4: 1, tcp6: 4, udp: 5 };

/** Everything about a superframe that a rule speaks of. */
export interface Shape {
  readonly v6: boolean;
  readonly udp: boolean;
  readonly ends: readonly [string, string];
  readonly ports: readonly [number, number];
  /** IPv4 options or IPv6 extension headers, in words of 4 or 8 bytes. */
  readonly ipOptions: number;
  readonly tcpOptions: number;
  /** Payload of each segment but the last, of all. */
  readonly size: number;
  readonly payload: number;
  readonly id: number;
  readonly df: boolean;
  readonly tos: number;
  readonly ttl: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  readonly window: number;
  readonly seed: number;
}

export const PLAIN: Shape = {
  v6: false,
  udp: false,
  ends: ["10.42.1.5", "10.42.2.9"],
  ports: [1000, 80],
  ipOptions: 0,
  tcpOptions: 3,
  size: 1348,
  payload: 40_000,
  id: 0x1234,
  df: true,
  tos: 0,
  ttl: 64,
  sequence: 7_000_000,
  acknowledgment: 99,
  flags: ACK,
  window: 501,
  seed: 1,
};

/** Bytes of the headers of `shape`. */
export function headersOf(shape: Shape): { ip: number; transport: number; all: number } {
  const ip = shape.v6 ? 40 + 8 * shape.ipOptions : 20 + 4 * shape.ipOptions;
  const transport = shape.udp ? 8 : 20 + 4 * shape.tcpOptions;
  return { ip, transport, all: ip + transport };
}

/** The packet of `shape`, its checksum field holding the folded pseudo-header sum. */
function packetOf(shape: Shape): Uint8Array {
  const random = seeded(shape.seed);
  const { transport } = headersOf(shape);
  const head = new Uint8Array(transport);
  putWord(head, 0, shape.ports[0]);
  putWord(head, 2, shape.ports[1]);
  if (shape.udp) putWord(head, 4, (8 + shape.payload) & 0xffff);
  else {
    putLong(head, 4, shape.sequence);
    putLong(head, 8, shape.acknowledgment);
    head[12] = (transport / 4) << 4;
    head[13] = shape.flags;
    putWord(head, 14, shape.window);
    head.fill(1, 20); // NOP
    if (shape.tcpOptions >= 3) head.set([8, 10, ...randomBytes(random, 8)], 22);
  }
  const body = bytesOf(head, fastBytes(shape.seed, shape.payload));
  const protocol = shape.udp ? UDP : TCP;
  let packet: Uint8Array;
  if (shape.v6) {
    const extensions = Array.from(
      { length: shape.ipOptions },
      (_, i) => [i + 1 < shape.ipOptions ? 60 : protocol, 0, 1, 4, 0, 0, 0, 0],
    ).flat();
    packet = ipv6(shape.ends, shape.ipOptions > 0 ? 60 : protocol, bytesOf(extensions, body));
    packet[0] = 0x60 | (shape.tos >> 4);
    packet[1] = (shape.tos & 15) << 4;
    packet[7] = shape.ttl;
  } else {
    const options = new Uint8Array(4 * shape.ipOptions).fill(1);
    packet = ipv4(shape.ends, protocol, body, { fragment: shape.df ? DF : 0, id: shape.id, options });
    packet[1] = shape.tos;
    packet[8] = shape.ttl;
    fixHeader(packet);
  }
  const at = transportAt(packet);
  putWord(packet, at + (shape.udp ? 6 : 16), pseudo(packet, at, protocol));
  return packet;
}

/** The superframe of `shape` as the kernel hands it over. */
export function superframe(shape: Shape): Frame {
  const { ip, all } = headersOf(shape);
  const type = shape.udp ? GSO_TYPES.udp : shape.v6 ? GSO_TYPES.tcp6 : GSO_TYPES.tcp4;
  return { vnet: vnetOf(1, type, all, shape.size, ip, shape.udp ? 6 : 16), packet: packetOf(shape) };
}

/** One packet with a complete checksum: `shape` with all its payload. */
export function single(shape: Shape): Uint8Array {
  const packet = packetOf(shape);
  complete(packet);
  return packet;
}

export function vnetOf(
  ...[flags, type, hdrLen, size, start, offset]: [number, number, number, number, number, number]
): Uint8Array {
  const vnet = new Uint8Array(10);
  vnet[0] = flags;
  vnet[1] = type;
  [hdrLen, size, start, offset].forEach((value, i) => {
    vnet[2 + 2 * i] = value & 255;
    vnet[3 + 2 * i] = value >> 8;
  });
  return vnet;
}

export function vnetFields(vnet: Uint8Array) {
  const le = (at: number) => vnet[at]! + 256 * vnet[at + 1]!;
  return { flags: vnet[0]!, type: vnet[1]!, hdrLen: le(2), size: le(4), start: le(6), offset: le(8) };
}

/** The packets a frame stands for, each with its checksum complete: what any kernel would put on a wire. */
export function cut(frame: Frame): Uint8Array[] {
  const { flags, type, size, start } = vnetFields(frame.vnet);
  const { packet } = frame;
  if (type === 0) {
    const whole = packet.slice();
    if ((flags & 1) !== 0) complete(whole);
    return [whole];
  }
  const isUdp = type === GSO_TYPES.udp;
  const headers = start + (isUdp ? 8 : (packet[start + 12]! >> 4) * 4);
  const count = Math.ceil((packet.length - headers) / size);
  return Array.from({ length: count }, (_, i) => {
    const from = headers + i * size;
    const segment = bytesOf(packet.subarray(0, headers), packet.subarray(from, from + size));
    if (segment[0]! >> 4 === 4) {
      putWord(segment, 2, segment.length);
      putWord(segment, 4, (word(packet, 4) + i) & 0xffff);
      fixHeader(segment);
    } else putWord(segment, 4, segment.length - 40);
    if (isUdp) putWord(segment, start + 4, segment.length - start);
    else {
      putLong(segment, start + 4, long(packet, start + 4) + i * size);
      if (i + 1 < count) segment[start + 13]! &= ~(FIN | PSH);
      if (i > 0) segment[start + 13]! &= ~CWR;
    }
    complete(segment);
    return segment;
  });
}

/** Where TCP or UDP begins, behind options and extension headers. */
export function transportAt(packet: Uint8Array): number {
  if (packet[0]! >> 4 === 4) return (packet[0]! & 15) * 4;
  let at = 40;
  for (let next = packet[6]!; next === 60; at += 8) next = packet[at]!;
  return at;
}

function protocolOf(packet: Uint8Array): number {
  if (packet[0]! >> 4 === 4) return packet[9]!;
  const at = transportAt(packet);
  return at === 40 ? packet[6]! : packet[at - 8]!;
}

function pseudo(packet: Uint8Array, at: number, protocol: number): number {
  const addresses = packet[0]! >> 4 === 4 ? packet.subarray(12, 20) : packet.subarray(8, 40);
  const length = packet.length - at;
  return naiveSum(addresses, Uint8Array.of(0, protocol, length >> 8, length & 255));
}

/** Computes the transport checksum anew. */
export function complete(packet: Uint8Array): void {
  const at = transportAt(packet), protocol = protocolOf(packet);
  const field = at + (protocol === UDP ? 6 : 16);
  putWord(packet, field, 0);
  const sum = pseudo(packet, at, protocol);
  const value = 0xffff - naiveSum(Uint8Array.of(sum >> 8, sum & 255), packet.subarray(at));
  putWord(packet, field, value === 0 && protocol === UDP ? 0xffff : value);
}

/** Computes the IPv4 header checksum anew. */
export function fixHeader(packet: Uint8Array): void {
  putWord(packet, 10, 0);
  putWord(packet, 10, 0xffff - naiveSum(packet.subarray(0, (packet[0]! & 15) * 4)));
}

export function long(b: Uint8Array, at: number): number {
  return word(b, at) * 65536 + word(b, at + 2);
}

export function putLong(b: Uint8Array, at: number, value: number): void {
  putWord(b, at, Math.floor(value / 65536) & 0xffff);
  putWord(b, at + 2, value & 0xffff);
}

const NOISE = randomBytes(seeded(0x5eed), 1 << 17);

/** As random as a test needs, quickly. */
function fastBytes(seed: number, length: number): Uint8Array {
  const from = (seed * 7919) & 0xffff;
  return NOISE.slice(from, from + length);
}

/** Any superframe for `ends`; `plain` leaves out what is never joined again: options of IP, FIN, CWR. */
export function shapes(
  ends: { readonly v4: readonly [string, string]; readonly v6: readonly [string, string] },
  { mtu, plain }: { readonly mtu: number; readonly plain: boolean },
): fc.Arbitrary<Shape> {
  const word16 = fc.integer({ min: 0, max: 0xffff });
  const word32 = fc.oneof(
    fc.integer({ min: 0, max: 0xffffffff }),
    fc.integer({ min: 0xffff0000, max: 0xffffffff }),
  );
  const flags = plain ? [ACK, ACK | PSH] : [ACK, ACK | PSH, ACK | FIN, ACK | FIN | PSH | CWR, ACK | CWR];
  return fc.record({
    v6: fc.boolean(),
    udp: fc.boolean(),
    ports: fc.tuple(word16, word16),
    ipOptions: plain ? fc.constant(0) : fc.integer({ min: 0, max: 3 }),
    tcpOptions: fc.integer({ min: 0, max: 10 }),
    id: fc.oneof(word16, fc.integer({ min: 0xfff0, max: 0xffff })),
    df: fc.boolean(),
    tos: fc.integer({ min: 0, max: 255 }),
    ttl: fc.integer({ min: 1, max: 255 }),
    sequence: word32,
    acknowledgment: word32,
    flags: fc.constantFrom(...flags),
    window: word16,
    seed: word16,
  }).chain((some) => {
    const draft: Shape = { ...PLAIN, ...some, ends: some.v6 ? ends.v6 : ends.v4 };
    const { all } = headersOf(draft);
    return fc.integer({ min: 1, max: mtu - all }).chain((size) =>
      fc.integer({ min: size + 1, max: Math.min(64 * size, 65_535 - all) }).map((payload) => ({
        ...draft,
        size,
        payload,
      }))
    );
  });
}
