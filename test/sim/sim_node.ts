/**
 * A simulated host: what it is given, what it keeps on disk, what its data plane has, and what a test can read off it. Its clock
 * may run at another rate than the world's, and its processor may be slow: then events wait for one another.
 */

import type { Settings } from "../../src/control/mesh/mesh_config.ts";
import type { ControlPlane } from "../../src/control/node/node.ts";
import { type HostSight, NO_SIGHT } from "../../src/control/node/outside.ts";
import type { SealedSetup } from "../../src/control/links/sealed_links.ts";
import type { Random } from "../../src/ports/time.ts";
import type { Action, ControlEvent, Effects } from "../../src/control/outbox/events.ts";
import type { Identity } from "../../src/crypto/identity.ts";
import type { HandshakeGate } from "../../src/dataplane/tables/handshake_gate.ts";
import { GOSSIP_WAITS_MAX, HANDSHAKES_WAIT_MAX } from "../../src/dataplane/tables/backlog.ts";
import { TYPE_HELLO } from "../../src/wire/datagram.ts";
import { addressOf } from "../../src/wire/address.ts";
import { FakeSessions } from "../fakes/fake_sessions.ts";
import { SimDisk } from "../fakes/sim_disk.ts";

/** How long the processor of a host is busy with one event, ms. */
export type Cost = (event: ControlEvent, actions: readonly Action[]) => number;

/** A host's clock beside the world's. */
export interface Skew {
  readonly rate: number;
  readonly offset: number;
}

/** What a host is given. */
interface Host {
  readonly name: string;
  readonly endpoint: string;
  readonly identity: Identity;
  readonly settings: Settings;
  readonly seeds: readonly string[];
  readonly gate: HandshakeGate;
}

export class SimNode {
  readonly name: string;
  identity: Identity;
  settings: Settings;
  seeds: readonly string[];
  plane: ControlPlane | null = null;
  /** Keys and ciphers, when its mesh is sealed. */
  sealed: SealedSetup | null = null;
  /** What its data plane has of sessions, and its gate. */
  sessions = new FakeSessions();
  gate: HandshakeGate;
  /** Payloads that its data plane delivered. */
  readonly delivered: Uint8Array[] = [];
  /** Its dice; null: the world's. */
  random: Random | null = null;
  /** What it sees of its host. */
  sight: HostSight = NO_SIGHT;
  /** Its disk. */
  readonly store = new SimDisk();
  nextTick = Infinity;
  /** When its next write is on disk, as the world knows. */
  writtenAt = Infinity;
  /** Until then nothing of it runs, not even its data plane. */
  busyUntil = 0;
  skew: Skew = { rate: 1, offset: 0 };
  /** Null: its processor takes no time. */
  cost: Cost | null = null;
  readonly inbox = new Inbox();
  /** What the actions of its present life do. */
  effects: Effects | null = null;
  logs: { readonly at: number; readonly level: string; readonly message: string }[] = [];
  readonly leases: { readonly at: number; readonly from: string | null; readonly to: string | null }[] = [];
  refusal: string | null = null;
  released = false;
  reconciles = 0;
  persists = 0;
  readonly #addresses: Addresses;
  #endpoint: string;

  constructor(host: Host, addresses: Addresses) {
    this.name = host.name;
    this.identity = host.identity;
    this.settings = host.settings;
    this.seeds = host.seeds;
    this.gate = host.gate;
    this.#endpoint = host.endpoint;
    this.#addresses = addresses;
    addresses.add(this);
  }

  /** What is on its disk, as text. */
  get disk(): string | null {
    return this.store.text;
  }

  set disk(text: string | null) {
    this.store.text = text;
  }

  get endpoint(): string {
    return this.#endpoint;
  }

  set endpoint(endpoint: string) {
    this.#endpoint = endpoint;
    this.#addresses.moved();
  }

  /** The world's time on this host's clock. */
  time(at: number): number {
    return at * this.skew.rate + this.skew.offset;
  }

  /** The time on this host's clock in the world's; where it is skewed, no earlier than that. */
  when(time: number): number {
    const { rate, offset } = this.skew;
    return rate === 1 && offset === 0 ? time : (time - offset) / rate + 1e-3;
  }
}

/** Events that wait for a slow processor, the first first, and whether a tick does. */
export class Inbox {
  #events: ControlEvent[] = [];
  #taken = 0;
  workingUntil = 0;
  ticked = false;
  /** The most that ever waited, and how many were dropped. */
  longest = 0;
  dropped = 0;

  get size(): number {
    return this.#events.length - this.#taken;
  }

  /** As the Workers of a daemon: while so many wait, what is told again anyway is dropped. */
  push(event: ControlEvent): void {
    if (this.size >= waitsMax(event)) {
      this.dropped++;
      return;
    }
    this.#events.push(event);
    this.longest = Math.max(this.longest, this.size);
  }

  /** A tick goes first, as a timer does. */
  shift(): ControlEvent | undefined {
    if (this.ticked) {
      this.ticked = false;
      return { kind: "tick" };
    }
    const event = this.#events[this.#taken];
    if (event !== undefined) this.#taken++;
    if (this.#taken > 1024 && this.#taken * 2 > this.#events.length) {
      this.#events = this.#events.slice(this.#taken);
      this.#taken = 0;
    }
    return event;
  }

  clear(): void {
    this.#events = [];
    this.#taken = this.workingUntil = 0;
    this.ticked = false;
  }
}

function waitsMax(event: ControlEvent): number {
  if (event.kind === "sessionMessage") return GOSSIP_WAITS_MAX;
  if (event.kind !== "datagram") return Infinity;
  return event.bytes[0]! <= TYPE_HELLO ? HANDSHAKES_WAIT_MAX : GOSSIP_WAITS_MAX;
}

/** Which node is where: of several at one endpoint the one that was added first. */
export class Addresses {
  readonly #nodes: SimNode[] = [];
  // BOUNDED: one per node
  readonly #byName = new Map<string, SimNode>();
  readonly #byEndpoint = new Map<string, SimNode>();
  readonly #byAddress = new Map<string, SimNode>();
  #stale = false;

  add(node: SimNode): void {
    this.#nodes.push(node);
    if (!this.#byName.has(node.name)) this.#byName.set(node.name, node);
    this.#enter(node);
  }

  /** A node has another endpoint. */
  moved(): void {
    this.#stale = true;
  }

  named(name: string): SimNode | undefined {
    return this.#byName.get(name);
  }

  at(endpoint: string): SimNode | undefined {
    this.#renew();
    return this.#byEndpoint.get(endpoint);
  }

  /** The host with this address, whatever the port. */
  host(address: string): SimNode | undefined {
    this.#renew();
    return this.#byAddress.get(address);
  }

  #renew(): void {
    if (!this.#stale) return;
    this.#stale = false;
    this.#byEndpoint.clear();
    this.#byAddress.clear();
    for (const node of this.#nodes) this.#enter(node);
  }

  #enter(node: SimNode): void {
    const address = addressOf(node.endpoint);
    if (!this.#byEndpoint.has(node.endpoint)) this.#byEndpoint.set(node.endpoint, node);
    if (!this.#byAddress.has(address)) this.#byAddress.set(address, node);
  }
}
