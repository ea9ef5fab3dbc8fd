/**
 * One chaos run from the formed mesh to the last look: performs the steps at their times, keeps the world, feeds the judges
 * and writes the timeline. Steps for one host follow one another, also where one takes a while.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { callApi } from "../../api/client.ts";
import { SOCKET_NAME, type Status } from "../../api/schema.ts";
import { disagreements, isWhole, whatLacks } from "../formation.ts";
import type { Topology } from "../topology.ts";
import type { ChaosHost } from "./chaos_host.ts";
import { FlowJudge, type FlowLoss, LOST_AFTER_MS } from "./flow_judge.ts";
import { type Holding, LeaseJudge, seconds } from "./lease_judge.ts";
import { LeaseWatch } from "./lease_watch.ts";
import { untold } from "./life.ts";
import { Prober } from "./prober.ts";
import { type ChaosStep, type HostStep, MAX_SIDES } from "./schedule.ts";
import type { Timeline } from "./timeline.ts";
import { wiring } from "./wiring.ts";
import { World } from "./world.ts";

const TURN_MS = 25;
/** A gap in our own turns after which nothing is known of the flows: the whole machine stood still. */
const STALL_MS = 2000;
/** What happened to a host so long before its lease changed may be why. */
const CAUSE_MS = 15_000;
/** How long the mesh gets, after all was healed, until all have a path to all. */
const SETTLE_MS = 40_000;
const SETTLE_PER_HOST_MS = 1000;
const LOG_LINES = 12;

export interface ChaosScene {
  readonly hosts: readonly ChaosHost[];
  readonly topology: Topology;
  /** All that can be leased. */
  readonly subnets: readonly string[];
  readonly timeline: Timeline;
  readonly stop: AbortSignal;
}

export class ChaosRun {
  readonly #scene: ChaosScene;
  readonly #world: World;
  readonly #leases: LeaseJudge;
  readonly #flows = new FlowJudge();
  readonly #watch: LeaseWatch;
  readonly #prober: Prober;
  /** What is under way for each host. BOUNDED: one per host */
  readonly #chains = new Map<string, Promise<void>>();
  /** Nodes that left and may not have been heard. BOUNDED: one per step of that kind */
  readonly #departed = new Map<string, string>();
  /** Where the cable of each host is. BOUNDED: one per host */
  readonly #bridges: Map<string, number>;
  /** What nobody held when the present split began, and how many have joined anew on each side since. BOUNDED: MAX_SIDES */
  #free: string[] = [];
  readonly #joined = new Map<number, number>();
  /** When something last happened to a host. BOUNDED: one per host */
  readonly #happened = new Map<string, number>();
  readonly done: Record<string, number> = {};
  #turnAt = performance.now();
  conflicts = 0;
  yields = 0;
  /** The longest that a conflict lasted among connected hosts, ms. */
  longestConflictMs = 0;

