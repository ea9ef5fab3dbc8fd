// How a node comes to a mesh: from the disk, by founding, or by learning the configuration from a member and
// synchronising with it; and how it says meanwhile whom it waits for. Nobody who was given peers founds alone, and
// nobody claims before one synchronisation with a member that is itself informed.

import { shortId } from "../../crypto/identity.ts";
import type { JoinerEntry } from "../../wire/gossip_body.ts";
import { wishProblem } from "../lease/allocation.ts";
import type { Core } from "./core.ts";
import type { MeshConfig, Settings } from "../mesh/settings.ts";
import { obeyOwn, rememberDirective } from "./forget_steps.ts";
import { rewriteOwn } from "./lease_steps.ts";
import type { Link } from "../links/link_table.ts";
import {
  contradiction,
  foundMesh,
  meshDifference,
  meshText,
  noPathAllowed,
  publicNetwork,
  readMesh,
} from "../mesh/mesh.ts";
import { packJoiners } from "../records/packing.ts";
import { openRecord } from "../records/record.ts";
import { rememberRecord } from "./record_steps.ts";
import { storedBytes, storedRecordBytes, type StoredState } from "../records/state.ts";

const TELL_JOINERS_MS = 200;
const SPEAK_ALONE_MS = 2000;
const SPEAK_ANYWAY_MS = 4000;
const UNLEARN_MS = 4000;
const CONFIG_EVERY_MS = 100;
const REFUSED_CONFIG_EVERY_MS = 5000;
const LOG_EVERY_MS = 60_000;

/** The first thing a node does. */
export function start(core: Core, stored: StoredState | null, now: number): void {
  const { settings, identity } = core;
  if (stored !== null && stored.mesh !== null && stored.networkName !== settings.networkName) {
    return core.refuse(
      `The state directory belongs to the network "${stored.networkName}", but --network-name says ` +
        `"${settings.networkName}" (give it another --state-dir, or leave the old network with down --purge)`,
    );
  }
  const ours = stored !== null && stored.nodeId === identity.id;
  core.restoreInitiations(ours ? stored.initiations ?? 0 : 0);
  core.onDisk = ours ? { incarnation: stored.incarnation, epoch: stored.epoch } : null;
  core.own.incarnateAbove(ours ? stored.incarnation : 0, ours ? stored.epoch : 0);
  if (stored !== null && stored.mesh !== null) return restore(core, stored, stored.mesh, ours, now);
  if (settings.found || !settings.hasSeeds) {
    return found(core, settings.found ? "--found" : "no --peers given");
  }
  core.actions.log("info", "Joining: waiting for a member of the mesh", { networkId: core.networkId });
}

function restore(core: Core, stored: StoredState, mesh: MeshConfig, ours: boolean, now: number): void {
  const problem = contradiction(core.settings, mesh);
  if (problem !== null) {
    return core.refuse(`${problem}; the mesh is the one in the state directory (leave it with down --purge)`);
  }
  core.setMesh(mesh);
  // A joiner is refused for this: its user is there to read it. A member that has lost the flag reaches nobody either, but
  // it keeps its lease, hears of a new secret, and the others' `why` can say what it lacks. Had it ended, they could not.
  warnOf(core, noPathAllowed(core.settings, mesh), "no path allowed");
  warnOf(core, publicNetwork(mesh), "public network");
  core.informed = true;
  const peers = stored.peers.map((peer) => ({ peer, record: openRecord(storedRecordBytes(peer)) }));
  // BOUNDED: one per record in the file
  const incarnations = new Map([[core.identity.id, ours ? stored.incarnation : -1]]);
  for (const { record } of peers) if (record !== null) incarnations.set(record.id, record.incarnation);
  for (const text of stored.directives) {
    const remembered = rememberDirective(core, storedBytes(text), (id) => incarnations.get(id) ?? -1);
    if (!remembered) core.actions.log("warning", "A stored directive is damaged and was left out");
  }
  if (core.isRevoked(core.identity.id)) return obeyOwn(core, now); // before the lease is used for a moment
  for (const { peer, record } of peers) {
    if (record !== null) rememberRecord(core, record, peer.endpoint, now);
    else core.actions.log("warning", "A stored record of a peer is damaged and was left out");
  }
  core.ring?.knew([...core.store.records()].filter((r) => !r.gone).map(({ id }) => id));
  if (!ours) core.actions.log("warning", "The stored lease belongs to another identity; claiming a new one");
  const claim = ours ? stored.claim : null;
  const misfit = claim === null ? null : wishProblem(mesh, claim.subnet);
  if (claim !== null && misfit === null) {
    core.lease.restore(claim);
    core.own.claim = claim;
    core.ready = true;
    core.actions.log("info", `Lease ${claim.subnet} restored from the state directory`, {
      lease: claim.subnet.text,
    });
  } else if (claim !== null) {
    core.actions.log("warning", `The stored lease ${claim.subnet} does not fit the mesh: ${misfit}`);
  }
  const alone = !core.settings.hasSeeds && core.store.size === 0;
  if (alone || core.settings.found) core.ready = core.spoken = true;
  rewriteOwn(core, "epoch");
  obeyOwn(core, now);
}

