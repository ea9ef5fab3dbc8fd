/**
 * What is looked at during a chaos run: the world as the lab made it, the flows, the leases, and at the end what the hosts
 * told. Everything that does not hold goes to the timeline as a violation.
 */
import { readFileSync } from "node:fs";
import type { FlowJudge } from "./flow_judge.ts";
import { type Contacts, Flows } from "./flows.ts";
import { type Holding, LeaseJudge, seconds } from "./lease_judge.ts";
import { LeaseWatch } from "./lease_watch.ts";
import { untold } from "./life.ts";
import type { ChaosScene } from "./scene.ts";
import { StarvationWatch } from "./starvation.ts";
import type { Cut } from "./schedule.ts";
import { type Regrouped, World } from "./world.ts";

/** A gap in our own turns after which nothing is known of the flows: the whole machine stood still. */
const STALL_MS = 2000;
/** What happened to a host so long before its lease changed may be why. */
const CAUSE_MS = 15_000;
/** Starvation that comes again so soon is the same. */
const CALM_MS = 10_000;

export class Checks {
  readonly world: World;
  readonly #scene: ChaosScene;
  readonly #leases: LeaseJudge;
  readonly #flows: Flows;
  readonly #watch: LeaseWatch;
  /** When something last happened to a host. BOUNDED: one per host */
  readonly #happened = new Map<string, number>();
  readonly #starvation = new StarvationWatch();
  #starvedAt = -Infinity;
  #starvedSeconds = 0;
  #steppedAt = performance.now();
  #conflicts = 0;
  #yields = 0;
  #longestConflictMs = 0;

