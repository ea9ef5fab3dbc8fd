/**
 * Round trips over each link, by path probes that the peer's data plane answers by itself: so they measure the path
 * and the other Worker, not its control plane. They also keep NAT mappings open, and a link that answers neither these
 * nor anything else is given up. Smoothed as RFC 6298 §2 does, with a gain of an eighth.
 */

import { Heap } from "../../bounds/heap.ts";
import type { Random } from "../../ports/time.ts";
import { toHex, u32 } from "../../wire/bytes.ts";
import { decodeProbe, encodeProbe, PROBE_ANSWER, PROBE_LEN, probeNonceHigh } from "../../wire/datagram.ts";
import { probeNonceLow } from "../../wire/datagram.ts";

const PROBE_LINK_MS = 10_000;
const SECOND_PROBE_MS = 300;
/** One of those that come every PROBE_LINK_MS goes with a tick that comes so much sooner, or later. */
const ABOUT_MS = 500;
const UNANSWERED_MAX = 3;
const GAIN = 1 / 8;

interface Path {
  readonly id: string;
  endpoint: string;
  rttMs: number | null;
  nonce: string | null;
  sentAt: number;
  nextAt: number;
  /** `nextAt` is to be kept exactly: not one of those that come for as long as the link lasts. */
  soon: boolean;
  sent: number;
  unanswered: number;
  answeredAt: number | null;
}

export class RoundTrips {
  // BOUNDED: one per validated link, ≤ MAX_PEERS
  readonly #paths = new Map<string, Path>();
  // BOUNDED: as #paths: who waits for which nonce
  readonly #asked = new Map<string, string>();
  // When to look at each. BOUNDED: as #paths, and those forgotten until their time comes
  readonly #due = new Heap<Path>();
  readonly #random: Random;
  /** When the next probe is due that is to be sent soon; null: to be found out. */
  #dueAt: number | null = Infinity;
  #tickedAt = -Infinity;

  constructor(random: Random) {
    this.#random = random;
  }

  rttMs(id: string): number | null {
    return this.#paths.get(id)?.rttMs ?? null;
  }

  /** When this link answered last; null: not since it is up. */
  answeredAt(id: string): number | null {
    return this.#paths.get(id)?.answeredAt ?? null;
  }

  forget(id: string): void {
    const path = this.#paths.get(id);
    if (path?.nonce) this.#asked.delete(path.nonce);
    this.#paths.delete(id);
    this.#dueAt = null;
  }

  /** A link came up or moved: measure it now and once more soon. */
  start(id: string, endpoint: string, now: number): void {
    this.forget(id);
    const path: Path = {
      id,
      endpoint,
      rttMs: null,
      nonce: null,
      sentAt: 0,
      nextAt: now,
      soon: true,
      sent: 0,
      unanswered: 0,
      answeredAt: null,
    };
    this.#paths.set(id, path);
    this.#due.push(now, path);
  }

  /** The links that a probe is due for; each is looked at again when its time comes, if `tick` is called for it. */
  due(now: number): string[] {
    const ids: string[] = [];
    this.#tickedAt = now;
    while (this.#due.nextAt <= now) {
      this.#dueAt = null;
      const path = this.#due.pop()!;
      if (this.#paths.get(path.id) !== path) continue; // forgotten
      if (lookAt(path) > now) this.#due.push(lookAt(path), path);
      else ids.push(path.id);
    }
    return ids;
  }

  /** When the next tick has something to do that must not wait for a tick that comes anyway. */
  get dueAt(): number {
    if (this.#dueAt !== null) return this.#dueAt;
    let due = Infinity;
    for (const { soon, nextAt } of this.#paths.values()) {
      const isDown = nextAt <= this.#tickedAt; // else it would have been sent
      if (soon && !isDown && nextAt < due) due = nextAt;
    }
    return this.#dueAt = due;
  }

  /** The probe for this link when one is due. `silent`: several in a row went unanswered. */
  tick(id: string, sendIndex: number, now: number): { probe: Uint8Array | null; silent: boolean } {
    const path = this.#paths.get(id);
    if (path === undefined || now < lookAt(path)) {
      return { probe: null, silent: false };
    }
    this.#dueAt = null;
    if (path.nonce !== null) {
      this.#asked.delete(path.nonce);
      path.unanswered++;
    }
    const words = this.#random.bytes(8);
    path.nonce = toHex(words);
    this.#asked.set(path.nonce, id);
    path.sentAt = now;
    path.sent++;
    path.soon = path.sent < 2 || path.unanswered > 0;
    path.nextAt = now + (path.soon ? SECOND_PROBE_MS + 700 * path.unanswered : PROBE_LINK_MS);
    this.#due.push(lookAt(path), path);
    const probe = new Uint8Array(PROBE_LEN);
    encodeProbe(probe, 0, sendIndex, u32(words, 0), u32(words, 4), Math.max(0, Math.floor(now)));
    return { probe, silent: path.unanswered >= UNANSWERED_MAX };
  }

  /**
   * An answer; `at` is when the socket read it. Returns whose, and whether it is the first of this link; null when nobody
   * asked.
   */
  receive(
    bytes: Uint8Array,
    from: string,
    at: number,
  ): { readonly id: string; readonly first: boolean } | null {
    if (decodeProbe(bytes, 0, bytes.length) !== PROBE_ANSWER) return null;
    const words = new Uint8Array(8);
    const view = new DataView(words.buffer);
    view.setUint32(0, probeNonceHigh(bytes, 0));
    view.setUint32(4, probeNonceLow(bytes, 0));
    const id = this.#asked.get(toHex(words));
    const path = id === undefined ? undefined : this.#paths.get(id);
    if (id === undefined || path === undefined || path.endpoint !== from) return null;
    this.#asked.delete(path.nonce!);
    path.nonce = null;
    path.unanswered = 0;
    const first = path.answeredAt === null;
    path.answeredAt = at;
    if (path.sent >= 2) {
      path.nextAt = Math.max(path.nextAt, path.sentAt + PROBE_LINK_MS);
      path.soon = false;
      this.#dueAt = null;
    }
    const sample = Math.max(0, at - path.sentAt);
    path.rttMs = path.rttMs === null ? sample : path.rttMs + GAIN * (sample - path.rttMs);
    return { id, first };
  }
}

// One that is not for soon goes with a tick that comes anyway.
function lookAt({ nextAt, soon }: Path): number {
  return soon ? nextAt : nextAt - ABOUT_MS;
}
