// Gossip under the network's key, in a sealed mesh: for what must not wait for a session. The sender is a member by its own
// word and that key alone.

import { decodeGossip } from "../../wire/gossip.ts";
import { takeProof } from "./clone_steps.ts";
import type { Core } from "./core.ts";
import { takeOwnDirective } from "./forget_steps.ts";
import { performMembership, takePiggyback } from "./record_steps.ts";

const MESSAGES_PER_SECOND = 400;

/**
 * Takes in a datagram of type 0x20, of a sealed mesh. The sender is a member by its own word and the network's key
 * alone: only what any member may say is heard, and an answer is no longer than the question.
 */
export function receiveGroupGossip(core: Core, bytes: Uint8Array, from: string, now: number): void {
  const opened = core.group?.open(bytes, (id) => memberIncarnation(core, id)) ?? null;
  const gossip = opened === null ? null : decodeGossip(opened.gossip);
  if (opened === null || gossip === null) return core.tally.reject();
  // It says who has signed it.
  if (gossip.body.kind === "clone") return takeProof(core, opened.sender, gossip.body, now);
  if (gossip.mesh === null || gossip.mesh !== core.life.meshHash) return core.tally.reject();
  const { sender } = opened;
  // Not the bucket of the sender's sessions: with the secret alone anyone can claim to be it.
  if (!core.throttle.allows(`group ${sender}`, MESSAGES_PER_SECOND, now)) return core.tally.reject();
  core.keyUsed(opened.keyId);
  // An older secret may have leaked: it admits no new node, not by a record either, and no one speaks of others by
  // it. Members tell all that over their sessions.
  const newest = opened.keyId === core.ring?.newest.keyId;
  const body = newest ? gossip.body : { ...gossip.body, records: [], directives: [], statements: [] };
  switch (body.kind) {
    case "ping":
      takePiggyback(core, body, null, now);
      return core.voice.sayByGroup(from, { kind: "pong", seq: body.seq });
    case "pong":
      takePiggyback(core, body, null, now);
      return performMembership(core, core.membership.onPong(sender, body.seq), now);
    case "push":
      takePiggyback(core, body, null, now);
      for (const raw of body.directives ?? []) takeOwnDirective(core, raw, from, now);
      return;
    default:
      return core.tally.reject();
  }
}

// Null for non-members and revoked nodes: nothing is opened for them. Whom we have a session with has shown who it is,
// though we may never be told its record: it is a member that refuses us.
function memberIncarnation({ directives, links, store }: Core, id: string): number | null {
  const record = store.get(id);
  if (record === undefined && links.isUp(id)) return 0;
  return record === undefined || record.gone || directives.isRevoked(id) ? null : record.incarnation;
}
