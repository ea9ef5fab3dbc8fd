// What the parts of the control plane share: the tables, our own record and where we stand in joining. The functions
// in the *_steps.ts beside this one work on a Core; node.ts owns it and calls them. Everything
// that leaves the host by gossip goes through `say`.

import type { Identity } from "../../crypto/identity.ts";
import type { Random } from "../../ports/time.ts";
import { toHex } from "../../wire/bytes.ts";
import { addressOf } from "../../wire/address.ts";
import { liesWithin, type Prefix } from "../../wire/prefix.ts";
import { VERSION_LIMIT } from "../../wire/untrusted.ts";
import { fitGossip } from "../../wire/gossip.ts";
import type { GossipBody, Piggyback } from "../../wire/gossip_body.ts";
import { GOSSIP_BUDGET } from "../../wire/gossip_size.ts";
import { type Contender, contenders, type Holdings, holdings } from "../lease/claims.ts";
import { cloneMessage, judge, type Twin, TwinSigns } from "../clones/clones.ts";
import { Directives, isForgotten, isRevoked } from "../forget/directives.ts";
import { Dissemination, type News } from "../members/dissemination.ts";
import { GroupGossip } from "../secrets/group_gossip.ts";
import type { MeshConfig, Seed, Settings } from "../mesh/settings.ts";
import { Joiners } from "../mesh/joiners.ts";
import { KeyRing } from "../secrets/key_ring.ts";
import { Lease } from "../lease/lease.ts";
import type { Link } from "../links/link_table.ts";
import { type HostSight, NO_SIGHT } from "./host_sight.ts";
import type { Links } from "../links/links.ts";
import { Membership } from "../members/membership.ts";
import { meshHash, plainNetworkId } from "../mesh/mesh.ts";
import { NameTable } from "../records/name_table.ts";
import type { Actions } from "../outbox/actions.ts";
import type { Called } from "../outbox/called.ts";
import { newOutlets } from "../outbox/outlets.ts";
import type { Schedule } from "../outbox/schedule.ts";
import type { Tally } from "../outbox/tally.ts";
import type { Throttle } from "../outbox/throttle.ts";
import type { OwnNode } from "../outbox/own_node.ts";
import { OwnRecord } from "../records/own_record.ts";
import { PlainLinks } from "../links/plain_links.ts";
import { secretCapability } from "../secrets/rotation.ts";
import { RoundTrips } from "../members/rtt.ts";
import type { NodeRecord } from "../records/record.ts";
import { Ways } from "../paths/ways.ts";
import { SealedLinks, type SealedSetup } from "../links/sealed_links.ts";
import { recordText, STATE_VERSION, type StoredPeer } from "../records/state.ts";
import { Store } from "../records/store.ts";
import { Sync } from "../records/sync.ts";
import { Warnings } from "./warnings.ts";

/** How many initiations one write of the state covers. */
const INITIATIONS_STORED = 1000;

export class Core {
  readonly settings: Settings;
  readonly identity: Identity;
  readonly random: Random;
  readonly networkId: string;
  readonly startedAt: number;
  /** When the present event came. */
  now: number;
  readonly actions: Actions;
  readonly schedule: Schedule;
  readonly throttle: Throttle;
  readonly tally: Tally;
  readonly called: Called;
  readonly store = new Store();
  readonly directives = new Directives();
  readonly news = new Dissemination();
  readonly sync = new Sync();
  readonly joiners: Joiners;
  readonly links: Links;
  /** The same as `links` in a sealed mesh, else null. */
  readonly sealed: SealedLinks | null;
  /** Sealed meshes: for what must not wait for a session. */
  readonly group: GroupGossip | null;
  /** Sealed meshes: the network secrets that count. */
  readonly ring: KeyRing | null;
  readonly membership: Membership;
  readonly roundTrips: RoundTrips;
  readonly ways: Ways;
  readonly lease: Lease;
  readonly own: OwnRecord;
  /** What links and handshakes see of all this. */
  readonly ownNode: OwnNode;
  readonly names: NameTable;
  readonly host: HostSight;

