/** The methods of the control socket, over snapshots of the daemon. Parameters come from strangers and are checked. */
import process from "node:process";
import type { ApiHandlers } from "../api/schema.ts";
import type { HostNetwork } from "../ports.ts";
import {
  leasesReport,
  peersReport,
  resolveReport,
  routesReport,
  type Snapshot,
  statusReport,
  whyReport,
} from "./reports.ts";
import { RUNTIME, VERSION } from "./version.ts";

/** `stop` is called after the answer is on its way. */
export function apiHandlers(
  net: HostNetwork,
  snapshot: () => Snapshot,
  stop: (purge: boolean) => void,
): ApiHandlers {
  return {
    status: () => statusReport(snapshot()),
    peers: () => peersReport(snapshot()),
    leases: () => leasesReport(snapshot()),
    routes: () => routesReport(snapshot(), net.routes(), net.links()),
    why: (params) => whyReport(snapshot(), nodeOf(params)),
    resolve: (params) => resolveReport(snapshot(), nodeOf(params)),
    version: () => ({ version: VERSION, runtime: RUNTIME, pid: process.pid }),
    stop: (params) => {
      stop(params["purge"] === true);
      return { pid: process.pid };
    },
  };
}

function nodeOf(params: Readonly<Record<string, unknown>>): string {
  const node = params["node"];
  if (typeof node !== "string" || node.length > 256) throw new TypeError('"node" must be a text');
  return node;
}
