/**
 * What the packet path knows of each peer, as arrays indexed by slot: one cache line's worth of numbers a
 * packet, no objects. The control plane gives slots out; the Worker that owns this table is its only writer.
 */
import { MAX_PEERS } from "../../ports/devices.ts";
import type { Tunnel } from "../../ports/planes.ts";
import { parseMac } from "../../wire/address.ts";
import { withoutLane } from "../../wire/data_header.ts";
import { encodeEthernet, ETHERNET_LEN, ETHERTYPE_IPV4, MAC_LEN, putMac } from "../../wire/ethernet.ts";
import { encodeVxlan, VXLAN_LEN } from "../../wire/vxlan.ts";

const LOCAL_MS = 1000;
const NO_MAC = new Uint8Array(MAC_LEN);
/** VXLAN and Ethernet, behind what makes it whole words. */
const VXLAN_HEADER_ROOM = 24;
const VXLAN_HEADER_AT = VXLAN_HEADER_ROOM - VXLAN_LEN - ETHERNET_LEN;

export class PeerTable {
  readonly mtu = new Int32Array(MAX_PEERS);
  /** Of what the peer may send by VXLAN, whatever we send it; 0: nothing. */
  readonly vni = new Int32Array(MAX_PEERS);
  readonly sendIndex = new Uint32Array(MAX_PEERS);
  /** When our own end of the path moved last, by the clock of the batches. BOUNDED: one per peer, ≤ MAX_PEERS. */
  readonly #localAt = new Map<number, number>();
  readonly #receiveIndex = new Uint32Array(MAX_PEERS);
  readonly #counter = new Float64Array(MAX_PEERS);
  /** What VXLAN puts in front of IPv4 packets to each peer: made once, and copied in words. */
  readonly #vxlanHeaders = new Uint8Array(MAX_PEERS * VXLAN_HEADER_ROOM);
  readonly #vxlanWords = new Int32Array(this.#vxlanHeaders.buffer);
  #ownMac: Uint8Array = NO_MAC;
  /** Slots from here on were never used: what is not touched takes no memory. */
  #unused = 0;
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
    this.#unused = Math.max(this.#unused, slot + 1);
    this.mtu[slot] = tunnel.mtu;
    this.vni[slot] = tunnel.vni;
    this.sendIndex[slot] = sendIndex;
    this.#receiveIndex[slot] = tunnel.receiveIndex;
    const header = slot * VXLAN_HEADER_ROOM + VXLAN_HEADER_AT;
    encodeVxlan(this.#vxlanHeaders, header, tunnel.vni);
    const frame = header + VXLAN_LEN;
    encodeEthernet(this.#vxlanHeaders, frame, parseMac(tunnel.mac) ?? NO_MAC, this.#ownMac, ETHERTYPE_IPV4);
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
    if (now - (this.#localAt.get(slot) ?? -Infinity) < LOCAL_MS) return false;
    this.#localAt.set(slot, now);
    return true;
  }

  /** The next counter of data sent to the peer. */
  nextCounter(slot: number): number {
    return this.#counter[slot]!++;
  }

  /** Our VTEP MAC, in the headers of all peers. */
  setOwnMac(mac: Uint8Array): void {
    this.#ownMac = mac;
    for (let slot = 0; slot < this.#unused; slot++) {
      const frame = slot * VXLAN_HEADER_ROOM + VXLAN_HEADER_AT + VXLAN_LEN;
      putMac(this.#vxlanHeaders, frame + MAC_LEN, mac);
    }
  }

  /** Writes the VXLAN and Ethernet headers of an IPv4 packet to the peer in front of `at`, over two bytes more. */
  putVxlanHeader(slot: number, v: DataView, at: number): void {
    const words = this.#vxlanWords;
    const from = slot * (VXLAN_HEADER_ROOM / 4);
    const to = at - VXLAN_HEADER_ROOM;
    v.setInt32(to, words[from]!, true);
    v.setInt32(to + 4, words[from + 1]!, true);
    v.setInt32(to + 8, words[from + 2]!, true);
    v.setInt32(to + 12, words[from + 3]!, true);
    v.setInt32(to + 16, words[from + 4]!, true);
    v.setInt32(to + 20, words[from + 5]!, true);
  }
}
