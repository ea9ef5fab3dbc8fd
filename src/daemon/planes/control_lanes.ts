/**
 * The control plane's own lane of each session. What the control plane says to a peer is sealed here, on the main thread, with
 * that lane's key and counter, and leaves from our port beside the data plane's; a Worker opens what comes in.
 */
import type { InstallAction } from "../../control/outbox/events.ts";
import { laneAead } from "../../crypto/lane.ts";
import type { AeadKey, AeadProvider } from "../../ports/aead.ts";
import { CONTROL_LANE } from "../../ports/planes.ts";
import { DATA_LEN, encodeData } from "../../wire/data_header.ts";
import { AEAD_TAG_LEN } from "../../wire/overhead.ts";

/** As long as a datagram can be: probes of a path are as long as data is. */
const ROOM = 65_536;

interface ControlLane {
  readonly key: AeadKey;
  /** The index that the peer gave us, with our lane in its low byte. */
  readonly sendIndex: number;
  counter: number;
}

export class ControlLanes {
  readonly #provider: AeadProvider;
  readonly #memory = new Uint8Array(new ArrayBuffer(ROOM));
  /** BOUNDED: one per session, ≤ MAX_SESSIONS × MAX_PEERS; by the index that we gave the peer. */
  readonly #lanes = new Map<number, ControlLane>();

  constructor(provider: AeadProvider) {
    this.#provider = provider;
  }

  add(session: InstallAction): void {
    this.drop(session.receiveIndex);
    const { suite, sendKey: root } = session;
    const key = laneAead(this.#provider, { suite, root, lane: CONTROL_LANE, memory: this.#memory });
    const sendIndex = (session.sendIndex | CONTROL_LANE) >>> 0;
    this.#lanes.set(session.receiveIndex, { key, sendIndex, counter: 0 });
  }

  /** The datagram that carries `bytes`; null when the session is gone. RangeError when no datagram takes them. */
  seal(receiveIndex: number, bytes: Uint8Array): Uint8Array | null {
    const lane = this.#lanes.get(receiveIndex);
    if (lane === undefined) return null;
    const end = DATA_LEN + bytes.length + AEAD_TAG_LEN;
    if (end > ROOM) throw new RangeError(`A control message of ${bytes.length} bytes is too long`);
    encodeData(this.#memory, 0, 0, 0, lane.sendIndex, lane.counter++);
    this.#memory.set(bytes, DATA_LEN);
    lane.key.seal(this.#memory, 0, DATA_LEN, bytes.length, DATA_LEN);
    return this.#memory.slice(0, end);
  }

  drop(receiveIndex: number): void {
    this.#lanes.get(receiveIndex)?.key.wipe();
    this.#lanes.delete(receiveIndex);
  }

  /** Wipes the keys of all lanes. */
  close(): void {
    for (const index of [...this.#lanes.keys()]) this.drop(index);
  }
}
