/**
 * What the control plane of one node is made of: the machines and tables, put together once. It decides nothing itself.
 * The functions in the *_steps.ts beside this one work on a Core, or on those of its parts that they need; node.ts owns it and
 * calls them.
 */

import { RateLimit } from "../../bounds/rate_limit.ts";
import { type Identity, shortId } from "../../crypto/identity.ts";
import type { Random } from "../../ports/time.ts";
import { toHex } from "../../wire/bytes.ts";
import { CloneSigns, Dispute } from "../clones/clones.ts";
import { Directives } from "../forget/directives.ts";
import { Holders, RECORD_FACTS, type RecordFacts } from "../lease/holders.ts";
import { Lease } from "../lease/lease.ts";
import { Demand } from "../links/demand.ts";
import type { Density } from "../links/neighbours.ts";
import type { Link } from "../links/link_table.ts";
import type { Links } from "../links/links.ts";
import { PlainLinks } from "../links/plain_links.ts";
import { SealedLinks, type SealedSetup } from "../links/sealed_links.ts";
import { Dissemination } from "../members/dissemination.ts";
import { Membership } from "../members/membership.ts";
import { RoundTrips } from "../members/rtt.ts";
import { Joiners } from "../mesh/joiners.ts";
import { Life } from "../mesh/life.ts";
import { plainNetworkId } from "../mesh/mesh.ts";
import { askedNetworks, type MeshConfig, networksOf, type Seed, type Settings } from "../mesh/mesh_config.ts";
import { newOutlets, type OwnNode } from "../outbox/outbox.ts";
import { Ways } from "../paths/ways.ts";
import type { Trees } from "../records/digest.ts";
import { NameTable } from "../records/name_table.ts";
import { OwnRecord } from "../records/own_record.ts";
import { Derived } from "../records/derived.ts";
import { type NodeRecord, RECORD_READER, type RecordReader } from "../records/record.ts";
import { Store } from "../records/store.ts";
import { Sync } from "../records/sync.ts";
import { GroupGossip } from "../secrets/group_gossip.ts";
import { KeyRing } from "../secrets/key_ring.ts";
import { secretCapability } from "../secrets/rotation.ts";
import { AgreedLinks, Messages, tellSecretUsed, Voice } from "./voice.ts";
import { type HostSight, NO_SIGHT, Outside } from "./outside.ts";
import { OwnState } from "./own_state.ts";
import { PeerMemory } from "./peer_memory.ts";

/** What a node is given at its start. */
export interface NodeSetup {
  readonly settings: Settings;
  readonly identity: Identity;
  readonly random: Random;
  readonly now: number;
  /** Keys and ciphers of a sealed mesh; null or absent: it is plain. */
  readonly sealed?: SealedSetup | null;
  readonly host?: HostSight;
  /** How many links a node of a large mesh has; absent: DENSITY. */
  readonly density?: Density;
  /** What reads the records of others; absent: RECORD_READER. */
  readonly reader?: RecordReader;
  /** What is worked out of a record alone; absent: RECORD_FACTS. */
  readonly facts?: RecordFacts;
  /** Nodes that the mesh may have; absent: MAX_RECORDS. */
  readonly records?: number;
}

/** A lease on its way back: since when, and how long a member is looked for. */
export interface Releasing {
  since: number;
  readonly meetUntil: number;
}

/** Changes that host and data plane follow before the next tick: a second, and at once. */
const PROMPT_PER_S = 2;
const PROMPT_BURST = 16;

export class Core {
  readonly settings: Settings;
  readonly identity: Identity;
  readonly random: Random;
  readonly reader: RecordReader;
  readonly networkId: string;
  readonly startedAt: number;
  /** When the present event came. */
  now: number;
  /** When the last tick came; null: none yet. */
  tickedAt: number | null = null;
  /** When the next is to come, as of the last event; null: there was none yet. */
  tickDueAt: number | null = null;
  /** When host or data plane last had to follow something. */
  stirredAt = -Infinity;
  /** Host or data plane must follow something, at once while that is seldom, else with a tick: many changes are one. */
  changed = false;
  /** … or before anything else happens: what we hold ourselves. */
  changedNow = false;

  readonly #prompt = new RateLimit(PROMPT_PER_S, PROMPT_BURST);

