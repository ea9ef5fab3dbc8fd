/**
 * How the lab's hosts become a mesh. A host is started when one before it has its lease, with as many on their way as
 * the machine has processors for: hundreds of programs that load at once starve those that already run, which take one
 * another for dead, and nothing settles. Every question costs a daemon a report on all its peers: few are asked.
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { callApi } from "../api/client.ts";
import { type PeerStatus, SOCKET_NAME, type Status } from "../api/schema.ts";
import { type LabDaemon, LabError } from "./hosts.ts";

const POLL_MS = 40;
/** A report on one peer costs so long a pause until the next question. */
const POLL_PER_HOST_MS = 5;
const STARTING_PER_PROCESSOR = 2;
/** A daemon that starts on a busy machine answers late, and no later. */
const ANSWER_MS = 20_000;

const AGREE_MS = 500;
const DIFFERENCES_SHOWN = 5;

/** What is waited for, and until when (`performance.now()`). */
interface Wait {
  readonly daemons: readonly LabDaemon[];
  readonly until: number;
  readonly stop: AbortSignal;
}

/**
 * Starts `starts` one after the other and waits until every daemon holds a confirmed lease and has a path to every
 * other one. `daemons` receives each as soon as it runs. Throws LabError when one ends, when two disagree, or with the
 * slowest one's log when `timeoutMs` have passed.
 */
export async function formMesh(
  starts: readonly (() => LabDaemon)[],
  daemons: LabDaemon[],
  { timeoutMs, stop }: { readonly timeoutMs: number; readonly stop: AbortSignal },
): Promise<Status[]> {
  const wait = { daemons, until: performance.now() + timeoutMs, stop };
  const width = STARTING_PER_PROCESSOR * availableParallelism();
  const ready = async (start: () => LabDaemon) => {
    const daemon = start();
    daemons.push(daemon);
    await waitFor(daemon, wait, (status) => status.node.leaseState === "confirmed", POLL_MS);
  };
  const [founder, ...joiners] = starts;
  // Nothing can join before there is something to join.
  if (founder !== undefined) await ready(founder);
  await inTurn(joiners.map((start) => () => ready(start)), width);
  return await awaitMesh(wait);
}

/** Runs all jobs in their order, never more than `width` at once. Throws what the first of them throws. */
export async function inTurn(jobs: readonly (() => Promise<void>)[], width: number): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < jobs.length) await jobs[next++]!();
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/**
 * Waits until every daemon has a lease and a path to every other one, and all agree who holds what. Throws LabError.
 */
export async function awaitMesh(wait: Wait): Promise<Status[]> {
  const others = wait.daemons.length - 1;
  const pause = POLL_MS + others * POLL_PER_HOST_MS;
  for (;;) {
    const statuses: Status[] = [];
    for (const daemon of wait.daemons) {
      statuses.push(await waitFor(daemon, wait, (status) => isWhole(status, others), pause));
    }
    // They were asked one after the other, and a lease may have changed in between.
    const differences = disagreements(statuses);
    if (differences.length === 0) return statuses;
    if (performance.now() > wait.until) {
      throw new LabError(`The hosts do not agree: ${differences.slice(0, DIFFERENCES_SHOWN).join("; ")}`);
    }
    await sleep(AGREE_MS);
  }
}

/** Whether it has a lease and a path to all others, of each family. */
export function isWhole(status: Status, others: number): boolean {
  return status.node.leaseState === "confirmed" &&
    status.peers.filter((peer) => peer.state === "alive" && hasPath(peer)).length >= others;
}

// The path is that of IPv4, and `why` tells where IPv6 goes none.
function hasPath({ path, why }: PeerStatus): boolean {
  return path !== "none" && !why.includes("IPv6 has no path");
}

async function waitFor(
  daemon: LabDaemon,
  { daemons, until, stop }: Wait,
  ready: (status: Status) => boolean,
  pauseMs: number,
): Promise<Status> {
  for (;;) {
    const status = await statusOf(daemon);
    if (status !== null && ready(status)) return status;
    stop.throwIfAborted();
    throwIfEnded(daemons);
    if (performance.now() > until) {
      throw new LabError(`"${daemon.host.name}" has not joined the mesh in time${whatLacks(status)}`, daemon);
    }
    await sleep(pauseMs);
  }
}

/** Why it is not, after its name. */
export function whatLacks(status: Status | null): string {
  if (status === null) return ": it does not answer";
  if (status.node.leaseState !== "confirmed") return `: its lease is ${status.node.leaseState}`;
  const without = status.peers.filter((peer) => peer.state !== "alive" || !hasPath(peer));
  const missing = `: it knows ${status.peers.length} others, without a path to ${without.length}`;
  return without.length === 0 ? missing : `${missing} (${without[0]!.name}: ${without[0]!.why})`;
}

/** The status of a daemon, or null while it does not answer. */
export async function statusOf(daemon: LabDaemon, timeoutMs = ANSWER_MS): Promise<Status | null> {
  try {
    return await callApi(join(daemon.runDir, SOCKET_NAME), "status", {}, { timeoutMs });
  } catch {
    return null;
  }
}

/**
 * Where what the hosts report of one another differs, one sentence for each; empty when all agree. In the order in
 * which they were asked: statuses of a mesh at rest.
 */
export function disagreements(statuses: readonly Status[]): string[] {
  // BOUNDED: one per host
  const leases = new Map(statuses.map(({ node }) => [node.id, heldBy(node)]));
  return statuses.flatMap(({ node, peers }) => {
    const strange = peers.filter((peer) => leases.get(peer.id) !== heldBy(peer))
      .map((peer) => {
        const own = leases.get(peer.id);
        return `${node.name} has ${heldBy(peer) || "no lease"} for ${peer.name}, which ` +
          (own === undefined ? "is none of the hosts" : `itself has ${own || "none"}`);
      });
    const known = new Set(peers.map((peer) => peer.id)); // BOUNDED: one per peer
    const unknown = statuses.filter((other) => other.node.id !== node.id && !known.has(other.node.id))
      .map((other) => `${node.name} does not know ${other.node.name}`);
    return [...strange, ...unknown];
  });
}

/** Its lease of each family, for people; "": none. */
function heldBy(
  { subnet, subnet6 }: { readonly subnet: string | null; readonly subnet6: string | null },
): string {
  return [subnet, subnet6].filter((one) => one !== null).join(" and ");
}

/** Throws LabError when a daemon is gone. */
export function throwIfEnded(daemons: readonly LabDaemon[]): void {
  for (const daemon of daemons) {
    if (daemon.ended() !== null) {
      throw new LabError(`The daemon of "${daemon.host.name}" exited (${daemon.ended()})`, daemon);
    }
  }
}
