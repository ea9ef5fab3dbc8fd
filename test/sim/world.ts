/**
 * N control planes in one process: a manual clock, a seeded lossy network, and for each node what the daemon would
 * do: perform the actions in order, tick when it is due, answer path probes as the data plane does, keep the state "on
 * disk" between two lives. Everything a test asserts can be read off the nodes.
 */

import { type Identity, identityFromSeeds, verifySignature } from "../../src/crypto/identity.ts";
import { CONTROL_CIPHERS, type ControlCiphers } from "../../src/crypto/control_ciphers.ts";
import {
  type Action,
  type ControlEvent,
  type Effects,
  performActions,
  type SendAction,
  type SessionEffects,
} from "../../src/control/outbox/events.ts";
import type { Settings } from "../../src/control/mesh/mesh_config.ts";
import type { Density } from "../../src/control/links/neighbours.ts";
import type { HeldSecret } from "../../src/control/secrets/key_ring.ts";
import { ControlPlane } from "../../src/control/node/node.ts";
import type { RecordReader } from "../../src/control/records/record.ts";
import type { NodeView } from "../../src/control/paths/view.ts";
import type { WayKind } from "../../src/control/paths/way.ts";
import { type Wanted, wantedFrom } from "../../src/control/paths/paths.ts";
import type { HostFacts } from "../../src/control/paths/tunnels.ts";
import { addressOf } from "../../src/wire/address.ts";
import {
  answerProbe,
  decodeProbe,
  encodeWayProbe,
  PROBE_ASK,
  PROBE_LEN,
  PROBE_WAY_ANSWER,
  PROBE_WAY_ASK,
  probeNonceHigh,
  probeNonceLow,
  TYPE_PROBE,
} from "../../src/wire/datagram.ts";
import { ETHERNET_LEN } from "../../src/wire/ethernet.ts";
import { VXLAN_LEN } from "../../src/wire/vxlan.ts";
import { answerVxlanFrame, wayProbeAt } from "../../src/wire/way_probe.ts";
import { NetworkSecret } from "../../src/crypto/network_secret.ts";
import { HandshakeGate } from "../../src/dataplane/tables/handshake_gate.ts";
import { TYPE_COOKIE, TYPE_HANDSHAKE } from "../../src/wire/datagram.ts";
import { DATA_PLAIN, decodeData } from "../../src/wire/data_header.ts";
import { REPLY_LEN } from "../../src/wire/handshake.ts";
import { FakeSessions } from "../fakes/fake_sessions.ts";
import { LIGHT_CIPHERS, lightIdentity, lightVerify } from "../fakes/light_ciphers.ts";
import { Heap } from "../../src/bounds/heap.ts";
import { LossyNetwork, type NetworkConditions } from "../fakes/lossy_network.ts";
import { ManualClock } from "../fakes/manual_clock.ts";
import { RecordMemo } from "../fakes/record_memo.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import { Addresses, type Cost, SimNode } from "./sim_node.ts";
import { settingsFor } from "../made/settings.ts";
import { prefix, samePrefix } from "../../src/wire/prefix.ts";

/** How often it is looked at what is waited for, and names are resolved. */
const LOOK_MS = 100;
/** Of a processor that is slow no more, for what still waits. */
const NO_COST: Cost = () => 0;

/** A lookup that a node's life asked for. */
interface Lookup {
  readonly node: SimNode;
  readonly plane: ControlPlane | null;
  readonly name: string;
}

/** What a world of thousands does without. */
export interface Keeping {
  /** Lines of the log that each node keeps; 0: none. */
  readonly logs: number;
  /** False: nothing is kept on disk, and nobody starts again. */
  readonly disks: boolean;
}

/** What the hosts of a world encrypt and sign with. */
export interface WorldCrypto {
  readonly ciphers: ControlCiphers;
  readonly identity: (random: SeededRandom) => Identity;
  readonly verify: typeof verifySignature;
}

const REAL: WorldCrypto = {
  ciphers: CONTROL_CIPHERS,
  identity: (random) => identityFromSeeds(random.bytes(32), random.bytes(32)),
  verify: verifySignature,
};

