/**
 * Brings our tables of the packet filter to what is wanted. Told by their names, compared as a whole: a rule that others
 * added, changed or took away is a difference, and the table is written anew, all tables in one transaction. What the kernel
 * took is read back: of a batch that it undid it may say nothing.
 */

import type { HostNetwork } from "../ports/host.ts";
import type { FoundTable, Ruleset } from "../ports/ruleset.ts";
import { SysError } from "../ports/sys_error.ts";
import type { Table, TableName } from "../wire/nftables.ts";
import { isInside, type Prefix, samePrefix } from "../wire/prefix.ts";
import { addressAlone } from "./owned.ts";
import { networkOfTable, OWN_TABLES, tableName } from "./packet_rules.ts";
import { attempt, type Reconciliation } from "./reconcile_host.ts";

/** Of the networks of a mesh: the tables that are there, and those that are to be. */
export function reconcileRules(
  ruleset: Ruleset,
  networks: readonly Prefix[],
  wanted: readonly Table[],
): Reconciliation {
  const report: Reconciliation = { repaired: [], failed: [] };
  const names = networks.map(tableName);
  const there = ownTables(ruleset, report).filter(({ name }) => names.includes(name));
  if (report.failed.length > 0) return report;
  const make = wanted.filter((table) => !there.some((found) => isSame(found, table)));
  const remove = there.filter((found) => !wanted.some((table) => isNamed(found, table)));
  if (make.length === 0 && remove.length === 0) return report;
  const [first, ...others] = [
    ...make.map(({ name }) => `Wrote the nftables table ${name}`),
    ...remove.map(({ name }) => `Removed the nftables table ${name}`),
  ];
  attempt(report, first!, () => ruleset.change(remove, make));
  if (report.failed.length > 0) return report;
  report.repaired.push(...others);
  const after = ownTables(ruleset, report);
  const missing = wanted.filter((table) => !after.some((found) => isSame(found, table)));
  for (const { name } of missing) {
    report.failed.push(
      `Cannot write the nftables table ${name}: the kernel shows something else in its place (another program changes it?)`,
    );
  }
  return missing.length === 0 ? report : { ...report, repaired: [] };
}

/**
 * Removes the tables of daemons that died, when their networks are not known any more: a living one has its device there, with
 * an address. `but` are networks to leave alone.
 */
export function removeOrphanedRules(
  ruleset: Ruleset,
  net: HostNetwork,
  but: readonly Prefix[],
): Reconciliation {
  const report: Reconciliation = { repaired: [], failed: [] };
  for (const table of ownTables(ruleset, report)) {
    const network = networkOfTable(table.name);
    if (network === null || but.some((one) => samePrefix(one, network)) || isServed(net, network)) continue;
    attempt(report, `Removed the nftables table ${table.name}`, () => ruleset.change([table], []));
  }
  return report;
}

/** None where they cannot be read, which is noted. */
function ownTables(ruleset: Ruleset, report: Reconciliation): readonly FoundTable[] {
  try {
    return ruleset.tables(OWN_TABLES);
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    report.failed.push(error.message);
    return [];
  }
}

function isServed(net: HostNetwork, network: Prefix): boolean {
  const devices = net.interfaces().filter(({ kind }) => kind === "tun").map(({ index }) => index);
  return net.addresses().some((one) => devices.includes(one.iface) && isInside(addressAlone(one), network));
}

function isNamed(a: TableName, b: TableName): boolean {
  return a.family === b.family && a.name === b.name;
}

/** Chains are told by their names: the kernel keeps no order of them. */
function isSame(found: FoundTable, wanted: Table): boolean {
  return isNamed(found, wanted) && found.strangers === 0 && chainsText(found) === chainsText(wanted);
}

function chainsText({ chains }: Table): string {
  const texts = chains.map(({ name, type, hook, priority, rules }) =>
    JSON.stringify([
      name,
      type,
      hook,
      priority,
      rules.map(({ comment, expressions }) => [comment, expressions]),
    ])
  );
  return texts.sort().join();
}
