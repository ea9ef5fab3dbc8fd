/** One end of a handshake, with an identity and a record of its own and nothing around it. */
import type { HandshakeEvent } from "../../src/control/handshake/pending.ts";
import type { OwnNode } from "../../src/control/outbox/outbox.ts";
import type { NodeRecord } from "../../src/control/records/record.ts";
import { identityFromSeeds } from "../../src/crypto/identity.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import { keysOf } from "./network_keys.ts";
import { handshakesOf, type MadeHandshakes, nodeOf } from "./handshakes.ts";

/** What all of them share. */
export const KEYS = keysOf("secret");
const random = new SeededRandom(1);

export interface Side extends MadeHandshakes {
  readonly endpoint: string;
  readonly store: Map<string, NodeRecord>;
  readonly events: HandshakeEvent[];
}

/** One end, on a host of its own; `change` makes it lie. */
export function side(n: number, change: (own: OwnNode) => Partial<OwnNode> = () => ({})): Side {
  const identity = identityFromSeeds(random.bytes(32), random.bytes(32));
  const store = new Map<string, NodeRecord>();
  const known = (id: string) => store.get(id);
  const made = handshakesOf(
    nodeOf(identity, KEYS),
    KEYS,
    random,
    (own) => ({ known, ...change({ ...own, known }) }),
  );
  return { ...made, endpoint: `10.0.0.${n}:8473`, store, events: [] };
}
