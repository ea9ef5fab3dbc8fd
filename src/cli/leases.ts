/** `ovltun leases`: who holds which subnet, this node included. */
import type { Command } from "commander";
import { callApi } from "../api/client.ts";
import type { LeaseEntry } from "../api/schema.ts";
import { addReadingFlags, read } from "./reading.ts";
import { type Column, renderTable, shortId } from "./table.ts";

const COLUMNS: readonly Column<LeaseEntry>[] = [
  { title: "SUBNET", value: (lease) => lease.subnet },
  { title: "NAME", value: (lease) => lease.name },
  { title: "NODE", value: (lease) => shortId(lease.nodeId) },
  { title: "STATE", value: (lease) => lease.state },
  { title: "RESERVED", value: (lease) => lease.reserved ? "yes" : "no" },
  { title: "ENDPOINT", value: (lease) => lease.endpoint },
  { title: "VTEP MAC", value: (lease) => lease.vtepMac },
];

export function registerLeases(program: Command): void {
  addReadingFlags(program.command("leases").description("who holds which subnet"))
    .action((options: Record<string, unknown>) =>
      read(options, {
        ask: (path) => callApi(path, "leases", {}),
        json: (leases) => leases,
        page: (leases, colours) =>
          leases.length === 0 ? "No leases yet" : renderTable(COLUMNS, leases, colours),
      })
    );
}
