import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { allocate, leaseRange, wishProblem } from "../../../src/control/lease/allocation.ts";
import { type AskedRange, type MeshConfig, NOTHING_ASKED } from "../../../src/control/mesh/mesh_config.ts";
import {
  contradiction,
  foundMesh,
  meshDifference,
  meshHash,
  meshText,
  readMesh,
} from "../../../src/control/mesh/mesh.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";
import { settingsFor } from "../../made/settings.ts";
import { overlaps, prefix } from "../../../src/wire/prefix.ts";

function mesh(change: Parameters<typeof settingsFor>[1] = {}): MeshConfig {
  const founded = foundMesh(settingsFor("x", change));
  assert.notEqual(typeof founded, "string", String(founded));
  return founded as MeshConfig;
}

test("foundMesh() fills in the defaults, leaving out the first subnet", () => {
  assert.deepEqual(mesh(), {
    network: prefix("10.42.0.0/16"),
    subnetLen: 24,
    subnetMin: "10.42.1.0",
    subnetMax: "10.42.255.0",
    backend: "udp",
    vni: 1,
    vxlanPort: 8472,
    security: "plain",
  });
  assert.equal(mesh({ network: prefix("10.0.0.0/23") }).subnetMin, "10.0.0.0");
  assert.equal(mesh({ network: prefix("fd00::/48"), subnetLen: 64 }).subnetMin, "fd00:0:0:1::");
});

test("foundMesh() says why a configuration cannot be", () => {
  const why = (change: Parameters<typeof settingsFor>[1]) => foundMesh(settingsFor("x", change));
  assert.match(why({ network: null }) as string, /No network/);
  assert.match(why({ subnetLen: 12 }) as string, /No subnet of length 12 fits in 10\.42\.0\.0\/16/);
  assert.match(why({ subnetMin: "10.43.0.0" }) as string, /10\.43\.0\.0 is not in 10\.42\.0\.0\/16/);
  assert.match(why({ subnetMin: "10.42.9.0", subnetMax: "10.42.8.0" }) as string, /comes after/);
});

test("readMesh() reads what meshText() wrote and refuses what does not hold together", () => {
  const good = JSON.parse(meshText(mesh({ backend: "vxlan" })));
  assert.deepEqual(readMesh(good), mesh({ backend: "vxlan" }));
  for (
    const change of [{ network: "x" }, { backend: "ipip" }, { vni: 0 }, { subnetLen: 8 }, {
      security: "none",
    }]
  ) {
    assert.equal(readMesh({ ...good, ...change }), null, JSON.stringify(change));
  }
  for (const value of [null, 5, "x", [], {}]) assert.equal(readMesh(value), null);
});

test("meshHash() and meshDifference() notice every value", () => {
  const a = mesh();
  for (
    const change of [{ vni: 2 }, { vxlanPort: 1 }, { backend: "vxlan" as const }, { subnetMin: "10.42.2.0" }]
  ) {
    const b = { ...a, ...change };
    assert.notEqual(meshHash(a), meshHash(b));
    assert.match(meshDifference(a, b), / here, .* there$/);
  }
  assert.equal(meshDifference(a, { ...a }), "");
});

test("contradiction() counts only what the user gave", () => {
  assert.equal(contradiction(settingsFor("x", { network: null }), mesh()), null);
  assert.match(contradiction(settingsFor("x", { vni: 7 }), mesh())!, /--vni says "7", but the mesh has "1"/);
});

test("allocate() gives a free subnet of the range, or says exhausted only when there is none", () => {
  const tight = mesh({
    network: prefix("10.42.0.0/20"),
    subnetLen: 24,
    subnetMin: "10.42.2.0",
    subnetMax: "10.42.9.0",
  });
  const subnets = fc.subarray([
    ...Array.from({ length: 16 }, (_, i) => `10.42.${i}.0/24`),
    "10.42.4.0/23",
    "10.42.6.128/25",
    "10.0.0.0/8",
    "10.99.0.0/16",
  ], { maxLength: 14 });
  fc.assert(fc.property(subnets, fc.integer(), (taken, seed) => {
    const prefixes = taken.map(prefix);
    const free = Array.from({ length: 8 }, (_, i) => `10.42.${i + 2}.0/24`).filter((s) =>
      !prefixes.some((p) => overlaps(p, prefix(s)))
    );
    const choice = allocate(tight, prefixes, { subnet: null }, new SeededRandom(seed));
    if (free.length === 0) assert.deepEqual(choice, { kind: "exhausted", total: 8, range: tight });
    else assert.ok(choice.kind === "found" && free.includes(choice.subnet.text), JSON.stringify(choice));
  }));
});