function warnOf(core: Core, problem: string | null, about: string): void {
  if (problem === null) return;
  core.warn(about, problem);
  core.actions.log("warning", problem);
}

function found(core: Core, why: string): void {
  const mesh = core.learned ?? newMesh(core.settings);
  if (typeof mesh === "string") return core.refuse(mesh);
  core.setMesh(mesh);
  core.informed = core.ready = core.spoken = true;
  core.actions.log("info", `Founded the mesh "${core.settings.networkName}" with ${mesh.network} (${why})`, {
    network: mesh.network.text,
  });
  if (mesh !== core.learned) warnOf(core, publicNetwork(mesh), "public network");
  rewriteOwn(core, "epoch");
  for (const link of core.links.up()) tellConfig(core, link);
}

function newMesh(settings: Settings): MeshConfig | string {
  const drawn = settings.network === null ? settings.drawNetwork?.() : undefined;
  if (drawn === undefined) return foundMesh(settings);
  return "problem" in drawn ? drawn.problem : foundMesh({ ...settings, network: drawn.network });
}

// Who has a stored lease keeps it to itself until a member has told what it knows of us: it may be of a later life than
// this disk. So we wait for those who can tell. Links to others (joiners, who in turn wait for us) delay nothing, and
// nobody delays us for ever.
function maySpeakAlone(core: Core, now: number): boolean {
  const waited = now - core.startedAt;
  if (!core.ready || core.spoken || waited < SPEAK_ALONE_MS) return false;
  return waited >= SPEAK_ANYWAY_MS || !core.agreedLinks().some((link) => mayInform(core, link));
}

// Whoever told us the configuration is gone, and nobody here knows more than we do: then we are joiners again, who may
// found, with this configuration.
function unlearn(core: Core, now: number): void {
  for (const link of core.links.up()) {
    if (mayInform(core, link) && now - link.lastHeardAt < UNLEARN_MS) return;
  }
  core.actions.log("info", "Whoever told us the configuration of the mesh is gone; joining anew");
  core.mesh = core.meshHash = null;
  core.changed = true;
}

/** What joining, or being new, asks for from time to time. */
export function tickJoining(core: Core, now: number): void {
  if (core.mesh === null) {
    if (core.schedule.due("joiners", TELL_JOINERS_MS, now)) tellJoiners(core, now);
    if (core.joiners.shouldFound(allHeard(core, now), now) && !memberHeard(core)) {
      found(core, `smallest id of ${core.joiners.size + 1} joiners`);
    }
  }
  if (!core.ready || !core.spoken) {
    for (const link of core.links.up()) if (mayInform(core, link)) beginSync(core, link, now);
  }
  if (maySpeakAlone(core, now)) speak(core);
  if (core.mesh !== null && !core.informed && now - core.learnedAt >= UNLEARN_MS) unlearn(core, now);
}

// Also who has learned a configuration and nothing else: it knows of a member.
function memberHeard(core: Core): boolean {
  for (const link of core.links.up()) if (link.member || typeof link.mesh === "string") return true;
  return false;
}

// By its gossip or, before that, by its hello a member who can answer a sync.
function mayInform(core: Core, link: Link): boolean {
  if (core.meshHash !== null && typeof link.mesh === "string" && link.mesh !== core.meshHash) return false;
  return link.informed ?? (link.member || typeof link.mesh === "string");
}

// Whether every `--peers` entry has answered on one of its endpoints, nobody who called us is unanswered, and everybody
// we have a link with has said who it is.
function allHeard(core: Core, now: number): boolean {
  for (const link of core.links.up()) if (!core.joiners.has(link.id)) return false;
  return !core.links.halfOpen(now) &&
    core.seeds.every((seed) => seed.endpoints.some((e) => core.links.targets.get(e)?.answeredBy));
}

