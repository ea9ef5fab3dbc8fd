/** A simulated peer: the real control plane with all records in its state, behind a UDP socket of its own address. */

import {
  type ControlEvent,
  type Effects,
  performActions,
  type SendAction,
} from "../../src/control/outbox/events.ts";
import { ControlPlane } from "../../src/control/node/node.ts";
import { recordText, type StoredState } from "../../src/control/records/state.ts";
import type { RecordReader } from "../../src/control/records/record.ts";
import { isData } from "../../src/wire/data_header.ts";
import {
  answerProbe,
  decodeProbe,
  PROBE_ASK,
  PROBE_LEN,
  TYPE_GOSSIP_PLAIN,
  TYPE_PROBE,
} from "../../src/wire/datagram.ts";
import { gossipIndex } from "../../src/wire/gossip.ts";
import { systemRandom } from "../../src/sys/system.ts";
import { settingsFor } from "../../test/made/settings.ts";
import type { Cast } from "./members.ts";
import { NETWORK_NAME, PORT } from "./members.ts";
import { Sessions, SUITES } from "./sessions.ts";

/** It calls nobody but its seeds. */
const CALLS_NOBODY = { fullMesh: 1, degree: 0 };

export interface CrowdSetup {
  readonly cast: Cast;
  readonly index: number;
  readonly memo: RecordReader;
  readonly seeds: readonly string[];
  readonly send: (to: string, bytes: Uint8Array) => void;
  /** What is said to it and by it, in the clear. */
  readonly heard: (from: string, bytes: Uint8Array) => void;
  readonly said: (to: string, bytes: Uint8Array) => void;
}

/** Of all members, made once. */
let stored: { readonly of: Cast; readonly peers: StoredState["peers"] } | null = null;

export class CrowdNode {
  readonly #setup: CrowdSetup;
  readonly #plane: ControlPlane;
  readonly #sessions: Sessions | null;
  readonly #effects: Effects;
  /** Which index it gave to whom, by endpoint. BOUNDED: those it has met */
  readonly #indices = new Map<string, number>();
  /** What is being sealed. */
  #clear: Uint8Array | null = null;

  constructor(setup: CrowdSetup) {
    const { cast, index, memo, seeds } = setup;
    const { identity, content, address } = cast.members[index]!;
    this.#setup = setup;
    const sealed = cast.secret !== null;
    this.#sessions = sealed ? new Sessions() : null;
    const settings = settingsFor(content.name, {
      network: null,
      plain: !sealed,
      peers: [...seeds, "172.20.0.1:8473"],
      ownEndpoints: [`${address}:${PORT}`],
    });
    this.#plane = new ControlPlane({
      settings,
      identity,
      stored: stateOf(cast, index),
      random: systemRandom,
      now: performance.now(),
      sealed: cast.secret === null ? null : {
        keys: [cast.secret.keys(NETWORK_NAME)],
        suites: SUITES.map(({ suite, mbps }) => ({ suite, mbps })),
        pinnedNode: null,
      },
      reader: memo,
      density: CALLS_NOBODY,
    });
    this.#effects = this.#effectsOf();
  }

  start(): void {
    this.#event({ kind: "seeds", seeds: this.#setup.seeds.map((text) => ({ text, endpoints: [text] })) });
  }

  tick(): void {
    this.#event({ kind: "tick" });
  }

  receive(bytes: Uint8Array, from: string): void {
    const at = performance.now();
    if (isData(bytes[0]!)) {
      const opened = this.#sessions?.open(bytes, from, at);
      if (opened === undefined) return;
      if (opened.answer !== null) this.#setup.send(from, opened.answer);
      for (const event of opened.events) this.#event(event);
      return;
    }
    if (bytes[0] === TYPE_PROBE && decodeProbe(bytes, 0, bytes.length) === PROBE_ASK) {
      answerProbe(bytes, 0, 0);
      return this.#setup.send(from, bytes.slice(0, PROBE_LEN));
    }
    if (bytes[0] === TYPE_GOSSIP_PLAIN) this.#indices.set(from, gossipIndex(bytes));
    this.#event({ kind: "datagram", bytes, from, at });
  }

  /** Hears what another of this process would say over their link. */
  hearFrom(other: CrowdNode, say: (index: number) => Uint8Array): void {
    const { address } = other.#setup.cast.members[other.#setup.index]!;
    const from = `${address}:${PORT}`, at = performance.now();
    const index = this.#indices.get(from);
    if (index === undefined) throw new Error("The seeds have no link");
    const bytes = say(index);
    if (this.#sessions === null) this.#event({ kind: "datagram", bytes, from, at });
    else this.#event({ kind: "sessionMessage", receiveIndex: index, bytes, from, at });
  }

  #event(event: ControlEvent): void {
    if (event.kind === "sessionMessage" || event.kind === "datagram") {
      this.#setup.heard(event.from, event.bytes);
    }
    performActions(this.#plane.handle(event, performance.now()), this.#effects);
  }

  #effectsOf(): Effects {
    const { send, said } = this.#setup;
    const sessions = this.#sessions;
    const nothing = () => {};
    return {
      sessions: sessions === null ? null : {
        install: (session) => {
          this.#indices.set(session.endpoint, session.receiveIndex);
          sessions.install(session);
        },
        confirm: (index) => sessions.confirm(index),
        drop: (id, index) => sessions.drop(id, index),
        seal: (index, bytes) => {
          this.#clear = bytes;
          return sessions.seal(index, bytes);
        },
        setGate: nothing,
      },
      send: ({ to, bytes }: SendAction) => {
        said(to, this.#clear ?? bytes);
        this.#clear = null;
        send(to, bytes);
      },
      // A disk that takes no time.
      saveState: ({ ticket }) => queueMicrotask(() => this.#event({ kind: "stored", ticket })),
      saveSecrets: nothing,
      remember: nothing,
      resolve: nothing,
      reconcile: nothing,
      leaseChanged: nothing,
      log: nothing,
      refuse: (message) => console.error(message),
      released: nothing,
    };
  }
}

function stateOf(cast: Cast, index: number): StoredState {
  const { identity, content } = cast.members[index]!;
  stored ??= {
    of: cast,
    peers: cast.members.map(({ raw }) => ({ record: recordText(raw), endpoint: null })),
  };
  return {
    version: 1,
    nodeId: identity.id,
    networkName: NETWORK_NAME,
    name: content.name,
    mesh: cast.mesh,
    claim: content.claims[0]!,
    incarnation: 1,
    epoch: 0,
    ...(cast.secret === null ? {} : { initiations: 0 }),
    peers: stored.peers,
    directives: [],
  };
}