  // What comes of an event.
  readonly outlets = newOutlets();
  readonly actions = this.outlets.actions;
  readonly schedule = this.outlets.schedule;
  readonly throttle = this.outlets.throttle;
  readonly tally = this.outlets.tally;
  readonly called = this.outlets.called;
  readonly warnings = this.outlets.warnings;

  // Ourselves.
  readonly life = new Life();
  readonly own: OwnRecord;
  readonly lease: Lease;
  /** Our record and our state on disk, as they change. */
  readonly ownState: OwnState;
  /** The others on disk. */
  readonly memory: PeerMemory;
  /** What links and handshakes see of this node. */
  readonly ownNode: OwnNode;
  /** How often records and directives had changed when the lease last looked. */
  leaseSaw = -1;
  readonly dispute = new Dispute();
  releasing: Releasing | null = null;
  /** Since when a member has reached no other node, and whether that was logged. */
  readonly alone: { since: number | null; said: boolean } = { since: null, said: false };

  // What everybody knows.
  readonly store: Store;
  readonly directives = new Directives();
  /** Both as trees of hashes, by the numbers of the tables (wire/gossip_body.ts). */
  readonly trees: Trees;
  readonly holders: Holders;
  readonly sync: Sync;
  /** Records of members without the newest network secret. */
  readonly behind = new Derived<readonly NodeRecord[]>();
  readonly news = new Dissemination();
  /** Sealed meshes: the network secrets that count. */
  readonly ring: KeyRing | null;
  readonly cloneSigns = new CloneSigns();

  // The others: where they are, whether they live, what is said to them.
  seeds: readonly Seed[] = [];
  readonly joiners: Joiners;
  readonly names: NameTable;
  readonly outside: Outside;
  readonly links: Links;
  /** The same as `links` in a sealed mesh, else null. */
  readonly sealed: SealedLinks | null;
  readonly agreed: AgreedLinks;
  /** Links whose peers may have to be asked which mesh they are of. BOUNDED: as the links, and those that went since the last tick */
  readonly unnamed = new Set<Link>();
  /** Which links are wanted, and whom packets wait for, until when that is told to others. BOUNDED: as Demand's */
  readonly demand: Demand;
  readonly calling = new Map<string, number>();
  readonly membership: Membership;
  readonly roundTrips: RoundTrips;
  readonly ways: Ways;
  /** Sealed meshes: for what must not wait for a session. */
  readonly group: GroupGossip | null;
  readonly messages: Messages;
  readonly voice: Voice;

  constructor(setup: NodeSetup) {
    const { settings, identity, random, now, sealed = null, host = NO_SIGHT, records } = setup;
    const { id } = identity;
    const { networkName } = settings;
    this.settings = settings;
    this.identity = identity;
    this.random = random;
    this.reader = setup.reader ?? RECORD_READER;
    this.startedAt = this.now = now;
    const keys = sealed?.keys[0];
    const ring = this.ring = keys === undefined
      ? null
      : new KeyRing(keys, sealed?.secrets ?? [], networkName, now);
    this.networkId = keys === undefined ? plainNetworkId(networkName) : toHex(keys.networkId);

    const { compared, contended } = setup.facts ?? RECORD_FACTS;
    this.store = new Store({ own: id, compared, ...(records === undefined ? {} : { records }) });
    this.store.keepOwnUntold(true);
    this.trees = [this.store.tree, this.directives.tree];
    this.holders = new Holders(this.store, this.directives, () => this.life.mesh, contended);
    this.sync = new Sync(this.trees);
    const own = this.own = new OwnRecord(identity, settings, this.networkId, random);
    if (ring !== null) own.capabilities = secretCapability(ring.newest);
    this.names = new NameTable(random);
    this.outside = new Outside(askedNetworks(settings), host);
    this.joiners = new Joiners(id);
    this.group = ring === null ? null : new GroupGossip(ring.keys, id, random, sealed?.ciphers);

    this.demand = new Demand(id, setup.density);
    this.ownNode = ownNodeOf(this, host);
    this.sealed = sealed === null ? null : new SealedLinks(this.ownNode, sealed, random, this.outlets);
    const links = this.links = this.sealed ?? new PlainLinks(this.ownNode, random, this.outlets);
    const agreed = this.agreed = new AgreedLinks(links, this.life, this.directives);
    this.membership = new Membership(id, random, {
      linked: (other) => agreed.get(other) !== null,
      heardAt: (other) => agreed.get(other)?.lastHeardAt ?? -Infinity,
      watched: (other) => this.demand.wants(other),
      helpers: (target) => helpersWith(this, target),
    });
    links.table.spares = (other) => this.spares(other);
    this.roundTrips = new RoundTrips(random);
    this.ways = new Ways(random);
    this.lease = new Lease(random);

    this.messages = new Messages(this);
    this.voice = new Voice(this);
    this.memory = new PeerMemory(this);
    this.ownState = new OwnState(this);
  }

