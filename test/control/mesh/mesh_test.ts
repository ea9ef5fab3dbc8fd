import { test } from "node:test";
import assert from "node:assert/strict";
import {
  contradiction,
  foundMesh,
  meshDifference,
  meshHash,
  meshText,
  publicNetwork,
  readMesh,
} from "../../../src/control/mesh/mesh.ts";
import { type Asked, type MeshConfig, NOTHING_ASKED } from "../../../src/control/mesh/mesh_config.ts";
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

const SIX = { ...NOTHING_ASKED.ipv6, network: prefix("fd42:1:2::/48") };
const founded = (change: Partial<Asked>) => foundMesh(settingsFor("x", change)) as MeshConfig;
const FOUR = founded({});
const BOTH = founded({ ipv6: SIX });
const SIX_ALONE = founded({ withoutIpv4: true, ipv6: SIX });

test("foundMesh() makes meshes of IPv4, of IPv6 and of both", () => {
  const six = {
    network: SIX.network,
    subnetLen: 64,
    subnetMin: "fd42:1:2:1::",
    subnetMax: "fd42:1:2:ffff::",
  };
  assert.deepEqual(BOTH, { ...FOUR, second: six });
  const { backend, vni, vxlanPort, security } = FOUR;
  assert.deepEqual(SIX_ALONE, { ...six, backend, vni, vxlanPort, security });
  assert.match(String(foundMesh(settingsFor("x", { withoutIpv4: true }))), /--network6/);
  const small = { ...SIX, subnetLen: 40 };
  assert.match(String(foundMesh(settingsFor("x", { ipv6: small }))), /--subnet6-len, --network6/);
});

test("A configuration goes through its text, each with a hash of its own", () => {
  for (const mesh of [FOUR, BOTH, SIX_ALONE]) assert.deepEqual(readMesh(JSON.parse(meshText(mesh))), mesh);
  assert.equal(new Set([FOUR, BOTH, SIX_ALONE].map(meshHash)).size, 3);
  assert.equal(
    meshDifference(FOUR, BOTH),
    "network6 none here, fd42:1:2::/48 there; subnet6Len none here, 64 there; " +
      "subnet6Min none here, fd42:1:2:1:: there; subnet6Max none here, fd42:1:2:ffff:: there",
  );
});

test("readMesh() gives null for halves that are none", () => {
  const bad = [
    { ...BOTH, second: null },
    { ...BOTH, second: "fd42:1:2::/48" },
    { ...BOTH, second: { ...BOTH.second!, network: "10.43.0.0/16" } },
    { ...BOTH, second: { ...BOTH.second!, subnetLen: 47 } },
    { ...BOTH, second: { ...BOTH.second!, subnetMax: "fd43::" } },
    { ...SIX_ALONE, second: BOTH.second },
  ];
  for (const one of bad) assert.equal(readMesh(JSON.parse(JSON.stringify(one))), null);
});

test("contradiction() names a family that the mesh lacks, or has and was not to", () => {
  const of = (change: Partial<Asked>, mesh: MeshConfig) =>
    contradiction({ ...settingsFor("x"), network: null, ...change }, mesh);
  for (const mesh of [FOUR, BOTH, SIX_ALONE]) assert.equal(of({}, mesh), null);
  const auto = { ...NOTHING_ASKED.ipv6, choice: "auto" } as const;
  assert.deepEqual([of({ ipv6: auto }, BOTH), of({ ipv6: auto }, SIX_ALONE)], [null, null]);
  assert.match(of({ ipv6: auto }, FOUR)!, /^--network6 says "auto", but the mesh has "none"/);
  assert.match(of({ ipv6: SIX }, FOUR)!, /^--network6 says "fd42:1:2::\/48", but the mesh has "none"/);
  assert.match(of({ ipv6: { ...auto, choice: "none" } }, BOTH)!, /"none", but the mesh has "fd42:1:2::\/48"/);
  assert.match(of({ withoutIpv4: true }, BOTH)!, /^--network says "none", but the mesh has "10.42.0.0\/16"/);
  assert.match(of({ network: prefix("10.42.0.0/16") }, SIX_ALONE)!, /but the mesh has "none"/);
  assert.match(of({ ipv6: { ...SIX, network: null, subnetLen: 72 } }, BOTH)!, /^--subnet6-len says "72"/);
});

test("publicNetwork() looks at both families", () => {
  const ipv6 = { ...SIX, network: prefix("2a00:1:2::/48") };
  assert.match(publicNetwork(founded({ ipv6 }))!, /2a00:1:2::\/48 is public.*--network6 auto/);
  assert.equal(publicNetwork(BOTH), null);
});
