/**
 * The network secrets that a node of a sealed mesh holds, and the keys of each: rotation.ts decides which count, this has
 * them. Also who is let in by an older one: only nodes that were known when the newer became known, so that whoever
 * found the old secret cannot come with a new identity, be told the new one, and stay.
 */

import { BoundedSet } from "../../bounds/bounded_map.ts";
import { type NetworkKeys, type NetworkSecret, wipeKeys } from "../../crypto/network_secret.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import { compareGenerations, type Generation, Rotation } from "./rotation.ts";

/** A secret as it is kept on disk. */
export interface HeldSecret {
  readonly secret: NetworkSecret;
  readonly generation: Omit<Generation, "keyId">;
  /** The one that this node seals with. */
  readonly used: boolean;
}

/** The place in the order of a secret that a user gave: one that was rotated is not the founder's. */
export function placeOfGiven(secret: NetworkSecret): Omit<Generation, "keyId"> {
  return { seq: secret.foundingId === null ? 0 : 1, issuer: "", dropOld: false };
}

interface Entry {
  readonly keys: NetworkKeys;
  /** Null: only its keys were given; it cannot be passed on. */
  readonly secret: NetworkSecret | null;
}

export class KeyRing {
  /** The generation in use first, then the others that are accepted: one array for good, whose content changes. */
  readonly keys: NetworkKeys[] = []; // BOUNDED: as Rotation
  readonly #networkName: string;
  readonly #rotation: Rotation;
  // BOUNDED: as Rotation; by key id
  readonly #entries = new Map<number, Entry>();
  // BOUNDED: ≤ MAX_PEERS each, as the store and the sessions
  #known: ReadonlySet<string> = new Set();
  readonly #proved = new BoundedSet<string>(MAX_PEERS);

  /** `secrets`: what a former run kept; without any, `keys` are of the one generation there is. */
  constructor(keys: NetworkKeys, secrets: readonly HeldSecret[], networkName: string, now: number) {
    this.#networkName = networkName;
    const held = secrets.map(({ secret, generation, used }) => {
      const keysOfIt = secret.keys(networkName);
      this.#entries.set(keysOfIt.keyId, { keys: keysOfIt, secret });
      return { generation: { ...generation, keyId: keysOfIt.keyId }, used };
    }).sort((a, b) => compareGenerations(a.generation, b.generation));
    if (held.length === 0) {
      this.#entries.set(keys.keyId, { keys, secret: null });
      held.push({ generation: { keyId: keys.keyId, seq: 0, issuer: "", dropOld: false }, used: true });
    }
    this.#rotation = new Rotation(held[0]!.generation, now);
    for (const { generation } of held) this.#rotation.learn(generation, now, true);
    for (const { generation, used } of held) if (used) this.#rotation.onUse(generation.keyId, now);
    this.#follow(now);
  }

  get newest(): Generation {
    return this.#rotation.newest;
  }

  get used(): Generation {
    return this.#rotation.used;
  }

  get underWay(): boolean {
    return this.#rotation.underWay;
  }

  /** The newest secret; null when only its keys were given. */
  get newestSecret(): NetworkSecret | null {
    return this.#entries.get(this.newest.keyId)?.secret ?? null;
  }

  /** What is to be kept on disk, the newest first. */
  held(): HeldSecret[] {
    return [...this.#entries].flatMap(([keyId, { secret }]) => {
      const generation = this.#rotation.generation(keyId);
      return secret === null || generation === undefined
        ? []
        : [{ secret, generation, used: keyId === this.used.keyId }];
    }).sort((a, b) => compareGenerations({ ...b.generation, keyId: 0 }, { ...a.generation, keyId: 0 }));
  }

  /** Whether this secret's keys would be taken for those of another that we hold. */
  collides(secret: NetworkSecret): boolean {
    return this.#entries.has(this.#keyIdOf(secret));
  }

  /**
   * A secret became known, or more of one that was. `members` are those who may be told, and be let in by an older one.
   * False when it changes nothing. The ring takes the secret: it is wiped when it is dropped, or was not new.
   */
  learn(
    secret: NetworkSecret,
    place: Omit<Generation, "keyId">,
    members: Iterable<string>,
    now: number,
  ): boolean {
    const keys = secret.keys(this.#networkName);
    const generation = { ...place, keyId: keys.keyId };
    const entry = this.#entries.get(keys.keyId);
    if (entry !== undefined) {
      const same = entry.secret?.equals(secret) === true && this.#rotation.place(generation);
      wipeKeys(keys);
      secret.wipe();
      return same;
    }
    if (!this.#rotation.learn(generation, now)) {
      wipeKeys(keys);
      secret.wipe();
      return false;
    }
    this.#entries.set(keys.keyId, { keys, secret });
    if (this.newest.keyId === keys.keyId) {
      this.knew(members);
      this.#proved.clear();
    }
    this.#follow(now);
    return true;
  }

  /** Who was known when the newest secret became known, or after a start: at the start. */
  knew(members: Iterable<string>): void {
    this.#known = new Set(members);
  }

  /** A member spoke under this key. True when we follow. */
  onUse(keyId: number, now: number): boolean {
    const changed = this.#rotation.onUse(keyId, now);
    if (changed) this.#follow(now);
    return changed;
  }

  /** This node made a session under this key. */
  proved(id: string, keyId: number): void {
    if (keyId !== this.newest.keyId) return;
    this.#proved.renew(id);
  }

  /** Whether a session may be made with this node under this key. */
  admits(id: string, keyId: number): boolean {
    return keyId === this.newest.keyId || this.#known.has(id);
  }

  /** Whether this node may be told the newest secret: it was a member before, or has shown that it has it. */
  mayKnow(id: string): boolean {
    return this.#known.has(id) || this.#proved.has(id);
  }

  /** What time brings; see Rotation.tick. True when anything changed. */
  tick(haveNewest: boolean, allHave: boolean, now: number): boolean {
    const before = this.used;
    const over = this.#rotation.tick(haveNewest, now, allHave);
    if (over.length === 0 && before === this.used) return false;
    this.#follow(now);
    return true;
  }

  #keyIdOf(secret: NetworkSecret): number {
    const keys = secret.keys(this.#networkName);
    wipeKeys(keys);
    return keys.keyId;
  }

  // The keys that count, and those that do not any more gone.
  #follow(now: number): void {
    const accepted = this.#rotation.accepted(now);
    for (const [keyId, { keys, secret }] of this.#entries) {
      if (accepted.includes(keyId)) continue;
      wipeKeys(keys);
      secret?.wipe();
      this.#entries.delete(keyId);
    }
    this.keys.splice(0, this.keys.length, ...accepted.map((keyId) => this.#entries.get(keyId)!.keys));
  }
}
