import { test } from "node:test";
import assert from "node:assert/strict";
import { networkOfTable, tableName, wantedTable } from "../../src/host/packet_rules.ts";
import { reconcileRules, removeOrphanedRules } from "../../src/host/reconcile_rules.ts";
import { FakeKernel } from "../fakes/fake_kernel.ts";
import { FakeRuleset } from "../fakes/fake_ruleset.ts";
import { prefix } from "../../src/wire/prefix.ts";

const N4 = prefix("10.42.0.0/16"), N6 = prefix("fd42::/48");
const tableOf = (network = N4, subnet = prefix("10.42.7.0/24"), clampMss = false) =>
  wantedTable({ network, subnet, masquerade: true, clampMss })!;
const TABLES = [tableOf(), tableOf(N6, prefix("fd42:0:0:7::/64"))];

/** What a rule does, in short: "source 0a2a, mask …". */
const kinds = (table = tableOf()) =>
  table.chains.map(({ name, rules }) =>
    `${name}: ${rules.map(({ expressions }) => expressions!.at(-1)!.kind).join(", ")}`
  );

test("A table is named after its network, and by the name it is known again", () => {
  for (const network of [N4, N6, prefix("fd00::/8"), prefix("10.0.0.0/8")]) {
    assert.match(tableName(network), /^[a-z][a-zA-Z0-9/_.-]*$/, "nft(8) reads such a name");
    assert.equal(networkOfTable(tableName(network))?.text, network.text);
  }
  for (const name of ["ovltun-", "ovltun-x", "ovltun-10.42.0.0", "filter", "ovltun-fd42:0::/48"]) {
    assert.equal(networkOfTable(name), null, name);
  }
});

test("wantedTable() has the chains that are asked for, and none is no table", () => {
  const wanted = { network: N4, subnet: prefix("10.42.7.0/24") };
  assert.equal(wantedTable({ ...wanted, masquerade: false, clampMss: false }), null);
  const masquerading = "postrouting: verdict, verdict, verdict, masquerade, masquerade";
  assert.deepEqual(kinds(), [masquerading]);
  assert.deepEqual(kinds(tableOf(N4, wanted.subnet, true)), [masquerading, "forward: set mss, set mss"]);
});

test("reconcileRules() writes what is missing in one change, and nothing when all is there", () => {
  const ruleset = new FakeRuleset();
  assert.deepEqual(reconcileRules(ruleset, [N4, N6], TABLES), {
    repaired: TABLES.map(({ name }) => `Wrote the nftables table ${name}`),
    failed: [],
  });
  assert.deepEqual([ruleset.names, ruleset.writes], [["ip ovltun-10.42.0.0/16", "ip6 ovltun-fd42__/48"], 1]);
  assert.deepEqual(reconcileRules(ruleset, [N4, N6], TABLES), { repaired: [], failed: [] });
  assert.equal(ruleset.writes, 1);
});

test("reconcileRules() repairs a table that lacks a rule, has one of others, or is another", () => {
  for (
    const harm of [
      (ruleset: FakeRuleset) => ruleset.spoil("ovltun-10.42.0.0/16"),
      (ruleset: FakeRuleset) => ruleset.flush(),
      (ruleset: FakeRuleset) => ruleset.change([], [tableOf(N4, prefix("10.42.8.0/24"))]),
    ]
  ) {
    const ruleset = new FakeRuleset();
    reconcileRules(ruleset, [N4], [tableOf()]);
    harm(ruleset);
    assert.deepEqual(reconcileRules(ruleset, [N4], [tableOf()]).repaired, [
      "Wrote the nftables table ovltun-10.42.0.0/16",
    ]);
    assert.deepEqual(reconcileRules(ruleset, [N4], [tableOf()]).repaired, []);
  }
});

test("reconcileRules() removes what is not wanted any more, and leaves the tables of others alone", () => {
  const ruleset = new FakeRuleset();
  const others = [tableOf(prefix("10.43.0.0/16"), prefix("10.43.7.0/24")), { ...tableOf(), name: "nat" }];
  ruleset.change([], [...TABLES, ...others]);
  assert.deepEqual(reconcileRules(ruleset, [N4, N6], [TABLES[0]!]).repaired, [
    "Removed the nftables table ovltun-fd42__/48",
  ]);
  reconcileRules(ruleset, [N4, N6], []);
  assert.deepEqual(ruleset.names, ["ip nat", "ip ovltun-10.43.0.0/16"]);
});

test("reconcileRules() tells of a refusal, and of a write that left something else", () => {
  const ruleset = new FakeRuleset();
  ruleset.refuse = 1;
  const { repaired, failed } = reconcileRules(ruleset, [N4], [tableOf()]);
  assert.deepEqual(repaired, []);
  assert.match(failed.join(), /^Cannot write the nftables table ovltun-10.42.0.0\/16: EPERM/);
  const silent = Object.assign(new FakeRuleset(), { change: () => {} });
  const undone = reconcileRules(silent, [N4], [tableOf()]);
  assert.deepEqual(undone.repaired, []);
  assert.match(undone.failed.join(), /the kernel shows something else/);
});

test("removeOrphanedRules() takes the tables whose daemon is gone, and no other", () => {
  const kernel = new FakeKernel();
  const { ruleset } = kernel;
  const living = prefix("10.43.0.0/16"), kept = prefix("10.44.0.0/16");
  ruleset.change([], [
    ...TABLES,
    tableOf(living, prefix("10.43.7.0/24")),
    tableOf(kept, prefix("10.44.7.0/24")),
    { ...tableOf(), name: "ovltun-notes" },
  ]);
  const device = kernel.addLink("ovl1", { kind: "tun" });
  kernel.addAddress({ iface: device, address: "10.43.7.0", prefixLength: 32, scope: 0 });
  const bridge = kernel.addLink("cbr0", { kind: "bridge" });
  kernel.addAddress({ iface: bridge, address: "10.42.7.1", prefixLength: 24, scope: 0 });
  assert.equal(removeOrphanedRules(ruleset, kernel, [kept]).repaired.length, 2);
  assert.deepEqual(ruleset.names, ["ip ovltun-10.43.0.0/16", "ip ovltun-10.44.0.0/16", "ip ovltun-notes"]);
});
