/** `ovltun routes`: where packets go, by the kernel's routes that we own and by the data plane's own table. */
import type { Command } from "commander";
import { callApi } from "../api/client.ts";
import type { RouteEntry } from "../api/schema.ts";
import type { Screen } from "../text/escape.ts";
import { addReadingFlags, read } from "./reading.ts";
import { type Column, renderTable } from "../text/columns.ts";

const COLUMNS: readonly Column<RouteEntry>[] = [
  { title: "DESTINATION", value: (route) => route.destination },
  { title: "IN", value: (route) => route.where, spare: 1 },
  { title: "TYPE", value: (route) => route.type },
  { title: "DEVICE", value: (route) => route.device },
  { title: "GATEWAY", value: (route) => route.gateway },
  { title: "METRIC", value: metricWords, right: true, spare: 2 },
  { title: "NODE", value: (route) => route.node },
  { title: "PATH", value: (route) => route.path },
];

/** From here on a metric only means: after all other routes. */
const LAST_METRIC = 2 ** 31;

function metricWords({ metric }: RouteEntry): number | string | null {
  return metric !== null && metric >= LAST_METRIC ? "last" : metric;
}

/** The table of routes, or a sentence when there are none. */
export function routesPage(routes: readonly RouteEntry[], screen: Screen): string {
  return routes.length === 0 ? "No routes yet" : renderTable(COLUMNS, routes, screen);
}

export function registerRoutes(program: Command): void {
  addReadingFlags(
    program.command("routes").description("where packets go: ovltun's kernel routes and the tunnels"),
  )
    .action((options: Record<string, unknown>) =>
      read(options, {
        ask: (path) => callApi(path, "routes", {}),
        json: (routes) => routes,
        page: routesPage,
      })
    );
}
