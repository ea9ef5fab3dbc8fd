/**
 * Devices in memory that keep nothing, for the packet path without the kernel: they hand out what lies there and take
 * everything. Methods that no measured packet calls do nothing.
 */
import {
  clearVnet,
  GSO_TCPV4,
  packetAt,
  putVnetChecksum,
  putVnetGso,
  socketSlots,
} from "../src/dataplane/packet/packet_memory.ts";
import type { AeadKey, AeadProvider } from "../src/ports/aead.ts";
import type { DatagramSocket, PacketPool, SocketRole, TunDevice } from "../src/ports/devices.ts";
import { putDataCounter } from "../src/wire/data_header.ts";
import { IPV4_MIN_LEN } from "../src/wire/ipv4.ts";
import { AEAD_TAG_LEN } from "../src/wire/overhead.ts";
import { TCP_CHECKSUM_AT, TCP_MIN_LEN } from "../src/wire/tcp.ts";

/** Headers of the superframes that are handed out. */
export const TCP_HEADERS = IPV4_MIN_LEN + TCP_MIN_LEN;
/** Datagrams that wait for one flush. */
const QUEUE = 2048;

/** The host's end: hands out what already lies in the slot, behind a new vnet header, takes everything. */
export class StillTun implements TunDevice {
  readonly #b: Uint8Array;
  left = 0;
  /** Bytes of what is handed out; with `gsoSize`, a superframe. */
  length: number;
  gsoSize = 0;
  constructor(pool: PacketPool, length: number) {
    this.#b = pool.bytes;
    this.length = length;
  }
  read(slot: number): number {
    if (this.left-- <= 0) return 0;
    const at = packetAt(slot);
    clearVnet(this.#b, at);
    if (this.gsoSize > 0) {
      putVnetChecksum(this.#b, at, IPV4_MIN_LEN, TCP_CHECKSUM_AT);
      putVnetGso(this.#b, at, GSO_TCPV4, TCP_HEADERS, this.gsoSize);
    }
    return this.length;
  }
  gather(_at: number, _length: number): boolean {
    return true;
  }
  write(): number {
    return 0;
  }
}

/** The network's end: the same for datagrams, but for the header, which delivering them overwrites. */
export class StillSocket implements DatagramSocket {
  readonly #b: Uint8Array;
  readonly #firstSlot: number;
  /** What each train that arrives begins with. */
  header = new Uint8Array(0);
  /** Bytes of each datagram that arrives. */
  size = 0;
  /** Whether each has a counter of its own. */
  counted = false;
  arriving = 0;
  /** Datagrams in each train that arrives. */
  train = 1;
  #queued = 0;
  #counter = 0;
  constructor(pool: PacketPool, role: SocketRole) {
    this.#b = pool.bytes;
    this.#firstSlot = socketSlots(role);
  }
  setDestination(_slot: number, _endpoint: string): void {}
  enqueue(
    _slot: number,
    _headAt: number,
    _headLength: number,
    _bodyAt: number,
    _bodyLength: number,
  ): boolean {
    if (this.#queued === QUEUE) return false;
    this.#queued++;
    return true;
  }
  flush(): number {
    this.#queued = 0;
    return 0;
  }
  receive(): number {
    for (let i = 0; i < this.arriving; i++) {
      const at = this.position(i);
      this.#b.set(this.header, at);
      for (let k = 0; this.counted && k < this.train; k++) {
        putDataCounter(this.#b, at + k * this.size, this.#counter++);
      }
    }
    return this.arriving;
  }
  receiveAgain(datagram: Uint8Array, _from: string): number {
    this.#b.set(datagram, this.position(0));
    return this.position(0);
  }
  position(i: number): number {
    return packetAt(this.#firstSlot + i);
  }
  length(_i: number): number {
    return this.train * this.size;
  }
  segment(_i: number): number {
    return this.size;
  }
  isFrom(_i: number, _slot: number, _withPort: boolean): boolean {
    return true;
  }
  source(_i: number): string {
    return "";
  }
  local(_i: number): string {
    return "";
  }
  isTo(_i: number, _slot: number): boolean {
    return true;
  }
  isUnmoved(_i: number, _slot: number): boolean {
    return true;
  }
  setLocal(_slot: number, _local: null | object): void {}
  follow(_slot: number, _i: number): void {}
  followLocal(_slot: number, _i: number): void {}
  sourceGoneFor(): number {
    return -1;
  }
  refusal(): null {
    return null;
  }
  overflows(): number {
    return 0;
  }
  tooLongFor(): number {
    return -1;
  }
}

/** Seals nothing: the packet is copied, the tag is whatever lies there. */
export const STILL_AEAD: AeadProvider = {
  suites: () => [],
  key: (suite): AeadKey => ({
    suite,
    seal: (b, _headerAt, from, length, to) => void b.copyWithin(to, from, from + length),
    open: (_b, _headerAt, _at, length) => length - AEAD_TAG_LEN,
    wipe: () => {},
  }),
};