  seeds: readonly Seed[] = [];
  /** Null before its configuration is known. */
  mesh: MeshConfig | null = null;
  meshHash: string | null = null;
  /** The configuration that a member told us last, and when. */
  learned: MeshConfig | null = null;
  learnedAt = 0;
  /** We know the mesh's records: from the disk, by founding, or by a completed sync. Others may learn from us. */
  informed = false;
  /** We may claim: founded, or synchronised in this run, or restored with our lease. */
  ready = false;
  /** Our own record may be told: a later version of it that the mesh may hold would have reached us by now. */
  spoken = false;
  /** The version of our own record that the state directory had; null: none of this node's. */
  onDisk: { readonly incarnation: number; readonly epoch: number } | null = null;
  /** Since when, as a joiner, we know all records and not all directives. */
  directivesAwaited: number | null = null;
  /** No more: refused, released or left. */
  ended = false;
  /** Host or data plane must follow something. */
  changed = false;
  /** Something worth storing changed, but not urgently. */
  stale = false;
  /** Since when a member has reached nobody, and whether that was said. */
  readonly alone: { since: number | null; said: boolean } = { since: null, said: false };
  readonly twinSigns = new TwinSigns();
  /** For `view.warnings`. */
  readonly warnings = new Warnings();
  /** Sealed meshes: the counter of the next initiation, and what is on disk as greater than all that were used. */
  initiations = 0;
  #initiationsStored = 0;
  /** The mesh's network; before it is known, the one that the user says it has. */
  #overlay: Prefix | null;
  #clonesSince: number | null = null;
  #holdings: Holdings | null = null;
  #holdingsOf = "";

  /** `sealed`: the keys of a sealed mesh; null: plain. */
  constructor(
    settings: Settings,
    identity: Identity,
    random: Random,
    now: number,
    sealed: SealedSetup | null = null,
    host: HostSight = NO_SIGHT,
  ) {
    this.host = host;
    this.#overlay = settings.networkExplicit ? settings.network : null;
    this.settings = settings;
    this.identity = identity;
    this.random = random;
    this.startedAt = this.now = now;
    const networkKeys = sealed?.keys[0];
    const ring = networkKeys === undefined
      ? null
      : new KeyRing(networkKeys, sealed?.secrets ?? [], settings.networkName, now);
    this.ring = ring;
    this.networkId = networkKeys ? toHex(networkKeys.networkId) : plainNetworkId(settings.networkName);
    this.own = new OwnRecord(identity, settings, this.networkId, random);
    this.names = new NameTable(random);
    this.joiners = new Joiners(identity.id);
    const outlets = newOutlets();
    this.actions = outlets.actions;
    this.schedule = outlets.schedule;
    this.throttle = outlets.throttle;
    this.tally = outlets.tally;
    this.called = outlets.called;
    const ownNode = this.ownNode = this.#ownNode();
    this.sealed = sealed === null ? null : new SealedLinks(ownNode, sealed, random, outlets);
    this.group = ring === null ? null : new GroupGossip(ring.keys, identity.id, random);
    if (ring !== null) this.own.capabilities = secretCapability(ring.newest);
    this.links = this.sealed ?? new PlainLinks(ownNode, random, outlets);
    this.membership = new Membership(
      identity.id,
      random,
      (id) => this.agreedLink(id) !== null,
      (id) => this.agreedLink(id)?.lastHeardAt ?? -Infinity,
    );
    this.roundTrips = new RoundTrips(random);
    this.ways = new Ways(random);
    this.lease = new Lease(random);
  }

