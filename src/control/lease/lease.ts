/**
 * The life of our own lease, as a state machine that decides and does nothing:
 *
 *   joining ──(founded, or synchronised with a member)──▶ probation ──(acknowledged, or time is up)──▶ confirmed
 *   probation or confirmed ──(another claim comes first)──▶ yielding ──(as probation)──▶ confirmed
 *   any of them ──(nothing is free)──▶ exhausted ──(something is)──▶ probation
 *
 * A lease from the disk starts confirmed. The claim itself travels in our signed record; node.ts writes it there,
 * on disk before anywhere else. See docs/ (leases) for why nothing better than "in the end one holder, the same
 * for everybody" is possible while a network is split.
 */

import type { Random } from "../../ports/time.ts";
import { isIpv4 } from "../../wire/address.ts";
import { VERSION_LIMIT } from "../../wire/untrusted.ts";
import { allocate, wishProblem } from "./allocation.ts";
import type { MeshConfig } from "../mesh/mesh_config.ts";
import { type Claim, type Leased, leasedText } from "../records/record.ts";
import type { LeaseState } from "../paths/view.ts";
import { overlaps, type Prefix, samePrefix } from "../../wire/prefix.ts";
import { rangesOf } from "../mesh/mesh_config.ts";

const PROBATION_STEP_MS = 300;
const EXHAUSTED_RETRY_MS = 5000;

/** What the lease must know of the world at a step. */
export interface LeaseWorld {
  /** Null while we are joining: no claim may be made. */
  readonly mesh: MeshConfig | null;
  /** Everything claimed or reserved, except our own claim. */
  readonly taken: () => readonly Prefix[];
  /** Who holds our claim instead of us, by the total order, or whom it is reserved for; null when we do. */
  readonly lostTo: { readonly name: string; readonly subnet: Prefix; readonly reserved?: boolean } | null;
  /** What is reserved for us, in order; of each family the first is ours. Absent: nothing. */
  readonly reserved?: readonly Prefix[];
  /** Our record may be told, and the claim in it is on disk: before that nobody can know it, and its probation has not begun. */
  readonly told: boolean;
  /** Ids of the members known alive, and how many there are: in a large mesh they are not gone through with each event. */
  readonly alive: readonly string[];
  readonly aliveCount: number;
  readonly greatestStamp: number;
  /** Of our own record: in which the next claim is made. */
  readonly incarnation: number;
  readonly wish: Prefix | null;
  /** Of the mesh's other family; absent: nothing. */
  readonly secondWish?: Prefix | null;
}

export type LeaseStep =
  /** Put this claim (null = none) into our record, on disk first, and announce it. */
  | { readonly kind: "claim"; readonly claim: Claim | null }
  | {
    readonly kind: "changed";
    readonly from: Prefix | null;
    readonly to: Prefix | null;
    /** The same of the mesh's other family, where it has one. */
    readonly second?: { readonly from: Prefix | null; readonly to: Prefix | null };
    readonly why: string;
    /** The user wanted it so. */
    readonly asked?: true;
  }
  | { readonly kind: "note"; readonly level: "info" | "warning" | "error"; readonly message: string };

/** The longest a claim stays in probation: 0.3 s for each doubling of the mesh, `members` counting ourselves. */
export function probationMs(members: number): number {
  return PROBATION_STEP_MS * Math.ceil(Math.log2(members + 1));
}