/** For meshes of many hosts: what nodes tell one another is the same, and takes no time. */
export const LIGHT: WorldCrypto = { ciphers: LIGHT_CIPHERS, identity: lightIdentity, verify: lightVerify };

export class World {
  readonly clock = new ManualClock();
  readonly random: SeededRandom;
  readonly network: LossyNetwork;
  readonly nodes: SimNode[] = [];
  keeps: Keeping = { logs: Infinity, disks: true };
  readonly #starts = new Heap<SimNode>();
  readonly #writes = new Heap<SimNode>();
  // Ticks, and slow processors that are done with an event.
  readonly #turns = new Heap<{ readonly node: SimNode; readonly at: number; readonly tick: boolean }>();
  readonly #addresses = new Addresses();
  /** What reads the records that nodes get; else this, for all of them. */
  readonly memo: RecordMemo;
  reader: RecordReader;
  readonly #crypto: WorldCrypto;
  readonly #resolved: Lookup[] = [];
  #lookAt = 0;
  /** Each action, just before it is performed. */
  onAction: ((node: SimNode, action: Action) => void) | null = null;
  /** How many links there are in a large mesh, and what is one; null: as the program has it. */
  density: Density | null = null;
  /** What names lead to: the resolver of all hosts. BOUNDED: those of a test */
  readonly dns = new Map<string, readonly string[]>();
  /** Every name that was looked up. */
  readonly lookups: string[] = [];
  /**
   * Further endpoints of nodes. `tells`: their kernels say which address a datagram was sent to; without being told, what a
   * node sends leaves from its own endpoint.
   */
  readonly aliases = new Map<string, { readonly node: SimNode; readonly tells: boolean }>();
  /** Whether a datagram gets through; null: all do. */
  filter: ((from: string, to: string) => boolean) | null = null;
  /** Nodes that the mesh may have; null: as ever. */
  records: number | null = null;
  /** The data plane of these answers no probes. */
  readonly deaf = new Set<string>();
  /** Of every host; with it nodes decide paths as their daemons do, and probe them. Null: no paths are decided. */
  host: HostFacts | null = null;
  /** Whether something on the way swallows what a node sends by one of the ways: its UDP payload. */
  swallows: (from: SimNode, by: WayKind, payload: Uint8Array) => boolean = () => false;

  constructor(seed: number, conditions: NetworkConditions = {}, crypto = REAL) {
    this.#crypto = crypto;
    this.reader = this.memo = new RecordMemo(crypto.verify);
    this.random = new SeededRandom(seed);
    this.network = new LossyNetwork(this.random, conditions);
  }

