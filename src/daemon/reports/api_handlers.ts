/** The methods of the control socket, over snapshots of the node at work. Parameters come from strangers and are checked. */
import process from "node:process";
import type { ApiHandlers, Forgotten, Release, Rotated } from "../../api/schema.ts";
import type { HostNetwork } from "../../ports/host.ts";
import { forgetReport, resolveReport, whyReport } from "./node_reports.ts";
import { leasesReport, peersReport, routesReport, type Snapshot, statusReport } from "./reports.ts";
import { RUNTIME, VERSION } from "../../version.ts";

/** What the API asks of the node at work (event_loop.ts). Each throws a sentence when it cannot be. */
export interface Asked {
  snapshot(): Snapshot;
  /** Tells the mesh. */
  forget(node: Forgotten): void;
  /** The same. */
  rotate(secretFile: string | null, dropOld: boolean): Rotated;
}

/**
 * `atWork`: the node, or null while none is at work yet. `stop` begins to stop, in any case, and gives what is to be told
 * about the lease.
 */
export function apiHandlers(
  net: HostNetwork,
  atWork: () => Asked | null,
  stop: (purge: boolean) => Promise<Release | null>,
): ApiHandlers {
  const node = () => {
    const one = atWork();
    if (one === null) throw new Error("The daemon is starting; try again");
    return one;
  };
  const snapshot = () => node().snapshot();
  return {
    status: () => statusReport(snapshot()),
    peers: () => peersReport(snapshot()),
    leases: () => leasesReport(snapshot()),
    routes: () => routesReport(snapshot(), net.routes(), net.interfaces()),
    why: (params) => whyReport(snapshot(), nodeOf(params)),
    resolve: (params) => resolveReport(snapshot(), nodeOf(params)),
    forget: (params) => {
      const forgotten = forgetReport(snapshot(), nodeOf(params), params["revoke"] === true);
      node().forget(forgotten);
      return forgotten;
    },
    rotate: (params) => {
      const file = params["secretFile"] ?? null;
      if (file !== null && (typeof file !== "string" || !file.startsWith("/"))) {
        throw new TypeError('"secretFile" must be a whole path or null');
      }
      return node().rotate(file, params["now"] === true);
    },
    version: () => ({ version: VERSION, runtime: RUNTIME, pid: process.pid }),
    stop: async (params) => ({ pid: process.pid, release: await stop(params["purge"] === true) }),
  };
}

function nodeOf(params: Readonly<Record<string, unknown>>): string {
  const node = params["node"];
  if (typeof node !== "string" || node.length > 256) throw new TypeError('"node" must be a text');
  return node;
}
