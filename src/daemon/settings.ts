/** From the daemon's configuration to what the control plane is asked for. */
import type { Config } from "../config/config.ts";
import type { Settings } from "../control/events.ts";
import { VERSION } from "./version.ts";

/** `pick` is the network to found with when none was given; `ownEndpoints` is where others reach us. */
export function settingsOf(config: Config, pick: string, ownEndpoints: readonly string[]): Settings {
  return {
    name: config.name,
    version: VERSION,
    networkName: config.networkName,
    found: config.found,
    network: config.network ?? pick,
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
    ownEndpoints,
  };
}
