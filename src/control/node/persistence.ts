/**
 * What of a node is on disk, and when it has to be: its state as a whole, written before any action that comes later; and
 * the counter of its initiations, of which no two may be alike, also over restarts.
 */

import type { Directives } from "../forget/directives.ts";
import type { Lease } from "../lease/lease.ts";
import type { Links } from "../links/links.ts";
import type { Life } from "../mesh/life.ts";
import type { Actions } from "../outbox/actions.ts";
import type { OwnRecord } from "../records/own_record.ts";
import { recordText, STATE_VERSION, type StoredPeer, type StoredState } from "../records/state.ts";
import type { Store } from "../records/store.ts";
import { VERSION_LIMIT } from "../../wire/untrusted.ts";

/** How many initiations one write of the state covers. */
const INITIATIONS_STORED = 1000;

/** What the state is made of. */
interface StateParts {
  readonly id: string;
  readonly name: string;
  readonly networkName: string;
  readonly sealed: boolean;
  readonly life: Life;
  readonly own: OwnRecord;
  readonly store: Store;
  readonly directives: Directives;
  readonly links: Links;
  readonly lease: Lease;
  readonly actions: Actions;
}

export class Persistence {
  readonly #parts: StateParts;
  /** Something worth storing has changed, but not urgently. */
  stale = false;
  /** The counter of the next initiation, and what is on disk as greater than all that were used. */
  #initiations = 0;
  #initiationsStored = 0;

  constructor(parts: StateParts) {
    this.#parts = parts;
  }

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

  /** Puts the state on disk, before any action that comes later. */
  persist(): void {
    this.stale = false;
    const { id, name, networkName, life, own, lease, directives, actions } = this.#parts;
    // Before we know its records, what we know of the mesh is no base for a start without it.
    const [mesh, claim] = life.member ? [life.mesh, lease.claim] : [null, null];
    const state: StoredState = {
      version: STATE_VERSION,
      nodeId: id,
      networkName,
      name,
      mesh,
      claim,
      incarnation: own.incarnation,
      epoch: own.epoch,
      ...this.#coverInitiations(),
      peers: this.#peers(),
      directives: directives.all().map(({ raw }) => recordText(raw)),
    };
    actions.push({ kind: "persist", state });
  }

  #coverInitiations(): { readonly initiations?: number } {
    if (!this.#parts.sealed) return {};
    this.#initiationsStored = Math.min(this.#initiations + INITIATIONS_STORED, VERSION_LIMIT - 1);
    return { initiations: this.#initiationsStored };
  }

  #peers(): StoredPeer[] {
    const { id, store, links } = this.#parts;
    const others = [...store.records()].filter((record) => record.id !== id);
    return others.map((record) => ({
      record: recordText(record.raw),
      endpoint: links.get(record.id)?.endpoint ?? null,
    }));
  }
}
