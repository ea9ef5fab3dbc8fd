/**
 * Where the lease meets the rest: the world as the lease sees it, and its steps performed. A claim is in our own
 * record, the record's new version is on disk, and only then is it told (own_state.ts); the members known alive are asked to
 * acknowledge it, again and again while it is on probation.
 */

import { type Contender, contestedIn } from "../lease/claims.ts";
import type { Core } from "./core.ts";
import type { Link } from "../links/link_table.ts";
import { grantedIn, type LeaseStep, type LeaseWorld } from "../lease/lease.ts";
import { compareVersions } from "../records/store.ts";
import { isIpv4 } from "../../wire/address.ts";
import { reservationKey } from "../../wire/directive.ts";
import { type Prefix, samePrefix } from "../../wire/prefix.ts";
import type { Action } from "../outbox/events.ts";
import { leasedText, subnetsOf } from "../records/record.ts";

const ASK_AGAIN_MS = 200;
/** In a mesh of more than that not all are asked, and the claim waits its full time. */
const ASKED_AT_ONCE = 128;

/** Whether there is anything to decide before the next tick: a lease that is confirmed looks at what others claim. */
export function leaseMayChange({ lease, store, directives, leaseSaw }: Core): boolean {
  return lease.state !== "confirmed" || leaseSaw !== store.version + directives.version;
}

/** Lets the lease decide, and performs it. */
export function stepLease(core: Core, now: number): void {
  core.leaseSaw = core.store.version + core.directives.version;
  const before = core.lease.state;
  const rival = winnerOver(core);
  const to = rival === null ? movesTo(core) : null;
  if (to !== null) performLease(core, core.lease.move(to));
  if (rival?.reserved === null && before === "confirmed") {
    core.own.yielded = { subnet: contestedIn(core.lease.claim!, rival), to: rival.nodeId };
  }
  performLease(core, core.lease.step(worldOf(core, rival), now));
  if (core.lease.state !== before) core.changed = true;
  if (!core.lease.onProbation || !core.ownState.claimSaid) return;
  if (core.schedule.due("claim acks", ASK_AGAIN_MS, now)) askAcknowledgement(core);
}

/** Performs what the lease decided. */
export function performLease(core: Core, steps: readonly LeaseStep[]): void {
  for (const step of steps) {
    switch (step.kind) {
      case "claim":
        core.own.claim = step.claim;
        core.ownState.rewrite("epoch");
        if (step.claim === null) break;
        core.actions.log("debug", `Claiming ${leasedText(step.claim)}`, {
          lease: step.claim.subnet.text,
          stamp: step.claim.stamp,
        });
        break;
      case "changed":
        core.changedNow = true;
        if (step.to !== null) core.ownState.persist(); // that it is confirmed, so that a restart goes on with it at once
        tellChange(core, step);
        core.actions.push(leaseChanged(step));
        break;
      case "note":
        core.actions.log(step.level, step.message, { lease: core.lease.claim?.subnet.text ?? null });
    }
  }
}

function leaseChanged({ from, to, second, why, asked }: LeaseStep & { kind: "changed" }): Action {
  const texts = (one: { readonly from: Prefix | null; readonly to: Prefix | null }) => ({
    from: one.from?.text ?? null,
    to: one.to?.text ?? null,
  });
  return {
    kind: "leaseChanged",
    ...texts({ from, to }),
    ...(second === undefined ? {} : { second: texts(second) }),
    why,
    ...(asked === undefined ? {} : { asked }),
  };
}

// That a first lease is there is said once device and routes are, too.
function tellChange(core: Core, { from, to, second, why, asked }: LeaseStep & { kind: "changed" }): void {
  const other = second?.from == null ? "" : ` and ${second.from}`;
  if (asked) core.actions.log("info", `Lease ${from?.text}${other} released`);
  else if (from !== null) {
    core.actions.log("warning", `Lease changed: ${why}`, { from: from.text, lease: to?.text ?? null });
  }
}

