/**
 * The mailbox: how the control plane tells the Worker what changed. A ring of bytes in shared memory, one
 * producer, one consumer; each message is a length, its epoch and msgpack. The Worker publishes the epoch it
 * has applied. When the ring is full, messages wait on the producer's side, the newest per subject, so what
 * waits is bounded by the tables themselves and nothing is lost. Bytes are wiped once read.
 */
import { pack } from "msgpackr/pack";
import { unpack } from "msgpackr/unpack";
import type { DataplaneMessage, Mailbox } from "../ports/planes.ts";

const HEADER_WORDS = 4;
const WRITTEN = 0;
const READ = 1;
const APPLIED = 2;
const HEADER_BYTES = HEADER_WORDS * 4;
const FRAME_BYTES = 8;
/** Bytes of the ring: a power of two, so that positions may run on and wrap with uint32. */
const RING_BYTES = 1 << 18;

/** New memory for a mailbox. */
export function mailboxMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(HEADER_BYTES + RING_BYTES);
}

/** What a message is about: a newer one makes an older one that still waits superfluous. */
function subject(message: DataplaneMessage): string {
  switch (message.kind) {
    case "setPeer":
      return `peer ${message.slot}`;
    case "dropPeer": // not made superfluous by the next holder of the slot: sessions go with it
      return `no peer ${message.slot}`;
    case "confirmSession": // must not take the place of the installSession before it
      return `confirmed ${message.receiveIndex}`;
    case "installSession":
    case "dropSession":
      return `session ${message.receiveIndex}`;
    case "addRoute":
    case "dropRoute":
      return `route ${message.prefix}`;
    case "attachSocket":
      return `socket ${message.role}`;
    case "attachTun":
    case "detachTun":
      return "tun";
    case "setOwn":
    case "setGate":
    case "releaseMemory":
    case "stop":
      return message.kind;
  }
}

/** A waiting message has its own copy of the keys: the poster may wipe its copy at once. */
function ownKeys(message: DataplaneMessage): DataplaneMessage {
  if (message.kind === "setGate") return { ...message, macKeys: message.macKeys.map((key) => key.slice()) };
  if (message.kind !== "installSession") return message;
  return { ...message, sendKey: message.sendKey.slice(), receiveKey: message.receiveKey.slice() };
}

function wipeKeys(message: DataplaneMessage): void {
  if (message.kind === "setGate") { for (const key of message.macKeys) key.fill(0); }
  if (message.kind !== "installSession") return;
  message.sendKey.fill(0);
  message.receiveKey.fill(0);
}

/** The control plane's end. */
export class MailboxWriter implements Mailbox {
  readonly #words: Int32Array;
  readonly #ring: Uint8Array;
  readonly #wake: () => void;
  /** BOUNDED: one per subject, ≤ peers + routes + a handful. In order of arrival. */
  readonly #waiting = new Map<string, { message: DataplaneMessage; epoch: number }>();
  #epoch = 0;

  /** `wake` makes the Worker look (it signals an eventfd). */
  constructor(memory: SharedArrayBuffer, wake: () => void) {
    this.#words = new Int32Array(memory, 0, HEADER_WORDS);
    this.#ring = new Uint8Array(memory, HEADER_BYTES);
    this.#wake = wake;
  }

  post(message: DataplaneMessage): number {
    const epoch = ++this.#epoch;
    this.#writeWaiting();
    if (this.#waiting.size > 0 || !this.#write(message, epoch)) {
      const key = subject(message);
      const superseded = this.#waiting.get(key);
      if (superseded !== undefined) wipeKeys(superseded.message);
      this.#waiting.delete(key);
      this.#waiting.set(key, { message: ownKeys(message), epoch });
    }
    this.#wake();
    return epoch;
  }

