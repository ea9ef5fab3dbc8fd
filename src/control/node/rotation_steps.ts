/**
 * The rotation of the network secret on its way: made here or told by a member, on disk before anything is said of it,
 * told to every member over its own session, acknowledged in each node's record (the capability `k`), used when all who
 * are alive have it. Which one counts when is rotation.ts's decision; who may be told is key_ring.ts's.
 */

import { shortId } from "../../crypto/identity.ts";
import { NetworkSecret } from "../../crypto/network_secret.ts";
import { fromHex } from "../../wire/bytes.ts";
import { type GossipBody, SECRET_SEQ_MAX } from "../../wire/gossip_body.ts";
import type { Core } from "./core.ts";
import { tellSecrets, tellSecretUsed } from "./voice.ts";
import type { Link } from "../links/link_table.ts";
import type { NodeRecord } from "../records/record.ts";
import {
  compareGenerations,
  type Generation,
  secretCapability,
  secretOfRecord,
} from "../secrets/rotation.ts";

const TICK_MS = 200;
const TELL_AGAIN_MS = 1000;
/** Secrets from one peer: each that is new is a write to the disk. */
const TAKEN_PER_SECOND = 4;
const LOG_EVERY_MS = 60_000;
const ISSUER_DIGITS = 16;

/** Why this node cannot begin a rotation with this secret now, a sentence, or null. */
export function rotationProblem(core: Core, secret: NetworkSecret): string | null {
  const { ring } = core;
  if (ring === null) return "This mesh is plain: it has no secret";
  if (!core.life.member) return "This node has not joined a mesh yet (see: ovltun status)";
  if (ring.underWay) {
    return "A rotation is already in progress; wait until every member has the new secret (see: ovltun status)";
  }
  if (ring.newest.seq >= SECRET_SEQ_MAX) {
    return "This secret has been rotated too many times: found a new mesh";
  }
  return ring.collides(secret) ? "The key id of this secret is already in use; choose another secret" : null;
}

/** A user rotates: this node makes `secret` the newest. `dropOld`: the older is accepted no longer than need be. */
export function rotate(core: Core, secret: NetworkSecret, dropOld: boolean, now: number): void {
  if (core.ring === null || rotationProblem(core, secret) !== null) return;
  const issuer = core.identity.id.slice(0, ISSUER_DIGITS);
  const place = { seq: core.ring.newest.seq + 1, issuer, dropOld };
  take(core, { secret, place, by: core.settings.name }, now);
}

/** A member tells the newest secret, over its session. */
export function takeSecret(core: Core, link: Link, body: GossipBody & { kind: "secret" }, now: number): void {
  if (core.ring === null || !core.life.member) return;
  if (!core.throttle.allows(`secrets ${link.id}`, TAKEN_PER_SECOND, now)) return core.tally.reject();
  const { seq, issuer, dropOld, root } = body;
  const secret = NetworkSecret.of(root, fromHex(core.networkId));
  root.fill(0);
  const by = core.store.nameOf(link.id);
  take(core, { secret, place: { seq, issuer, dropOld }, by }, now);
  secret.wipe();
}

/** Members who do not have the newest secret yet: those alive, and those who are away. */
export function withoutNewest(core: Core): { readonly alive: NodeRecord[]; readonly away: NodeRecord[] } {
  const alive: NodeRecord[] = [], away: NodeRecord[] = [];
  if (core.ring === null || core.ring.newest.seq === 0) return { alive, away };
  const { store, directives, membership, behind } = core;
  const { newest } = core.ring;
  const of = `${store.version} ${directives.version} ${newest.seq} ${newest.issuer} ${newest.keyId}`;
  for (
    const record of behind.at(of, () => [...store.records()].filter((one) => isBehind(core, one, newest)))
  ) {
    const state = membership.get(record.id)?.state ?? "dead";
    (state === "dead" ? away : alive).push(record);
  }
  return { alive, away };
}

function isBehind({ identity, directives }: Core, record: NodeRecord, newest: Generation): boolean {
  if (record.id === identity.id || record.gone) return false;
  if (directives.isRevoked(record.id) || directives.isForgotten(record)) return false;
  const has = secretOfRecord(record);
  return has === null || compareGenerations(has, newest) < 0;
}

/** Tells who lacks the newest secret, and lets time do the rest. */
export function tickRotation(core: Core, now: number): void {
  const { ring } = core;
  if (
    ring === null || !core.life.member || ring.newest.seq === 0 ||
    !core.ownState.secretSaid || !core.schedule.due("rotation", TICK_MS, now)
  ) {
    return;
  }
  const { alive, away } = withoutNewest(core);
  for (const record of [...alive, ...away]) tell(core, record.id, now);
  const before = ring.used;
  const changed = ring.tick(alive.length === 0, alive.length + away.length === 0, now);
  if (changed && before !== ring.used) return tellSecretUsed(ring, core.actions);
  if (!changed) return;
  tellSecrets(ring, core.actions);
  core.actions.log(
    "info",
    "The old network secret is dropped: nodes without the new one need a token",
  );
}

function tell(core: Core, id: string, now: number): void {
  const link = core.agreed.get(id);
  const secret = core.ring!.newestSecret;
  if (link === null || secret === null || !core.schedule.due(`secret ${id}`, TELL_AGAIN_MS, now)) return;
  if (!core.ring!.mayKnow(id)) {
    if (core.schedule.due(`secret kept ${id}`, LOG_EVERY_MS, now)) {
      core.actions.log(
        "warning",
        `${shortId(id)} joined with the old secret during a rotation: it needs a new token`,
      );
    }
    return;
  }
  const { seq, issuer, dropOld } = core.ring!.newest;
  const root = secret.bytes();
  if (issuer !== "") core.voice.say(link, { kind: "secret", seq, issuer, dropOld, root });
  root.fill(0);
}

/** A secret, its place in the order, and the name of who told it. */
interface Told {
  readonly secret: NetworkSecret;
  readonly place: Omit<Generation, "keyId">;
  readonly by: string;
}

function take(core: Core, { secret, place, by }: Told, now: number): void {
  const ring = core.ring!;
  const members = [...core.store.records()].filter((r) => !r.gone).map(({ id }) => id);
  const before = ring.newest.keyId;
  const root = secret.bytes();
  const told = NetworkSecret.of(root, fromHex(core.networkId));
  root.fill(0);
  if (!ring.learn(told, place, members, now)) return;
  // On disk before our record says that we have it.
  tellSecrets(ring, core.actions);
  core.own.capabilities = secretCapability(ring.newest);
  core.ownState.rewrite("epoch");
  if (before !== ring.newest.keyId) {
    core.links.targets.retryRefused(now);
    core.actions.log(
      "info",
      `New network secret ${ring.newest.seq}, from ${by}: accepted alongside the old one`,
    );
  }
}
