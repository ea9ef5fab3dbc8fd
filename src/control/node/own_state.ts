/**
 * What a node has of its own, its record and its state on disk, and the order in which both change: on disk first, then told
 * to others, and the record only once nothing holds it back (mesh/life.ts). The state is written as a whole, before any
 * action that comes later. With it goes the counter of our initiations, of which no two may be alike, also over restarts.
 */

import type { Identity } from "../../crypto/identity.ts";
import type { Directives } from "../forget/directives.ts";
import type { Lease } from "../lease/lease.ts";
import type { Links } from "../links/links.ts";
import type { Dissemination } from "../members/dissemination.ts";
import type { Life } from "../mesh/life.ts";
import type { Settings } from "../mesh/mesh_config.ts";
import type { Actions } from "../outbox/actions.ts";
import type { OwnRecord } from "../records/own_record.ts";
import { recordText, STATE_VERSION, type StoredPeer, type StoredState } from "../records/state.ts";
import type { Store } from "../records/store.ts";
import type { KeyRing } from "../secrets/key_ring.ts";
import { VERSION_LIMIT } from "../../wire/untrusted.ts";

/** How many initiations one write of the state covers. */
const INITIATIONS_STORED = 1000;

/** What of the node it works on. */
interface OwnParts {
  readonly settings: Settings;
  readonly identity: Identity;
  readonly life: Life;
  readonly own: OwnRecord;
  readonly store: Store;
  readonly directives: Directives;
  readonly links: Links;
  readonly lease: Lease;
  readonly news: Dissemination;
  readonly actions: Actions;
  /** Null in a plain mesh. */
  readonly ring: KeyRing | null;
  /** How long this process has been running, seconds. */
  readonly age: number;
  /** Host or data plane must follow something. */
  changed: boolean;
}

export class OwnState {
  readonly #node: OwnParts;
  /** Something worth storing has changed, but not urgently. */
  stale = false;
  /** The counter of the next initiation, and what is on disk as greater than all that were used. */
  #initiations = 0;
  #initiationsStored = 0;

  constructor(node: OwnParts) {
    this.#node = node;
  }

  // ------------------------------------------------------------------------------------------- our record

  /** Writes a new version of our record: on disk, into the store, and to the others. */
  rewrite(change: "epoch" | { readonly above: number; readonly epoch?: number }): void {
    const node = this.#node;
    if (change === "epoch") node.own.nextEpoch();
    else node.own.incarnateAbove(change.above, change.epoch);
    node.store.insert(node.own.sign(Math.floor(node.age)));
    this.persist();
    if (node.life.mayTell) this.#tell();
    node.changed = true;
  }

  /** From now on our record is told. */
  speak(): void {
    const { life, store, identity } = this.#node;
    if (life.mayTell) return;
    life.speak();
    if (store.get(identity.id) === undefined) this.rewrite("epoch");
    else this.#tell();
  }

  #tell(): void {
    const { news, store, identity } = this.#node;
    store.keepOwnUntold(false);
    news.add({ kind: "record", id: identity.id }, store.size);
  }

  // ---------------------------------------------------------------------------------------- the state on disk

  /** Puts the state on disk, before any action that comes later. */
  persist(): void {
    this.stale = false;
    const { settings, identity, life, own, lease, store, directives, actions } = this.#node;
    // Before we know its records, what we know of the mesh is no base for a start without it.
    const [mesh, claim] = life.member ? [life.mesh, lease.claim] : [null, null];
    const state: StoredState = {
      version: STATE_VERSION,
      nodeId: identity.id,
      networkName: settings.networkName,
      name: settings.name,
      mesh,
      claim,
      ...(lease.onProbation ? { onProbation: true } : {}),
      incarnation: own.incarnation,
      epoch: own.epoch,
      ...this.#coverInitiations(),
      peers: this.#peers(),
      gone: [...store.tombstones()],
      directives: directives.all().map(({ raw }) => recordText(raw)),
    };
    actions.push({ kind: "persist", state });
  }

  #peers(): StoredPeer[] {
    const { identity, store, links } = this.#node;
    const others = [...store.records()].filter((record) => record.id !== identity.id);
    return others.map((record) => ({
      record: recordText(record.raw),
      endpoint: links.get(record.id)?.endpoint ?? null,
    }));
  }

  // ------------------------------------------------------------------------------------------ initiations

  /** Goes on after the counters that a former run may have used. */
  restoreInitiations(stored: number): void {
    this.#initiations = this.#initiationsStored = stored;
  }

  /**
   * The counter of an initiation: on disk before it is used, many at once. Whatever else is written covers more of them, so
   * that a handshake seldom waits for the disk.
   */
  nextInitiation(): number {
    if (this.#initiations >= this.#initiationsStored) this.persist();
    return Math.min(this.#initiations++, VERSION_LIMIT - 1);
  }

  #coverInitiations(): { readonly initiations?: number } {
    if (this.#node.ring === null) return {};
    this.#initiationsStored = Math.min(this.#initiations + INITIATIONS_STORED, VERSION_LIMIT - 1);
    return { initiations: this.#initiationsStored };
  }
}
