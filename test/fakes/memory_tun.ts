/**
 * A TUN device in memory: the host's packets wait in `waiting`, what is written to the host collects in
 * `written`. It touches the pool exactly as sys/tun.ts does: vnet header and packet, nothing else; frames are
 * gathered when they are written, as the kernel does.
 */
import {
  HEADROOM,
  MAX_SEGMENTS,
  type PacketPool,
  SLOT_CAPACITY,
  SLOT_LENGTH,
  type TunDevice,
  VNET_LEN,
} from "../../src/ports/devices.ts";

/** A packet behind its vnet header: a superframe, or one whose checksum is not complete. */
export interface Frame {
  readonly vnet: Uint8Array;
  readonly packet: Uint8Array;
}

export class MemoryTun implements TunDevice {
  readonly #pool: PacketPool;
  readonly #pieces: { at: number; length: number }[] = [];
  /** What the host sends into the overlay, next first; bare packets are single and complete. */
  readonly waiting: (Uint8Array | Frame)[] = [];
  /** What the host received. */
  readonly written: Frame[] = [];
  /** errno that every write is refused with; 0: none is. */
  writeErrno = 0;

  constructor(pool: PacketPool) {
    this.#pool = pool;
  }

  read(slot: number): number {
    const next = this.waiting.shift();
    if (next === undefined) return 0;
    const { vnet, packet } = next instanceof Uint8Array
      ? { vnet: new Uint8Array(VNET_LEN), packet: next }
      : next;
    const length = Math.min(packet.length, SLOT_CAPACITY);
    const at = slot * SLOT_LENGTH + HEADROOM;
    this.#pool.bytes.set(vnet, at - VNET_LEN);
    this.#pool.bytes.set(packet.subarray(0, length), at);
    return length;
  }

  gather(at: number, length: number): boolean {
    if (at < 0 || length < 0 || at + length > this.#pool.bytes.length) {
      throw new RangeError(`${length} bytes at ${at} lie outside of packet memory`);
    }
    if (this.#pieces.length > MAX_SEGMENTS) return false;
    this.#pieces.push({ at, length });
    return true;
  }

  write(): number {
    const pieces = this.#pieces.splice(0);
    const frame = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
    let end = 0;
    for (const { at, length } of pieces) {
      frame.set(this.#pool.bytes.subarray(at, at + length), end);
      end += length;
    }
    if (this.writeErrno !== 0) return this.writeErrno;
    if (frame.length <= VNET_LEN) throw new RangeError(`A frame of ${frame.length} bytes holds no packet`);
    this.written.push({ vnet: frame.slice(0, VNET_LEN), packet: frame.slice(VNET_LEN) });
    return 0;
  }
}
