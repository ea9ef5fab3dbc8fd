/**
 * `ovltun lab --chaos`: a mesh with hardly more subnets than hosts, to which a seed does things (schedule.ts) while flows
 * run between all hosts (prober.ts) and all leases are read (lease_watch.ts). The lab knows what is true (world.ts), and
 * so what must hold (lease_judge.ts, flow_judge.ts, life.ts). In the end everything is healed, and all must reach all.
 */
import { mkdtempSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Status } from "../../api/schema.ts";
import { leaveMounts } from "../../sys/small_disks.ts";
import { formMesh } from "../formation.ts";
import { FOUNDING } from "../hosts.ts";
import { type PairResult, pingPairs } from "../pairs.ts";
import { securityWords } from "../report.ts";
import { type LabSession, labSession, print, say, writeSecret } from "../session.ts";
import { buildTopology, type Topology } from "../topology.ts";
import { ChaosHost } from "./chaos_host.ts";
import { type ChaosReport, formatChaos } from "./chaos_report.ts";
import { ChaosRun } from "./chaos_run.ts";
import { Drops } from "./drops.ts";
import { Guard } from "./guard.ts";
import type { LabOptions } from "../lab.ts";
import { chaosSchedule, MAX_SIDES } from "./schedule.ts";
import { Timeline } from "./timeline.ts";

export interface ChaosOptions extends Pick<LabOptions, "hosts" | "backend" | "sealed" | "json"> {
  /** How long things happen. */
  readonly chaosSeconds: number;
  readonly seed: number;
}

/** Room for leases beyond those of the hosts: few, so that two sides of a split choose the same one. */
const SPARE_SUBNETS = 2;
const PING_ROUNDS = 3;
/** Where other programs keep the processors busy, hosts begin late; that is not what is tried here. */
const FORM_MS = 120_000;
const FORM_PER_HOST_MS = 1000;

/** Runs it and returns the exit code: 0 when all invariants held, 1 when not, or when it could not be run. */
export function runChaos(options: ChaosOptions): Promise<number> {
  return labSession(options.hosts, (session) => new Chaos(options, session).run());
}

class Chaos {
  readonly #options: ChaosOptions;
  readonly #session: LabSession;
  readonly #guard = new Guard();
  readonly #hosts: ChaosHost[] = [];
  readonly #began = performance.now();
  readonly #timeline: Timeline;

