// A node as its handshakes see it, for tests and benchmarks: it knows nobody, admits everybody and signs one record.

import type { HandshakeOwner } from "../../src/control/handshake/messages.ts";
import { Handshakes } from "../../src/control/handshake/handshakes.ts";
import { Outbox } from "../../src/control/outbox/outbox.ts";
import { ReceiverIndices } from "../../src/control/handshake/receiver_indices.ts";
import { type NodeRecord, signRecord } from "../../src/control/records/record.ts";
import type { Identity } from "../../src/crypto/identity.ts";
import type { NetworkKeys } from "../../src/crypto/network_keys.ts";
import { dhKeys } from "../../src/crypto/x25519.ts";
import type { Random } from "../../src/ports/time.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import { contentOf } from "./records.ts";

export interface MadeHandshakes {
  readonly record: NodeRecord;
  readonly owner: HandshakeOwner;
  readonly out: Outbox;
  readonly machine: Handshakes;
}

/** What a node signs and derives once, at the price of curve operations. */
export interface MadeNode {
  readonly record: NodeRecord;
  readonly staticKeys: HandshakeOwner["staticKeys"];
}

/** The node of this identity in the network of these keys. */
export function nodeOf(identity: Identity, keys: NetworkKeys): MadeNode {
  const { id, staticKey } = identity;
  const networkId = toHex(keys.networkId);
  const record = signRecord(contentOf(1, { id, staticKey, networkId, security: "sealed" }), identity);
  return { record, staticKeys: dhKeys(fromHex(identity.seeds.x25519)!) };
}

/** The handshakes of a node that has seen nothing yet; `change` makes it other than that. */
export function handshakesOf(
  { record, staticKeys }: MadeNode,
  keys: NetworkKeys,
  random: Random,
  change: (honest: HandshakeOwner) => Partial<HandshakeOwner> = () => ({}),
): MadeHandshakes {
  let counter = 0;
  const honest: HandshakeOwner = {
    id: record.id,
    staticKeys,
    networkId: record.networkId,
    keys: [keys],
    suites: [{ suite: "aes-256-gcm", mbps: 100 }],
    known: () => undefined,
    revoked: () => false,
    admits: () => true,
    member: () => true,
    record: () => record.raw,
    bootNonce: record.bootNonce,
    nextCounter: () => counter++,
  };
  const owner = { ...honest, ...change(honest) };
  const out = new Outbox();
  return { record, owner, out, machine: new Handshakes(owner, new ReceiverIndices(random), random, out) };
}
