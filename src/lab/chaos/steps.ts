/**
 * The steps of a chaos run as they are done, to the underlay and to hosts. Steps for one host follow one another, also
 * where one takes a while; each is told to the checks when it is done, and noted.
 */
import { join } from "node:path";
import { callApi } from "../../api/client.ts";
import { SOCKET_NAME } from "../../api/schema.ts";
import type { ChaosHost } from "./chaos_host.ts";
import { type Checks, readText } from "./checks.ts";
import { Clones } from "./clones.ts";
import type { ChaosScene } from "./scene.ts";
import { type ChaosStep, type Cut, type HostStep, type Loss, MAX_SIDES } from "./schedule.ts";
import { wiring } from "./wiring.ts";

const LOG_LINES = 12;

export class Steps {
  readonly #scene: ChaosScene;
  readonly #checks: Checks;
  readonly #clones: Clones;
  /** What is under way for each host. BOUNDED: one per host */
  readonly #chains = new Map<string, Promise<void>>();
  /** Nodes that left and may not have been heard. BOUNDED: one per step of that kind */
  readonly #departed = new Map<string, string>();
  /** Where the cable of each host is. BOUNDED: one per host */
  readonly #bridges: Map<string, number>;
  /** What nobody held when the present split began, and how many have joined anew on each side since. BOUNDED: MAX_SIDES */
  #free: string[] = [];
  readonly #joined = new Map<number, number>();
  /** How often each kind was done. */
  readonly done: Record<string, number> = {};

  constructor(scene: ChaosScene, checks: Checks) {
    this.#scene = scene;
    this.#checks = checks;
    this.#clones = new Clones(scene.timeline, () => checks.starvedAt);
    this.#bridges = new Map(scene.hosts.map(({ name }) => [name, 0]));
  }

  perform(step: ChaosStep, now: number): void {
    this.done[step.kind] = (this.done[step.kind] ?? 0) + 1;
    switch (step.kind) {
      case "split":
      case "heal":
        return this.#regroup(step, now);
      case "cut":
      case "mend":
        return this.#cut(step.kind, step, now);
      case "loss":
        return this.#lose(step, now);
      case "clear":
        return this.#lose(null, now);
      case "clone":
        return this.#clone(this.#host(step.host), this.#host(step.of), now);
      default:
        this.#do(this.#host(step.host), step.kind, now);
    }
  }

  /** Waits for what takes a while. */
  async settled(): Promise<void> {
    await Promise.all(this.#chains.values());
  }

  /** Gives every host room and a daemon. */
  restart(now: number): void {
    for (const host of this.#scene.hosts) {
      if (host.full) this.#do(host, "empty", now);
      if (!host.hasDaemon) this.#do(host, "start", now);
    }
  }

  /** Notes daemons that ended by themselves. */
  lookForEnds(now: number): void {
    for (const host of this.#scene.hosts) {
      if (this.#chains.has(host.name)) continue; // it is being ended, or started
      this.#clones.look(host, now);
      const end = host.takeEnd();
      if (end === null) continue;
      this.#checks.happens(host.name, { running: false }, now);
      const log = readText(host.lives.at(-1)!.logFile).trimEnd().split("\n").slice(-LOG_LINES).join("\n");
      if (host.full && !host.hasHeld && log.includes("ENOSPC")) {
        this.#scene.timeline.note(now, "ended", "its disk was full before its first lease", host.name);
      } else {
        this.#scene.timeline.violation(now, `The daemon of ${host.name} ended by itself (${end})\n${log}`);
      }
    }
  }

  /** Time frees nothing: who left unheard keeps its lease until somebody says that it is gone. */
  async forgetDeparted(): Promise<void> {
    const host = this.#scene.hosts.find(({ name, daemon }) =>
      daemon !== null && this.#checks.world.isUp(name)
    );
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

  #regroup(step: ChaosStep & { kind: "split" | "heal" }, now: number): void {
    const sides = step.kind === "split" ? step.sides : [this.#checks.world.names];
    const held = this.#checks.lastHeld();
    this.#free = this.#scene.subnets.filter((subnet) => !held.has(subnet));
    this.#joined.clear();
    const bridges = wiring(sides, this.#bridges, MAX_SIDES);
    for (const { name, moveTo } of this.#scene.topology.hosts) {
      const bridge = bridges.get(name)!;
      if (bridge === this.#bridges.get(name)) continue;
      moveTo(bridge);
      this.#bridges.set(name, bridge);
      this.#checks.moved(name, performance.now());
    }
    this.#checks.regroup(sides, now);
    const text = sides.length === 1 ? "one side again" : sides.map((side) => side.join(" ")).join("  |  ");
    this.#scene.timeline.note(now, step.kind, text);
  }

  #host(wanted: string): ChaosHost {
    return this.#scene.hosts.find(({ name }) => name === wanted)!;
  }

  #cut(kind: "cut" | "mend", { from, to }: Cut, now: number): void {
    const mended = kind === "mend";
    if (mended) this.#scene.drops.mend({ from, to });
    else this.#scene.drops.cut({ from, to });
    this.#checks.cut({ from, to }, mended, performance.now());
    const what = mended ? "packets arrive again" : "no packet arrives";
    this.#scene.timeline.note(now, kind, `${this.#words(from)} → ${this.#words(to)}: ${what}`);
  }

  #lose(loss: Loss | null, now: number): void {
    this.#scene.drops.lose(loss);
    this.#checks.lose(loss?.hosts ?? [], performance.now());
    if (loss === null) return this.#scene.timeline.note(now, "clear", "no packets are lost any more");
    const text = `${loss.percent} % of the packets to and from ${this.#words(loss.hosts)} are lost`;
    this.#scene.timeline.note(now, "loss", text);
  }

  #words(hosts: readonly string[]): string {
    const all = this.#scene.hosts.length;
    if (hosts.length === all) return "all";
    return hosts.length === all - 1 && all > 2 ? "all others" : hosts.join(" ");
  }

