/**
 * The methods of the control socket (api/schema.ts): what is told is a report on a snapshot of the node at work, what is asked
 * for becomes one of its events. Parameters come from strangers and are checked.
 */
import process from "node:process";
import type { ApiHandlers } from "../api/schema.ts";
import type { Forgotten, Release, Reserved, Rotated, Unreserved } from "../api/outcomes.ts";
import type { ControlPlane } from "../control/node/node.ts";
import type { ControlEvent } from "../control/outbox/events.ts";
import { NetworkSecret } from "../crypto/network_secret.ts";
import { OWN_ROUTES } from "../host/owned.ts";
import { RUNTIME, VERSION } from "../version.ts";
import type { DaemonParts } from "./daemon_parts.ts";
import type { SendRefusals } from "./planes/send_refusals.ts";
import type { Reconciler } from "./reconciler.ts";
import { forgetReport, resolveReport, whyReport } from "./reports/node_reports.ts";
import { kernelDrops, peersReport, type Snapshot, statusReport } from "./reports/reports.ts";
import { leasesReport, routesReport } from "./reports/subnet_reports.ts";
import { reserveReport, unreserveReport } from "./reports/reservations.ts";
import { prefix } from "../wire/prefix.ts";
import { readSecretFile } from "./state/secret_files.ts";

/** A node at work (event_loop.ts). */
export interface AtWork {
  readonly parts: DaemonParts;
  readonly control: ControlPlane;
  readonly reconciler: Reconciler;
  readonly refusals: SendRefusals;
  tell(event: ControlEvent): void;
}

/**
 * `atWork`: the node, or null while none is at work yet. `stop` begins to stop, in any case, and gives what is to be told
 * about the lease.
 */
export function apiHandlers(
  atWork: () => AtWork | null,
  stop: (purge: boolean) => Promise<Release | null>,
): ApiHandlers {
  const node = () => {
    const one = atWork();
    if (one === null) throw new Error("The daemon is starting; try again");
    return one;
  };
  const snapshot = () => snapshotOf(node());
  return {
    status: () => statusReport(snapshot()),
    peers: () => peersReport(snapshot()),
    leases: () => leasesReport(snapshot()),
    routes: () => {
      const { net } = node().parts;
      return routesReport(snapshot(), net.routes(OWN_ROUTES), net.interfaces());
    },
    events: (params, gone) => {
      const cursor = params["cursor"] ?? null;
      if (cursor !== null && (typeof cursor !== "string" || cursor.length > 64)) {
        throw new TypeError('"cursor" must be a text or null');
      }
      const { reconciler, control, parts } = node();
      return reconciler.changes.read(
        cursor,
        () => [control.view(parts.machine.clock.now()), reconciler.wanted],
        gone,
      );
    },
    why: (params) => whyReport(snapshot(), nodeOf(params)),
    resolve: (params) => resolveReport(snapshot(), nodeOf(params)),
    forget: (params) => forget(node(), nodeOf(params), params["revoke"] === true),
    reserve: (params) => reserve(node(), textOf(params, "subnet"), nodeOf(params), params["now"] === true),
    unreserve: (params) => unreserve(node(), textOf(params, "subnet")),
    rotate: (params) => {
      const file = params["secretFile"] ?? null;
      if (file !== null && (typeof file !== "string" || !file.startsWith("/"))) {
        throw new TypeError('"secretFile" must be a whole path or null');
      }
      return rotate(node(), file, params["now"] === true);
    },
    version: () => ({ version: VERSION, runtime: RUNTIME, pid: process.pid }),
    stop: async (params) => ({ pid: process.pid, release: await stop(params["purge"] === true) }),
  };
}

function nodeOf(params: Readonly<Record<string, unknown>>): string {
  return textOf(params, "node");
}

function textOf(params: Readonly<Record<string, unknown>>, name: string): string {
  const text = params[name];
  if (typeof text !== "string" || text.length > 256) throw new TypeError(`"${name}" must be a text`);
  return text;
}

/** Everything that reports are made from, as of now. */
function snapshotOf({ parts, control, reconciler, refusals }: AtWork): Snapshot {
  const { config, startedAt, machine, workers, feed, keeper, offloads, ciphers, sockets, underlay } = parts;
  const { wanted, troubles } = reconciler;
  const now = machine.clock.now();
  return {
    view: control.view(now),
    wanted,
    counters: workers.counters,
    workers: workers.count,
    slotOf: (key) => feed.slotOf(key),
    device: keeper.device,
    mtu: wanted.deviceMtu,
    offloads,
    underlay: underlay.endpoints(),
    now,
    startedAt,
    pid: process.pid,
    networkName: config.networkName,
    sealed: ciphers?.setup.suites ?? null,
    withoutLibcrypto: ciphers?.without ?? null,
    kernelDrops: kernelDrops(keeper.drops, sockets.dropped()),
    troubles: [...troubles, ...refusals.at(now)],
  };
}

/** `ovltun forget`. Throws a sentence when no node, or none that can be forgotten, is meant. */
function forget(node: AtWork, text: string, revoke: boolean): Forgotten {
  const forgotten = forgetReport(snapshotOf(node), text, revoke);
  node.tell({ kind: "forget", target: forgotten.id, revoke: forgotten.revoked });
  return forgotten;
}

/** `ovltun reserve`. Throws a sentence when that subnet cannot be that node's. */
function reserve(node: AtWork, subnet: string, holder: string, moves: boolean): Reserved {
  const reserved = reserveReport(snapshotOf(node), subnet, holder, moves);
  node.tell({ kind: "reserve", subnet: prefix(reserved.subnet), holder: reserved.id, moves: reserved.moves });
  return reserved;
}

/** `ovltun unreserve`. Throws a sentence when nothing is reserved there. */
function unreserve(node: AtWork, subnet: string): Unreserved {
  const lifted = unreserveReport(snapshotOf(node), subnet);
  node.tell({ kind: "reserve", subnet: prefix(lifted.subnet), holder: null, moves: false });
  return lifted;
}

/** `ovltun secret rotate`. Throws a sentence when it cannot be begun. */
function rotate(node: AtWork, secretFile: string | null, dropOld: boolean): Rotated {
  const { parts, control } = node;
  const secret = secretFile === null
    ? NetworkSecret.create()
    : readSecretFile(secretFile, parts.config.networkName).secret;
  const problem = control.rotationProblem(secret);
  if (problem !== null) throw new Error(problem);
  node.tell({ kind: "rotate", secret, dropOld });
  secret.wipe();
  const rotation = control.view(parts.machine.clock.now()).own.secret;
  if (rotation === undefined) throw new Error("The daemon is stopping");
  return rotation;
}
