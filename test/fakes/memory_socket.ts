/**
 * A UDP socket in memory with the batches of sys/udp_batches.ts: `enqueue` only remembers positions, `flush`
 * takes the bytes that lie there by then, `receive` fills this socket's own slots. Trains that arrive wait in
 * `arriving`, datagrams that left are in `sent`, each by itself.
 */
import {
  BATCH,
  type DatagramSocket,
  HEADROOM,
  type LocalEnd,
  type PacketPool,
  type Refusal,
  SLOT_CAPACITY,
  SLOT_LENGTH,
} from "../../src/ports/devices.ts";
import { type Endpoint, formatEndpoint, isIpv4, parseEndpoint } from "../../src/wire/address.ts";

import { equalBytes } from "../../src/wire/bytes.ts";

export interface SentDatagram {
  readonly to: string;
  readonly slot: number;
  readonly bytes: Uint8Array;
  /** The address of ours that it had to leave from; absent where the kernel chooses. */
  readonly local?: string;
}

interface Arriving {
  readonly bytes: Uint8Array;
  readonly from: Endpoint;
  readonly segment: number;
  readonly to: string;
}

export class MemorySocket implements DatagramSocket {
  readonly #pool: PacketPool;
  readonly #firstSlot: number;
  readonly #family: 4 | 6;
  readonly #destinations = new Map<number, Endpoint>();
  readonly #locals = new Map<number, LocalEnd>();
  readonly #queue: { slot: number; pieces: readonly (readonly [at: number, length: number])[] }[] = [];
  #received: Arriving[] = [];
  readonly arriving: Arriving[] = [];
  readonly sent: SentDatagram[] = [];
  /** Datagrams that may wait for `flush`. */
  capacity = 4096;
  /** How many of the next datagrams to leave the kernel refuses. */
  refuseNext = 0;
  /** The errno of those refusals. */
  refuseErrno = 1;
  #refusal: Refusal | null = null;
  #sourceGoneFor = -1;
  /** Addresses that are no longer of this host. */
  readonly gone = new Set<string>();
  /** Datagrams the kernel is said to have discarded. */
  overflowed = 0;

  constructor(pool: PacketPool, firstSlot: number, family: 4 | 6 = 6) {
    this.#pool = pool;
    this.#firstSlot = firstSlot;
    this.#family = family;
  }

  /** A datagram from the network, or several of `segment` bytes each. Throws TypeError for a source that is no endpoint. */
  arrive(bytes: Uint8Array, from: string, segment = bytes.length, to = ""): void {
    const endpoint = parseEndpoint(from);
    if (endpoint === null) throw new TypeError(`Not an endpoint: "${from}"`);
    this.arriving.push({ bytes, from: endpoint, segment, to });
  }

  setDestination(slot: number, endpoint: string): void {
    const parsed = parseEndpoint(endpoint);
    if (parsed === null) throw new TypeError(`Not an endpoint: "${endpoint}"`);
    if (this.#family === 4 && !isIpv4(parsed.address)) this.#destinations.delete(slot);
    else this.#destinations.set(slot, parsed);
  }

  setLocal(slot: number, local: LocalEnd | null): void {
    if (local === null) this.#locals.delete(slot);
    else this.#locals.set(slot, local);
  }

  follow(slot: number, i: number): void {
    this.setDestination(slot, this.source(i));
    this.followLocal(slot, i);
  }

  followLocal(slot: number, i: number): void {
    const address = this.local(i);
    this.setLocal(slot, address === "" ? null : { address, pinned: true });
  }

  enqueue(slot: number, headAt: number, headLength: number, bodyAt: number, bodyLength: number): boolean {
    if (this.#queue.length === this.capacity) return false;
    this.#queue.push({ slot, pieces: [[headAt, headLength], [bodyAt, bodyLength]] });
    return true;
  }

  flush(): number {
    let refused = 0;
    for (const { slot, pieces } of this.#queue.splice(0)) {
      const to = this.#destinations.get(slot);
      if (to === undefined || this.refuseNext > 0) {
        refused++;
        if (to !== undefined) this.refuseNext--;
        this.#refusal = { slot, errno: this.refuseErrno };
      } else {
        const local = this.#sourceFor(slot);
        this.sent.push({
          to: formatEndpoint(to),
          slot,
          bytes: this.#gather(pieces),
          ...(local === "" ? {} : { local }),
        });
      }
    }
    return refused;
  }

  #sourceFor(slot: number): string {
    const local = this.#locals.get(slot);
    if (local === undefined || !local.pinned) return "";
    if (!this.gone.has(local.address)) return local.address;
    this.#locals.delete(slot);
    this.#sourceGoneFor = slot;
    return "";
  }

  #gather(pieces: readonly (readonly [at: number, length: number])[]): Uint8Array {
    const bytes = new Uint8Array(pieces.reduce((sum, [, length]) => sum + length, 0));
    let end = 0;
    for (const [at, length] of pieces) {
      bytes.set(this.#pool.bytes.subarray(at, at + length), end);
      end += length;
    }
    return bytes;
  }

  tooLongFor(): number {
    return -1;
  }

  sourceGoneFor(): number {
    const slot = this.#sourceGoneFor;
    this.#sourceGoneFor = -1;
    return slot;
  }

  refusal(): Refusal | null {
    const refusal = this.#refusal;
    this.#refusal = null;
    return refusal;
  }

  receive(): number {
    this.#received = this.arriving.splice(0, BATCH);
    this.#received.forEach(({ bytes }, i) => {
      if (bytes.length > SLOT_CAPACITY) throw new RangeError(`No datagram has ${bytes.length} bytes`);
      this.#pool.bytes.set(bytes, this.position(i));
    });
    return this.#received.length;
  }

  receiveAgain(datagram: Uint8Array, from: string): number {
    this.#received = [{ bytes: datagram, from: parseEndpoint(from)!, segment: datagram.length, to: "" }];
    this.#pool.bytes.set(datagram, this.position(0));
    return this.position(0);
  }

  position(i: number): number {
    return (this.#firstSlot + i) * SLOT_LENGTH + HEADROOM;
  }

  length(i: number): number {
    return this.#received[i]!.bytes.length;
  }

  segment(i: number): number {
    return this.#received[i]!.segment;
  }

  isFrom(i: number, slot: number, withPort: boolean): boolean {
    const to = this.#destinations.get(slot);
    if (to === undefined) return false;
    const from = this.#received[i]!.from;
    return equalBytes(from.address, to.address) && (!withPort || from.port === to.port);
  }

  isTo(i: number, slot: number): boolean {
    const to = this.local(i);
    return to === "" || this.#locals.get(slot)?.address === to;
  }

  isUnmoved(i: number, slot: number): boolean {
    return this.isFrom(i, slot, true) && this.isTo(i, slot);
  }

  local(i: number): string {
    return this.#received[i]!.to;
  }

  source(i: number): string {
    return formatEndpoint(this.#received[i]!.from);
  }

  overflows(): number {
    return this.overflowed;
  }
}
