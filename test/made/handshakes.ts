/**
 * A node as its handshakes see it, for tests and benchmarks: it knows nobody, admits everybody and signs one record.
 */

import { Handshakes } from "../../src/control/handshake/handshakes.ts";
import { type Actions, newOutlets, type OwnNode, type Tally } from "../../src/control/outbox/outbox.ts";
import { ReceiverIndices } from "../../src/control/handshake/pending.ts";
import { type NodeRecord, signRecord } from "../../src/control/records/record.ts";
import { CONTROL_CIPHERS } from "../../src/crypto/control_ciphers.ts";
import type { Identity } from "../../src/crypto/identity.ts";
import type { NetworkKeys } from "../../src/crypto/network_secret.ts";
import { type DhKeys, dhKeys } from "../../src/crypto/noise_state.ts";
import type { Random } from "../../src/ports/time.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import { ownNodeOf } from "./own_node.ts";
import { contentOf } from "./records.ts";

export interface MadeHandshakes {
  readonly record: NodeRecord;
  readonly actions: Actions;
  readonly tally: Tally;
  readonly machine: Handshakes;
}

/** What a node signs and derives once, at the price of curve operations. */
export interface MadeNode {
  readonly identity: Identity;
  readonly record: NodeRecord;
  readonly staticKeys: DhKeys;
}

/** The node of this identity in the network of these keys. */
export function nodeOf(identity: Identity, keys: NetworkKeys): MadeNode {
  const { id, staticKey } = identity;
  const networkId = toHex(keys.networkId);
  const record = signRecord(contentOf(1, { id, staticKey, networkId, security: "sealed" }), identity);
  return { identity, record, staticKeys: dhKeys(fromHex(identity.seeds.x25519)!) };
}

/** The handshakes of a node that has seen nothing yet; `change` makes it other than that. */
export function handshakesOf(
  { identity, record, staticKeys }: MadeNode,
  keys: NetworkKeys,
  random: Random,
  change: (honest: OwnNode) => Partial<OwnNode> = () => ({}),
): MadeHandshakes {
  const { networkId, bootNonce } = record;
  const honest = ownNodeOf(identity, { networkId, bootNonce, keys: [keys], record: () => record.raw });
  const own = { ...honest, ...change(honest) };
  const suites = [{ suite: "aes-256-gcm", mbps: 100 } as const];
  const { actions, tally } = newOutlets();
  const indices = new ReceiverIndices(random);
  const machine = new Handshakes({
    own,
    ciphers: CONTROL_CIPHERS,
    staticKeys,
    suites,
    indices,
    random,
    actions,
    tally,
  });
  return { record, actions, tally, machine };
}