  /** A host, not started yet. Its network is its own pick, as the daemon would make it, unless `change` says. */
  add(name: string, seeds: readonly string[] = [], change: Partial<Settings> = {}): SimNode {
    const n = this.nodes.length + 1;
    const endpoint = `192.168.${Math.floor(n / 200)}.${(n % 200) + 1}:8473`;
    const pick = prefix(`10.${128 + this.random.below(100)}.0.0/16`);
    const settings = settingsFor(name, {
      network: null,
      drawNetwork: () => ({ network: pick }),
      peers: seeds,
      ownEndpoints: [endpoint],
      ...change,
    });
    const identity = this.#crypto.identity(this.random);
    const gate = new HandshakeGate(this.#crypto.ciphers.hmac, this.random);
    const node = new SimNode({ name, endpoint, identity, settings, seeds, gate }, this.#addresses);
    this.nodes.push(node);
    return node;
  }

  node(name: string): SimNode {
    const node = this.#addresses.named(name);
    if (node === undefined) throw new Error(`No node ${name}`);
    return node;
  }

  /** `first`: an event before all others, as when a lease is given back from the disk. */
  start(node: SimNode, first: ControlEvent | null = null): void {
    const stored = node.store.state();
    node.refusal = null;
    node.busyUntil = 0;
    node.inbox.clear();
    node.effects = null;
    node.sessions = new FakeSessions();
    node.gate = new HandshakeGate(this.#crypto.ciphers.hmac, this.random);
    node.gate.setKeys(node.sealed?.keys.map((keys) => keys.macKey) ?? []);
    node.plane = new ControlPlane({
      settings: node.settings,
      identity: node.identity,
      stored,
      random: node.random ?? this.random,
      now: node.time(this.clock.now()),
      sealed: node.sealed === null ? null : { ...node.sealed, ciphers: this.#crypto.ciphers },
      host: node.sight,
      reader: this.reader,
      facts: this.memo.facts,
      ...(this.records === null ? {} : { records: this.records }),
      ...(this.density === null ? {} : { density: this.density }),
    });
    node.nextTick = Infinity;
    this.#awaitTick(node);
    if (first !== null) this.event(node, first);
    const seeds = node.seeds.map((s) => ({ text: s, endpoints: [this.endpointOf(s)] }));
    this.event(node, { kind: "seeds", seeds });
  }

  startAt(node: SimNode, at: number): void {
    this.#starts.push(at, node);
  }

  /** As kill -9: nothing more is heard of it; the disk stays. */
  stop(node: SimNode): void {
    node.plane = null;
    node.nextTick = Infinity;
    node.inbox.clear();
    node.store.cut();
  }

  /** The host of this node is too busy for it: what comes waits as long as that, in its order. */
  standStill(node: SimNode, ms: number): void {
    if (node.plane === null) return;
    node.busyUntil = this.clock.now() + ms;
    node.nextTick = Infinity;
    this.#awaitTick(node);
  }

  // The tick that is due next, unless one that comes sooner is waited for.
  #awaitTick(node: SimNode): void {
    if (node.plane === null) return;
    const at = Math.max(this.clock.now(), node.busyUntil, node.when(node.plane.dueAt));
    if (at >= node.nextTick) return;
    node.nextTick = at;
    this.#turns.push(at, { node, at, tick: true });
  }

  /** A node takes in an event: at once, or after those that its processor is busy with. */
  event(node: SimNode, event: ControlEvent): void {
    if (node.plane === null) return;
    if (node.cost === null) this.#handle(node, event);
    else if (node.inbox.workingUntil > this.clock.now() || node.inbox.size > 0) node.inbox.push(event);
    else this.#work(node, event, node.cost);
  }

  #handle(node: SimNode, event: ControlEvent): readonly Action[] {
    const actions = node.plane!.handle(event, node.time(this.clock.now()));
    node.effects ??= this.#effectsOn(node);
    performActions(this.onAction === null ? actions : this.#shown(node, actions), node.effects);
    this.#written(node);
    this.#awaitTick(node);
    return actions;
  }

  // What is on the disk by now is told, and what is not yet is waited for.
  #written(node: SimNode): void {
    for (const ticket of node.store.advance(this.clock.now())) this.event(node, { kind: "stored", ticket });
    const { nextAt } = node.store;
    if (nextAt !== Infinity && nextAt !== node.writtenAt) this.#writes.push(nextAt, node);
    node.writtenAt = nextAt;
  }

  // What it says leaves at once, and what comes next waits.
  #work(node: SimNode, event: ControlEvent, cost: Cost): void {
    const { inbox } = node;
    inbox.workingUntil = Infinity; // what it tells itself comes after this, too
    const ms = cost(event, this.#handle(node, event));
    const at = inbox.workingUntil = this.clock.now() + ms;
    if (node.plane !== null) this.#turns.push(at, { node, at, tick: false });
  }

  // The next event of a slow processor that is done with one.
  #goOn(node: SimNode, at: number): void {
    if (node.plane === null || node.inbox.workingUntil !== at) return;
    const next = node.inbox.shift();
    if (next !== undefined) this.#work(node, next, node.cost ?? NO_COST);
  }

  *#shown(node: SimNode, actions: readonly Action[]): Iterable<Action> {
    for (const action of actions) {
      this.onAction?.(node, action);
      yield action;
    }
  }

  /** The incarnation of this node that the others have heard of. */
  incarnationOf(node: SimNode): number {
    return this.memo.incarnationOf(node.identity.id);
  }

  view(node: SimNode): NodeView {
    if (node.plane === null) throw new Error(`${node.name} is not running`);
    return node.plane.view(this.clock.now());
  }

  get runningSize(): number {
    return this.nodes.reduce((sum, { plane }) => plane === null ? sum : sum + 1, 0);
  }