  #clone(host: ChaosHost, original: ChaosHost, now: number): void {
    const busy = [host, original].some(({ name }) => this.#chains.has(name));
    if (busy || !original.hasDaemon || !this.#checks.world.isUp(original.name)) return;
    this.#checks.happens(host.name, { running: false }, now);
    host.kill();
    this.#clones.start(host, original, this.#peersOf(host.name), now);
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
        this.#checks.happens(name, { running: false }, now);
        host.kill();
        return note("kill -9");
      case "start":
      case "restore":
        if (host.hasDaemon) return;
        this.#clones.end(host, now);
        if (step === "restore" && host.hasCopy) host.restoreState();
        return this.#start(host, step, now);
      case "pause":
        if (!host.hasDaemon) return;
        this.#checks.happens(name, { paused: true }, now);
        host.pause();
        return note("SIGSTOP");
      case "resume":
        if (!host.hasDaemon) return;
        host.resume();
        this.#checks.happens(name, { paused: false }, now);
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
    this.#checks.happens(name, { running: true }, now);
    const anew = wish !== null ? `anew, wishes ${wish}` : host.full ? "with no byte free on its disk" : "";
    const how = step === "restore" ? "with an older copy of its state" : anew;
    this.#scene.timeline.note(now, step, how, name);
  }

  /** Those who join on one side of a split wish for what those on the other side wish for. */
  #wish(name: string): string | null {
    if (this.#checks.world.isWhole) return null;
    const side = this.#checks.world.sideOf(name);
    const before = this.#joined.get(side) ?? 0;
    this.#joined.set(side, before + 1);
    return this.#free[before] ?? null;
  }

  async #leave(host: ChaosHost): Promise<void> {
    const { name } = host;
    if (!host.hasDaemon) return;
    const id = this.#checks.idOf(name);
    if (await host.status() === null) {
      this.#scene.timeline.note(performance.now(), "leave", "not now: it is still starting", name);
      return;
    }
    // Where the last member of a side leaves, those who wait there to join found a mesh of their own, as they should.
    if (!this.#checks.hasMemberBeside(name)) {
      this.#scene.timeline.note(performance.now(), "leave", "not now: nobody beside it has a lease", name);
      return;
    }
    this.#checks.happens(name, { running: false }, performance.now());
    if (id !== null) this.#departed.set(id, name);
    const release = await host.leave();
    const what = release === null ? "had no lease" : `gave back ${release.subnet} (${release.outcome})`;
    this.#scene.timeline.note(performance.now(), "leave", what, name);
  }

  #peersOf(name: string): string[] {
    return this.#scene.hosts.filter((host) => host.name !== name).map(({ host }) => host.underlay);
  }
}