  /** All hosts of the scene run and are one mesh. `probationMs`: of a claim there. */
  constructor(scene: ChaosScene, probationMs: number) {
    this.#scene = scene;
    const now = performance.now();
    this.#world = new World(scene.hosts.map((host) => host.name), now);
    for (const { name } of scene.hosts) this.#world.set(name, { running: true }, now);
    this.#bridges = new Map(scene.hosts.map(({ name }) => [name, 0]));
    this.#leases = new LeaseJudge(this.#world, probationMs);
    this.#watch = new LeaseWatch(scene.hosts, this.#world, {
      leaseChanged: (host, from, to) => this.#leaseChanged(host, from, to),
      leaseLost: (host, state) => this.#leaseLost(host, state),
      seen: (holdings) => this.#seen(holdings),
    });
    this.#prober = new Prober(scene.hosts.map(({ host }) => host), this.#world, this.#flows);
  }

  get echoes(): FlowJudge["counts"] {
    return this.#flows.counts;
  }

  close(): void {
    this.#prober.close();
  }

  /** Performs the steps; ends at `endMs`, counted from now. */
  async perform(steps: readonly ChaosStep[], endMs: number): Promise<void> {
    const began = performance.now();
    let next = 0;
    for (;;) {
      const now = await this.#turn();
      while (next < steps.length && steps[next]!.at <= now - began) this.#perform(steps[next++]!, now);
      if (now - began >= endMs && next === steps.length) return;
    }
  }

  /** Heals all that is left and waits until all have a path to all. Null: they have not, which is a violation. */
  async settle(): Promise<Status[] | null> {
    await this.#whileTurning(Promise.all(this.#chains.values()));
    const { hosts, timeline } = this.#scene;
    const began = performance.now();
    timeline.note(began, "healed", "all run on one side");
    for (const host of hosts) {
      if (host.full) this.#do(host, "empty", began);
      if (!host.hasDaemon) this.#do(host, "start", began);
    }
    const until = began + SETTLE_MS + hosts.length * SETTLE_PER_HOST_MS;
    for (;;) {
      await this.#whileTurning(this.#forgetDeparted());
      const statuses = await this.#whileTurning(Promise.all(hosts.map((host) => host.status())));
      const lacks = this.#lacks(statuses);
      const now = performance.now();
      if (lacks.length === 0) {
        timeline.note(
          now,
          "whole",
          `all have paths to all and agree, ${seconds(now - began)} after the last healing`,
        );
        return statuses as Status[];
      }
      if (now > until) {
        timeline.violation(
          now,
          `Not whole ${seconds(now - began)} after the last healing:\n${lacks.join("\n")}`,
        );
        return null;
      }
      await this.#whileTurning(sleep(250));
    }
  }

  /** No more echoes; judges those that are still on their way, and what the hosts told. */
  async conclude(): Promise<void> {
    await this.#watch.settled();
    await this.#watch.ask();
    for (const end = performance.now() + LOST_AFTER_MS; performance.now() < end; await sleep(TURN_MS)) {
      this.#prober.receive(performance.now());
      if (!this.#flows.mayStillAnswer(performance.now())) break;
      this.#scene.stop.throwIfAborted();
    }
    const now = performance.now();
    this.#tellLosses(this.#flows.judge(now, true));
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

  // ------------------------------------------------------------------------------------- turns

  /** Lets a little time pass, and looks at everything. Throws when the lab is to stop. */
  async #turn(): Promise<number> {
    await sleep(TURN_MS);
    this.#scene.stop.throwIfAborted();
    const now = performance.now();
    const gap = now - this.#turnAt;
    this.#turnAt = now;
    if (gap > STALL_MS) {
      this.#scene.timeline.note(
        now,
        "stall",
        `this machine stood still for ${seconds(gap)}: flows do not count`,
      );
      for (const name of this.#world.names) this.#flows.disturb(name, null, now, now - gap);
    }
    this.#lookForEnds(now);
    this.#watch.step(now);
    this.#prober.step(this.#watch.addresses(), now);
    this.#tellLosses(this.#flows.judge(now));
    return now;
  }

  async #whileTurning<T>(work: Promise<T>): Promise<T> {
    let pending = true;
    const settled = work.finally(() => pending = false);
    settled.catch(() => {}); // awaited below
    while (pending) await this.#turn();
    return await settled;
  }

  #lookForEnds(now: number): void {
    for (const host of this.#scene.hosts) {
      if (this.#chains.has(host.name)) continue; // it is being ended, or started
      const end = host.takeEnd();
      if (end === null) continue;
      this.#world.set(host.name, { running: false }, now);
      this.#flows.disturb(host.name, null, now);
      const log = readText(host.lives.at(-1)!.logFile).trimEnd().split("\n").slice(-LOG_LINES).join("\n");
      if (host.full) this.#scene.timeline.note(now, "ended", `its disk is full (${end})`, host.name);
      else this.#scene.timeline.violation(now, `The daemon of ${host.name} ended by itself (${end})\n${log}`);
    }
  }

  // ------------------------------------------------------------------------------------- steps

  #perform(step: ChaosStep, now: number): void {
    this.done[step.kind] = (this.done[step.kind] ?? 0) + 1;
    if (step.kind === "split" || step.kind === "heal") return this.#regroup(step, now);
    this.#do(this.#scene.hosts.find(({ name }) => name === step.host)!, step.kind, now);
  }

  #regroup(step: ChaosStep & { kind: "split" | "heal" }, now: number): void {
    const sides = step.kind === "split" ? step.sides : [this.#world.names];
    const held = this.#watch.lastHeld();
    this.#free = this.#scene.subnets.filter((subnet) => !held.has(subnet));
    this.#joined.clear();
    const bridges = wiring(sides, this.#bridges, MAX_SIDES);
    for (const { name, moveTo } of this.#scene.topology.hosts) {
      const bridge = bridges.get(name)!;
      if (bridge === this.#bridges.get(name)) continue;
      moveTo(bridge);
      this.#bridges.set(name, bridge);
      this.#flows.disturb(name, null, performance.now());
    }
    for (const [a, b] of this.#world.split(sides, now)) {
      this.#flows.disturb(a, b, now);
      for (const name of [a, b]) this.#happened.set(name, now);
    }
    const text = sides.length === 1 ? "one side again" : sides.map((side) => side.join(" ")).join("  |  ");
    this.#scene.timeline.note(now, step.kind, text);
  }

  #do(host: ChaosHost, step: HostStep, now: number): void {
    const before = this.#chains.get(host.name);
    if (before === undefined && step !== "leave") return this.#now(host, step, now);
    const chain = (before ?? Promise.resolve())
      .then(() => step === "leave" ? this.#leave(host) : this.#now(host, step, performance.now()))
      .catch((error) =>
        this.#scene.timeline.violation(performance.now(), `Cannot ${step} ${host.name}: ${error}`)
      )
      .finally(() => {
        if (this.#chains.get(host.name) === chain) this.#chains.delete(host.name);
      });
    this.#chains.set(host.name, chain);
  }

  #now(host: ChaosHost, step: Exclude<HostStep, "leave">, now: number): void {
    const { name } = host;
    const note = (text: string) => this.#scene.timeline.note(now, step, text, name);
    switch (step) {
      case "kill":
        if (!host.hasDaemon) return;
        this.#happens(name, { running: false }, now);
        host.kill();
        return note("kill -9");
      case "start":
      case "restore":
        if (host.hasDaemon) return;
        if (step === "restore" && host.hasCopy && !host.full) host.restoreState();
        return this.#start(host, step, now);
      case "pause":
        if (!host.hasDaemon) return;
        this.#happens(name, { paused: true }, now);
        host.pause();
        return note("SIGSTOP");
      case "resume":
        if (!host.hasDaemon) return;
        host.resume();
        this.#happens(name, { paused: false }, now);
        return note("SIGCONT");
      case "copy":
        return host.copyState();
      case "fill":
        host.fill();
        return note("no byte is left for its state");
      case "empty":
        host.empty();
        note("its disk has room again");
        if (!host.hasDaemon) this.#now(host, "start", now);
    }
  }

  #start(host: ChaosHost, step: "start" | "restore", now: number): void {
    const { name } = host;
    const wish = host.isNew ? this.#wish(name) : null;
    host.start(this.#peersOf(name), wish === null ? [] : ["--subnet", wish]);
    this.#happens(name, { running: true }, now);
    const how = step === "restore"
      ? "with an older copy of its state"
      : wish === null
      ? ""
      : `anew, wishes ${wish}`;
    this.#scene.timeline.note(now, step, how, name);
  }

  /** Those who join on one side of a split wish for what those on the other side wish for. */
  #wish(name: string): string | null {
    if (this.#world.isWhole) return null;
    const side = this.#world.sideOf(name);
    const before = this.#joined.get(side) ?? 0;
    this.#joined.set(side, before + 1);
    return this.#free[before] ?? null;
  }

  async #leave(host: ChaosHost): Promise<void> {
    const { name } = host;
    if (!host.hasDaemon) return;
    const id = this.#watch.idOf(name);
    this.#happens(name, { running: false }, performance.now());
    if (id !== null) this.#departed.set(id, name);
    const release = await host.leave();
    const what = release === null ? "had no lease" : `gave back ${release.subnet} (${release.outcome})`;
    this.#scene.timeline.note(performance.now(), "leave", what, name);
  }

  #happens(name: string, change: Parameters<World["set"]>[1], now: number): void {
    this.#world.set(name, change, now);
    this.#flows.disturb(name, null, now);
    this.#happened.set(name, now);
  }

  #peersOf(name: string): string[] {
    return this.#scene.hosts.filter((host) => host.name !== name).map(({ host }) => host.underlay);
  }

  /** Time frees nothing: who left unheard keeps its lease until somebody says that it is gone. */
  async #forgetDeparted(): Promise<void> {
    const host = this.#scene.hosts.find(({ name, daemon }) => daemon !== null && this.#world.isUp(name));
    if (host?.daemon == null || this.#departed.size === 0) return;
    const socket = join(host.daemon.runDir, SOCKET_NAME);
    try {
      const leases = await callApi(socket, "leases", {});
      for (const { nodeId, subnet } of leases) {
        const name = this.#departed.get(nodeId);
        if (name === undefined) continue;
        await callApi(socket, "forget", { node: nodeId, revoke: false });
        const text = `${host.name} forgets the node that ${name} was, and so frees ${subnet}`;
        this.#scene.timeline.note(performance.now(), "forget", text);
      }
    } catch {
      // It has just begun to run; asked again with the next look.
    }
  }

  // ------------------------------------------------------------------------------------- what is seen

  #leaseChanged(host: string, from: string | null, to: string): void {
    const now = performance.now();
    if (from !== null) {
      this.yields++;
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
      if (kind === "conflict") this.conflicts++;
      this.longestConflictMs = Math.max(this.longestConflictMs, connectedMs);
    }
  }

  #tellLosses(losses: readonly FlowLoss[]): void {
    for (const { from, to, count, since } of losses) {
      const ago = seconds(performance.now() - since);
      const text =
        `${from} → ${to} lost ${count} echoes in a row, from ${ago} ago, though nothing happened to either`;
      this.#scene.timeline.violation(performance.now(), text);
    }
  }

  #lacks(statuses: readonly (Status | null)[]): string[] {
    const others = statuses.length - 1;
    const lacks = statuses.flatMap((status, i) => {
      if (status !== null && isWhole(status, others)) return [];
      return [`${this.#scene.hosts[i]!.name}${whatLacks(status)}`];
    });
    if (lacks.length > 0) return lacks;
    if (this.#leases.conflicts > 0) return ["two hosts hold one subnet"];
    return disagreements(statuses.filter((status) => status !== null));
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // nothing was ever written
  }
}

/** "10.42.7.0/24" from FLANNEL_SUBNET=10.42.7.1/24. */
function leaseInSubnetEnv(text: string): string {
  const subnet = /^FLANNEL_SUBNET=(\d+\.\d+\.\d+)\.1(\/24)$/m.exec(text);
  return subnet === null ? JSON.stringify(text.trim()) : `${subnet[1]}.0${subnet[2]}`;
}
