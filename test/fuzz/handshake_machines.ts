/** The handshakes of two nodes, made of small seeds: what they say is the same in every run, byte for byte. */

import type { Action } from "../../src/control/outbox/events.ts";
import type { Actions } from "../../src/control/outbox/outbox.ts";
import { fromHex } from "../../src/wire/bytes.ts";
import { handshakesOf, type MadeHandshakes, nodeOf } from "../made/handshakes.ts";
import { identityOf } from "../made/records.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import { keysOf } from "../made/network_keys.ts";

export const KEYS = keysOf("secret");
/** Where the nodes of seeds 1 and 2 are. */
export const ENDPOINTS = { a: "10.0.0.1:8473", b: "10.0.0.2:8473" };

export const OWNERS = { a: nodeOf(identityOf(1), KEYS), b: nodeOf(identityOf(2), KEYS) };

/** The handshakes of a node that has seen nothing yet. */
export function machineOf(name: "a" | "b"): MadeHandshakes {
  const random = new SeededRandom(name === "a" ? 1 : 2);
  const known = (id: string) => Object.values(OWNERS).find(({ record }) => record.id === id)?.record;
  return handshakesOf(OWNERS[name], KEYS, random, () => ({ known }));
}

/** The datagrams that a machine wants sent. */
export function sends(actions: Actions): (Action & { kind: "send" })[] {
  return actions.drain().filter((action) => action.kind === "send");
}

/** What the initiator of IKpsk2 knows of b. */
export const B_KNOWN = { id: OWNERS.b.record.id, staticKey: fromHex(OWNERS.b.record.staticKey)! };

/** All messages of both patterns between two nodes, as they went, and a refusal. */
export function genuineHandshakes(): Uint8Array[] {
  const [a, b] = [machineOf("a"), machineOf("b")];
  const all: Uint8Array[] = [];
  for (const peer of [null, B_KNOWN]) {
    a.machine.begin(ENDPOINTS.b, peer, 0);
    for (let i = 0; i < 4; i++) {
      for (const { to, bytes } of [...sends(a.actions), ...sends(b.actions)]) {
        all.push(bytes.slice());
        const [receiver, from] = to === ENDPOINTS.b ? [b, ENDPOINTS.a] : [a, ENDPOINTS.b];
        receiver.machine.receive(bytes, from, 0);
      }
    }
  }
  b.machine.refuse(ENDPOINTS.a, all[0]!, 2);
  return [...all, ...sends(b.actions).map(({ bytes }) => bytes)];
}

/** A handshake that stands before `message` (XX2, XX3 or IK2): whose turn it is, where the message comes from, itself. */
export interface UnderWay extends MadeHandshakes {
  readonly from: string;
  readonly next: Uint8Array;
}

/** Both patterns, up to every message that answers one. */
export function handshakesUnderWay(): UnderWay[] {
  return [
    upTo(null, 1),
    upTo(null, 2),
    upTo(B_KNOWN, 1),
  ];
}

/** The handshake with whom is known, after this many messages. */
function upTo(known: typeof B_KNOWN | null, messages: number): UnderWay {
  const ends = [{ ...machineOf("a"), from: ENDPOINTS.b }, { ...machineOf("b"), from: ENDPOINTS.a }] as const;
  ends[0].machine.begin(ENDPOINTS.b, known, 0);
  let next = sends(ends[0].actions)[0]!.bytes;
  for (let i = 1; i <= messages; i++) {
    const turn = ends[i % 2 === 1 ? 1 : 0];
    turn.machine.receive(next, turn.from, 0);
    next = sends(turn.actions)[0]!.bytes;
  }
  return { ...ends[messages % 2 === 1 ? 0 : 1], next };
}
