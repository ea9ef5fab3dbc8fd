/** The methods of the control socket, over snapshots of the daemon. Parameters come from strangers and are checked. */
import process from "node:process";
import type { ApiHandlers, Forgotten, Release, Rotated } from "../../api/schema.ts";
import type { HostNetwork } from "../../ports/host.ts";
import { forgetReport, resolveReport, whyReport } from "./node_reports.ts";
import { leasesReport, peersReport, routesReport, type Snapshot, statusReport } from "./reports.ts";
import { RUNTIME, VERSION } from "../../version.ts";

/** What the API asks of the daemon. Each throws a sentence when it cannot be. */
export interface Requests {
  snapshot(): Snapshot;
  /** Begins to stop; what is to be told about the lease. */
  stop(purge: boolean): Promise<Release | null>;
  /** Tells the mesh. */
  forget(node: Forgotten): void;
  /** The same. */
  rotate(secretFile: string | null, dropOld: boolean): Rotated;
}

export function apiHandlers(net: HostNetwork, requests: Requests): ApiHandlers {
  const snapshot = () => requests.snapshot();
  return {
    status: () => statusReport(snapshot()),
    peers: () => peersReport(snapshot()),
    leases: () => leasesReport(snapshot()),
    routes: () => routesReport(snapshot(), net.routes(), net.links()),
    why: (params) => whyReport(snapshot(), nodeOf(params)),
    resolve: (params) => resolveReport(snapshot(), nodeOf(params)),
    forget: (params) => {
      const node = forgetReport(snapshot(), nodeOf(params), params["revoke"] === true);
      requests.forget(node);
      return node;
    },
    rotate: (params) => {
      const file = params["secretFile"] ?? null;
      if (file !== null && (typeof file !== "string" || !file.startsWith("/"))) {
        throw new TypeError('"secretFile" must be a whole path or null');
      }
      return requests.rotate(file, params["now"] === true);
    },
    version: () => ({ version: VERSION, runtime: RUNTIME, pid: process.pid }),
    stop: async (params) => ({ pid: process.pid, release: await requests.stop(params["purge"] === true) }),
  };
}

function nodeOf(params: Readonly<Record<string, unknown>>): string {
  const node = params["node"];
  if (typeof node !== "string" || node.length > 256) throw new TypeError('"node" must be a text');
  return node;
}