/** Asks a peer what it knows that we do not. */
export function beginSync(core: Core, link: Link, now: number): void {
  const round = core.sync.begin(link.id, now);
  if (round === null) return;
  const hashes = core.store.bucketHashes(core.unspoken());
  const directives = core.directives.hash;
  core.say(link, { kind: "sync", round, hashes, informed: core.informed, ready: core.ready, directives });
}

/** One round of synchronisation with a member is complete. */
export function onSynced(core: Core, link: Link): void {
  if (!core.informed || !core.ready) {
    const name = core.store.nameOf(link.id);
    const known = [...core.store.records()].filter((r) => !r.gone && r.id !== core.identity.id).length;
    const nodes = known === 1 ? "1 other node" : `${known} other nodes`;
    core.actions.log("info", `Synchronised with ${name}: ${nodes} known`, {
      peer: shortId(link.id),
    });
  }
  const first = !core.informed;
  core.informed = core.ready = true;
  if (first) rewriteOwn(core, "epoch");
  if (!core.spoken) speak(core);
  core.sync.forget(link.id);
}

/** From now on our own record is told. */
function speak(core: Core): void {
  core.spoken = true;
  if (core.store.get(core.identity.id) === undefined) rewriteOwn(core, "epoch");
  else core.news.add({ kind: "record", id: core.identity.id }, core.store.size);
}

// ------------------------------------------------------------------------------------------- joiners

function tellJoiners(core: Core, now: number): void {
  const entries = core.joiners.entries(allHeard(core, now), now);
  for (const joiners of packJoiners(entries)) {
    for (const link of core.links.up()) core.say(link, { kind: "joining", joiners });
  }
}

/** A joiner told us whom it has heard of. */
export function onJoining(core: Core, link: Link, joiners: readonly JoinerEntry[], now: number): void {
  if (core.mesh !== null) {
    if (core.schedule.due(`config ${link.id}`, CONFIG_EVERY_MS, now)) tellConfig(core, link);
    return;
  }
  if (core.joiners.merge(joiners, now, link.id)) tellJoiners(core, now);
}

// ------------------------------------------------------------------------------------- configuration

/** Tells a peer the configuration, once we are part of the mesh ourselves. */
export function tellConfig(core: Core, link: Link): void {
  if (core.mesh !== null && core.informed) core.say(link, { kind: "config", config: meshText(core.mesh) });
}

/** A member told us the configuration of its mesh. */
export function onConfig(core: Core, link: Link, text: string, now: number): void {
  const mesh = parseConfig(text);
  if (mesh === null) return;
  if (core.mesh !== null) return otherMesh(core, link, mesh, now);
  const problem = contradiction(core.settings, mesh);
  if (problem !== null) return core.refuse(problem);
  const noPath = noPathAllowed(core.settings, mesh);
  if (noPath !== null) {
    return core.refuse(`${noPath} (give it here too to join, as on every node of this mesh)`);
  }
  core.setMesh(mesh);
  core.learned = mesh;
  core.learnedAt = now;
  link.informed = true; // only who is tells
  core.actions.log("info", `Learned the mesh from ${link.endpoint}: ${mesh.network}`, {
    network: mesh.network.text,
  });
  warnOf(core, publicNetwork(mesh), "public network");
  core.sync.forget(link.id); // the round that was answered with this is of no use
  beginSync(core, link, now);
}

/** Our mesh and the peer's are not the same: both say so, and neither listens to the other. */
export function otherMesh(core: Core, link: Link, theirs: MeshConfig | null, now: number): void {
  if (core.schedule.due(`config ${link.id}`, REFUSED_CONFIG_EVERY_MS, now)) tellConfig(core, link);
  if (theirs === null || core.mesh === null) return;
  const difference = meshDifference(core.mesh, theirs);
  if (difference === "") return;
  const alone = core.store.size <= 1;
  const remedy = alone
    ? "Nobody else is in ours: run ovltun down --purge here and start again with that host among --peers"
    : "Run ovltun down --purge on one of the two, and start it again with the other among --peers";
  const message =
    `${link.endpoint} belongs to another mesh of the same name: ${difference}. The two do not mix. ${remedy}`;
  core.warn(`mesh ${link.id}`, message);
  if (core.schedule.due(`other mesh ${link.id}`, LOG_EVERY_MS, now)) {
    core.actions.log("error", message, { peer: shortId(link.id), from: link.endpoint });
  }
}

function parseConfig(text: string): MeshConfig | null {
  try {
    return readMesh(JSON.parse(text));
  } catch {
    return null;
  }
}