  /** All hosts of the scene run and are one mesh. `probationMs`: of a claim there. */
  constructor(scene: ChaosScene, probationMs: number) {
    this.#scene = scene;
    const now = performance.now();
    this.world = new World(scene.hosts.map((host) => host.name), now);
    for (const { name } of scene.hosts) this.world.set(name, { running: true }, now);
    this.#leases = new LeaseJudge(this.world, probationMs);
    this.#watch = new LeaseWatch(scene.hosts, this.world, {
      leaseChanged: (host, from, to) => this.#leaseChanged(host, from, to),
      leaseLost: (host, state) => this.#leaseLost(host, state),
      seen: (holdings) => this.#seen(holdings),
    });
    this.#flows = new Flows(scene, this.world);
  }

  /** What all came to. */
  get sums(): {
    readonly conflicts: { readonly count: number; readonly connectedSeconds: number };
    readonly yields: number;
    readonly starvedSeconds: number;
    readonly echoes: FlowJudge["counts"];
    readonly contacts: Contacts;
  } {
    const connectedSeconds = Math.round(this.#longestConflictMs) / 1000;
    return {
      conflicts: { count: this.#conflicts, connectedSeconds },
      yields: this.#yields,
      starvedSeconds: this.#starvedSeconds,
      echoes: this.#flows.counts,
      contacts: this.#flows.contacts,
    };
  }

  /** When other programs last kept the hosts from running; -Infinity: never. */
  get starvedAt(): number {
    return this.#starvedAt;
  }

  get inConflict(): boolean {
    return this.#leases.conflicts > 0;
  }

  /** What any host held when last seen. */
  lastHeld(): Set<string> {
    return this.#watch.lastHeld();
  }

  /** Whether another that hears it, and is heard by it, has a lease. */
  hasMemberBeside(host: string): boolean {
    const { world } = this;
    return [...this.#watch.addresses().keys()].some((other) =>
      other !== host && world.connection(host, other) !== null
    );
  }

  /** Node id of a host, as last seen. */
  idOf(host: string): string | null {
    return this.#watch.idOf(host);
  }

  /** Looks at everything. */
  step(now: number): void {
    const gap = now - this.#steppedAt;
    this.#steppedAt = now;
    if (gap > STALL_MS) {
      const text = `this machine stood still for ${seconds(gap)}: flows do not count`;
      this.#scene.timeline.note(now, "stall", text);
      for (const name of this.world.names) this.#flows.disturb(name, null, now, now - gap);
    }
    this.#lookForStarved(now);
    this.#watch.step(now);
    this.#flows.step(this.#watch.addresses(), now);
  }

  /** Something is done to a host. */
  happens(name: string, change: Parameters<World["set"]>[1], now: number): void {
    this.world.set(name, change, now);
    this.#flows.disturb(name, null, now);
    this.#happened.set(name, now);
  }

  /** The sides are others now. */
  regroup(sides: readonly (readonly string[])[], now: number): void {
    this.#regrouped(this.world.split(sides, now), now);
  }

  /** The way from some hosts to others breaks, or is mended. */
  cut(cut: Cut, mended: boolean, now: number): void {
    this.#regrouped(this.world.cut(cut, mended, now), now);
  }

  /** These lose packets from now on, and no others. */
  lose(hosts: readonly string[], now: number): void {
    for (const a of this.world.names) {
      for (const b of this.world.names) {
        if (a < b && !this.world.isClean(a, b)) this.#flows.disturb(a, b, now);
      }
    }
    this.world.lose(hosts);
    for (const name of hosts) {
      this.#flows.disturb(name, null, now);
      this.#happened.set(name, now);
    }
  }

  /** The cable of a host was taken out and put in elsewhere. */
  moved(name: string, now: number): void {
    this.#flows.disturb(name, null, now);
  }

  /** No more echoes; judges those that are still on their way, and what the hosts told. */
  async conclude(): Promise<void> {
    await this.#watch.settled();
    await this.#watch.ask();
    await this.#flows.conclude();
    const now = performance.now();
    for (const host of this.#scene.hosts) {
      const hook = readText(host.hookLog);
      for (const life of host.lives) {
        for (const complaint of untold(life, { log: readText(life.logFile), hook })) {
          this.#scene.timeline.violation(now, complaint);
        }
      }
      const lease = host.lives.at(-1)?.leases.at(-1) ?? "none";
      const written = leaseInSubnetEnv(host.subnetEnv());
      if (written === lease) continue;
      this.#scene.timeline.violation(now, `subnet.env of ${host.name} has ${written}, its lease is ${lease}`);
    }
  }

  close(): void {
    this.#flows.close();
  }

  #regrouped({ apart, connected }: Regrouped, now: number): void {
    for (const [a, b] of [...apart, ...connected]) {
      this.#flows.disturb(a, b, now);
      for (const name of [a, b]) this.#happened.set(name, now);
    }
    const { world } = this;
    // Who has no lease yet cannot be reached, whatever healed.
    const holders = this.#watch.addresses();
    const ready = connected.filter(([a, b]) =>
      world.connection(a, b) !== null && world.isClean(a, b) && holders.has(a) && holders.has(b)
    );
    this.#flows.healed(ready, now);
  }

  #lookForStarved(now: number): void {
    const starved = this.#starvation.step(() => this.#pids(), now);
    if (starved.length === 0) return;
    if (now - this.#starvedAt > CALM_MS) {
      const text = `other programs keep the processors busy; what ${
        starved.join(", ")
      } did meanwhile does not count`;
      this.#scene.timeline.note(now, "starved", text);
    }
    this.#starvedAt = now;
    this.#starvedSeconds += starved.length;
    for (const name of starved) {
      this.world.starved(name, now);
      this.#flows.starved(name, now);
    }
  }

  #pids(): Map<string, number> {
    const up = this.#scene.hosts.filter(({ name, daemon }) => daemon !== null && this.world.isUp(name));
    return new Map(up.map(({ name, daemon }) => [name, daemon!.pid]));
  }

  #leaseChanged(host: string, from: string | null, to: string): void {
    const now = performance.now();
    if (from !== null) {
      this.#yields++;
      this.#disturbByLease(host, now);
    }
    this.#scene.timeline.note(now, "lease", from === null ? to : `${from} → ${to}`, host);
  }

  #leaseLost(host: string, state: string): void {
    const now = performance.now();
    this.#disturbByLease(host, now);
    this.#scene.timeline.note(now, "lease", `none: ${state}`, host);
  }

  #disturbByLease(host: string, now: number): void {
    const cause = this.#happened.get(host) ?? -Infinity;
    this.#flows.disturb(host, null, now, now - cause < CAUSE_MS ? cause : now);
  }

  #seen(holdings: readonly Holding[]): void {
    const now = performance.now();
    for (const { kind, text, connectedMs } of this.#leases.observe(holdings, now)) {
      if (kind === "violation") this.#scene.timeline.violation(now, text);
      else this.#scene.timeline.note(now, kind, text);
      if (kind === "conflict") this.#conflicts++;
      this.#longestConflictMs = Math.max(this.#longestConflictMs, connectedMs);
    }
  }
}

/** "" when nothing was ever written. */
export function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** "10.42.7.0/24" from FLANNEL_SUBNET=10.42.7.1/24. */
function leaseInSubnetEnv(text: string): string {
  const subnet = /^FLANNEL_SUBNET=(\d+\.\d+\.\d+)\.1(\/24)$/m.exec(text);
  return subnet === null ? JSON.stringify(text.trim()) : `${subnet[1]}.0${subnet[2]}`;
}