  get running(): SimNode[] {
    return this.nodes.filter((n) => n.plane !== null);
  }

  /** Lets `ms` of time pass. */
  run(ms: number): void {
    this.runUntil(() => false, ms);
  }

  /** Lets time pass until `done`, looked at every 100 ms; false when `ms` were not enough. */
  runUntil(done: () => boolean, ms: number): boolean {
    const end = this.clock.now() + ms;
    for (;;) {
      const [starts, arrives, turns] = [this.#starts.nextAt, this.network.nextArrival(), this.#turns.nextAt];
      const writes = this.#writes.nextAt;
      const next = Math.min(starts, arrives, turns, writes, this.#lookAt);
      if (next > end) {
        this.clock.advanceTo(end);
        return done();
      }
      this.clock.advanceTo(next);
      if (starts <= next) this.start(this.#starts.pop()!);
      else if (writes <= next) this.#written(this.#writes.pop()!);
      else if (arrives <= next) this.#deliver();
      else if (turns <= next) this.#turn(next);
      else {
        this.#lookAt = next + LOOK_MS;
        this.#resolve();
        if (done()) return true;
      }
    }
  }

  #turn(now: number): void {
    const { node, at, tick } = this.#turns.pop()!;
    if (!tick) return this.#goOn(node, at);
    if (node.nextTick !== at || node.plane === null) return;
    node.nextTick = Infinity;
    if (node.time(now) < node.plane.dueAt) return this.#awaitTick(node); // it was put off
    if (node.cost !== null && node.inbox.workingUntil > now) node.inbox.ticked = true;
    else this.event(node, { kind: "tick" });
  }

  endpointOf(nameOrEndpoint: string): string {
    return this.#addresses.named(nameOrEndpoint)?.endpoint ?? nameOrEndpoint;
  }

  #deliver(): void {
    const datagram = this.network.take();
    if (datagram === undefined) return;
    const alias = this.aliases.get(datagram.to);
    const node = alias?.node ?? this.#addresses.at(datagram.to);
    const { bytes, from } = datagram;
    if (this.filter?.(from, datagram.to) === false) return;
    if (node === undefined) return this.#deliverByWay(datagram.to, from, bytes, datagram.at);
    if (node.plane === null) return;
    const at = node.time(datagram.at);
    if (node.busyUntil > this.clock.now()) return this.network.hold(datagram, node.busyUntil);
    const called = alias?.tells ? { to: addressOf(datagram.to) } : {};
    if (node.sealed !== null && this.#deliverSealed(node, bytes, from, at)) return;
    if (bytes[0] === TYPE_PROBE && decodeProbe(bytes, 0, bytes.length) === PROBE_ASK) {
      if (this.deaf.has(node.name)) return;
      answerProbe(bytes, 0, 0);
      const local = called.to;
      this.network.send(this.clock.now(), this.#sourceOf(node, from, local), from, bytes.slice(0, PROBE_LEN));
      return;
    }
    this.event(node, { kind: "datagram", bytes, from, at, ...called });
  }

  /** As a daemon: an answer leaves from the address that was called, the rest by which the peer calls. */
  #sourceOf(node: SimNode, to: string, local = node.plane?.called(to)): string {
    const source = local === undefined ? node.endpoint : `${local}:8473`;
    return this.aliases.get(source)?.node === node ? source : node.endpoint;
  }

  // Answers come with the next look, for the life that asked.
  #resolve(): void {
    if (this.#resolved.length === 0) return;
    for (const { node, plane, name } of this.#resolved.splice(0)) {
      if (node.plane !== plane) continue;
      this.event(node, { kind: "resolved", name, endpoints: this.dns.get(name) ?? [] });
    }
  }

  // To the VXLAN port of a host, or to an overlay address by a direct route.
  #deliverByWay(to: string, from: string, bytes: Uint8Array, at: number): void {
    if (this.host === null) return;
    const overlay = this.running.find((n) => `${this.view(n).own.address}:8473` === to);
    if (overlay !== undefined) return this.event(overlay, { kind: "datagram", bytes, from, at });
    const host = this.#addresses.host(addressOf(to));
    const node = host?.plane === null ? undefined : host;
    const frame = VXLAN_LEN + ETHERNET_LEN;
    const probe = node === undefined ? -1 : wayProbeAt(bytes, frame, bytes.length);
    if (node === undefined || probe < 0) return;
    if (decodeProbe(bytes, probe, bytes.length) !== PROBE_WAY_ASK) {
      return this.event(node, { kind: "datagram", bytes: bytes.slice(probe), from, at });
    }
    if (this.deaf.has(node.name)) return;
    const nonce = [probeNonceHigh(bytes, probe), probeNonceLow(bytes, probe)] as const;
    encodeWayProbe(bytes, probe, PROBE_WAY_ANSWER, 0, ...nonce);
    const length = VXLAN_LEN + answerVxlanFrame(bytes, VXLAN_LEN, probe, new Uint8Array(6));
    this.#sendByWay(node, from, bytes.slice(0, length), "vxlan");
  }

  #sendByWay(node: SimNode, to: string, bytes: Uint8Array, by: "vxlan" | "direct"): void {
    if (this.swallows(node, by, bytes)) return;
    const from = by === "vxlan" ? `${addressOf(node.endpoint)}:8472` : `${this.view(node).own.address}:8473`;
    this.network.send(this.clock.now(), from, to, bytes);
  }

