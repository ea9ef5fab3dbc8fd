/**
 * A node that we have a living link with shows itself elsewhere, as another life: it has started again at another address,
 * or its state directory was copied. The link stays where it is until that is known:
 *
 *   B' ── hello or handshake ──▶ M           M has a link with B, and this is not the B that it knows
 *                                M ── clone {B', where it is}, path probe ──▶ B      again and again, for a second
 *                                M ◀─ clone {B', proof} ─────────────────── B      B lives: its proof is its signature
 *   B' ◀─────── proof ────────── M                                          over what only B' can have made up just now
 *
 * Without an answer B is gone, and B' is let in as if it had come just now. So a copy is refused before anything of it
 * counts, and its original loses nothing; a node that starts again where it was is not asked about at all. What the proof
 * is: links/clone_proofs.ts. Decides and sends nothing.
 */

import { BoundedMap } from "../../bounds/bounded_map.ts";
import { MAX_PEERS } from "../../ports/devices.ts";

/** So long an original has for its first sign of life, … */
const ANSWER_MS = 800;
/** … and for its proof, when its data plane has given one. */
const PROOF_MS = 5000;
const ASK_EVERY_MS = 150;
/** So long a host that was let in is not asked about again. */
const ADMITTED_MS = 60_000;
const CONTESTS_MAX = 256;

/** A host that bears a node's identity at an address where the node's link is not. */
export interface Challenge {
  /** The node. */
  readonly id: string;
  /** Its boot nonce, and how long it has been running, seconds; null where it does not say. */
  readonly life: string | null;
  readonly age: number | null;
  /** What the original is to sign: 16 hexadecimal digits that the challenger has made up itself; null: nothing. */
  readonly nonce: string | null;
  readonly from: string;
  /** Sealed meshes: the generation of keys that it came by. */
  readonly keyId: number | null;
  /** What it came with, to be taken in again; null: it has to be asked. */
  readonly held: Uint8Array | null;
}

/** One that is not decided yet. */
interface Contest extends Challenge {
  readonly startedAt: number;
  askAt: number;
  /** The nonces of our path probes. BOUNDED: ≤ ANSWER_MS / ASK_EVERY_MS + PROOF_MS / ASK_EVERY_MS */
  readonly probes: Set<string>;
  /** The original's data plane has answered one. */
  alive: boolean;
  admitted: boolean;
}

export class Contests {
  // BOUNDED: ≤ CONTESTS_MAX, the oldest go first; one a node
  readonly #contests = new BoundedMap<string, Contest>(CONTESTS_MAX);
  // BOUNDED: ≤ MAX_PEERS, the oldest go first; by node, who was let in
  readonly #admitted = new BoundedMap<string, { readonly who: string; readonly until: number }>(MAX_PEERS);

  /** Begins one, unless one about this node is under way. */
  begin(challenge: Challenge, now: number): void {
    if (this.#contests.has(challenge.id)) return;
    const open = { startedAt: now, askAt: now, probes: new Set<string>(), alive: false, admitted: false };
    this.#contests.set(challenge.id, { ...challenge, ...open });
  }

  /** Whether one is not decided yet. */
  get open(): boolean {
    return this.#contests.size > 0;
  }

  /** Whether a challenger at this endpoint waits for its verdict. */
  isAt(endpoint: string): boolean {
    for (const { from } of this.#contests.values()) if (from === endpoint) return true;
    return false;
  }

  /** Whether this one (its life, or where that is not told, its endpoint) was let in lately. */
  wasAdmitted(id: string, who: string, now: number): boolean {
    const admitted = this.#admitted.get(id);
    return admitted !== undefined && admitted.who === who && now < admitted.until;
  }

  /** Those whose original has to be asked now; `probe` notes the nonce of a path probe to it. */
  due(now: number): { readonly challenge: Challenge; readonly probe: (nonce: string) => void }[] {
    const due = [...this.#contests.values()].filter(({ askAt, admitted }) => now >= askAt && !admitted);
    for (const contest of due) contest.askAt = now + ASK_EVERY_MS;
    return due.map((contest) => ({
      challenge: contest,
      probe: (nonce: string) => void contest.probes.add(nonce),
    }));
  }

  /** A path probe of ours was answered: an original's data plane lives. True when it was one of these. */
  probed(nonce: string): boolean {
    for (const contest of this.#contests.values()) {
      if (!contest.probes.has(nonce)) continue;
      contest.alive = true;
      return true;
    }
    return false;
  }

  /** The one about this node and nonce, while it is undecided, and since when. */
  about(id: string, nonce: string): Challenge & { readonly startedAt: number } | null {
    const contest = this.#contests.get(id);
    return contest === undefined || contest.nonce !== nonce || contest.admitted ? null : contest;
  }

  /** The original has answered, and stays. */
  refuse({ id }: Challenge): void {
    this.#contests.delete(id);
  }

  /** The challenger is to be let in. */
  admit({ id }: Challenge): void {
    const contest = this.#contests.get(id);
    if (contest !== undefined) contest.admitted = true;
  }

  /** Ends what is over. Returns those who are let in now. */
  settle(now: number): Challenge[] {
    const over = [...this.#contests.values()].filter(({ startedAt, alive, admitted }) =>
      admitted || now - startedAt >= (alive ? PROOF_MS : ANSWER_MS)
    );
    for (const { id } of over) this.#contests.delete(id);
    const admitted = over.filter((contest) => contest.admitted || !contest.alive);
    for (const { id, life, from } of admitted) {
      this.#admitted.renew(id, { who: life ?? from, until: now + ADMITTED_MS });
    }
    return admitted;
  }
}