  constructor(options: ChaosOptions, session: LabSession) {
    this.#options = options;
    this.#session = session;
    // Beside JSON, it is for who waits.
    this.#timeline = new Timeline(
      this.#began,
      options.json ? say : (line) => void process.stdout.write(`${line}\n`),
    );
  }

  async run(): Promise<number> {
    const { backend, sealed, hosts, seed } = this.#options;
    say(
      `Starting ${hosts} hosts, backend ${backend}, ${
        securityWords(backend, sealed ? null : "none")
      }, seed ${seed} …`,
    );
    let topology: Topology | null = null;
    let kept: string | null = null;
    try {
      leaveMounts();
      topology = buildTopology(hosts, { bridges: MAX_SIDES });
      const report = await this.#chaos(topology);
      if (!report.ok) kept = await this.#keep();
      const whole = { ...report, kept };
      await print(this.#options.json ? `${JSON.stringify(whole)}\n` : formatChaos(whole));
      return report.ok ? 0 : 1;
    } catch (error) {
      if (!this.#session.stop.aborted && this.#hosts.length > 0) {
        say(`Logs and state of all hosts are in ${kept = await this.#keep()}`);
      }
      throw error;
    } finally {
      await Promise.all(this.#hosts.splice(0).map((host) => host.close(null)));
      topology?.close();
      this.#guard.close();
    }
  }

  async #chaos(topology: Topology): Promise<ChaosReport> {
    const { backend, chaosSeconds, seed, sealed } = this.#options;
    const { folder, stop } = this.#session;
    const drops = new Drops(topology);
    const mesh = { backend, secretFile: sealed ? writeSecret(folder) : null, folder };
    for (const host of topology.hosts) this.#hosts.push(new ChaosHost(host, mesh, this.#guard));
    const statuses = await this.#form(topology);
    const steps = chaosSchedule(this.#hosts.map(({ name }) => name), chaosSeconds, seed);
    const run = new ChaosRun(
      { hosts: this.#hosts, topology, drops, subnets: this.#subnets(), timeline: this.#timeline, stop },
      probationMs(this.#hosts.length),
    );
    try {
      await run.perform(steps, chaosSeconds * 1000);
      const settled = await run.settle();
      await run.checks.conclude();
      const pairs = settled === null ? [] : await this.#ping(topology, settled);
      return this.#report(run, statuses[0]!.node.runtime, pairs);
    } finally {
      run.close();
    }
  }

  async #form(topology: Topology): Promise<Status[]> {
    const [founder] = topology.hosts;
    const [first, last] = [this.#subnets()[0]!, this.#subnets().at(-1)!].map((subnet) =>
      subnet.split("/")[0]!
    );
    const founding = [...FOUNDING, "--subnet-min", first!, "--subnet-max", last!];
    const starts = this.#hosts.map((host, i) => () =>
      i === 0 ? host.start([], founding) : host.start([founder!.underlay])
    );
    const timeoutMs = FORM_MS + this.#hosts.length * FORM_PER_HOST_MS;
    const statuses = await formMesh(starts, [], { timeoutMs, stop: this.#session.stop });
    const leases = statuses.map(({ node }) => `${node.name} ${node.subnet}`).join(", ");
    this.#timeline.note(performance.now(), "mesh", leases);
    return statuses;
  }

  #subnets(): string[] {
    return Array.from({ length: this.#options.hosts + SPARE_SUBNETS }, (_, i) => `10.42.${i + 1}.0/24`);
  }

  /** At the end all pairs reach each other. */
  async #ping(topology: Topology, statuses: readonly Status[]): Promise<PairResult[]> {
    if (statuses.length < topology.hosts.length || statuses.some(({ node }) => node.address === null)) {
      return [];
    }
    let pairs: PairResult[] = [];
    // What a single echo says on a busy machine is not much, and what the flows lost was judged already.
    for (let round = 0; round < PING_ROUNDS; round++) {
      pairs = await pingPairs(topology.hosts, statuses, this.#session.stop);
      if (pairs.every(({ lossPercent }) => lossPercent < 100)) return pairs;
    }
    for (const { from, to, lossPercent } of pairs) {
      if (lossPercent < 100) continue;
      this.#timeline.violation(performance.now(), `At the end ${from} does not reach ${to}`);
    }
    return pairs;
  }

  #report(run: ChaosRun, runtime: string, pairs: readonly PairResult[]): ChaosReport {
    const { entries, violations } = this.#timeline;
    return {
      ok: violations.length === 0,
      seed: this.#options.seed,
      chaosSeconds: this.#options.chaosSeconds,
      runtime,
      hosts: this.#hosts.map(({ name }) => name),
      subnets: this.#subnets().length,
      violations,
      ...run.checks.sums,
      pairs,
      done: run.done,
      kept: null,
      seconds: Math.round(performance.now() - this.#began) / 1000,
      timeline: entries,
    };
  }

  /** Ends all, and puts what they left where the next lab does not remove it. Returns where. */
  async #keep(): Promise<string> {
    await Promise.all(this.#hosts.splice(0).map((host) => host.close("keep")));
    const place = mkdtempSync(join(tmpdir(), `ovltun-chaos-${this.#options.seed}-`));
    renameSync(this.#session.folder, place);
    return place;
  }
}

/** As docs/architecture.md says: 0.3 s for each doubling of the mesh. */
function probationMs(hosts: number): number {
  return 300 * Math.ceil(Math.log2(hosts + 1));
}
