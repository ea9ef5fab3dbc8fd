/**
 * `ovltun lab`: a mesh of N hosts on this machine, with real TUN and real UDP. Wires, daemons, every pair
 * pinged, throughput between the first two, a table, and everything gone again, however it ends.
 */
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Status } from "../api/schema.ts";
import { selfCommand } from "../sys/self_command.ts";
import { formMesh, throwIfEnded } from "./formation.ts";
import { FOUNDING, FOUNDING_BOTH, type LabDaemon, startDaemon } from "./hosts.ts";
import { pingPairs } from "./pairs.ts";
import { formatReport, isWhole, type LabReport, securityWords } from "./report.ts";
import { type LabSession, labSession, print, say, writeSecret } from "./session.ts";
import { buildTopology, type LabHost, type Topology } from "./topology.ts";
import { measureTraffic } from "./traffic.ts";

export interface LabOptions {
  readonly hosts: number;
  readonly backend: "udp" | "vxlan" | "host-gw";
  /** With a network secret of its own; else plain. */
  readonly sealed: boolean;
  /** Of both families, inside and outside. */
  readonly ipv6: boolean;
  /** Length of the throughput measurement; 0 leaves it out. */
  readonly seconds: number;
  /** Leave the mesh running after the report, until a signal. */
  readonly keep: boolean;
  readonly json: boolean;
}

/** How long a mesh may take to form: the hosts share the processors of this machine. */
const MESH_TIMEOUT_MS = 60_000;
const TIMEOUT_PER_HOST_MS = 500;
const SIGNAL_GRACE_MS = 50;
const CROWDED_PER_PROCESSOR = 6;
const MEASURED = 2;

/** Runs the lab and returns the exit code: 0, or 1 when a pair fails, a host does not start or a signal came. */
export function runLab(options: LabOptions): Promise<number> {
  return labSession(options.hosts, (session) => runMesh(options, session));
}

async function runMesh(options: LabOptions, { folder, stop }: LabSession): Promise<number> {
  const began = performance.now();
  const daemons: LabDaemon[] = [];
  let topology: Topology | null = null;
  try {
    const security = securityWords(options.backend, options.sealed ? null : "none");
    say(`Starting ${options.hosts} hosts, backend ${options.backend}, ${security} …`);
    const mesh = {
      backend: options.backend,
      secretFile: options.sealed ? writeSecret(folder) : null,
      folder,
    };
    topology = buildTopology(options.hosts, { ipv6: options.ipv6 });
    const founder = topology.hosts[0]!.underlay;
    const crowded = options.hosts > CROWDED_PER_PROCESSOR * availableParallelism();
    const starts = topology.hosts.map((host, i) => () => {
      // The first two are measured.
      const oneOfMany = crowded && i >= MEASURED;
      const start = i === 0
        ? { peers: [], flags: options.ipv6 ? FOUNDING_BOTH : FOUNDING }
        : { peers: [founder] };
      return startDaemon(host, mesh, { ...start, oneOfMany });
    });
    const timeoutMs = MESH_TIMEOUT_MS + options.hosts * TIMEOUT_PER_HOST_MS;
    const statuses = await formMesh(starts, daemons, { timeoutMs, stop });
    say(`Mesh complete after ${seconds(began)} s, and all hosts agree who holds what`);
    const report = await measure(options, { hosts: topology.hosts, statuses, began }, stop);
    throwIfEnded(daemons);
    await print(options.json ? JSON.stringify(report) + "\n" : formatReport(report));
    if (options.keep) await keepRunning(daemons, statuses, stop);
    return report.ok ? 0 : 1;
  } finally {
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    topology?.close();
  }
}

interface Mesh {
  readonly hosts: readonly LabHost[];
  /** In the order of `hosts`. */
  readonly statuses: readonly Status[];
  readonly began: number;
}

async function measure(options: LabOptions, mesh: Mesh, stop: AbortSignal): Promise<LabReport> {
  const { hosts, statuses } = mesh;
  say(`Pinging ${hosts.length * (hosts.length - 1)} pairs …`);
  const pairs = await pingPairs(hosts, statuses, stop);
  let throughputMbps: number | null = null;
  let ok = pairs.every(isWhole);
  const [from, to] = hosts;
  if (options.seconds > 0) {
    say(`Measuring TCP ${from!.name} → ${to!.name} for ${options.seconds} s …`);
    try {
      const ends = { from: from!.inside, to: to!.inside, address: statuses[1]!.node.address! };
      throughputMbps = Math.round(await measureTraffic(ends, options.seconds, stop));
    } catch (error) {
      // Ctrl-C reaches the generator too, and may end it before we hear of the signal.
      await sleep(SIGNAL_GRACE_MS);
      stop.throwIfAborted();
      say(error instanceof Error ? error.message : String(error));
      ok = false;
    }
  }
  return {
    ok,
    backend: options.backend,
    cipher: statuses[0]!.node.cipher,
    hosts: hosts.map((host, i) => ({
      name: host.name,
      subnet: statuses[i]!.node.subnet!,
      ...(options.ipv6 ? { subnet6: statuses[i]!.node.subnet6! } : {}),
      underlay: host.underlay,
    })),
    pairs,
    throughputMbps,
    seconds: Number(seconds(mesh.began)),
  };
}

/** Tells how to enter the hosts, and waits for a signal. */
async function keepRunning(
  daemons: readonly LabDaemon[],
  statuses: readonly Status[],
  stop: AbortSignal,
): Promise<void> {
  say("\nThe mesh runs until Ctrl-C. To enter a host, or query its daemon:");
  for (const [i, daemon] of daemons.entries()) {
    say(`  ${daemon.host.name} (${statuses[i]!.node.address}): nsenter --net=/proc/${daemon.pid}/ns/net`);
    say(`    ${selfCommand().join(" ")} status --run-dir ${daemon.runDir}`);
  }
  // A timer keeps the process alive, and notices a daemon that ended.
  await new Promise<void>((resolve, reject) => {
    const timer = setInterval(() => {
      try {
        throwIfEnded(daemons);
      } catch (error) {
        clearInterval(timer);
        reject(error);
      }
    }, 500);
    stop.addEventListener("abort", () => {
      clearInterval(timer);
      resolve();
    });
    if (stop.aborted) stop.dispatchEvent(new Event("abort"));
  });
}

function seconds(began: number): string {
  return ((performance.now() - began) / 1000).toFixed(1);
}