  /** Writes what waited for room. Call it now and then; `post` does too. Returns how many still wait. */
  retry(): number {
    if (this.#writeWaiting()) this.#wake();
    return this.#waiting.size;
  }

  /** Whether anything was written. */
  #writeWaiting(): boolean {
    const before = this.#waiting.size;
    for (const [key, { message, epoch }] of this.#waiting) {
      if (!this.#write(message, epoch)) break;
      this.#waiting.delete(key);
      wipeKeys(message);
    }
    return this.#waiting.size < before;
  }

  /** Whether something waits for room. */
  get waits(): boolean {
    return this.#waiting.size > 0;
  }

  appliedEpoch(): number {
    return Atomics.load(this.#words, APPLIED);
  }

  #write(message: DataplaneMessage, epoch: number): boolean {
    const bytes = pack(message);
    const written = Atomics.load(this.#words, WRITTEN);
    const used = (written - Atomics.load(this.#words, READ)) >>> 0;
    const need = FRAME_BYTES + bytes.length;
    if (need > RING_BYTES - used) {
      bytes.fill(0);
      return false;
    }
    const frame = new Uint8Array(need);
    const view = new DataView(frame.buffer);
    view.setUint32(0, bytes.length);
    view.setUint32(4, epoch);
    frame.set(bytes, FRAME_BYTES);
    copyIn(this.#ring, written, frame);
    // msgpackr packs into a buffer that it keeps: nothing that carries keys stays on this side either.
    bytes.fill(0);
    frame.fill(0);
    Atomics.store(this.#words, WRITTEN, (written + need) | 0);
    return true;
  }
}

/** One mailbox for each Worker, all with the same messages: their epochs are the same, too. */
export class MailboxToAll implements Mailbox {
  readonly #writers: readonly MailboxWriter[];

  constructor(writers: readonly MailboxWriter[]) {
    this.#writers = writers;
  }

  post(message: DataplaneMessage): number {
    let epoch = 0;
    for (const writer of this.#writers) epoch = writer.post(message);
    return epoch;
  }

  /** Writes what waited for room, as `MailboxWriter.retry` does. Returns how many still wait, all together. */
  retry(): number {
    return this.#writers.reduce((waiting, writer) => waiting + writer.retry(), 0);
  }

  get waits(): boolean {
    return this.#writers.some((writer) => writer.waits);
  }

  /** What the slowest has applied. */
  appliedEpoch(): number {
    return Math.min(...this.#writers.map((writer) => writer.appliedEpoch()));
  }
}

/** The Worker's end. */
export class MailboxReader {
  readonly #words: Int32Array;
  readonly #ring: Uint8Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, HEADER_WORDS);
    this.#ring = new Uint8Array(memory, HEADER_BYTES);
  }

  /** Takes every message that is there, in order, and publishes its epoch after `apply` returned. */
  drain(apply: (message: DataplaneMessage) => void): void {
    for (;;) {
      const read = Atomics.load(this.#words, READ);
      if (read === Atomics.load(this.#words, WRITTEN)) return;
      const head = new DataView(copyOut(this.#ring, read, FRAME_BYTES).buffer);
      const length = head.getUint32(0);
      const body = copyOut(this.#ring, read + FRAME_BYTES, length);
      wipe(this.#ring, read, FRAME_BYTES + length);
      Atomics.store(this.#words, READ, (read + FRAME_BYTES + length) | 0);
      const message = unpack(body) as DataplaneMessage;
      try {
        apply(message);
      } finally {
        body.fill(0); // the keys of a message are views of it
      }
      Atomics.store(this.#words, APPLIED, head.getUint32(4));
    }
  }
}

function copyIn(ring: Uint8Array, position: number, bytes: Uint8Array): void {
  const at = (position >>> 0) % RING_BYTES;
  const first = Math.min(bytes.length, RING_BYTES - at);
  ring.set(bytes.subarray(0, first), at);
  ring.set(bytes.subarray(first), 0);
}

function copyOut(ring: Uint8Array, position: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const at = (position >>> 0) % RING_BYTES;
  const first = Math.min(length, RING_BYTES - at);
  bytes.set(ring.subarray(at, at + first));
  bytes.set(ring.subarray(0, length - first), first);
  return bytes;
}

function wipe(ring: Uint8Array, position: number, length: number): void {
  const at = (position >>> 0) % RING_BYTES;
  const first = Math.min(length, RING_BYTES - at);
  ring.fill(0, at, at + first);
  ring.fill(0, 0, length - first);
}
