/** A node as its links and handshakes see it: a member that knows nobody, lets everybody in and says nothing. */

import { RECORD_READER } from "../../src/control/records/record.ts";
import type { OwnNode } from "../../src/control/outbox/outbox.ts";
import type { Identity } from "../../src/crypto/identity.ts";

/** The node of this identity; `change` makes it other than that. */
export function ownNodeOf(identity: Identity, change: Partial<OwnNode> = {}): OwnNode {
  let counter = 0;
  return {
    identity,
    networkId: "ab".repeat(16),
    bootNonce: "00".repeat(8),
    member: () => true,
    age: () => 0,
    translated: () => false,
    holds: () => false,
    usable: () => true,
    usableRevision: () => "",
    record: () => new Uint8Array(0),
    reader: RECORD_READER,
    known: () => undefined,
    isFormer: () => false,
    isRevoked: () => false,
    message: () => null,
    recordItems: () => [],
    keys: [],
    admits: () => true,
    newestKey: () => null,
    sessionMade: () => {},
    mayInitiate: () => true,
    nextCounter: () => counter++,
    ...change,
  };
}
