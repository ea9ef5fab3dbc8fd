// One end of a handshake, with an identity and a record of its own and nothing around it.
import type { HandshakeEvent, HandshakeOwner } from "../../src/control/handshakes.ts";
import { Handshakes } from "../../src/control/handshakes.ts";
import { Outbox } from "../../src/control/outbox.ts";
import { ReceiverIndices } from "../../src/control/receiver_indices.ts";
import { type NodeRecord, signRecord } from "../../src/control/record.ts";
import { identityFromSeeds } from "../../src/crypto/identity.ts";
import { dhKeys } from "../../src/crypto/x25519.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import { keysOf } from "../sim/sealed.ts";
import { contentOf } from "./made_records.ts";

/** What all of them share. */
export const KEYS = keysOf("secret");
const random = new SeededRandom(1);

export interface Side {
  readonly endpoint: string;
  readonly record: NodeRecord;
  readonly owner: HandshakeOwner;
  readonly out: Outbox;
  readonly machine: Handshakes;
  readonly store: Map<string, NodeRecord>;
  readonly events: HandshakeEvent[];
}

/** One end, on a host of its own; `change` makes it lie. */
export function side(n: number, change: (own: HandshakeOwner) => Partial<HandshakeOwner> = () => ({})): Side {
  const identity = identityFromSeeds(random.bytes(32), random.bytes(32));
  const record = signRecord(
    contentOf(1, {
      id: identity.id,
      staticKey: identity.staticKey,
      networkId: toHex(KEYS.networkId),
      security: "sealed",
    }),
    identity,
  );
  const store = new Map<string, NodeRecord>();
  let counter = 0;
  const honest: HandshakeOwner = {
    id: identity.id,
    staticKeys: dhKeys(fromHex(identity.seeds.x25519)!),
    networkId: record.networkId,
    keys: [KEYS],
    suites: [{ suite: "aes-256-gcm", mbps: 100 }],
    known: (id) => store.get(id),
    revoked: () => false,
    member: () => true,
    record: () => record.raw,
    bootNonce: record.bootNonce,
    admits: () => true,
    nextCounter: () => counter++,
  };
  const owner = { ...honest, ...change(honest) };
  const out = new Outbox();
  const machine = new Handshakes(owner, new ReceiverIndices(random), random, out);
  return { endpoint: `10.0.0.${n}:8473`, record, owner, out, machine, store, events: [] };
}