  /** A member has used this key: all who are alive have it. */
  keyUsed(keyId: number): void {
    if (this.ring?.onUse(keyId, this.now)) tellSecretUsed(this.ring, this.actions);
  }

  /** What people call a node: as its record says, or whoever had the mesh forget it, else the beginning of its id. */
  nameOf(id: string): string {
    return this.store.get(id)?.name ?? this.directives.about(id)?.name ?? shortId(id);
  }

  /** Whether a seed that this node answers needs no link: a member of a large mesh is reached by others. */
  spares(id: string): boolean {
    const known = this.life.member && this.store.get(id) !== undefined;
    return known && !this.demand.wants(id) && this.agreed.any();
  }

  /**
   * Whether what has changed may be followed before the next tick: a peer that comes is reached as soon as it knows us, and
   * a storm of changes costs four reconciles a second.
   */
  mayReconcile(now: number): boolean {
    return this.#prompt.take(now);
  }

  /** How long this process has been running, seconds. */
  get age(): number {
    return (this.now - this.startedAt) / 1000;
  }

  /** What has to follow when the mesh is known: its addresses lead nowhere outside. */
  enterMesh(mesh: MeshConfig): void {
    this.outside.setNetworks(networksOf(mesh));
    this.changedNow = true;
    this.demand.everybody = mesh.backend === "host-gw"; // no tunnel for packets to wait in
    this.links.forsake(this.now);
  }

  /** A sentence that stays in `status` and is logged once. */
  warnOf(problem: string | null, about: string): void {
    if (problem === null) return;
    this.warnings.set(about, problem);
    this.actions.log("warning", problem);
  }

  /** Stops this node for good with a sentence for its user. */
  refuse(message: string): void {
    this.life.end();
    this.actions.push({ kind: "refuse", message });
  }
}

// Whom to ask to ping a node: in a large mesh those that watch it. Under the network's key they hear us without a link.
function helpersWith({ agreed, demand, membership, identity, sealed }: Core, target: string): string[] {
  const helpers: string[] = [];
  for (const { id, state } of membership.all()) {
    if (id === target || id === identity.id || state === "dead" || !demand.watches(id, target)) continue;
    if (agreed.get(id) !== null || (sealed !== null && !demand.full)) helpers.push(id);
  }
  return helpers;
}

/**
 * How this node answers what its links and handshakes ask of it, from the parts of the core as they are at that moment;
 * nothing is asked before all of them are there.
 */
function ownNodeOf(core: Core, host: HostSight): OwnNode {
  const { identity, networkId, startedAt, outside, life, own, store, directives, ring, reader } = core;
  return {
    identity,
    networkId,
    bootNonce: own.bootNonce,
    member: () => life.member,
    age: (now) => (now - startedAt) / 1000,
    translated: () => own.translated.length > 0,
    holds: (endpoint) => own.holds(endpoint) || host.owns(endpoint),
    usable: (endpoint) => outside.has(endpoint),
    usableRevision: () => outside.revision(),
    record: () => core.ownState.shown().raw,
    reader,
    known: (id) => store.get(id),
    isFormer: (id, life) => store.isFormer(id, life),
    isRevoked: (id) => directives.isRevoked(id),
    message: (index, body) => core.messages.datagram(index, body),
    recordItems: (ids) => core.messages.records(ids),
    keys: ring?.keys ?? [],
    admits: (id, keyId) => ring?.admits(id, keyId) ?? true,
    newestKey: () => ring?.newest.keyId ?? null,
    sessionMade: (id, keyId, member) => {
      ring?.proved(id, keyId);
      if (member) core.keyUsed(keyId);
    },
    mayInitiate: () => core.ownState.mayInitiate,
    nextCounter: () => core.ownState.nextInitiation(),
  };
}