  #ownNode(): OwnNode {
    const { identity, networkId, ring } = this;
    return {
      identity,
      networkId,
      bootNonce: this.own.bootNonce,
      member: () => this.member,
      age: (at) => (at - this.startedAt) / 1000,
      translated: () => this.own.translated.length > 0,
      holds: (endpoint) => this.own.holds(endpoint) || this.host.owns(endpoint),
      usable: (endpoint) => this.usable(endpoint),
      record: () => this.own.sign(Math.floor((this.now - this.startedAt) / 1000)).raw,
      known: (id) => this.store.get(id),
      isFormer: (id, life) => this.store.isFormer(id, life),
      isRevoked: (id) => this.isRevoked(id),
      message: (index, body) => this.message(index, body),
      recordItems: (ids) => this.recordItems(ids),
      keys: ring?.keys ?? [],
      admits: (id, keyId) => ring?.admits(id, keyId) ?? true,
      sessionMade: (id, keyId, member) => {
        ring?.proved(id, keyId);
        if (member) this.onKeyUsed(keyId);
      },
      nextCounter: () => this.#nextInitiation(),
    };
  }

  /** We are part of a mesh, not on the way to one. */
  get member(): boolean {
    return this.mesh !== null && this.informed;
  }

  setMesh(mesh: MeshConfig): void {
    this.mesh = mesh;
    this.meshHash = meshHash(mesh);
    this.#overlay = mesh.network;
    this.changed = true;
    this.links.forsake(this.now);
  }

  /** Whether datagrams to this endpoint stay outside the mesh: else the way to a peer would lead over itself. */
  usable(endpoint: string): boolean {
    const text = addressOf(endpoint);
    return !liesWithin(this.#overlay, text) && !this.host.tunnelled(text);
  }

  /** The validated link of a member of our own mesh, or null. */
  agreedLink(id: string): Link | null {
    const link = this.links.get(id);
    return link !== undefined && this.agreed(link) ? link : null;
  }

  agreed(link: Link): boolean {
    return link.endpoint !== null && this.meshHash !== null && link.mesh === this.meshHash &&
      !this.isRevoked(link.id);
  }

  /** Whether a member made the mesh forget the node of this record, as of this version of it. */
  isForgotten(record: Pick<NodeRecord, "id" | "incarnation">): boolean {
    return isForgotten(this.directives, record);
  }

  /** Whether a member had this key revoked. */
  isRevoked(id: string): boolean {
    return isRevoked(this.directives, id);
  }

  /** Links to members of our own mesh. */
  agreedLinks(): Link[] {
    return [...this.links.up()].filter((link) => this.agreed(link));
  }

  /** Sends one message over a link, if it is up. */
  say(link: Link | null | undefined, body: GossipBody): void {
    if (link === null || link === undefined || link.endpoint === null) return;
    const bytes = this.message(link.sendIndex, body);
    if (bytes !== null) this.links.send(link, bytes);
  }

  /** The datagram of a message; null when it is too long, which is counted. */
  message(index: number, body: GossipBody): Uint8Array | null {
    const bytes = fitGossip(index, { mesh: this.meshHash, body }, GOSSIP_BUDGET);
    if (bytes === null) this.tally.leaveUnsent();
    return bytes;
  }

  /** The datagram of a message under the network's key, of this generation or the one in use; null: there is none. */
  groupMessage(body: GossipBody, keyId?: number): Uint8Array | null {
    const bytes = this.group === null ? null : this.message(0, body);
    return bytes === null ? null : this.group!.seal(this.own.incarnation, bytes, keyId);
  }

  /**
   * Sends one small message to a member: over its link, or in a sealed mesh, where that is a session and may be missing
   * for a moment, under the network's key to where it was last.
   */
  sayTo(id: string, body: GossipBody): void {
    const link = this.agreedLink(id);
    if (link !== null) return this.say(link, body);
    const endpoint = this.group === null ? undefined : this.#lastEndpoint(id);
    const bytes = endpoint === undefined ? null : this.groupMessage(body);
    if (endpoint !== undefined && bytes !== null) this.actions.send(endpoint, bytes);
  }

  #lastEndpoint(id: string): string | undefined {
    for (const target of this.links.targets.all()) if (target.answeredBy === id) return target.endpoint;
    return this.names.expand(this.store.get(id)?.endpoints ?? []).find((one) => this.usable(one));
  }

  /** The records and statements that news items stand for now. Our own record only once it may be told. */
  itemsOf(news: readonly News[]): Required<Pick<Piggyback, "records" | "statements">> {
    const ids = news.filter((n) => n.kind === "record").map((n) => n.id);
    const statements = news.filter((n) => n.kind === "statement").map((n) => this.membership.statement(n.id));
    return { records: this.recordItems(ids), statements: statements.filter((s) => s !== null) };
  }

  /** Records as they are pushed, each with how we see its node. */
  recordItems(ids: Iterable<string>): { readonly raw: Uint8Array; readonly state: 0 | 1 | 2 }[] {
    const items: { raw: Uint8Array; state: 0 | 1 | 2 }[] = [];
    for (const id of ids) {
      const record = this.store.get(id);
      if (record === undefined || (id === this.identity.id && !this.spoken)) continue;
      items.push({ raw: record.raw, state: this.membership.statement(id)?.state ?? 0 });
    }
    return items;
  }

  /** Our id while our own record must not be told: what digests leave out. */
  unspoken(): string | null {
    return this.spoken ? null : this.identity.id;
  }

  /** Who holds what, by the records as they are now. */
  holdings(): Holdings {
    const version = `${this.store.version} ${this.directives.version}`;
    if (this.#holdings === null || this.#holdingsOf !== version) {
      this.#holdings = holdings(contenders(this.store.records(), this.directives));
      this.#holdingsOf = version;
    }
    return this.#holdings;
  }

  /** Everything claimed or reserved, our own claims left out. */
  othersContenders(): Contender[] {
    return contenders(this.store.records(), this.directives).filter((c) =>
      c.reserved || c.nodeId !== this.identity.id
    );
  }

  warn(key: string, sentence: string): void {
    this.warnings.set(key, sentence);
  }

  /**
   * Another host runs with our identity: ends this one if that is the answer. True when it does. `fresh`: it said just now
   * how long it has been running.
   */
  endAsClone(other: Twin, where: string, fresh = false): boolean {
    this.#clonesSince ??= this.now;
    const we = { bootNonce: this.own.bootNonce, age: (this.now - this.startedAt) / 1000 };
    const { weEnd, certain } = judge(we, other, this.now - this.#clonesSince, fresh);
    if (weEnd) this.refuse(cloneMessage(where, certain));
    return weEnd;
  }

  /** Stops this node for good with a sentence for its user. */
  refuse(message: string): void {
    this.ended = true;
    this.actions.push({ kind: "refuse", message });
  }

  /** A member has used this key: all who are alive have it. */
  onKeyUsed(keyId: number): void {
    if (this.ring?.onUse(keyId, this.now)) this.tellSecretUsed();
  }

  /** Another network secret is in use from now on. */
  tellSecretUsed(): void {
    const ring = this.ring!;
    this.actions.push({ kind: "secrets", secrets: ring.held(), keys: [...ring.keys] });
    this.actions.log(
      "info",
      `Network secret ${ring.used.seq} is in use; older ones let in only those who were away`,
    );
  }

  /** Goes on after the counters that a former run may have used. */
  restoreInitiations(stored: number): void {
    this.initiations = this.#initiationsStored = stored;
  }

  // On disk before it is used, many at once: no restart may repeat one. Whatever else is written covers more of them, so
  // that a handshake seldom waits for the disk.
  #nextInitiation(): number {
    if (this.initiations >= this.#initiationsStored) this.persist();
    return Math.min(this.initiations++, VERSION_LIMIT - 1);
  }

  /** Puts the state on disk, before any action that comes later. */
  persist(): void {
    this.stale = false;
    const peers: StoredPeer[] = [];
    for (const record of this.store.records()) {
      if (record.id === this.identity.id) continue;
      const endpoint = this.links.get(record.id)?.endpoint ?? null;
      peers.push({ record: recordText(record.raw), endpoint });
    }
    const { incarnation, epoch } = this.own;
    const version: typeof STATE_VERSION = STATE_VERSION;
    const base = { version, nodeId: this.identity.id, networkName: this.settings.networkName };
    // Before we are informed, what we know of the mesh is no base for a start without it.
    const [mesh, claim] = this.informed ? [this.mesh, this.lease.claim] : [null, null];
    const directives = this.directives.all().map(({ raw }) => recordText(raw));
    const covered = Math.min(this.initiations + INITIATIONS_STORED, VERSION_LIMIT - 1);
    if (this.sealed !== null) this.#initiationsStored = covered;
    const counter = this.sealed === null ? {} : { initiations: this.#initiationsStored };
    const state = {
      ...base,
      name: this.settings.name,
      mesh,
      claim,
      incarnation,
      epoch,
      ...counter,
      peers,
      directives,
    };
    this.actions.push({ kind: "persist", state });
  }
}
