/**
 * Named counters in shared memory: the Worker writes, any thread reads. A verdict of the
 * packet path is the index of its counter. One writer, aligned 8-byte cells: a reader sees a whole value.
 * Names are append-only; they are part of `status --json`.
 */
import { MAX_PEERS } from "../../ports/devices.ts";

/** What happened to packets that were not dropped. */
const EVENTS = [
  "sent",
  "delivered",
  "handed-up",
  "fragmented",
  "icmp-sent",
  "arp-answered",
  "probe-answered",
  "cookie-sent",
  "keepalive",
  "ack-superseded",
  "source-gone",
] as const;

/** Why packets were dropped. */
const DROPS = [
  "no-route",
  "no-session",
  "no-path",
  "not-ours",
  "not-for-us",
  "spoofed",
  "wrong-endpoint",
  "malformed",
  "multicast",
  "too-big",
  "unknown-type",
  "wrong-vni",
  "bad-checksum",
  "send-failed",
  "tun-write-failed",
  "control-overload",
  "receive-overflow",
  "replay",
  "wrong-lane",
  "bad-seal",
  "queue-full",
  "bad-mac",
  "control-behind",
] as const;

export type DropName = (typeof DROPS)[number];

/** Index of a counter. */
export type Verdict = number;
/** No verdict yet: the packet waits, and is counted when that is over. */
export const COUNTED_LATER: Verdict = -1;
export const SENT: Verdict = 0;
export const DELIVERED: Verdict = 1;
export const HANDED_UP: Verdict = 2;
export const FRAGMENTED: Verdict = 3;
export const ICMP_SENT: Verdict = 4;
export const ARP_ANSWERED: Verdict = 5;
export const PROBE_ANSWERED: Verdict = 6;
export const COOKIE_SENT: Verdict = 7;
export const KEEPALIVE: Verdict = 8;
export const ACK_SUPERSEDED: Verdict = 9;
/** A peer's source address is no longer ours: its datagrams leave from what the kernel chooses. */
export const SOURCE_GONE: Verdict = 10;

const FIRST_DROP = EVENTS.length;
export const NO_ROUTE: Verdict = FIRST_DROP;
export const NO_SESSION: Verdict = FIRST_DROP + 1;
export const NO_PATH: Verdict = FIRST_DROP + 2;
export const NOT_OURS: Verdict = FIRST_DROP + 3;
export const NOT_FOR_US: Verdict = FIRST_DROP + 4;
export const SPOOFED: Verdict = FIRST_DROP + 5;
export const WRONG_ENDPOINT: Verdict = FIRST_DROP + 6;
export const MALFORMED: Verdict = FIRST_DROP + 7;
export const MULTICAST: Verdict = FIRST_DROP + 8;
export const TOO_BIG: Verdict = FIRST_DROP + 9;
export const UNKNOWN_TYPE: Verdict = FIRST_DROP + 10;
export const WRONG_VNI: Verdict = FIRST_DROP + 11;
export const BAD_CHECKSUM: Verdict = FIRST_DROP + 12;
export const SEND_FAILED: Verdict = FIRST_DROP + 13;
export const TUN_WRITE_FAILED: Verdict = FIRST_DROP + 14;
export const CONTROL_OVERLOAD: Verdict = FIRST_DROP + 15;
export const RECEIVE_OVERFLOW: Verdict = FIRST_DROP + 16;
export const REPLAY: Verdict = FIRST_DROP + 17;
export const WRONG_LANE: Verdict = FIRST_DROP + 18;
export const BAD_SEAL: Verdict = FIRST_DROP + 19;
export const QUEUE_FULL: Verdict = FIRST_DROP + 20;
export const BAD_MAC: Verdict = FIRST_DROP + 21;
export const CONTROL_BEHIND: Verdict = FIRST_DROP + 22;
const COUNT = FIRST_DROP + DROPS.length;

/** Cells per peer. */
const PEER_CELLS = 4;
const TX_PACKETS = 0;
const TX_BYTES = 1;
const RX_PACKETS = 2;
const RX_BYTES = 3;

/** Packets and bytes of inner traffic with one peer. */
export interface PeerTraffic {
  readonly txPackets: number;
  readonly txBytes: number;
  readonly rxPackets: number;
  readonly rxBytes: number;
}

/** What counters tell. */
export interface CounterReader {
  /** What happened to packets that were not dropped. */
  events(): Record<string, number>;
  /** Every reason to drop and how often it applied. */
  drops(): Record<DropName, number>;
  peer(slot: number): PeerTraffic;
}

/** The counters over shared memory; without an argument, new memory. */
export class Counters implements CounterReader {
  readonly memory: SharedArrayBuffer;
  readonly #cells: Float64Array;

  constructor(memory = new SharedArrayBuffer((COUNT + MAX_PEERS * PEER_CELLS) * 8)) {
    this.memory = memory;
    this.#cells = new Float64Array(memory);
  }

  add(verdict: Verdict, times = 1): void {
    this.#cells[verdict]! += times;
  }

  set(verdict: Verdict, value: number): void {
    this.#cells[verdict] = value;
  }

  get(verdict: Verdict): number {
    return this.#cells[verdict]!;
  }

  /** Counts inner packets, `length` bytes in all, sent to peer `slot`. */
  sentTo(slot: number, length: number, packets: number): void {
    const at = COUNT + slot * PEER_CELLS;
    this.#cells[at + TX_PACKETS]! += packets;
    this.#cells[at + TX_BYTES]! += length;
  }

  /** Counts an inner packet of `length` bytes delivered from peer `slot`. */
  receivedFrom(slot: number, length: number): void {
    const at = COUNT + slot * PEER_CELLS;
    this.#cells[at + RX_PACKETS]!++;
    this.#cells[at + RX_BYTES]! += length;
  }

  peer(slot: number): PeerTraffic {
    const at = COUNT + slot * PEER_CELLS;
    return {
      txPackets: this.#cells[at + TX_PACKETS]!,
      txBytes: this.#cells[at + TX_BYTES]!,
      rxPackets: this.#cells[at + RX_PACKETS]!,
      rxBytes: this.#cells[at + RX_BYTES]!,
    };
  }

  /** Starts a peer's traffic at zero: the slot has a new holder. */
  resetPeer(slot: number): void {
    const at = COUNT + slot * PEER_CELLS;
    this.#cells.fill(0, at, at + PEER_CELLS);
  }

  drops(): Record<DropName, number> {
    return Object.fromEntries(DROPS.map((name, i) => [name, this.#cells[FIRST_DROP + i]!])) as Record<
      DropName,
      number
    >;
  }

  events(): Record<string, number> {
    return Object.fromEntries(EVENTS.map((name, i) => [name, this.#cells[i]!]));
  }
}

/** The counters of several Workers as those of one node: added up when they are read. */
export class CounterSum implements CounterReader {
  readonly #all: readonly CounterReader[];

  constructor(all: readonly CounterReader[]) {
    this.#all = all;
  }

  events(): Record<string, number> {
    return added(this.#all.map((counters) => counters.events()));
  }

  drops(): Record<DropName, number> {
    return added(this.#all.map((counters) => counters.drops()));
  }

  peer(slot: number): PeerTraffic {
    return added(this.#all.map((counters) => counters.peer(slot)));
  }
}

function added<T extends object>(all: readonly T[]): T {
  const sum: Record<string, number> = {};
  for (const one of all) {
    for (const [name, value] of Object.entries(one)) sum[name] = (sum[name] ?? 0) + value;
  }
  return sum as T;
}