  /** What the daemon of this node would decide now. */
  wanted(node: SimNode): Wanted {
    return wantedFrom(this.view(node), node.settings, this.host!);
  }

  /** A packet of data from one node to another over their session; false when there is none to send it on. */
  sendData(node: SimNode, to: SimNode, bytes: Uint8Array): boolean {
    const sent = node.sessions.data(to.identity.id, bytes);
    if (sent !== null) this.network.send(this.clock.now(), node.endpoint, sent.to, sent.bytes);
    return sent !== null;
  }

  // What a data plane does in a sealed mesh; false: it hands the datagram up as it is.
  #deliverSealed(node: SimNode, bytes: Uint8Array, from: string, at: number): boolean {
    const now = this.clock.now();
    const flags = decodeData(bytes, 0, bytes.length);
    if (flags >= 0) {
      if ((flags & DATA_PLAIN) !== 0) return true;
      const opened = node.sessions.open(bytes, from, at);
      for (const { to, bytes: answer } of this.deaf.has(node.name) ? [] : opened.answers) {
        this.network.send(now, this.#sourceOf(node, to), to, answer);
      }
      if (opened.data !== null) node.delivered.push(opened.data);
      for (const event of opened.events) this.event(node, event);
      return true;
    }
    if (bytes[0] !== TYPE_HANDSHAKE && bytes[0] !== TYPE_COOKIE) return bytes[0] === TYPE_PROBE;
    const verdict = node.gate.check(bytes, 0, bytes.length, () => from, now);
    if (verdict === "cookie") this.network.send(now, node.endpoint, from, bytes.slice(0, REPLY_LEN));
    if (verdict === "bad-mac") {
      const question = bytes[0] === TYPE_HANDSHAKE && bytes.length >= REPLY_LEN;
      this.event(node, { kind: "badMac", from, question });
    }
    return verdict !== "pass";
  }

