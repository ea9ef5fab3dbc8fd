/**
 * What a run that could not clean up behind itself left on the host: its subnet.env, which tells Docker and others of a
 * lease that may be gone, and its routes. Before anything else a start takes away what is not of the lease that it goes
 * on with, and `ovltun down` all of it. What is not verifiably ours stays.
 */
import { join, resolve } from "node:path";
import { ConfigError } from "../../config/config.ts";
import { networksOf } from "../../control/mesh/mesh_config.ts";
import type { StoredState } from "../../control/records/state.ts";
import { removeOrphans, removeOwned } from "../../host/cleanup.ts";
import { Forwarding } from "../../host/forwarding.ts";
import { addTo, type Reconciliation } from "../../host/reconcile_host.ts";
import { reconcileRules, removeOrphanedRules } from "../../host/reconcile_rules.ts";
import { stillHolding } from "../../host/left_bridge.ts";
import { type EnvLease, envPlaces, sameLease, SubnetFile } from "../../host/subnet_file.ts";
import type { HostNetwork } from "../../ports/host.ts";
import type { Ruleset } from "../../ports/ruleset.ts";
import type { Sysctls } from "../../ports/sysctls.ts";
import { SUBNET_NOTE } from "../state/run_dir.ts";
import { SETTINGS_FILE } from "../state/state_files.ts";
import type { Prefix } from "../../wire/prefix.ts";

/** The host, as far as we change it. */
export interface OwnedHost {
  readonly net: HostNetwork;
  readonly ruleset: Ruleset;
  readonly sysctls: Sysctls;
}

/** Where a daemon writes its lease for others, and what it keeps for itself. */
export interface SubnetPlaces {
  readonly stateDir: string;
  readonly runDir: string;
  readonly subnetFile: string;
}

/** The same of a run that starts. */
export interface StartPlaces extends SubnetPlaces {
  readonly forward: boolean;
}

export interface Cleared {
  readonly file: SubnetFile;
  /** The networks whose routes are left in place for this run. */
  readonly networks: readonly Prefix[];
  /** With what an earlier run turned on, if this one is to have it, too. */
  readonly forwarding: Forwarding;
  readonly report: Reconciliation;
}

/** The lease that a state directory holds, as subnet.env would tell it. */
export function storedLease(stored: StoredState | null): EnvLease | null {
  const mesh = stored?.mesh ?? null, claim = stored?.claim ?? null;
  if (mesh === null || claim === null) return null;
  const lease = { network: mesh.network, subnet: claim.subnet };
  if (mesh.second === undefined || claim.second === undefined) return lease;
  return { ...lease, second: { network: mesh.second.network, subnet: claim.second } };
}

/**
 * Clears the way for a run that goes on with `lease` (null: it has none yet). Throws ConfigError when the subnet file
 * is of others.
 */
export function clearForStart(host: OwnedHost, places: StartPlaces, lease: EnvLease | null): Cleared {
  const file = fileOf(places);
  if (file.owner(lease) === "foreign") {
    throw new ConfigError(
      "subnet-file",
      `The subnet file ${
        JSON.stringify(file.path)
      } was not written by ovltun (but by flannel?) and is left as it is: stop its writer and remove it, or choose another --subnet-file`,
    );
  }
  const report: Reconciliation = { repaired: [], failed: [] };
  const networks = new Map<string, Prefix>(); // BOUNDED: two files, two leases each
  for (const one of filesOf(places)) {
    const ours = one.owner(lease) === "ours";
    const told = [...ours ? [one.lease()] : [], ...one.leases()];
    for (const network of told.flatMap(networksIn)) networks.set(network.text, network);
    const tells = one.lease();
    if (ours && one.path === file.path && lease !== null && tells !== null && sameLease(tells, lease)) {
      one.adopt();
    } else if (ours) {
      one.remove();
      report.repaired.push(`Removed ${one.path}: it names a lease this node does not hold`);
    }
  }
  const forwarding = new Forwarding(host.sysctls, join(places.stateDir, SETTINGS_FILE));
  if (!places.forward) addTo(report, forwarding.giveBack());
  const kept = networksIn(lease);
  for (const { text } of kept) networks.delete(text);
  const { net, ruleset } = host;
  for (const network of networks.values()) addTo(report, removeOwned(net, network));
  addTo(report, removeOrphans(net, lease === null ? [] : envPlaces(lease).map(({ subnet }) => subnet)));
  addTo(report, reconcileRules(ruleset, [...networks.values()], []));
  addTo(report, removeOrphanedRules(ruleset, net, kept));
  return { file, networks: kept, forwarding, report };
}

/**
 * Takes away all that is ours, when no daemon runs. A purge also names what others gave addresses of the mesh: a bridge
 * for containers. `foreign`: something of others is in the place of ours and stays.
 */
export function clearAll(
  { net, ruleset, sysctls }: OwnedHost,
  places: SubnetPlaces,
  stored: StoredState | null,
  purge = false,
): { readonly lines: readonly string[]; readonly foreign: boolean } {
  const lease = storedLease(stored);
  const networks = new Map<string, Prefix>(); // BOUNDED: two files, two leases each, and the stored one
  const seen = (network: Prefix) => networks.set(network.text, network);
  if (stored?.mesh != null) networksOf(stored.mesh).forEach(seen);
  const report: Reconciliation = { repaired: [], failed: [] };
  const after: string[] = [];
  let foreign = false;
  for (const file of filesOf(places)) {
    const owner = file.owner(lease);
    const told = [...owner === "ours" ? [file.lease()] : [], ...file.leases()];
    told.flatMap(networksIn).forEach(seen);
    if (owner === "ours") after.push(`Removed ${file.path}`);
    if (owner === "foreign") {
      foreign = true;
      after.push(`Left ${JSON.stringify(file.path)}: it is not an ovltun file`);
    }
  }
  for (const network of networks.values()) {
    addTo(report, removeOwned(net, network));
    if (purge) report.repaired.push(...stillHolding(net.interfaces(), net.addresses(), network));
  }
  addTo(report, removeOrphans(net, []));
  addTo(report, new Forwarding(sysctls, join(places.stateDir, SETTINGS_FILE)).giveBack());
  addTo(report, reconcileRules(ruleset, [...networks.values()], []));
  addTo(report, removeOrphanedRules(ruleset, net, []));
  const [failed] = report.failed;
  if (failed !== undefined) throw new Error(failed); // what tells of the network stays, for the next try
  for (const file of filesOf(places)) {
    if (file.owner(lease) === "ours") file.remove();
    else file.forget();
  }
  return { lines: [...report.repaired, ...after], foreign };
}

function networksIn(lease: EnvLease | null): Prefix[] {
  return lease === null ? [] : envPlaces(lease).map(({ network }) => network);
}

/** Where flannel writes its own: no run directory makes that one ours. */
const FLANNELS = ["/run/flannel/subnet.env", "/var/run/flannel/subnet.env"];

function fileOf({ runDir, subnetFile }: SubnetPlaces): SubnetFile {
  const path = resolve(subnetFile);
  const ownPlace = path === resolve(runDir, "subnet.env") && !FLANNELS.includes(path);
  return new SubnetFile(path, join(runDir, SUBNET_NOTE), ownPlace);
}

/** The one that is configured, and the one that was when the note was written. */
function filesOf(places: SubnetPlaces): SubnetFile[] {
  const file = fileOf(places);
  const noted = SubnetFile.noted(join(places.runDir, SUBNET_NOTE));
  return noted === null || noted.path === file.path ? [file] : [noted, file];
}
