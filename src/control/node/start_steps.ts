/**
 * How a node begins: with the mesh that is on its disk, by founding one, or as a joiner who waits for a member. Nobody who
 * was given peers founds alone. What has to be on disk first is completed once it is.
 */
import { wishProblem } from "../lease/allocation.ts";
import { contradiction, foundMesh, noPathAllowed, publicNetwork } from "../mesh/mesh.ts";
import { type MeshConfig, networksOf, rangesOf, type Settings } from "../mesh/mesh_config.ts";
import { type Claim, leasedText, subnetsOf } from "../records/record.ts";
import { storedBytes, storedRecordBytes, type StoredState } from "../records/state.ts";
import type { Core } from "./core.ts";
import { countMembers } from "./demand_steps.ts";
import { obey, obeyOwn, rememberDirective } from "./forget_steps.ts";
import type { Founding } from "./own_state.ts";
import { rememberRecord, wantLink } from "./record_steps.ts";
import { tellConfig } from "./voice.ts";
import { tellClaim } from "./lease_steps.ts";

/** A stored state with a mesh in it, and whether it is of the identity that we have. */
interface Restorable {
  readonly stored: StoredState;
  readonly mesh: MeshConfig;
  readonly ours: boolean;
}

/** The first thing a node does. */
export function start(core: Core, stored: StoredState | null, now: number): void {
  const { settings, identity } = core;
  if (stored !== null && stored.mesh !== null && stored.networkName !== settings.networkName) {
    return core.refuse(
      `The state directory belongs to the network "${stored.networkName}", but --network-name says ` +
        `"${settings.networkName}" (use another --state-dir, or leave the old network with ovltun down ` +
        "--purge)",
    );
  }
  const ours = stored !== null && stored.nodeId === identity.id;
  if (ours) core.ownState.restore(stored);
  else core.own.incarnateAbove(0);
  if (stored !== null && stored.mesh !== null) return restore(core, { stored, mesh: stored.mesh, ours }, now);
  if (settings.found || settings.peers.length === 0) {
    return found(core, settings.found ? "--found" : "no --peers given");
  }
  core.actions.log("info", "Joining: waiting for a member of the mesh", { networkId: core.networkId });
}

function restore(core: Core, from: Restorable, now: number): void {
  const { stored, mesh, ours } = from;
  const problem = contradiction(core.settings, mesh);
  if (problem !== null) {
    return core.refuse(`${problem}; that mesh is in the state directory (leave it with ovltun down --purge)`);
  }
  core.life.restore(mesh, ours ? { incarnation: stored.incarnation, epoch: stored.epoch } : null);
  core.enterMesh(mesh);
  // A joiner is refused for this: its user is there to read it. A member that has lost the flag reaches no other node
  // either, but it keeps its lease, hears of a new secret, and the others' `why` can say what it lacks. Had it ended,
  // they could not.
  core.warnOf(noPathAllowed(core.settings, mesh), "no path allowed");
  core.warnOf(publicNetwork(mesh), "public network");
  if (!restoreOthers(core, from, now)) return obeyOwn(core); // before the lease is used for a moment
  core.ring?.knew([...core.store.records()].filter((r) => !r.gone).map(({ id }) => id));
  restoreLease(core, from);
  const alone = core.settings.peers.length === 0 && core.store.size === 0;
  if (alone || core.settings.found) core.life.speak();
  core.ownState.rewrite("epoch");
  obeyOwn(core);
}

// The directives and the records of others; false: we are revoked, and the records are left out.
function restoreOthers(core: Core, { stored }: Restorable, now: number): boolean {
  const peers = stored.peers.map((peer) => ({ peer, record: core.reader.open(storedRecordBytes(peer)) }));
  for (const text of stored.directives) {
    const remembered = rememberDirective(core, storedBytes(text));
    if (!remembered) core.actions.log("warning", "A stored directive is damaged and was skipped");
  }
  if (core.directives.isRevoked(core.identity.id)) return false;
  for (const { peer, record } of peers) {
    if (record !== null) rememberRecord(core, record, peer.endpoint, now);
    else core.actions.log("warning", "A stored peer record is damaged and was skipped");
  }
  countMembers(core, now);
  // Not heard of yet, they are called as those that live.
  for (const { id } of core.membership.all()) if (core.demand.wants(id)) wantLink(core, id, now, false);
  return true;
}

