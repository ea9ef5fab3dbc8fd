/** `ovltun doctor`: reads the host, and what its daemon says of the mesh if one runs, for the checks of host/doctor.ts. */
import { join } from "node:path";
import { callApi, NoDaemonError } from "../api/client.ts";
import { SOCKET_NAME, type Status } from "../api/schema.ts";
import type { Config } from "../config/config.ts";
import { examine, type Finding, type HostFacts, prefixesIn } from "../host/doctor.ts";
import type { HostNetwork } from "../ports/host.ts";
import type { Machine } from "../ports/machine.ts";
import { dockerFacts, isSynchronised, mayConfigure } from "../sys/host_facts.ts";

export type { Finding } from "../host/doctor.ts";

/** Not that of a daemon: it is there for a moment, and down. */
const TRIAL_DEVICE = "ovltrial0";
const ALL = { tso: true, uso: true, gso: true, gro: true };

export async function doctor(machine: Machine, config: Config): Promise<Finding[]> {
  const status = await statusOf(config.runDir);
  const net = machine.openNetwork();
  const ruleset = machine.openRuleset(false);
  try {
    const interfaces = net.interfaces();
    const networks = status === null
      ? [config.network, config.ipv6.network].filter((one) => one !== null)
      : prefixesIn(status.network.cidr, status.network.cidr6);
    const own = status === null ? [] : [config.port];
    return examine({
      mayConfigure: mayConfigure(),
      tun: triedTun(machine),
      trains: machine.udp.test(ALL),
      setting: (path) => machine.sysctls.read(path),
      interfaces,
      addresses: net.addresses(),
      routes: networks.flatMap((overlapping) => net.routes({ overlapping })),
      device: status?.node.device ?? config.device,
      networks,
      leases: status === null ? [] : prefixesIn(status.node.subnet, status.node.subnet6),
      ports: [config.port].map((port) => ({
        port,
        holder: own.includes(port) ? null : heldBy(machine, net, port),
      })),
      chains: ruleset.chains(),
      docker: await dockerFacts(),
      synchronised: isSynchronised(),
    });
  } finally {
    net.close();
    ruleset.close();
  }
}

async function statusOf(runDir: string): Promise<Status | null> {
  try {
    return await callApi(join(runDir, SOCKET_NAME), "status", {});
  } catch (error) {
    if (error instanceof NoDaemonError) return null;
    throw error;
  }
}

function triedTun(machine: Machine): HostFacts["tun"] {
  try {
    const tun = machine.devices.open(TRIAL_DEVICE, { tso: true, uso: true }, 1);
    machine.devices.close(tun);
    return { offloads: [...tun.tso ? ["tso"] : [], ...tun.uso ? ["uso"] : []] };
  } catch (error) {
    if (error instanceof Error && "errno" in error) return { error: error.message };
    throw error;
  }
}

/** Null: nobody. The port is taken for a moment. */
function heldBy(machine: Machine, net: HostNetwork, port: number): string | null {
  try {
    machine.udp.open(port, { workers: 1, byLane: true, zeroChecksums: false }).close();
    return null;
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== "EADDRINUSE") throw error;
    return machine.udp.holderOf(port, net.interfaces());
  }
}
