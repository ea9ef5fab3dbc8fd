/**
 * A handshake in memory, before the first real one. A process that has just started has not compiled its code, and
 * the runtime has not set up its cryptography: the first handshake would take ten times as long as the second, on a
 * path while a peer waits for it. Two ends with throw-away keys shake hands here, in memory.
 */

import { type Identity, identityFromSeeds, nodeMac } from "../../crypto/identity.ts";
import { CONTROL_CIPHERS as ciphers } from "../../crypto/control_ciphers.ts";
import type { NetworkKeys } from "../../crypto/network_secret.ts";
import type { Random } from "../../ports/time.ts";
import { fromHex, toHex } from "../../wire/bytes.ts";
import { type NewSession, ReceiverIndices } from "./pending.ts";
import { Handshakes } from "./handshakes.ts";
import { type Actions, newOutlets, type OwnNode } from "../outbox/outbox.ts";
import { type NodeRecord, RECORD_READER, signRecord } from "../records/record.ts";

const SEED_LEN = 32;
/** Messages of XX, the longest pattern. */
const MESSAGES_MAX = 3;

interface End {
  readonly endpoint: string;
  readonly record: NodeRecord;
  readonly known: Map<string, NodeRecord>;
  readonly actions: Actions;
  readonly handshakes: Handshakes;
  readonly sessions: NewSession[];
}

/**
 * Runs one handshake of each pattern between two ends of its own. Touches nothing that belongs to the node. Throws Error
 * when they do not come to a session: then no handshake of this host would.
 */
export function warmUp(random: Random): void {
  const keys: NetworkKeys = {
    networkId: random.bytes(16),
    psk: random.bytes(SEED_LEN),
    macKey: random.bytes(SEED_LEN),
    gossipKey: random.bytes(SEED_LEN),
    keyId: 0,
  };
  const [a, b] = [endOf("192.0.2.1:8473", keys, random), endOf("192.0.2.2:8473", keys, random)];
  const known = { id: b.record.id, staticKey: fromHex(b.record.staticKey)! };
  for (const responder of [null, known]) {
    a.handshakes.begin(b.endpoint, responder, 0);
    for (let n = 0; n < MESSAGES_MAX; n++) n % 2 === 0 ? carry(a, b) : carry(b, a);
  }
  const made = [...a.sessions, ...b.sessions];
  for (const { sendKey, receiveKey } of made) {
    sendKey.fill(0);
    receiveKey.fill(0);
  }
  if (made.length !== 4) {
    throw new Error(`A handshake in memory failed: ${made.length} of 4 sessions were made`);
  }
}

function carry(from: End, to: End): void {
  for (const action of from.actions.drain()) {
    if (action.kind !== "send") continue;
    for (const event of to.handshakes.receive(action.bytes, from.endpoint, 0)) {
      if (event.kind !== "session") continue;
      to.sessions.push(event.session);
      to.known.set(event.session.peer.id, event.session.peer);
    }
  }
}

function endOf(endpoint: string, keys: NetworkKeys, random: Random): End {
  const identity = identityFromSeeds(random.bytes(SEED_LEN), random.bytes(SEED_LEN));
  const record = recordOf(identity, endpoint, keys, random);
  const known = new Map<string, NodeRecord>();
  const { actions, tally } = newOutlets();
  let counter = 0;
  const own: OwnNode = {
    identity,
    networkId: record.networkId,
    bootNonce: record.bootNonce,
    member: () => false,
    age: () => 0,
    translated: () => false,
    holds: () => false,
    usable: () => true,
    usableRevision: () => "",
    record: () => record.raw,
    reader: RECORD_READER,
    known: (id: string) => known.get(id),
    isFormer: () => false,
    isRevoked: () => false,
    message: () => null,
    recordItems: () => [],
    keys: [keys],
    admits: () => true,
    newestKey: () => null,
    sessionMade: () => {},
    mayInitiate: () => true,
    nextCounter: () => counter++,
  };
  const staticKeys = ciphers.dhKeys(fromHex(identity.seeds.x25519)!);
  const suites = [{ suite: "aes-256-gcm", mbps: 0 } as const];
  const indices = new ReceiverIndices(random);
  const handshakes = new Handshakes({ own, ciphers, staticKeys, suites, indices, random, actions, tally });
  return { endpoint, record, known, actions, handshakes, sessions: [] };
}

function recordOf(identity: Identity, endpoint: string, keys: NetworkKeys, random: Random): NodeRecord {
  return signRecord({
    id: identity.id,
    staticKey: identity.staticKey,
    networkId: toHex(keys.networkId),
    name: "nobody",
    incarnation: 1,
    epoch: 0,
    bootNonce: toHex(random.bytes(8)),
    claims: [],
    reserved: [],
    endpoints: [endpoint],
    ownEndpoints: 1,
    vtepMac: nodeMac(identity.id),
    version: "0",
    capabilities: [],
    security: "sealed",
    gone: false,
    age: 0,
  }, identity);
}
