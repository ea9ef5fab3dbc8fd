import { test } from "node:test";
import assert from "node:assert/strict";
import { foundMesh, publicNetwork } from "../../../src/control/mesh/mesh.ts";
import type { MeshConfig } from "../../../src/control/mesh/mesh_config.ts";
import { settingsFor } from "../../made/settings.ts";
import { prefix } from "../../../src/wire/prefix.ts";

test("publicNetwork() warns of networks that reach beyond the private, shared and test ranges", () => {
  const warned = (network: string) =>
    publicNetwork(foundMesh(settingsFor("x", { network: prefix(network) })) as MeshConfig);
  for (const network of ["8.8.0.0/16", "172.32.0.0/16", "100.128.0.0/16", "10.0.0.0/7", "192.0.0.0/16"]) {
    assert.match(warned(network) ?? "", new RegExp(`${network} is public address space.*--network`), network);
  }
  for (
    const network of [
      ...["10.0.0.0/8", "10.42.0.0/16", "172.31.0.0/16", "192.168.7.0/24"],
      ...["100.64.0.0/10", "198.19.0.0/16", "203.0.113.0/24"],
    ]
  ) assert.equal(warned(network), null, network);
});
