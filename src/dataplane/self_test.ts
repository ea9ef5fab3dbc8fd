/**
 * Whether the kernel does with superframes and trains what it says it can: kernels are known that refuse superframes
 * on TUN, or mangle trains. Asked once, before the node carries traffic, with the devices that will carry it:
 *   1. testTrains        datagrams through a pair of sockets on loopback: singly, as trains out, as trains out and in
 *   2. testSuperframes   packets to TUN that the kernel's IP layer drops: a single one, TCP superframes, UDP ones
 *   3. testReadBack      a train that the host sends through the device comes out of it as a UDP superframe
 * What fails even without an offload says nothing about it: then nothing was tested. Neither waits for long.
 */
import {
  type DatagramSocket,
  type Offload,
  type PacketPool,
  type Tested,
  type TunDevice,
  VNET_LEN,
} from "../ports/devices.ts";
import { fold } from "../wire/checksum.ts";
import {
  decodeIpv4,
  encodeIpv4,
  IPV4_CHECKSUM_AT,
  IPV4_MIN_LEN,
  ipv4Destination,
  ipv4Protocol,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
} from "../wire/ipv4.ts";
import { ipPseudoSum } from "../wire/ip.ts";
import { encodeIpv6, IPV6_LEN } from "../wire/ipv6.ts";
import { putU16, putU32, u16 } from "../wire/bytes.ts";
import { TCP_ACK, TCP_CHECKSUM_AT, TCP_DATA_OFFSET_AT, TCP_FLAGS_AT, TCP_MIN_LEN } from "../wire/tcp.ts";
import { encodeUdp, UDP_CHECKSUM_AT, UDP_LEN } from "../wire/udp.ts";
import {
  clearVnet,
  GSO_NONE,
  gsoType,
  packetAt,
  putVnetChecksum,
  putVnetGso,
  vnetGsoSize,
  vnetGsoType,
} from "./packet/packet_memory.ts";

/** Two sockets that know each other as slot 0. The sender queues from slot 0 of the pool, the receiver has its own. */
export interface TrainPair {
  readonly sender: DatagramSocket;
  readonly receiver: DatagramSocket;
  /** False when the kernel knows no trains on receive. */
  readonly takesTrains: boolean;
  /** Whether the kernel has refused to send a train. */
  refused(): boolean;
  /** Waits until the receiver has something, at most `milliseconds`. */
  wait(milliseconds: number): void;
  close(): void;
}

/** Null where there is no loopback. */
export type OpenPair = (offloads: { gso: boolean; gro: boolean }) => TrainPair | null;

/** A datagram on loopback is there at once or never. */
const WAIT_MS = 5;
/** Batches looked at for one train: strangers may talk to our port, but not for ever. */
const MAX_BATCHES = 4;
/** Lengths of datagrams: a train of equals, and one with a short end. */
const TRAINS: readonly (readonly number[])[] = [
  Array<number>(8).fill(1200),
  [...Array<number>(6).fill(900), 333],
];

/** Sends through pairs of `open` and compares what arrives, byte for byte; `wanted`: what is to be tested. */
export function testTrains(
  open: OpenPair,
  pool: PacketPool,
  wanted: { readonly gso: boolean; readonly gro: boolean },
): Tested {
  const passes = (gso: boolean, gro: boolean) => exchange(open, pool, gso, gro);
  if ((!wanted.gso && !wanted.gro) || !passes(false, false)) return { outcome: "not tested", failed: [] };
  const failed: Offload[] = [];
  if (wanted.gso && !passes(true, false)) failed.push("gso");
  if (wanted.gro && !passes(wanted.gso && failed.length === 0, true)) failed.push("gro");
  return outcome(failed);
}

function outcome(failed: readonly Offload[]): Tested {
  return { outcome: failed.length === 0 ? "passed" : "failed", failed };
}

function exchange(open: OpenPair, pool: PacketPool, gso: boolean, gro: boolean): boolean {
  const pair = open({ gso, gro });
  if (pair === null) return false;
  try {
    const right = TRAINS.every((lengths) => {
      const sent = lay(pair.sender, pool, lengths);
      return pair.sender.flush() === 0 && sameDatagrams(pair, pool, sent);
    });
    return right && !pair.refused() && (!gro || pair.takesTrains);
  } finally {
    pair.close();
  }
}

/** Queues a datagram of each length, every byte of them different from its neighbours. Returns copies. */
function lay(sender: DatagramSocket, pool: PacketPool, lengths: readonly number[]): Uint8Array[] {
  let at = packetAt(0);
  return lengths.map((length, n) => {
    for (let i = 0; i < length; i++) pool.bytes[at + i] = (i * 31 + n * 97 + (i >>> 8)) & 0xff;
    sender.enqueue(0, at, length, 0, 0);
    at += length;
    return pool.bytes.slice(at - length, at);
  });
}

function sameDatagrams(pair: TrainPair, pool: PacketPool, sent: readonly Uint8Array[]): boolean {
  const { receiver } = pair;
  let n = 0;
  for (let batch = 0; n < sent.length; batch++) {
    if (batch === MAX_BATCHES) return false;
    pair.wait(WAIT_MS);
    const trains = receiver.receive();
    if (trains === 0) return false;
    for (let i = 0; i < trains; i++) {
      if (!receiver.isFrom(i, 0, true)) continue; // another program's
      const from = receiver.position(i), end = from + receiver.length(i), size = receiver.segment(i);
      for (let at = from; at < end; at += size, n++) {
        const wanted = sent[n];
        if (wanted === undefined || Math.min(size, end - at) !== wanted.length) return false;
        for (let b = 0; b < wanted.length; b++) if (pool.bytes[at + b] !== wanted[b]) return false;
      }
    }
  }
  return true;
}

