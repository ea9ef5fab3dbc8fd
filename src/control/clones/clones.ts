/**
 * Two hosts with one identity: which of them stops. The one that has been running longer stays, for a copy is started after
 * its original. Both sides tell how long they have been running, each by its own monotonic clock. When the ages are
 * about the same (both started after a power cut), or one side is of a version that does not tell, the lesser boot
 * nonce gives way: random, but the same answer on both sides.
 *
 * What is told is rounded down and was some time on its way, so each side may take itself for a little older than it
 * is: never do both end. That both stay, when the ages differ by just SAME_AGE_S, is settled after LONG_MS.
 */
import { BoundedMap } from "../../bounds/bounded_map.ts";

const SAME_AGE_S = 20;
const SAME_AGE_LONG_S = 30;
/** The same, where the other said just now how old it is: what rounding two ages down makes of one. */
const SAME_FRESH_AGE_S = 1;
/** A node at least that old was here before a host that has only begun to speak. */
export const OLDER_FOR_SURE_S = 2;
const SAME_FRESH_AGE_LONG_S = 8;
const LONG_MS = 15_000;

/** One of two hosts with one identity. */
export interface Clone {
  readonly bootNonce: string;
  /** How long it has been running, seconds; null when it does not tell. */
  readonly age: number | null;
}

/** Whether we, not the other, have to end; `certain` when age says so, not chance. */
export interface Judgement {
  readonly weEnd: boolean;
  readonly certain: boolean;
}

/** `disputedMs`: how long we have known of the other; `fresh`: its age is of this moment. */
export function judge(we: Clone, other: Clone, disputedMs: number, fresh = false): Judgement {
  const [short, long] = fresh ? [SAME_FRESH_AGE_S, SAME_FRESH_AGE_LONG_S] : [SAME_AGE_S, SAME_AGE_LONG_S];
  const tolerance = disputedMs < LONG_MS ? short : long;
  if (we.age !== null && other.age !== null && Math.abs(we.age - other.age) > tolerance) {
    return { weEnd: we.age < other.age, certain: true };
  }
  return { weEnd: we.bootNonce < other.bootNonce, certain: false };
}

/** How long after the last sign of two hosts the others still warn of them. */
const SIGN_MS = 5 * 60_000;
const SIGNS_MAX = 64;

/**
 * Signs of two hosts with one identity, as a third sees them. A session or a record of the one that has ended stays here
 * for a while, and the other answers for it as before: so a further sign counts when it is of the other of the two.
 */
export class CloneSigns {
  // BOUNDED: ≤ SIGNS_MAX, the longest unchanged go first
  readonly #last = new BoundedMap<string, { readonly life: string; readonly until: number }>(SIGNS_MAX);

  /** The life with this boot nonce gives a sign. Until when two have to be reckoned with; null: it tells nothing new. */
  note(id: string, life: string, now: number): number | null {
    const last = this.#last.get(id);
    if (last !== undefined && last.life === life && now < last.until) return null;
    const until = now + SIGN_MS;
    this.#last.renew(id, { life, until });
    return until;
  }
}

/** The sentence with which a node ends that runs with a copied identity. */
export function cloneMessage(where: string, certain: boolean): string {
  const which = certain
    ? "had this node's identity first: this host is a COPY. Stop ovltun here, remove this state directory"
    : "is running with this node's identity: one of the two is a COPY, and it cannot be determined which, " +
      "so this one " +
      "stops. On the copy, stop ovltun, remove the state directory";
  return `${where} ${which} with rm -r (NOT with down --purge: the lease belongs to the original), and ` +
    "start again: it " +
    "will get its own identity and lease";
}

// ----------------------------------------------------------------------------------------------------
// The dispute of a node with another host that runs with its identity, from the first sign of it on.

export class Dispute {
  #since: number | null = null;

  /** Which of the two ends, by what is known at `now`; `fresh`: the other said just now how long it has been running. */
  judge(we: Clone, other: Clone, now: number, fresh: boolean): Judgement {
    this.#since ??= now;
    return judge(we, other, now - this.#since, fresh);
  }
}
