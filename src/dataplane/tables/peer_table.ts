/**
 * What the packet path knows of each peer, as arrays indexed by slot: one cache line's worth of numbers a
 * packet, no objects. The control plane gives slots out; the Worker that owns this table is its only writer.
 */
import { MAX_PEERS } from "../../ports/devices.ts";
import type { Tunnel } from "../../ports/planes.ts";
import { parseMac } from "../../wire/address.ts";
import { withoutLane } from "../../wire/data_header.ts";
import { MAC_LEN } from "../../wire/ethernet.ts";

const LOCAL_MS = 1000;

export class PeerTable {
  readonly mtu = new Int32Array(MAX_PEERS);
  /** Of what the peer may send by VXLAN, whatever we send it; 0: nothing. */
  readonly vni = new Int32Array(MAX_PEERS);
  readonly sendIndex = new Uint32Array(MAX_PEERS);
  /** When our own end of the path moved last, by the clock of the batches. */
  readonly #localAt = new Float64Array(MAX_PEERS).fill(-Infinity);
  readonly #receiveIndex = new Uint32Array(MAX_PEERS);
  readonly #counter = new Float64Array(MAX_PEERS);
  readonly #macs = new Uint8Array(MAX_PEERS * MAC_LEN);
  /** BOUNDED: one per peer, ≤ MAX_PEERS. Receiver index without its lane → slot. */
  readonly #byIndex = new Map<number, number>();
  readonly #lane: number;

  /** `lane` goes into the low byte of the indices that are sent: the number of this Worker. */
  constructor(lane = 0) {
    this.#lane = lane;
  }

  /** Adds or replaces the tunnel of a slot. */
  set(slot: number, tunnel: Tunnel): void {
    const sendIndex = (tunnel.sendIndex | this.#lane) >>> 0;
    if (this.sendIndex[slot] !== sendIndex) this.#counter[slot] = 0;
    this.#forgetIndex(slot);
    this.mtu[slot] = tunnel.mtu;
    this.vni[slot] = tunnel.vni;
    this.sendIndex[slot] = sendIndex;
    this.#receiveIndex[slot] = tunnel.receiveIndex;
    this.#macs.set(parseMac(tunnel.mac) ?? new Uint8Array(MAC_LEN), slot * MAC_LEN);
    if (tunnel.receiveIndex !== 0) this.#byIndex.set(withoutLane(tunnel.receiveIndex), slot);
  }

  drop(slot: number): void {
    this.#forgetIndex(slot);
    this.vni[slot] = 0;
    this.#receiveIndex[slot] = 0;
  }

  #forgetIndex(slot: number): void {
    if (this.#receiveIndex[slot] === 0) return;
    const index = withoutLane(this.#receiveIndex[slot]!);
    if (this.#byIndex.get(index) === slot) this.#byIndex.delete(index);
  }

  /** The peer that was given this receiver index (lane in the low byte), or −1. */
  byIndex(index: number): number {
    return this.#byIndex.get(withoutLane(index)) ?? -1;
  }

  /**
   * Whether our own end of the path may follow what the peer calls now. Not more than once in LOCAL_MS: both ends follow
   * one another, and two addresses under way at once would chase each other for ever.
   */
  mayMoveLocal(slot: number, now: number): boolean {
    if (now - this.#localAt[slot]! < LOCAL_MS) return false;
    this.#localAt[slot] = now;
    return true;
  }

  /** The next counter of data sent to the peer. */
  nextCounter(slot: number): number {
    return this.#counter[slot]!++;
  }

  /** Writes the VTEP MAC of the peer at `at`. */
  copyMac(slot: number, b: Uint8Array, at: number): void {
    const from = slot * MAC_LEN;
    for (let i = 0; i < MAC_LEN; i++) b[at + i] = this.#macs[from + i]!;
  }
}
