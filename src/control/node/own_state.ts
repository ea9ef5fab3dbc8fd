/**
 * What a node has of its own, its record and its state on disk, and the order in which both change. Nothing waits for the
 * disk but what must not be forgotten by a restart; for that, `persist` goes out, and once `stored` comes back, it is said:
 *
 *   a claim, and which secret we have     our record says what it said before until the new is on disk
 *   versions of our record                reserved on disk, many at once: a refutation seldom waits
 *   counters of our initiations           so, too: no two may be alike, also over restarts
 *   the mesh that we found                we are joining until it is there
 *   directives that we issue              not even we obey them before
 *
 * One `persist` is on its way at a time, with all that there is to write when an event has been dealt with. The record is
 * told only once nothing holds it back (mesh/life.ts). A lease that is given back is told at once: after a crash the mesh
 * knows better than the disk, which is how any old disk is dealt with.
 */

import type { Identity } from "../../crypto/identity.ts";
import { VERSION_LIMIT } from "../../wire/untrusted.ts";
import { aboutOf, type Directive } from "../../wire/directive.ts";
import type { Directives } from "../forget/directives.ts";
import type { Lease } from "../lease/lease.ts";
import type { Dissemination } from "../members/dissemination.ts";
import type { Life } from "../mesh/life.ts";
import type { MeshConfig, Settings } from "../mesh/mesh_config.ts";
import type { Actions } from "../outbox/outbox.ts";
import type { OwnRecord, Promised } from "../records/own_record.ts";
import {
  type Kept,
  STATE_VERSION,
  type StoredOwn,
  type StoredState,
  type StoredVersion,
} from "../records/state.ts";
import { type NodeRecord, recordFits, signRecord, subnetsOf } from "../records/record.ts";
import { compareVersions, type Store } from "../records/store.ts";
import type { KeyRing } from "../secrets/key_ring.ts";
import type { PeerMemory } from "./peer_memory.ts";

/** How many initiations, and how many incarnations, one write of the state covers. */
const INITIATIONS_AHEAD = 1000;
const VERSIONS_AHEAD = 256;

/** What of the node it works on. */
interface OwnParts {
  readonly settings: Settings;
  readonly identity: Identity;
  readonly life: Life;
  readonly own: OwnRecord;
  readonly store: Store;
  readonly lease: Lease;
  readonly news: Dissemination;
  readonly actions: Actions;
  readonly memory: PeerMemory;
  readonly directives: Directives;
  /** Null in a plain mesh. */
  readonly ring: KeyRing | null;
  /** How long this process has been running, seconds. */
  readonly age: number;
  /** Host or data plane must follow something. */
  changed: boolean;
}

/** What the disk has, or will have. */
interface OnDisk {
  readonly mesh: MeshConfig | null;
  /** The claim was not confirmed yet. */
  readonly onProbation: boolean;
  readonly promised: Promised;
  readonly reserved: StoredVersion;
  readonly initiations: number;
}

/** A mesh that is to be founded once it is on disk, and why. */
export interface Founding {
  readonly mesh: MeshConfig;
  readonly why: string;
}

/** What may be done now. */
export interface Stored {
  readonly founded: Founding | null;
  readonly issued: readonly Directive[];
}

interface Asked extends Stored {
  readonly ticket: number;
  readonly state: OnDisk;
}

const NOTHING: OnDisk = {
  mesh: null,
  onProbation: false,
  promised: { claim: null, capabilities: [] },
  reserved: { incarnation: 0, epoch: -1 },
  initiations: 0,
};

export class OwnState {
  readonly #node: OwnParts;
  #disk: OnDisk = NOTHING;
  #asked: Asked | null = null;
  #tickets = 0;
  /** A version of our record waits to be told; `#urgent`: with what the disk has, if with no more. */
  #due = false;
  #urgent = false;
  /** What our record in the store says. */
  #said: Promised | null = null;
  /** What handshakes bear before there is one. */
  #shown: NodeRecord | null = null;
  #initiations = 0;
  #founding: Founding | null = null;
  // BOUNDED: by what a user types while the disk is busy
  #issued: Directive[] = [];
  #keep: Kept[] = [];
  /** To be written, whatever else is. */
  #wanted = false;

  constructor(node: OwnParts) {
    this.#node = node;
  }

