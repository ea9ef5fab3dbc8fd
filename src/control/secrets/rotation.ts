/**
 * Which network secrets count, and which one this node seals with, while the mesh goes from one to the next
 * (docs/security.md, Changing the secret). Decides and holds no key: a generation is known by its key id, and the
 * holder of the keys asks here. A new generation is accepted as soon as it is known, used when all live nodes have it,
 * and the older ones are dropped some time later; so at no moment does a member seal with what another cannot open.
 *
 *   known ──(all alive have it, or one uses it, or time is up)──▶ used ──(a newer one is used)──▶ kept ──▶ dropped
 *
 * Two members may begin at once. Generations are totally ordered, so all end with the same one.
 */

/** For so long it is waited for members that have not acknowledged. */
export const SWITCH_MS = 10 * 60_000;
/** For so long after the switch those who were away are still let in by the older secret. */
export const KEEP_MS = 7 * 24 * 3_600_000;
/** This long after the older one is no longer needed: others may not know yet that this is so. */
export const SETTLE_MS = 20_000;
const GENERATIONS_MAX = 4;
/**
 * So far a generation may be ahead of the newest known: a node that was away for longer holds no secret by which it is
 * let in. Without a limit one member could use the numbers up, and the secret could never be changed again.
 */
const AHEAD_MAX = 64;
const CAPABILITY = /^k(\d{1,15})\.([0-9a-f]{4})\.([0-9a-f]{16})?$/;

/** One secret of the mesh. */
export interface Generation {
  /** Of its keys (crypto/network_secret.ts). */
  readonly keyId: number;
  /** One more than the greatest that its maker knew; 0 = the founder's. */
  readonly seq: number;
  /** The first 16 digits of its maker's node id; empty while it is not known. */
  readonly issuer: string;
  /** The older ones are dropped with the switch: the old secret is in wrong hands. */
  readonly dropOld: boolean;
}

interface Held {
  readonly generation: Generation;
  readonly knownSince: number;
  /** When it is dropped; null while no newer one is used. */
  dropAt: number | null;
}

/** Negative when `a` is older. Total: two makers at one moment are told apart by their ids. */
export function compareGenerations(a: Generation, b: Generation): number {
  if (a.seq !== b.seq) return a.seq - b.seq;
  if (a.issuer !== b.issuer) return a.issuer < b.issuer ? -1 : 1;
  return a.keyId - b.keyId;
}

/** What a record says of the newest secret that its node has, as a capability; none while it is the founder's. */
export function secretCapability({ seq, keyId, issuer }: Generation): string[] {
  return seq === 0 ? [] : [`k${seq}.${keyId.toString(16).padStart(4, "0")}.${issuer}`];
}

/** The newest secret that the node of a record has, as it says; null: the founder's. */
export function secretOfRecord(record: { readonly capabilities: readonly string[] }): Generation | null {
  for (const capability of record.capabilities) {
    const found = CAPABILITY.exec(capability);
    if (found === null) continue;
    const [, seq, keyId, issuer] = found;
    return { seq: Number(seq), keyId: parseInt(keyId!, 16), issuer: issuer ?? "", dropOld: false };
  }
  return null;
}

export class Rotation {
  // Oldest first. BOUNDED: ≤ GENERATIONS_MAX, the oldest that is not used goes
  #held: Held[];
  #used: Generation;

  constructor(first: Generation, now: number) {
    this.#used = first;
    this.#held = [{ generation: first, knownSince: now, dropAt: null }];
  }

  /** The one to seal with. */
  get used(): Generation {
    return this.#used;
  }

  /** A rotation is under way: another must not be begun here. */
  get underWay(): boolean {
    return this.newest !== this.#used;
  }

  get newest(): Generation {
    return this.#held.at(-1)!.generation;
  }

  /** What is known of the secret of this key id. */
  generation(keyId: number): Generation | undefined {
    return this.#held.find((h) => h.generation.keyId === keyId)?.generation;
  }

  /** Key ids to open with, the used one first. */
  accepted(now: number): number[] {
    const others = this.#held.filter((h) => h.generation !== this.#used && !isOver(h, now));
    return [this.#used.keyId, ...others.reverse().map((h) => h.generation.keyId)];
  }

  /**
   * A secret became known, from a member or from our own disk. False when it changes nothing: known already, older than
   * what is used, of a taken key id, or too far ahead.
   */
  learn(generation: Generation, now: number, own = false): boolean {
    const known = this.#held.some((h) => h.generation.keyId === generation.keyId);
    if (known || compareGenerations(generation, this.#used) < 0) return false;
    if (!own && this.#isAhead(generation)) return false;
    this.#held.push({ generation, knownSince: now, dropAt: null });
    this.#held.sort((a, b) => compareGenerations(a.generation, b.generation));
    if (this.#held.length > GENERATIONS_MAX) {
      this.#held.splice(this.#held.findIndex((h) => h.generation !== this.#used), 1);
    }
    return true;
  }

  /** More became known of a secret that is held: its place in the order. True when it changes anything. */
  place(generation: Generation): boolean {
    const at = this.#held.findIndex((h) => h.generation.keyId === generation.keyId);
    const held = this.#held[at];
    if (held === undefined || compareGenerations(generation, held.generation) <= 0) return false;
    if (this.#isAhead(generation)) return false;
    this.#held[at] = { ...held, generation };
    if (this.#used === held.generation) this.#used = generation;
    this.#held.sort((a, b) => compareGenerations(a.generation, b.generation));
    return true;
  }

  /** Something authenticated came under this key: its sender knows that all have it. True when we follow. */
  onUse(keyId: number, now: number): boolean {
    const held = this.#held.find((h) => h.generation.keyId === keyId);
    if (held === undefined || compareGenerations(held.generation, this.#used) <= 0) return false;
    this.#switch(held.generation, now);
    return true;
  }

  /**
   * What time brings: the switch to the newest, and the end of the old. `haveNewest`: every member known alive has
   * acknowledged the newest; `allHave`: every member has, also those who are away. Gives the key ids that are to be
   * wiped.
   */
  tick(haveNewest: boolean, now: number, allHave = false): number[] {
    const newest = this.#held.at(-1)!;
    if (newest.generation !== this.#used && (haveNewest || now - newest.knownSince >= SWITCH_MS)) {
      this.#switch(newest.generation, now);
    }
    if (allHave && newest.generation === this.#used) this.#dropOlder(this.#used, now + SETTLE_MS);
    const over = this.#held.filter((h) => h.generation !== this.#used && isOver(h, now));
    this.#held = this.#held.filter((h) => !over.includes(h));
    return over.map((h) => h.generation.keyId);
  }

  // A secret that a token brought says nothing of its place: then anything may be next.
  #isAhead({ seq }: Generation): boolean {
    const { newest } = this;
    return seq > newest.seq + AHEAD_MAX && (newest.seq === 0 || newest.issuer !== "");
  }

  #switch(to: Generation, now: number): void {
    this.#used = to;
    this.#dropOlder(to, now + (to.dropOld ? SETTLE_MS : KEEP_MS));
  }

  #dropOlder(than: Generation, dropAt: number): void {
    for (const held of this.#held) {
      if (compareGenerations(held.generation, than) >= 0) continue;
      held.dropAt = held.dropAt === null ? dropAt : Math.min(held.dropAt, dropAt);
    }
  }
}

function isOver({ dropAt }: Held, now: number): boolean {
  return dropAt !== null && now >= dropAt;
}
