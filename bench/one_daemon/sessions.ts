/** The sealed half of a simulated peer's data plane: real keys and ciphers, the control lane only. */

import type { ControlEvent, InstallAction, SessionEffects } from "../../src/control/outbox/events.ts";
import { aeadProvider } from "../../src/crypto/aead.ts";
import { nodeAead } from "../../src/crypto/node_aead.ts";
import { SessionTable } from "../../src/dataplane/tables/session_table.ts";
import { CONTROL_LANE } from "../../src/ports/planes.ts";
import {
  DATA_LEN,
  DATA_PLAIN,
  dataCounter,
  dataFlags,
  dataIndex,
  laneOf,
} from "../../src/wire/data_header.ts";
import { answerProbe, decodeProbe, PROBE_ASK, PROBE_LEN } from "../../src/wire/datagram.ts";
import { AEAD_TAG_LEN } from "../../src/wire/overhead.ts";

const ROOM = 65_536;
export const SUITES = [{ suite: "aes-256-gcm", by: "node:crypto", mbps: 5000 }] as const;
const aead = aeadProvider([nodeAead()], SUITES);
/** What is sealed and opened, one datagram at a time. */
const memory = new Uint8Array(new ArrayBuffer(ROOM));

/** What a sealed datagram did. */
export interface Opened {
  readonly events: ControlEvent[];
  /** To be sent back, or null. */
  readonly answer: Uint8Array | null;
}

export class Sessions implements SessionEffects {
  readonly #table = new SessionTable();
  // BOUNDED: one per peer that has had a session
  readonly #slots = new Map<string, number>();

  install({ id, receiveIndex, sendIndex, suite, sendKey, receiveKey, confirmed }: InstallAction): void {
    const slot = this.#slots.get(id) ?? this.#slots.size;
    this.#slots.set(id, slot);
    const keys = { sendKey: sendKey.slice(), receiveKey: receiveKey.slice() };
    const message = {
      kind: "installSession",
      slot,
      receiveIndex,
      sendIndex,
      suite,
      ...keys,
      confirmed,
    } as const;
    this.#table.install(message, { aead, memory, lane: CONTROL_LANE });
  }

  confirm(receiveIndex: number): void {
    const session = this.#table.byIndex(receiveIndex);
    if (session !== null && !session.confirmed) this.#table.confirm(session);
  }

  drop(_: string, receiveIndex: number): void {
    this.#table.drop(receiveIndex);
  }

  seal(receiveIndex: number, bytes: Uint8Array): Uint8Array | null {
    const session = this.#table.byIndex(receiveIndex);
    if (session === null) return null;
    const from = DATA_LEN;
    memory.set(bytes, from);
    session.seal(memory, 0, from, bytes.length, 0);
    return memory.slice(0, DATA_LEN + bytes.length + AEAD_TAG_LEN);
  }

  /** Nobody attacks: all handshakes are let in. */
  setGate(): void {}

  /** Takes in what came on our port as data. */
  open(datagram: Uint8Array, from: string, at: number): Opened {
    memory.set(datagram);
    const nothing = { events: [], answer: null };
    if ((dataFlags(memory, 0) & DATA_PLAIN) !== 0 || datagram.length < DATA_LEN + AEAD_TAG_LEN) {
      return nothing;
    }
    const index = dataIndex(memory, 0), counter = dataCounter(memory, 0);
    const session = this.#table.byIndex(index);
    if (session === null) return { events: [{ kind: "unknownIndex", from }], answer: null };
    const lane = this.#table.lane(session, laneOf(index));
    if (lane === null || !lane.window.isFresh(counter)) return nothing;
    const length = lane.key.open(memory, 0, DATA_LEN, datagram.length - DATA_LEN);
    if (length < 0) return nothing;
    this.#table.authenticated(lane);
    lane.window.commit(counter);
    const events: ControlEvent[] = [];
    const { receiveIndex } = session;
    if (!session.confirmed) {
      this.#table.confirm(session);
      events.push({ kind: "sessionConfirmed", receiveIndex });
    }
    const bytes = memory.slice(DATA_LEN, DATA_LEN + length);
    if (decodeProbe(bytes, 0, length) === PROBE_ASK) {
      answerProbe(bytes, 0, session.sendIndex);
      return { events, answer: this.seal(receiveIndex, bytes.subarray(0, PROBE_LEN)) };
    }
    if (length > 0) events.push({ kind: "sessionMessage", receiveIndex, bytes, from, at });
    return { events, answer: null };
  }
}
