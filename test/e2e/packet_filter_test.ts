/** `--ip-masq` and `--forward`: which tables a host has, when they are repaired, and that none is left. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Host } from "./host.ts";
import { foundedBy, inTown, joined } from "./town.ts";

const BOTH = { network6: "fd42:1:2::/48" };
const TABLES = ["ip ovltun-10.42.0.0/16", "ip6 ovltun-fd42_1_2__/48"];

test("a host that masquerades has a table for each family and says so; one that does not has none", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"), { "ip-masq": true, ...BOTH });
    const b = await joined(town.host("b"), a);
    assert.deepEqual(a.kernel.ruleset.names, TABLES);
    assert.match(a.subnetEnv()!, /^FLANNEL_IPMASQ=true$/m);
    assert.deepEqual([b.kernel.ruleset.names, b.kernel.ruleset.writes], [[], 0]);
    assert.match(b.subnetEnv()!, /^FLANNEL_IPMASQ=false$/m);
    await a.down();
    assert.deepEqual(a.kernel.ruleset.names, []);
  }));

test("a table that is flushed, or loses a rule, is back within a tick, and nothing is written without need", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"), { "ip-masq": true, ...BOTH });
    const { ruleset } = a.kernel;
    await town.run(60_000);
    assert.equal(ruleset.writes, 1, "both tables in one change");
    assert.ok(ruleset.reads < 30, `${ruleset.reads} reads in a minute`);
    ruleset.flush();
    await town.until("the tables are back", () => ruleset.names.length === 2, 300);
    ruleset.spoil("ovltun-10.42.0.0/16");
    const { writes } = ruleset;
    await town.until("the rule is back", () => ruleset.writes > writes, 300);
    await town.run(20_000);
    assert.equal(ruleset.writes, writes + 1);
    assert.deepEqual(a.status().warnings, []);
  }));

test("a refusal is a warning, tried again until it is done", () =>
  inTown(async (town) => {
    const host = town.host("a");
    const { ruleset } = host.kernel;
    ruleset.refuse = 1;
    const a = await foundedBy(host, { "ip-masq": true });
    await town.until("it is told", () => a.status().warnings.join().includes("Cannot write the nftables"));
    await town.until("it is done", () =>
      ruleset.names.length === 1 && a.status().warnings.length === 0, 12_000);
  }));

test("what a crash left is kept by a run that asks for it, and removed by one that does not", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"), { "ip-masq": true, ...BOTH });
    const { ruleset } = a.kernel;
    a.kill();
    assert.deepEqual(ruleset.names, TABLES);
    await a.up({ "ip-masq": true });
    await town.until("it has its lease", () => a.lease !== null);
    assert.equal(ruleset.writes, 1);
    a.kill();
    await a.up();
    await town.until("it has its lease", () => a.lease !== null);
    await town.until("they are gone", () => ruleset.names.length === 0, 1000);
    a.kill();
  }));

test("a start with another state directory removes the tables of a dead daemon, also of an unknown network", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"), { "ip-masq": true });
    a.kill();
    a.remove("state");
    a.remove("run");
    await a.up({ network: "10.77.0.0/16", "ip-masq": true });
    await town.until("it has its lease", () => a.lease !== null);
    assert.deepEqual(a.kernel.ruleset.names, ["ip ovltun-10.77.0.0/16"]);
  }));

test("the clamp is there only where links are wider than the mesh", () =>
  inTown(async (town) => {
    const host = town.host("a");
    const chains = () =>
      host.kernel.ruleset.tables("ovltun-").flatMap((one) => one.chains.map(({ name }) => name));
    const a = await foundedBy(host, { "ip-masq": true });
    assert.deepEqual(chains(), ["postrouting", "forward"]);
    a.kernel.setInterface(a.eth0, { mtu: 1400 });
    await town.run(1000);
    assert.deepEqual(chains(), ["postrouting", "forward"], "the device is smaller, too");
    a.kill();
    await a.up({ "ip-masq": true, mtu: "1400" });
    await town.until("it has its lease", () => a.lease !== null);
    assert.deepEqual(chains(), ["postrouting"]);
  }));

const forwards = ({ kernel }: Host) =>
  ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"].map((path) => kernel.sysctls.read(path));

test("--forward turns forwarding on for the families of the mesh, keeps it on, and gives it back", () =>
  inTown(async (town) => {
    const host = town.host("a");
    const before = host.kernel.sysctls.all;
    const a = await foundedBy(host, { forward: true });
    const b = await joined(town.host("b"), a);
    assert.deepEqual([forwards(a), forwards(b)], [["1", "0"], ["0", "0"]]);
    assert.deepEqual(
      a.kernel.ruleset.tables("ovltun-").flatMap((one) => one.chains.map(({ name }) => name)),
      [
        "forward",
      ],
    );
    assert.match(a.subnetEnv()!, /^FLANNEL_IPMASQ=false$/m);
    a.kernel.sysctls.set("net/ipv4/ip_forward", "0");
    await town.until("it is on again", () => forwards(a)[0] === "1", 300);
    await a.down();
    assert.deepEqual(a.kernel.sysctls.all, before);
  }));

test("forwarding that a dead daemon turned on is given back by a run that does not ask for it", () =>
  inTown(async (town) => {
    const host = town.host("a");
    const before = host.kernel.sysctls.all;
    const a = await foundedBy(host, { forward: true, ...BOTH });
    a.kill();
    assert.deepEqual(forwards(a), ["1", "1"]);
    await a.up({ forward: true });
    await town.until("it has its lease", () => a.lease !== null);
    a.kill();
    await a.up();
    assert.deepEqual(a.kernel.sysctls.all, before);
  }));

test("a host that may not set it says what to do, and is well once somebody has", () =>
  inTown(async (town) => {
    const host = town.host("a");
    host.kernel.sysctls.readOnly = true;
    const a = await foundedBy(host, { forward: true });
    assert.match(a.status().warnings.join(), /sysctl -w net.ipv4.ip_forward=1/);
    a.kernel.sysctls.set("net/ipv4/ip_forward", "1");
    await town.until("the warning is gone", () => a.status().warnings.length === 0, 300);
  }));