test("allocate() finds the last free subnet of a large range", () => {
  const wide = mesh({ subnetLen: 28 });
  const { first, count } = leaseRange(wide);
  assert.deepEqual([first, count], [1, 4095]);
  const all = Array.from({ length: 4096 }, (_, i) => `10.42.${i >> 4}.${(i & 15) * 16}/28`);
  const taken = all.filter((s) => s !== "10.42.77.48/28").map(prefix);
  const choice = allocate(wide, taken, { subnet: null }, new SeededRandom(1));
  assert.deepEqual(choice, { kind: "found", subnet: prefix("10.42.77.48/28"), wish: false });
});

test("allocate() honours a wish that is free and fits, and only that", () => {
  const random = new SeededRandom(1);
  assert.deepEqual(allocate(mesh(), [], { subnet: prefix("10.42.7.0/24") }, random), {
    kind: "found",
    subnet: prefix("10.42.7.0/24"),
    wish: true,
  });
  const other = allocate(mesh(), [prefix("10.42.7.0/25")], { subnet: prefix("10.42.7.0/24") }, random);
  assert.ok(other.kind === "found" && !other.wish);
  assert.match(wishProblem(mesh(), prefix("10.43.7.0/24"))!, /not in 10\.42\.0\.0\/16/);
  assert.match(wishProblem(mesh(), prefix("10.42.7.0/25"))!, /are \/24/);
  assert.match(wishProblem(mesh(), prefix("10.42.0.0/24"))!, /from 10\.42\.1\.0/);
});

test("One address a host: subnetLen 32 leases single addresses", () => {
  const single = mesh({ network: prefix("10.42.0.0/24"), subnetLen: 32 });
  const choice = allocate(single, [], { subnet: null }, new SeededRandom(3));
  assert.ok(choice.kind === "found" && /^10\.42\.0\.\d+\/32$/.test(choice.subnet.text));
});

test("allocate() takes of both families the subnets of one number, where they are free", () => {
  const dual = both({});
  const random = new SeededRandom(4);
  for (let i = 0; i < 20; i++) {
    const choice = allocate(dual, [], { subnet: null }, random);
    assert.ok(choice.kind === "found");
    const n = Number(choice.subnet.text.split(".")[2]);
    assert.equal(choice.second?.text, `fd42:1:2:${n.toString(16)}::/64`);
  }
  const taken = [prefix("fd42:1:2:7::/64")];
  const other = allocate(dual, taken, { subnet: prefix("10.42.7.0/24") }, random);
  assert.ok(other.kind === "found" && other.wish && other.subnet.text === "10.42.7.0/24");
  assert.ok(other.second !== undefined && !overlaps(other.second, taken[0]!));
});

test("allocate() lets a wish of one family choose the number in the other", () => {
  const dual = both({});
  const wish = { subnet: null, second: prefix("fd42:1:2:9::/64") };
  assert.deepEqual(allocate(dual, [], wish, new SeededRandom(1)), {
    kind: "found",
    subnet: prefix("10.42.9.0/24"),
    second: wish.second,
    wish: true,
  });
  const far = { subnet: null, second: prefix("fd42:1:2:ff00::/64") }; // there is no 10.42.65280.0
  const choice = allocate(dual, [], far, new SeededRandom(1));
  assert.ok(choice.kind === "found" && choice.wish);
  assert.equal(choice.second?.text, "fd42:1:2:ff00::/64");
});

test("allocate() is exhausted when one family is, and says which", () => {
  const narrow = both({ subnetMin: "fd42:1:2:5::", subnetMax: "fd42:1:2:5::" });
  const choice = allocate(narrow, [prefix("fd42:1:2:5::/64")], { subnet: null }, new SeededRandom(1));
  assert.deepEqual(choice, { kind: "exhausted", total: 1, range: narrow.second });
  const last = allocate(narrow, [], { subnet: null }, new SeededRandom(1));
  assert.ok(last.kind === "found" && last.second?.text === "fd42:1:2:5::/64");
});

function both(change: Partial<AskedRange>): MeshConfig {
  const ipv6 = { ...NOTHING_ASKED.ipv6, network: prefix("fd42:1:2::/48"), ...change };
  return foundMesh(settingsFor("x", { ipv6 })) as MeshConfig;
}
