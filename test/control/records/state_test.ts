import { test } from "node:test";
import assert from "node:assert/strict";
import { type MeshConfig, NOTHING_ASKED } from "../../../src/control/mesh/mesh_config.ts";
import { foundMesh } from "../../../src/control/mesh/mesh.ts";
import { readState, recordText, stateToJson, storedRecordBytes } from "../../../src/control/records/state.ts";
import type { StoredState } from "../../../src/control/records/state.ts";
import { settingsFor } from "../../made/settings.ts";
import { recordOf } from "../../made/records.ts";
import { prefix } from "../../../src/wire/prefix.ts";

const STATE: StoredState = {
  version: 1,
  nodeId: "ab".repeat(32),
  networkName: "ovltun",
  name: "alpha",
  mesh: foundMesh(settingsFor("x")) as MeshConfig,
  claim: { subnet: prefix("10.42.7.0/24"), stamp: 3, incarnation: 1 },
  incarnation: 4,
  epoch: 5,
  peers: [{ record: recordText(recordOf(1).raw), endpoint: "192.168.1.10:8473" }, {
    record: recordText(recordOf(2).raw),
    endpoint: null,
  }],
  gone: [],
  directives: [],
};

test("readState() reads what stateToJson() wrote, records included", () => {
  assert.deepEqual(readState(JSON.parse(stateToJson(STATE))), STATE);
  assert.deepEqual(storedRecordBytes(STATE.peers[0]!), recordOf(1).raw);
  const empty = { ...STATE, mesh: null, claim: null, peers: [] };
  assert.deepEqual(readState(JSON.parse(stateToJson(empty))), empty);
});

test("readState() reads a lease and a mesh of both families", () => {
  const ipv6 = { ...NOTHING_ASKED.ipv6, network: prefix("fd42:1:2::/48") };
  const mesh = foundMesh(settingsFor("x", { ipv6 })) as MeshConfig;
  const claim = { ...STATE.claim!, second: prefix("fd42:1:2:7::/64") };
  const both = { ...STATE, mesh, claim };
  assert.deepEqual(readState(JSON.parse(stateToJson(both))), both);
  const bad = { ...both, claim: { ...claim, second: "fd42::1/64" } };
  assert.throws(() => readState(JSON.parse(JSON.stringify(bad))), /"claim\.second" is not a subnet/);
});

test("readState() names what is wrong with a damaged file", () => {
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
    [{ ...STATE, peers: {} }, /"peers"/],
    [{ ...STATE, peers: [{ record: "a*b", endpoint: null }] }, /base64/],
    [{ ...STATE, peers: [null] }, /base64/],
    [null, /not a JSON object/],
  ];
  for (const [value, message] of damaged) {
    assert.throws(() => readState(JSON.parse(JSON.stringify(value))), message);
  }
});