const SEGMENT = 1000;
const SEGMENTS = 3;
const LOOPBACK6 = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
const LOOPBACK4 = 0x7f000001;
/** Discard (RFC 863). */
const PORT = 9;

/** Writes superframes to the device, which must be up; `wanted`: what is to be tested. */
export function testSuperframes(
  tun: TunDevice,
  pool: PacketPool,
  wanted: { readonly tso: boolean; readonly uso: boolean },
): Tested {
  const b = pool.bytes;
  const takes = (v4: boolean, tcp: boolean, segments: number) => write(tun, b, v4, tcp, segments) === 0;
  const takesAll = (tcp: boolean) => takes(true, tcp, SEGMENTS) && takes(false, tcp, SEGMENTS);
  if ((!wanted.tso && !wanted.uso) || !takes(true, false, 1)) return { outcome: "not tested", failed: [] };
  const failed: Offload[] = [];
  if (wanted.tso && !takesAll(true)) failed.push("tso");
  if (wanted.uso && !takesAll(false)) failed.push("uso");
  return outcome(failed);
}

/**
 * Writes a packet of `segments` segments that the kernel drops before any filter, route or socket sees it: from
 * loopback to loopback, which comes from no other device, and over IPv4 with a wrong header checksum. Returns errno.
 */
function write(tun: TunDevice, b: Uint8Array, v4: boolean, tcp: boolean, segments: number): number {
  const at = packetAt(0);
  const ip = v4 ? IPV4_MIN_LEN : IPV6_LEN;
  const headers = ip + (tcp ? TCP_MIN_LEN : UDP_LEN);
  const length = headers + segments * SEGMENT;
  const protocol = tcp ? PROTOCOL_TCP : PROTOCOL_UDP;
  b.fill(0, at, at + length);
  if (v4) {
    const fields = { totalLength: length, id: 0, dontFragment: true, ttl: 1, protocol };
    encodeIpv4(b, at, { ...fields, source: LOOPBACK4, destination: LOOPBACK4 });
    putU16(b, at + IPV4_CHECKSUM_AT, u16(b, at + IPV4_CHECKSUM_AT) ^ 0xffff);
  } else {
    const fields = { payloadLength: length - ip, nextHeader: protocol, hopLimit: 1 };
    encodeIpv6(b, at, { ...fields, source: LOOPBACK6, destination: LOOPBACK6 });
  }
  const transport = at + ip;
  if (tcp) {
    putU32(b, transport, (PORT << 16) | PORT);
    b[transport + TCP_DATA_OFFSET_AT] = (TCP_MIN_LEN / 4) << 4;
    b[transport + TCP_FLAGS_AT] = TCP_ACK;
  } else encodeUdp(b, transport, PORT, PORT, length - ip);
  const checksumAt = tcp ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT;
  putU16(b, transport + checksumAt, fold(ipPseudoSum(b, at, protocol, length - ip)));
  if (segments === 1) clearVnet(b, at);
  else {
    putVnetChecksum(b, at, ip, checksumAt);
    putVnetGso(b, at, gsoType(v4, tcp), headers, SEGMENT);
  }
  tun.gather(at - VNET_LEN, VNET_LEN + length);
  return tun.write();
}

/** TEST-NET-1 (RFC 5737): not assigned to any host. */
export const READ_BACK_TO = "192.0.2.9:9";
const READ_BACK_ADDRESS = 0xc0000209;
const READ_BACK: readonly number[] = [500, 500, 500];
/** Packets of others that are passed over, and lost, on each queue of a device that has just come up. */
const MAX_READS = 16;

/**
 * Sends a train by a socket that is bound to the device and has READ_BACK_TO as slot 0, and reads it from the queues.
 * Whether all of it came as it was sent; null when none of it came, as when a firewall keeps it.
 */
export function testReadBack(
  sender: DatagramSocket,
  queues: readonly TunDevice[],
  pool: PacketPool,
): boolean | null {
  const sent = lay(sender, pool, READ_BACK);
  if (sender.flush() !== 0) return null;
  const wanted = Uint8Array.from(sent.flatMap((bytes) => [...bytes]));
  const b = pool.bytes;
  const at = packetAt(1);
  let read = 0, right = true;
  for (const queue of queues) {
    for (let n = 0; n < MAX_READS; n++) {
      const length = queue.read(1);
      if (length <= 0) break;
      const headers = IPV4_MIN_LEN + UDP_LEN;
      if (decodeIpv4(b, at, at + length) !== IPV4_MIN_LEN || length < headers) continue;
      if (ipv4Protocol(b, at) !== PROTOCOL_UDP || ipv4Destination(b, at) !== READ_BACK_ADDRESS) continue;
      const payload = length - headers;
      const size = vnetGsoType(b, at) === GSO_NONE ? payload : vnetGsoSize(b, at);
      right &&= size === READ_BACK[0]; // each datagram of its own, or the size that tells them apart
      for (let i = 0; i < payload; i++) right &&= b[at + headers + i] === wanted[read + i];
      read += payload;
    }
  }
  return read === 0 ? null : right && read === wanted.length;
}
