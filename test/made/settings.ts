import type { Settings } from "../../src/control/mesh/node_settings.ts";
import { prefix } from "../../src/wire/prefix.ts";

export function settingsFor(name: string, change: Partial<Settings> = {}): Settings {
  return {
    name,
    version: "0.1.0",
    networkName: "ovltun",
    found: false,
    network: prefix("10.42.0.0/16"),
    networkExplicit: false,
    subnetLen: null,
    subnetMin: null,
    subnetMax: null,
    subnetWish: null,
    backend: null,
    vni: null,
    vxlanPort: null,
    hasSeeds: false,
    directRouting: false,
    allowPlainDirect: false,
    security: "plain",
    staticPeers: [],
    ownEndpoints: [],
    ...change,
  };
}