export class Lease {
  #state: LeaseState = "joining";
  #claim: Claim | null = null;
  #claimedAt = 0;
  #retryAt = 0;
  // BOUNDED: one per member, ≤ MAX_PEERS
  #acks = new Set<string>();
  // BOUNDED: as #acks
  #refused = new Set<string>();
  /** In use until it was lost; told as `from` when the next is confirmed. */
  #before: Leased | null = null;
  /** After what `#before` was replaced, for people. */
  #after = "";
  #wishTold = false;
  #madeHere = false;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  get state(): LeaseState {
    return this.#state;
  }

  get claim(): Claim | null {
    return this.#claim;
  }

  /** Whether the claim waits for acknowledgements. */
  get onProbation(): boolean {
    return this.#claim !== null && (this.#state === "probation" || this.#state === "yielding");
  }

  /** A lease from the disk: in use at once, unless it waited for the others when it was written: then it waits again. */
  restore(claim: Claim, onProbationSince: number | null = null): void {
    this.#claim = claim;
    this.#state = onProbationSince === null ? "confirmed" : "probation";
    this.#claimedAt = onProbationSince ?? 0;
    if (onProbationSince === null) this.#before = claim;
  }

  /**
   * A later version of ourselves, found in the mesh, holds this claim (null = gave it back). It counts more than what
   * came from the disk; a claim made in this run stays.
   */
  adopt(claim: Claim | null): LeaseStep[] {
    if (this.#madeHere) return [];
    const from = this.#claim;
    this.#claim = claim;
    if (claim !== null) this.#state = "confirmed";
    else if (from !== null) {
      this.#state = "yielding";
      this.#after = "because the mesh knows the old lease as released";
    }
    if (sameLeased(from, claim)) return [];
    if (claim !== null) this.#before = claim;
    return [change(from, claim, "the mesh has newer state of this node than its disk")];
  }

  /** Gives the lease back for good. */
  release(): LeaseStep[] {
    const from = this.#state === "confirmed" ? this.#claim : null;
    this.#claim = null;
    this.#acks = new Set();
    this.#state = "joining";
    const steps: LeaseStep[] = [{ kind: "claim", claim: null }];
    if (from !== null) steps.push({ ...change(from, null, "released"), asked: true });
    return steps;
  }

  /** Others made the mesh forget us: the claim counts no more, and another is made with the next step. */
  forgotten(why: string): LeaseStep[] {
    return this.#giveUp(why, "warning", "because this node had been forgotten");
  }

  /** Another subnet is reserved for us, and we are to move there. */
  move(to: Prefix): LeaseStep[] {
    const why = `${to} is reserved for this node`;
    return this.#giveUp(why, "info", `because ${why}`);
  }

  // The next step claims anew.
  #giveUp(why: string, level: "info" | "warning", after: string): LeaseStep[] {
    const lost = this.#claim;
    const used = this.#state === "confirmed";
    this.#claim = null;
    this.#acks = new Set();
    if (lost === null) return [];
    this.#state = "yielding";
    this.#after = after;
    const message = level === "info"
      ? `Leaving ${leasedText(lost)}: ${why}`
      : `Lost ${leasedText(lost)}: ${why}; claiming a new one`;
    const steps: LeaseStep[] = [{ kind: "note", level, message }, { kind: "claim", claim: null }];
    if (used) steps.push(change(lost, null, why));
    return steps;
  }

  /** A member has merged our claim, or our giving it back. */
  onAck(id: string): void {
    this.#acks.add(id);
    this.#refused.delete(id);
  }

  /** A member has no place for our record: it cannot know what we claim. */
  onRefused(id: string): void {
    if (!this.#acks.has(id)) this.#refused.add(id);
  }

  hasAck(id: string): boolean {
    return this.#acks.has(id);
  }

  /** Decides what follows from the world as it is now. */
  step(world: LeaseWorld, now: number): LeaseStep[] {
    if (world.mesh === null) return [];
    if (this.#claim !== null && world.lostTo !== null) {
      return this.#yield(world, world.lostTo, world.mesh, now);
    }
    if (this.#claim === null) return now < this.#retryAt ? [] : this.#claimFree(world, world.mesh, now);
    if (this.#state === "confirmed") return [];
    if (!world.told) {
      this.#claimedAt = now;
      return [];
    }
    const waited = now - this.#claimedAt;
    if (this.#acks.size < world.aliveCount && waited < probationMs(world.aliveCount + 1)) return [];
    if (this.#acks.size === 0 && world.aliveCount > 0) return [];
    const { alive } = world;
    const heard = alive.every((id) => this.#acks.has(id));
    if (!heard && (waited < probationMs(alive.length + 1) || !this.#isKnown(alive))) return [];
    if (alive.length === 0) return this.#confirm("no other node to ask");
    return this.#confirm(heard ? "acknowledged by every live member" : "no member objected in time");
  }

  // What time alone confirms is known to somebody, and nobody has said that it cannot know it.
  #isKnown(alive: readonly string[]): boolean {
    return alive.some((id) => this.#acks.has(id)) && !alive.some((id) => this.#refused.has(id));
  }

  #yield(
    world: LeaseWorld,
    to: NonNullable<LeaseWorld["lostTo"]>,
    mesh: MeshConfig,
    now: number,
  ): LeaseStep[] {
    const lost = this.#claim!;
    const used = this.#state === "confirmed";
    this.#claim = null;
    this.#state = "yielding";
    if (used) this.#after = "after a conflict";
    const why = to.reserved
      ? `${to.subnet} is reserved for ${to.name}`
      : `${to.name} holds ${to.subnet} with an earlier claim`;
    const steps: LeaseStep[] = [];
    if (used) {
      steps.push({
        kind: "note",
        level: "warning",
        message: `Lost ${leasedText(lost)}: ${why}; claiming another subnet`,
      });
    } else steps.push({ kind: "note", level: "info", message: `Skipped ${leasedText(lost)}: ${why}` });
    steps.push({ kind: "claim", claim: null });
    if (used) steps.push(change(lost, null, why));
    return [...steps, ...this.#claimFree(world, mesh, now)];
  }

  #claimFree(world: LeaseWorld, mesh: MeshConfig, now: number): LeaseStep[] {
    const granted = grantedIn(mesh, world.reserved ?? []);
    const wishes = [world.wish, world.secondWish ?? null].map((wish, i) => granted[i] == null ? wish : null);
    const steps = this.#wishNotes(mesh, wishes);
    const [subnet, second] = wishes.map((wish, i) => granted[i] ?? wish) as [Prefix | null, Prefix | null];
    // What is reserved for us is ours, whoever claimed it before hearing so.
    const taken = world.taken().filter((one) =>
      !granted.some((ours) => ours !== null && overlaps(ours, one))
    );
    const choice = allocate(mesh, taken, { subnet, second }, this.#random);
    if (choice.kind === "exhausted") {
      this.#retryAt = now + EXHAUSTED_RETRY_MS;
      if (this.#state === "exhausted") return [];
      this.#state = "exhausted";
      const message =
        `No subnet is free: all ${choice.total} from ${choice.range.subnetMin} to ${choice.range.subnetMax} ` +
        "are leased or reserved " +
        "(release one with ovltun down --purge on its host, or with ovltun forget NODE if the host is gone)";
      return [...steps, { kind: "note", level: "error", message }];
    }
    const unmet = [choice.subnet, choice.second].findIndex((got, i) =>
      wishes[i] != null && wishes[i]!.text !== got?.text
    );
    if (unmet >= 0 && steps.length === 0 && !this.#wishTold) {
      this.#wishTold = true;
      const message = `${wishText(wishes[unmet]!)} is taken by another host`;
      steps.push({ kind: "note", level: "warning", message });
    }
    const stamp = Math.min(world.greatestStamp + 1, VERSION_LIMIT - 1);
    const chosen = choice.second === undefined ? {} : { second: choice.second };
    this.#claim = { subnet: choice.subnet, ...chosen, stamp, incarnation: world.incarnation };
    this.#madeHere = true;
    this.#claimedAt = now;
    this.#acks = new Set();
    this.#refused = new Set();
    if (this.#state !== "yielding") this.#state = "probation";
    return [...steps, { kind: "claim", claim: this.#claim }];
  }

  #wishNotes(mesh: MeshConfig, wishes: readonly (Prefix | null)[]): LeaseStep[] {
    if (this.#wishTold) return [];
    const steps = rangesOf(mesh).flatMap((range, i): LeaseStep[] => {
      const wish = wishes[i] ?? null;
      const problem = wish === null ? null : wishProblem(range, wish);
      if (wish === null || problem === null) return [];
      return [{
        kind: "note",
        level: "warning",
        message: `${wishText(wish)} cannot be leased: ${problem}`,
      }];
    });
    this.#wishTold = steps.length > 0;
    return steps;
  }

  #confirm(how: string): LeaseStep[] {
    const from = this.#before;
    const to = this.#claim!;
    this.#state = "confirmed";
    this.#acks = new Set();
    this.#before = to;
    const why = from === null ? `claimed; ${how}` : `claimed again ${this.#after}; ${how}`;
    const message = `Lease ${leasedText(to)} confirmed: ${how}`;
    return [{ kind: "note", level: "info", message }, change(from, to, why)];
  }
}

/** Of each family of the mesh the first that is reserved for us and may be leased. */
export function grantedIn(mesh: MeshConfig, reserved: readonly Prefix[]): (Prefix | null)[] {
  return rangesOf(mesh).map((range) => reserved.find((one) => wishProblem(range, one) === null) ?? null);
}

/** The step that tells of it. */
function change(
  from: Leased | null,
  to: Leased | null,
  why: string,
): LeaseStep & { readonly kind: "changed" } {
  const changed = { kind: "changed", from: from?.subnet ?? null, to: to?.subnet ?? null, why } as const;
  const second = { from: from?.second ?? null, to: to?.second ?? null };
  return second.from === null && second.to === null ? changed : { ...changed, second };
}

function sameLeased(a: Leased | null, b: Leased | null): boolean {
  return samePrefix(a?.subnet ?? null, b?.subnet ?? null) && samePrefix(a?.second ?? null, b?.second ?? null);
}

function wishText(wish: Prefix): string {
  return `--subnet${isIpv4(wish.address) ? "" : "6"} ${wish}`;
}