/** What we claim is on disk, and in our record: members are asked at once. */
export function tellClaim(core: Core, now: number): void {
  if (!core.lease.onProbation || !core.ownState.claimSaid) return;
  core.schedule.done("claim acks", now);
  askAcknowledgement(core);
}

/** A member merged our record at this version: enough if our present claim was in it. */
export function onClaimAck(
  { lease, own, ownState }: Core,
  from: string,
  incarnation: number,
  epoch: number,
): void {
  // A greater version is of another life of ours, from before a backup: what we say now has not been merged. And one that
  // does not say what waits for the disk is none that was asked about.
  if (ownState.claimSaid && compareVersions({ incarnation, epoch }, own) === 0) lease.onAck(from);
}

/** Sends our record to linked members that have not acknowledged it, or to the one of a link, asking for that. */
export function askAcknowledgement(core: Core, only: Link | null = null): void {
  const records = core.messages.records([core.identity.id]);
  if (records.length === 0) return;
  let left = ASKED_AT_ONCE;
  for (const link of only === null ? core.agreed.all() : [only]) {
    if (core.lease.hasAck(link.id)) continue;
    if (only === null && (core.membership.get(link.id)?.state ?? "dead") === "dead") continue;
    core.voice.say(link, { kind: "push", ack: true, records });
    if (--left === 0) return;
  }
}

function worldOf(core: Core, rival: Contender | null): LeaseWorld {
  return {
    mesh: core.life.mayClaim ? core.life.mesh : null,
    taken: () => core.holders.besides(core.identity.id).flatMap(subnetsOf),
    told: core.life.mayTell && core.ownState.claimSaid,
    lostTo: rival === null ? null : {
      name: nameOf(core, rival),
      subnet: contestedIn(rival, core.lease.claim ?? rival),
      reserved: rival.reserved === "directive",
    },
    reserved: core.holders.reservedFor(core.identity.id).map(({ subnet }) => subnet),
    get alive() {
      return core.membership.living().filter((m) => m.state === "alive").map((m) => m.id);
    },
    aliveCount: core.membership.alive,
    get greatestStamp() {
      return core.store.greatestStamp;
    },
    incarnation: core.own.incarnation,
    ...wishesOf(core),
  };
}

// What the user would like of a family that the mesh has not is told as what cannot be leased.
function wishesOf({ settings, life }: Core): Pick<LeaseWorld, "wish" | "secondWish"> {
  const four = settings.subnet, six = settings.ipv6.subnet;
  const { mesh } = life;
  if (mesh === null) return { wish: null };
  if (mesh.second !== undefined) return { wish: four, secondWish: six };
  return { wish: isIpv4(mesh.network.address) ? four ?? six : six ?? four };
}

// What is reserved for us that we are to leave our lease for: no more than one of each family, whoever reserved others for us.
function movesTo({ directives, holders, identity, lease, life }: Core): Prefix | null {
  const { claim } = lease;
  if (claim === null || life.mesh === null || lease.state !== "confirmed" || !life.mayTell) return null;
  const reserved = holders.reservedFor(identity.id).map(({ subnet }) => subnet);
  for (const subnet of reserved.length === 0 ? [] : grantedIn(life.mesh, reserved)) {
    if (subnet === null || subnetsOf(claim).some((one) => samePrefix(one, subnet))) continue;
    if (directives.reservation(reservationKey(subnet))?.moves) return subnet;
  }
  return null;
}

// Who holds what we claim.
function winnerOver({ holders, identity, lease }: Core): Contender | null {
  const claim = lease.claim;
  if (claim === null) return null;
  for (const { claim: lost, to } of holders.lossesOf(identity.id)) {
    const ours = lost.nodeId === identity.id && samePrefix(lost.subnet, claim.subnet);
    if (ours && lost.stamp === claim.stamp) return to;
  }
  return null;
}

function nameOf(core: Core, { nodeId, reserved }: Contender): string {
  const name = core.nameOf(nodeId);
  return reserved === "static" ? `a static peer of ${name}` : name;
}
