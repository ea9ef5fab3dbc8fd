import { test } from "node:test";
import assert from "node:assert/strict";
import { type MeshConfig, NOTHING_ASKED } from "../../../src/control/mesh/mesh_config.ts";
import { foundMesh } from "../../../src/control/mesh/mesh.ts";
import { ownToJson, readOwn } from "../../../src/control/records/state.ts";
import type { StoredOwn } from "../../../src/control/records/state.ts";
import { settingsFor } from "../../made/settings.ts";
import { prefix } from "../../../src/wire/prefix.ts";

const STATE: StoredOwn = {
  version: 1,
  nodeId: "ab".repeat(32),
  networkName: "ovltun",
  name: "alpha",
  mesh: foundMesh(settingsFor("x")) as MeshConfig,
  claim: { subnet: prefix("10.42.7.0/24"), stamp: 3, incarnation: 1 },
  incarnation: 4,
  epoch: 5,
  reserved: { incarnation: 260, epoch: 0 },
};

test("readOwn() reads what ownToJson() wrote, in one line", () => {
  assert.deepEqual(readOwn(JSON.parse(ownToJson(STATE))), STATE);
  const empty = { ...STATE, mesh: null, claim: null, initiations: 7 };
  assert.deepEqual(readOwn(JSON.parse(ownToJson(empty))), empty);
  assert.ok(!ownToJson(STATE).includes("\n"));
});

test("readOwn() reads a lease and a mesh of both families", () => {
  const ipv6 = { ...NOTHING_ASKED.ipv6, network: prefix("fd42:1:2::/48") };
  const mesh = foundMesh(settingsFor("x", { ipv6 })) as MeshConfig;
  const claim = { ...STATE.claim!, second: prefix("fd42:1:2:7::/64") };
  const both = { ...STATE, mesh, claim };
  assert.deepEqual(readOwn(JSON.parse(ownToJson(both))), both);
  const bad = { ...both, claim: { ...claim, second: "fd42::1/64" } };
  assert.throws(() => readOwn(JSON.parse(JSON.stringify(bad))), /"claim\.second" is not a subnet/);
});

test("readOwn() names what is wrong with a damaged file", () => {
  const damaged: [unknown, RegExp][] = [
    [{ ...STATE, version: 7 }, /version 7, this program supports 1/],
    [{ ...STATE, nodeId: "x" }, /"nodeId"/],
    [{ ...STATE, networkName: undefined }, /"networkName"/],
    [{ ...STATE, name: undefined }, /"name"/],
    [{ ...STATE, mesh: { ...STATE.mesh, network: "x" } }, /"mesh" is not a valid/],
    [{ ...STATE, mesh: undefined }, /"mesh"/],
    [
      { ...STATE, claim: { subnet: "10.42.7.1/24", stamp: 1, incarnation: 1 } },
      /"claim\.subnet" is not a subnet: "10\.42\.7\.1\/24"/,
    ],
    [{ ...STATE, claim: { subnet: prefix("10.42.7.0/24"), stamp: -1, incarnation: 1 } }, /"claim\.stamp"/],
    [{ ...STATE, claim: undefined }, /"claim"/],
    [{ ...STATE, incarnation: 2 ** 48 }, /"incarnation"/],
    [{ ...STATE, epoch: "1" }, /"epoch"/],
    [{ ...STATE, reserved: 7 }, /"reserved\.incarnation"/],
    [{ ...STATE, initiations: -1 }, /"initiations"/],
    [null, /not a JSON object/],
  ];
  for (const [value, message] of damaged) {
    assert.throws(() => readOwn(JSON.parse(JSON.stringify(value))), message);
  }
});
