/** Gossip for tests: messages of which the test knows that they fit. */

import assert from "node:assert/strict";
import { fitGossip, GOSSIP_MAX_LEN } from "../../src/wire/gossip.ts";
import type { Gossip } from "../../src/wire/gossip_body.ts";

/** The whole datagram for the receiver that gave the sender `index`. */
export function encodeGossip(index: number, gossip: Gossip): Uint8Array {
  const b = fitGossip(index, gossip, GOSSIP_MAX_LEN);
  assert.ok(b !== null, `A ${gossip.body.kind} is longer than ${GOSSIP_MAX_LEN} bytes`);
  return b;
}
