/**
 * The sealed half of a data plane in memory, for simulated networks: sessions (installed, confirmed by the first
 * authenticated packet, three a peer), the control lane, keepalives, probes answered. The seal is a hash under the
 * session's keys, so that two sides agree only when their handshake did; it hides nothing.
 */

import type { Action, ControlEvent } from "../../src/control/outbox/events.ts";
import { equalBytes } from "../../src/wire/bytes.ts";
import { DATA_LEN, dataCounter, dataIndex, encodeData } from "../../src/wire/data_header.ts";
import { answerProbe, decodeProbe, PROBE_ASK, PROBE_LEN } from "../../src/wire/datagram.ts";
import { lightTag } from "./light_ciphers.ts";

const TAG_LEN = 16;
const SESSIONS_EACH = 3;
const CONTROL_LANE = 255;
const DATA_LANE = 0;
/** Counters of a lane that count as seen however long ago: those at least so far below the greatest. */
const WINDOW = 8128;

type Install = Action & { readonly kind: "installSession" };

interface FakeSession extends Omit<Install, "kind" | "confirmed"> {
  confirmed: boolean;
  counter: number;
  /** By lane. BOUNDED: few lanes */
  readonly seen: Map<number, Seen>;
  greatest: number;
}

/** Counters that came on a lane: all up to the greatest but for the few that are missing. */
class Seen {
  // BOUNDED: ≤ WINDOW; null: none
  #missing: Set<number> | null = null;
  #greatest = -1;

  /** False: it came before, or is too old to know. */
  add(counter: number): boolean {
    if (counter <= this.#greatest) return this.#missing?.delete(counter) ?? false;
    const floor = counter - WINDOW;
    if (counter > this.#greatest + 1) {
      const missing = this.#missing ??= new Set();
      for (let n = Math.max(this.#greatest + 1, floor + 1); n < counter; n++) missing.add(n);
    }
    this.#greatest = counter;
    for (const n of this.#missing ?? []) {
      if (n > floor) break; // they stand in their order
      this.#missing!.delete(n);
    }
    return true;
  }
}

export interface Sent {
  readonly to: string;
  readonly bytes: Uint8Array;
}

/** What a datagram did. */
export interface Opened {
  readonly events: ControlEvent[];
  readonly answers: Sent[];
  /** Payload on a lane of data, if it was that. */
  readonly data: Uint8Array | null;
}

export class FakeSessions {
  // In the order in which they became current. BOUNDED: SESSIONS_EACH for each peer
  readonly #byPeer = new Map<string, FakeSession[]>();
  // BOUNDED: as #byPeer
  readonly #byIndex = new Map<number, FakeSession>();
  readonly #endpoints = new Map<string, string>();

  install(action: Install): void {
    const keys = { sendKey: action.sendKey.slice(), receiveKey: action.receiveKey.slice() };
    const session = { ...action, ...keys, counter: 0, seen: new Map(), greatest: -1 };
    this.#endpoints.set(action.id, action.endpoint);
    const those = this.#byPeer.get(action.id) ?? [];
    this.#byPeer.set(action.id, those);
    those.push(session);
    this.#byIndex.set(session.receiveIndex, session);
    for (const s of those.slice(0, -SESSIONS_EACH)) this.drop(s.receiveIndex);
  }

  /** The control plane's word for what a session here knew first. */
  confirm(receiveIndex: number): void {
    const session = this.#byIndex.get(receiveIndex);
    if (session !== undefined && !session.confirmed) this.#becomesCurrent(session);
  }

  drop(receiveIndex: number): void {
    const session = this.#byIndex.get(receiveIndex);
    if (session === undefined) return;
    this.#byIndex.delete(receiveIndex);
    const those = this.#byPeer.get(session.id)!;
    those.splice(those.indexOf(session), 1);
    if (those.length === 0) this.#byPeer.delete(session.id);
  }

  of(id: string): readonly Readonly<FakeSession>[] {
    return this.#byPeer.get(id) ?? [];
  }

  /** The session that packets to this node leave on. */
  sending(id: string): Readonly<FakeSession> | undefined {
    return this.of(id).findLast((s) => s.confirmed);
  }

  /** Seals on the control lane of the session that has this index here. */
  seal(receiveIndex: number, bytes: Uint8Array): Uint8Array | null {
    const session = this.#byIndex.get(receiveIndex);
    return session === undefined ? null : seal(session, CONTROL_LANE, bytes);
  }

  /** A packet of data for a node; null when there is no session to send it on. */
  data(id: string, bytes: Uint8Array): Sent | null {
    const session = this.#byPeer.get(id)?.findLast((s) => s.confirmed);
    return session === undefined
      ? null
      : { to: this.#endpoints.get(id)!, bytes: seal(session, DATA_LANE, bytes) };
  }

  /** Takes in a sealed datagram. */
  open(b: Uint8Array, from: string, at: number): Opened {
    const events: ControlEvent[] = [];
    const answers: Sent[] = [];
    const nothing = { events, answers, data: null };
    const session = this.#byIndex.get(dataIndex(b, 0) - (dataIndex(b, 0) & 0xff));
    if (session === undefined) return { ...nothing, events: [{ kind: "unknownIndex", from }] };
    const end = b.length - TAG_LEN;
    if (end < DATA_LEN || !equalBytes(lightTag(session.receiveKey, b.subarray(0, end)), b.subarray(end))) {
      return nothing;
    }
    const lane = dataIndex(b, 0) & 0xff;
    const counter = dataCounter(b, 0);
    const seen = session.seen.get(lane) ?? new Seen();
    session.seen.set(lane, seen);
    if (!seen.add(counter)) return nothing;
    if (!session.confirmed) {
      this.#becomesCurrent(session);
      events.push({ kind: "sessionConfirmed", receiveIndex: session.receiveIndex });
    }
    if (counter > session.greatest) {
      session.greatest = counter;
      if (this.#endpoints.get(session.id) !== from) {
        this.#endpoints.set(session.id, from);
        events.push({ kind: "roamed", id: session.id, endpoint: from });
      }
    }
    const payload = b.slice(DATA_LEN, end);
    if (payload.length === 0) return nothing;
    if (decodeProbe(payload, 0, payload.length) === PROBE_ASK) {
      answerProbe(payload, 0, 0);
      const bytes = seal(session, CONTROL_LANE, payload.slice(0, PROBE_LEN));
      return { ...nothing, answers: [{ to: from, bytes }] };
    }
    if (lane !== CONTROL_LANE) return { ...nothing, data: payload };
    events.push({ kind: "sessionMessage", receiveIndex: session.receiveIndex, bytes: payload, from, at });
    return nothing;
  }

  #becomesCurrent(session: FakeSession): void {
    session.confirmed = true;
    const those = this.#byPeer.get(session.id)!;
    those.push(...those.splice(those.indexOf(session), 1));
  }
}

function seal(session: FakeSession, lane: number, bytes: Uint8Array): Uint8Array {
  const b = new Uint8Array(DATA_LEN + bytes.length + TAG_LEN);
  encodeData(b, 0, 0, 0, (session.sendIndex | lane) >>> 0, session.counter++);
  b.set(bytes, DATA_LEN);
  const end = DATA_LEN + bytes.length;
  b.set(lightTag(session.sendKey, b.subarray(0, end)), end);
  return b;
}