  #effectsOn(node: SimNode): Effects {
    return {
      sessions: this.#sessionsOf(node),
      send: (datagram) => this.#send(node, datagram),
      saveState: (asked) => {
        node.persists++;
        node.store.forgets = !this.keeps.disks;
        node.store.saveState(asked, this.clock.now());
      },
      remember: (kept, whole) => {
        node.store.forgets = !this.keeps.disks;
        node.store.remember(kept, whole, this.clock.now());
      },
      saveSecrets: (secrets) => {
        const kept = secrets.map(copyOf);
        // What its next life starts with (daemon/planes/sealed_parts.ts): the one in use first.
        const usedFirst = [...kept].sort((a, b) => Number(b.used) - Number(a.used));
        const keys = usedFirst.map(({ secret }) => secret.keys(node.settings.networkName));
        node.sealed = { ...node.sealed!, secrets: kept, keys };
      },
      resolve: (name) => {
        this.lookups.push(name);
        this.#resolved.push({ node, plane: node.plane, name });
      },
      reconcile: () => {
        node.reconciles++;
        if (this.host === null || node.plane === null) return;
        this.event(node, { kind: "ways", ways: this.wanted(node).ways });
      },
      leaseChanged: ({ from, to }) => node.leases.push({ at: this.clock.now(), from, to }),
      log: (level, message) => {
        if (this.keeps.logs > 0) node.logs.push({ at: this.clock.now(), level, message });
        if (node.logs.length > 2 * this.keeps.logs) node.logs = node.logs.slice(-this.keeps.logs);
      },
      refuse: (message) => {
        node.refusal = message;
        this.stop(node);
      },
      released: () => {
        node.released = true;
        this.stop(node);
      },
    };
  }

  #sessionsOf(node: SimNode): SessionEffects {
    return {
      install: (session) => node.sessions.install(session),
      confirm: (receiveIndex) => node.sessions.confirm(receiveIndex),
      drop: (_, receiveIndex) => node.sessions.drop(receiveIndex),
      seal: (receiveIndex, bytes) => {
        const sealed = node.sessions.seal(receiveIndex, bytes);
        if (sealed !== null || node.cost !== null) return sealed; // a slow one hears late which session is used
        throw new Error(`${node.name} speaks on a session that its data plane does not have`);
      },
      setGate: (keys) => node.gate.setKeys(keys.map(({ macKey }) => macKey.slice())),
    };
  }

  #send(node: SimNode, datagram: SendAction): void {
    const { to, bytes, by } = datagram;
    if (by === "vxlan" || by === "direct") return this.#sendByWay(node, to, bytes, by);
    if (this.swallows(node, "own", bytes)) return;
    const local = by === undefined ? datagram.local : undefined;
    this.network.send(this.clock.now(), this.#sourceOf(node, to, local), to, bytes);
  }
}

// As a file would keep it: what the plane wipes later stays.
function copyOf({ secret, generation, used }: HeldSecret): HeldSecret {
  return { secret: NetworkSecret.parse(secret.text(), ""), generation, used };
}

/** Confirmed, each with a subnet of its own, all in one mesh, all seeing one another alive over a link. */
export function oneMesh(world: World, nodes = world.running): boolean {
  return whyNotOneMesh(world, nodes) === null;
}

/** What is missing for oneMesh, for a test's message. */
export function whyNotOneMesh(world: World, nodes = world.running): string | null {
  const views = nodes.map((n) => world.view(n));
  const subnets = new Set<string>();
  for (const v of views) {
    if (v.own.leaseState !== "confirmed" || v.own.subnet === null) {
      return `${v.own.name} is ${v.own.leaseState}`;
    }
    if (v.own.mesh?.network.text !== views[0]!.own.mesh?.network.text) {
      return `${v.own.name} has ${v.own.mesh?.network}`;
    }
    if (subnets.has(v.own.subnet.text)) return `${v.own.subnet} is held twice`;
    subnets.add(v.own.subnet.text);
  }
  for (const v of views) {
    // BOUNDED: one per peer
    const peers = new Map(v.peers.map((peer) => [peer.id, peer]));
    for (const other of views) {
      if (other === v) continue;
      const peer = peers.get(other.own.id);
      if (peer === undefined) return `${v.own.name} does not know ${other.own.name}`;
      if (peer.state !== "alive") return `${v.own.name} holds ${other.own.name} for ${peer.state}`;
      if (peer.endpoint === null) return `${v.own.name} has no link to ${other.own.name}`;
      if (!samePrefix(peer.subnet, other.own.subnet)) {
        return `${v.own.name} has ${peer.subnet} for ${other.own.name}`;
      }
    }
  }
  return null;
}

/** Two nodes that use one subnet at this moment, or null. */
export function doubleUse(world: World, nodes = world.running): string | null {
  // BOUNDED: one per node
  const holders = new Map<string, string>();
  for (const node of nodes) {
    const { own } = world.view(node);
    if (own.leaseState !== "confirmed" || own.subnet === null || own.mesh === null) continue;
    const key = own.subnet.text;
    if (holders.has(key)) return `${own.subnet}: ${holders.get(key)} and ${own.name}`;
    holders.set(key, own.name);
  }
  return null;
}
