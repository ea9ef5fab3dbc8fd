// How this node answers what its links and handshakes ask of it, from the parts of the core as they are at that moment.

import type { Identity } from "../../crypto/identity.ts";
import type { Directives } from "../forget/directives.ts";
import type { Life } from "../mesh/life.ts";
import type { OwnNode } from "../outbox/own_node.ts";
import type { OwnRecord } from "../records/own_record.ts";
import type { Store } from "../records/store.ts";
import type { KeyRing } from "../secrets/key_ring.ts";
import type { HostSight } from "./host_sight.ts";
import type { Messages } from "./messages.ts";
import type { Outside } from "./outside.ts";
import type { Persistence } from "./persistence.ts";

/** What the answers come from. The last three exist only once there are links: nothing is asked before. */
interface Asked {
  readonly identity: Identity;
  readonly networkId: string;
  readonly startedAt: number;
  readonly now: number;
  readonly outside: Outside;
  readonly life: Life;
  readonly own: OwnRecord;
  readonly store: Store;
  readonly directives: Directives;
  readonly ring: KeyRing | null;
  readonly messages: Messages;
  readonly persistence: Persistence;
  keyUsed(keyId: number): void;
}

export function ownNodeOf(core: Asked, host: HostSight): OwnNode {
  const { identity, networkId, startedAt, outside, life, own, store, directives, ring } = core;
  return {
    identity,
    networkId,
    bootNonce: own.bootNonce,
    member: () => life.member,
    age: (now) => (now - startedAt) / 1000,
    translated: () => own.translated.length > 0,
    holds: (endpoint) => own.holds(endpoint) || host.owns(endpoint),
    usable: (endpoint) => outside.has(endpoint),
    record: () => own.sign(Math.floor((core.now - startedAt) / 1000)).raw,
    known: (id) => store.get(id),
    isFormer: (id, life) => store.isFormer(id, life),
    isRevoked: (id) => directives.isRevoked(id),
    message: (index, body) => core.messages.datagram(index, body),
    recordItems: (ids) => core.messages.records(ids),
    keys: ring?.keys ?? [],
    admits: (id, keyId) => ring?.admits(id, keyId) ?? true,
    sessionMade: (id, keyId, member) => {
      ring?.proved(id, keyId);
      if (member) core.keyUsed(keyId);
    },
    nextCounter: () => core.persistence.nextInitiation(),
  };
}
