/** From the daemon's configuration to what the control plane is asked for. */
import type { Config } from "../config/config.ts";
import type { Settings } from "../control/mesh/node_settings.ts";
import { randomNetwork } from "../host/overlap.ts";
import type { HostNetwork } from "../ports/host.ts";
import type { Random } from "../ports/time.ts";
import { VERSION } from "../version.ts";
import type { Prefix } from "../wire/prefix.ts";

/** `host`: where others reach us, and what is asked of the host when this node founds without `--network`. */
export function settingsOf(config: Config, host: Pick<Settings, "ownEndpoints" | "drawNetwork">): Settings {
  return {
    ...host,
    name: config.name,
    version: VERSION,
    networkName: config.networkName,
    found: config.found,
    network: config.network,
    networkExplicit: config.network !== null,
    subnetLen: config.subnetLen,
    defaultSubnetLen: config.defaultSubnetLen,
    subnetMin: config.subnetMin,
    subnetMax: config.subnetMax,
    subnetWish: config.subnet,
    backend: config.backend,
    vni: config.vni,
    vxlanPort: config.vxlanPort,
    hasSeeds: config.peers.length > 0,
    security: config.plain ? "plain" : "sealed",
    directRouting: config.directRouting,
    allowPlainDirect: config.allowPlainDirect,
    staticPeers: config.staticPeers,
  };
}

/** A network that nothing of this host touches, or why there is none: for who founds without `--network`. */
export function drawNetwork(random: Random, net: HostNetwork): { network: Prefix } | { problem: string } {
  try {
    return { network: randomNetwork(random, net.routes(), net.addresses()) };
  } catch (error) {
    if (!(error instanceof Error) || "errno" in error) throw error;
    return { problem: error.message };
  }
}
