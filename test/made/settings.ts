/** Settings of a node and a mesh's configuration, as most tests want them. */

import { type MeshConfig, NOTHING_ASKED, type Settings } from "../../src/control/mesh/mesh_config.ts";
import { prefix } from "../../src/wire/prefix.ts";

export const MESH: MeshConfig = {
  network: prefix("10.42.0.0/16"),
  subnetLen: 24,
  subnetMin: "10.42.1.0",
  subnetMax: "10.42.255.0",
  backend: "udp",
  vni: 1,
  vxlanPort: 8472,
  security: "plain",
};

export function settingsFor(name: string, change: Partial<Settings> = {}): Settings {
  return {
    ...NOTHING_ASKED,
    name,
    version: "0.1.0",
    networkName: "ovltun",
    ownEndpoints: [],
    network: MESH.network,
    plain: true,
    ...change,
  };
}
