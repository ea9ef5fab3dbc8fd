/**
 * A TUN device in memory: the host's packets wait in `waiting`, what is written to the host collects in
 * `written`. It touches the pool exactly as sys/tun.ts does: vnet header and packet, nothing else.
 */
import {
  HEADROOM,
  type PacketPool,
  SLOT_CAPACITY,
  SLOT_LENGTH,
  type TunDevice,
  VNET_LEN,
} from "../../src/ports.ts";

/** One packet that reached the host. */
export interface WrittenPacket {
  readonly vnet: Uint8Array;
  readonly packet: Uint8Array;
}

export class MemoryTun implements TunDevice {
  readonly #pool: PacketPool;
  /** Packets the host sends into the overlay, next first. */
  readonly waiting: Uint8Array[] = [];
  /** What the host received. */
  readonly written: WrittenPacket[] = [];
  /** errno that every write is refused with; 0: none is. */
  writeErrno = 0;

  constructor(pool: PacketPool) {
    this.#pool = pool;
  }

  read(slot: number): number {
    const packet = this.waiting.shift();
    if (packet === undefined) return 0;
    const length = Math.min(packet.length, SLOT_CAPACITY);
    const at = slot * SLOT_LENGTH + HEADROOM;
    this.#pool.bytes.fill(0, at - VNET_LEN, at);
    this.#pool.bytes.set(packet.subarray(0, length), at);
    return length;
  }

  write(at: number, length: number): number {
    const room = at % SLOT_LENGTH;
    if (room < HEADROOM || room + length > HEADROOM + SLOT_CAPACITY) {
      throw new RangeError(`A write of ${length} bytes at ${at} leaves its slot`);
    }
    if (this.writeErrno !== 0) return this.writeErrno;
    const { bytes } = this.#pool;
    this.written.push({ vnet: bytes.slice(at - VNET_LEN, at), packet: bytes.slice(at, at + length) });
    return 0;
  }
}