  /** Goes on after what a former run may have said. */
  restore(stored: StoredState): void {
    const { own } = this.#node;
    const { incarnation, epoch, initiations = 0, mesh, claim } = stored;
    const reserved = stored.reserved ?? { incarnation, epoch };
    this.#initiations = initiations;
    const { onProbation = false } = stored;
    const promised = { claim, capabilities: own.capabilities };
    this.#disk = { mesh, onProbation, promised, reserved, initiations };
    own.incarnateAbove(reserved.incarnation, reserved.epoch);
  }

  // ------------------------------------------------------------------------------------------- our record

  /** There is a new version of our record: into the store and to the others, as soon as the disk covers it. */
  rewrite(change: "epoch" | { readonly above: number; readonly epoch?: number }): void {
    const node = this.#node;
    if (change === "epoch") node.own.nextEpoch();
    else node.own.incarnateAbove(change.above, change.epoch);
    this.#due = true;
    this.#urgent ||= change !== "epoch";
    this.#advance();
    node.changed = true;
  }

  /** From now on our record is told. */
  speak(): void {
    const { life, store, identity } = this.#node;
    if (life.mayTell) return;
    life.speak();
    if (store.get(identity.id) !== undefined) this.#tell();
    else if (!this.#due) this.rewrite("epoch");
  }

  /**
   * Our record as handshakes bear it: what we tell, so that no version says two things, but with our age as of now, by which
   * two hosts with one identity find who came first; before there is one, another, whose version is told no more.
   */
  shown(): NodeRecord {
    const { store, identity, own, age } = this.#node;
    const told = store.get(identity.id);
    if (told === undefined && (this.#shown === null || compareVersions(this.#shown, own) !== 0)) {
      this.#shown = own.sign(Math.floor(age), this.sayable);
    }
    const says = told ?? this.#shown!;
    const now = { ...says, age: Math.floor(age) };
    return says.age === now.age || !recordFits(now) ? says : signRecord(now, identity);
  }

  /** Our claim is on disk, and in the record that we tell. */
  get claimSaid(): boolean {
    return this.#said !== null && samePromise(this.#said, this.#node.own);
  }

  /** The newest secret is on disk, and our record says that we have it. */
  get secretSaid(): boolean {
    const said = this.#said?.capabilities, { capabilities } = this.#node.own;
    return said === capabilities || said?.join() === capabilities.join();
  }

  /** What our record may say by now. */
  get sayable(): Promised {
    return this.#node.own.gone ? this.#node.own : this.#disk.promised;
  }

  #advance(): void {
    const { own } = this.#node;
    if (!this.#due || this.#disk.mesh === null) return;
    // Handshakes have borne that version, with what could be said then.
    if (this.#shown !== null && compareVersions(this.#shown, own) === 0) own.nextEpoch();
    this.#shown = null;
    if (!this.#covers(own)) return;
    // It is told once, with what is being written; a refutation cannot wait for that.
    if (!this.#urgent && !samePromise(this.sayable, own)) return;
    this.#publish();
  }

  #publish(): void {
    const node = this.#node;
    this.#due = this.#urgent = false;
    this.#said = { claim: this.sayable.claim, capabilities: this.sayable.capabilities };
    node.store.insert(node.own.sign(Math.floor(node.age), this.#said));
    if (node.life.mayTell) this.#tell();
    node.changed = true;
  }

  #tell(): void {
    const { news, store, identity } = this.#node;
    store.keepOwnUntold(false);
    news.add({ kind: "record", id: identity.id }, store.size, "at once");
  }

  // ---------------------------------------------------------------------------------------- before it is said

  /** Founds this mesh once it is on disk; what `stored` returns says when. */
  found(founding: Founding): void {
    this.#founding ??= founding;
  }

  /** A directive of our own: it is obeyed and told once it is on disk. */
  issue(directive: Directive): void {
    this.#issued.push(directive);
    this.keep(directive);
  }

  /** What we issued and the disk does not have yet. */
  get issued(): readonly Directive[] {
    return [...this.#asked?.issued ?? [], ...this.#issued];
  }

  /** The number of the next directive of our own. */
  get nextSeq(): number {
    return Math.max(this.#node.directives.nextSeq, ...this.issued.map(({ seq }) => seq + 1));
  }

  /** A directive that a restart must not have to be told again. */
  keep(directive: Directive): void {
    this.#keep.push(...this.#node.memory.keep(aboutOf(directive), directive.raw));
  }

  /** Writes the state however little has changed. */
  persist(): void {
    this.#wanted = true;
  }

  /** Whether the disk covers a further counter, where one is needed. */
  get mayInitiate(): boolean {
    return this.#node.ring === null || this.#initiations < this.#disk.initiations;
  }

  /** The counter of an initiation; null: those that the disk covers are used up. */
  nextInitiation(): number | null {
    return this.mayInitiate ? this.#initiations++ : null;
  }

  // --------------------------------------------------------------------------------------------- the disk

  /** At the end of an event: asks for what is to be on disk and is not. At the end of a life for no more than was wanted. */
  flush(): void {
    const { life } = this.#node;
    const wanted = this.#wanted || this.#keep.length > 0;
    if (!wanted && (life.ended || this.#asked !== null || !this.#lacks())) return;
    const state = this.#now();
    const ticket = ++this.#tickets;
    if (state.mesh !== null && this.#disk.mesh === null) this.#keep.push(...this.#node.memory.first());
    const before = this.#asked;
    this.#asked = {
      ticket,
      state,
      founded: this.#founding ?? before?.founded ?? null,
      issued: this.issued,
    };
    this.#node.actions.push({ kind: "persist", ticket, state: this.#stateOf(state), keep: this.#keep });
    this.#wanted = false;
    this.#issued = [];
    this.#keep = [];
  }

  /** That is on disk. Returns what may follow; null: a later one is on its way. */
  stored(ticket: number): Stored | null {
    const asked = this.#asked;
    if (asked?.ticket !== ticket) return null;
    this.#asked = null;
    this.#disk = asked.state;
    if (asked.founded === this.#founding) this.#founding = null;
    const { own } = this.#node;
    // What was told meanwhile, in a hurry, said less.
    if (this.#said !== null && !this.#due && !samePromise(this.#said, this.sayable)) {
      own.nextEpoch();
      this.#due = true;
    }
    this.#advance();
    return asked;
  }

  #lacks(): boolean {
    const { life, own, lease, ring } = this.#node;
    const { mesh, onProbation, promised, reserved, initiations } = this.#disk;
    if (ring !== null && initiations - this.#initiations < INITIATIONS_AHEAD / 2) return true;
    if (this.#founding !== null) return true;
    if (!life.member) return mesh !== null;
    return mesh === null || onProbation !== lease.onProbation || !samePromise(promised, own) ||
      !this.#covers(own) ||
      compareVersions(reserved, aheadOf(own, VERSIONS_AHEAD / 2)) < 0;
  }

  #covers(version: StoredVersion): boolean {
    return compareVersions(version, this.#disk.reserved) <= 0;
  }

  #now(): OnDisk {
    const { life, own, ring } = this.#node;
    // Before we know its records, what we know of the mesh is no base for a start without it.
    const mesh = life.member ? life.mesh : this.#founding?.mesh ?? null;
    const { claim, capabilities } = own;
    const reserved = aheadOf(own, VERSIONS_AHEAD);
    const initiations = Math.min(this.#initiations + INITIATIONS_AHEAD, VERSION_LIMIT - 1);
    return {
      mesh,
      onProbation: this.#node.lease.onProbation,
      promised: { claim: life.member ? claim : null, capabilities },
      reserved: compareVersions(reserved, this.#disk.reserved) > 0 ? reserved : this.#disk.reserved,
      initiations: ring === null ? 0 : Math.max(initiations, this.#disk.initiations),
    };
  }

  #stateOf({ mesh, onProbation, promised, reserved, initiations }: OnDisk): StoredOwn {
    const { settings, identity, own, ring } = this.#node;
    return {
      version: STATE_VERSION,
      nodeId: identity.id,
      networkName: settings.networkName,
      name: settings.name,
      mesh,
      claim: promised.claim,
      ...(onProbation ? { onProbation: true } : {}),
      incarnation: own.incarnation,
      epoch: own.epoch,
      reserved,
      ...(ring === null ? {} : { initiations }),
    };
  }
}

/** A version so far ahead; where there is no greater incarnation any more, by epochs. */
function aheadOf({ incarnation, epoch }: StoredVersion, by: number): StoredVersion {
  const last = VERSION_LIMIT - 1;
  if (incarnation + by < last) return { incarnation: incarnation + by, epoch: 0 };
  return { incarnation: last, epoch: Math.min((incarnation === last ? epoch : 0) + by, last) };
}

function samePromise(a: Promised, b: Promised): boolean {
  if (a.claim === b.claim && a.capabilities === b.capabilities) return true;
  return textOf(a) === textOf(b);
}

function textOf({ claim, capabilities }: Promised): string {
  const held = claim === null ? "" : `${subnetsOf(claim).join(" ")} ${claim.stamp} ${claim.incarnation}`;
  return `${held} ${capabilities.join(" ")}`;
}