function restoreLease(core: Core, { stored, mesh, ours }: Restorable): void {
  if (!ours) {
    core.actions.log("warning", "The stored lease belongs to another identity; claiming a new one");
    return;
  }
  const { claim } = stored;
  if (claim === null) return;
  const misfit = claimProblem(mesh, claim);
  if (misfit !== null) {
    core.actions.log("warning", `The stored lease ${leasedText(claim)} does not fit the mesh: ${misfit}`);
    return;
  }
  core.lease.restore(claim, stored.onProbation === true ? core.now : null);
  core.own.claim = claim;
  core.life.leaseRestored();
  const state = core.lease.onProbation ? "; it was not confirmed yet" : "";
  core.actions.log("info", `Lease ${leasedText(claim)} restored from the state directory${state}`, {
    lease: claim.subnet.text,
  });
}

function claimProblem(mesh: MeshConfig, claim: Claim): string | null {
  const ranges = rangesOf(mesh), subnets = subnetsOf(claim);
  if (ranges.length !== subnets.length) {
    return `a lease in this mesh has ${ranges.length === 1 ? "one subnet" : "a subnet of each family"}`;
  }
  return subnets.map((subnet, i) => wishProblem(ranges[i]!, subnet)).find((one) => one !== null) ?? null;
}

/**
 * Founds the mesh: by the configuration that a member told while it was there, else by what the user asked for. It is there
 * once it is on disk: until then this node is joining.
 */
export function found(core: Core, why: string): void {
  const mesh = core.life.offered ?? newMesh(core.settings);
  if (typeof mesh === "string") return core.refuse(mesh);
  core.ownState.found({ mesh, why });
}

/** The mesh is on disk. A member that was heard of meanwhile comes first. */
export function completeFounding(core: Core, { mesh, why }: Founding): void {
  if (core.life.mesh !== null) return;
  const { offered } = core.life;
  core.life.found(mesh);
  core.enterMesh(mesh);
  core.actions.log(
    "info",
    `Founded the mesh "${core.settings.networkName}" with ${networksOf(mesh).join(" and ")} (${why})`,
    { network: mesh.network.text },
  );
  if (offered === null) core.warnOf(publicNetwork(mesh), "public network");
  core.ownState.rewrite("epoch");
  for (const link of core.links.up()) tellConfig(core, link);
}

function newMesh(settings: Settings): MeshConfig | string {
  const { network, withoutIpv4, ipv6 } = settings;
  const four = network !== null || withoutIpv4 ? undefined : settings.drawNetwork?.();
  const six = ipv6.choice === "auto" && ipv6.network === null ? settings.drawNetwork6?.() : undefined;
  if (four !== undefined && "problem" in four) return four.problem;
  if (six !== undefined && "problem" in six) return six.problem;
  return foundMesh({ ...settings, ...four, ipv6: { ...ipv6, ...six } });
}

// ----------------------------------------------------------------------------------------------------
// What was waiting for the disk: once it is there, a mesh is founded, directives of our own are obeyed and told, and our
// record says what it could not say before (own_state.ts).

export function onStored(core: Core, ticket: number, now: number): void {
  const waited = !core.ownState.mayInitiate;
  const done = core.ownState.stored(ticket);
  if (done === null) return;
  if (waited && core.ownState.mayInitiate) core.links.tick(now);
  if (done.founded !== null) completeFounding(core, done.founded);
  for (const directive of done.issued) obey(core, directive, now);
  tellClaim(core, now);
}
