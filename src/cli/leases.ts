/** `ovltun leases`: who holds which subnet, including this node, and what is reserved. */
import type { Command } from "commander";
import { callApi } from "../api/client.ts";
import type { LeaseEntry } from "../api/schema.ts";
import type { Screen } from "../text/escape.ts";
import { addReadingFlags, read } from "./reading.ts";
import { type Column, renderTable, shortId } from "../text/columns.ts";

const SUBNET6: Column<LeaseEntry> = { title: "SUBNET6", value: (lease) => lease.subnet6 };
const COLUMNS: readonly Column<LeaseEntry>[] = [
  { title: "SUBNET", value: (lease) => lease.subnet },
  SUBNET6,
  { title: "NAME", value: (lease) => lease.name },
  { title: "NODE", value: (lease) => shortId(lease.nodeId), spare: 2 },
  { title: "STATE", value: stateWords },
  { title: "RESERVED", value: (lease) => lease.reserved ? "yes" : "no", spare: 3 },
  { title: "ENDPOINT", value: (lease) => lease.endpoint, spare: 1 },
  { title: "VTEP MAC", value: (lease) => lease.vtepMac },
];

const OWN_STATES: readonly LeaseEntry["state"][] = [
  "joining",
  "probation",
  "confirmed",
  "yielding",
  "exhausted",
];

/** Our own lease has a state of its own; of the others we know how their holders are. */
function stateWords({ state }: LeaseEntry): string {
  if (state === "confirmed") return "this node";
  if (state === "reserved") return "not taken";
  return OWN_STATES.includes(state) ? `this node, ${state}` : state;
}

/** The table of leases, or a sentence when there are none. */
export function leasesPage(leases: readonly LeaseEntry[], screen: Screen): string {
  if (leases.length === 0) return "No leases yet";
  const both = leases.some(({ subnet, subnet6 }) => subnet6 !== null && subnet6 !== subnet);
  return renderTable(both ? COLUMNS : COLUMNS.filter((one) => one !== SUBNET6), leases, screen);
}

export function registerLeases(program: Command): void {
  addReadingFlags(
    program.command("leases").description(
      "who holds which subnet, including this node, and what is reserved",
    ),
  )
    .action((options: Record<string, unknown>) =>
      read(options, {
        ask: (path) => callApi(path, "leases", {}),
        json: (leases) => leases,
        page: leasesPage,
      })
    );
}
