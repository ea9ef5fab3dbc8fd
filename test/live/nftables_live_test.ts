/**
 * Our tables in the real packet filter, in a network namespace of its own, with nft(8) as the second opinion, and beside it
 * the same story on the fake that the other tests trust. Needs root and nftables; nothing outside is touched.
 */
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { wantedTable } from "../../src/host/packet_rules.ts";
import { reconcileRules } from "../../src/host/reconcile_rules.ts";
import type { Ruleset } from "../../src/ports/ruleset.ts";
import { SysError } from "../../src/ports/sys_error.ts";
import { createNamespace, inNamespace, type Namespace } from "../../src/sys/namespaces.ts";
import { openRuleset } from "../../src/sys/nftables.ts";
import type { Rule, Table } from "../../src/wire/nftables.ts";
import { prefix } from "../../src/wire/prefix.ts";
import { FakeRuleset } from "../fakes/fake_ruleset.ts";

const skip = process.getuid?.() !== 0 ? "needs root" : false;

let ns: Namespace;
let ruleset: Ruleset;

before(() => {
  if (skip !== false) return;
  ns = createNamespace();
  ruleset = inNamespace(ns, () => openRuleset(true));
});

after(() => {
  if (skip !== false) return;
  ruleset.close();
  ns.close();
});

function nft(args: readonly string[], input = ""): string {
  const { status, stdout, stderr } = inNamespace(
    ns,
    () => spawnSync("nft", args, { encoding: "utf8", input }),
  );
  assert.equal(status, 0, `nft ${args.join(" ")}: ${stderr}`);
  return stdout;
}

const NETWORKS = [prefix("10.42.0.0/16"), prefix("fd42::/48")];
const SUBNETS = [prefix("10.42.16.0/20"), prefix("fd42:0:0:7::/64")];
const TABLES = NETWORKS.map((network, i) =>
  wantedTable({ network, subnet: SUBNETS[i]!, masquerade: true, clampMss: true })!
);
const reconcile = (on: Ruleset, tables: readonly Table[] = TABLES) => reconcileRules(on, NETWORKS, tables);

/** One story on any packet filter. `flush`: `nft flush ruleset`. */
function story(on: Ruleset, flush: () => void): unknown[] {
  const changed = () => [on.changed("ovltun-"), on.changed("ovltun-")];
  const names = () =>
    on.tables("ovltun-").map(({ family, name, strangers }) => [family, name, strangers]).sort();
  const told: unknown[] = [reconcile(on), names(), changed(), reconcile(on), changed()];
  flush();
  told.push(changed(), names(), reconcile(on), names(), changed());
  on.change([], [{ family: "ip", name: "other", chains: TABLES[0]!.chains }]);
  told.push(changed(), names(), reconcile(on), on.tables("other").length);
  on.change([{ family: "ip", name: "other" }, { family: "ip", name: "never-there" }], []);
  return [
    ...told,
    on.tables("other").length,
    reconcile(on, [TABLES[1]!]),
    names(),
    reconcile(on, []),
    names(),
  ];
}

test("the kernel and the fake tell one story", { skip }, () => {
  const fake = new FakeRuleset();
  assert.deepEqual(story(ruleset, () => nft(["flush", "ruleset"])), story(fake, () => fake.flush()));
});

test("nft(8) lists our tables as a person would have written them", { skip }, () => {
  reconcile(ruleset);
  const text = nft(["list", "ruleset"]);
  const lines = text.split("\n").map((line) => line.trim().replace(/ comment ".*"$/, ""));
  for (
    const line of [
      "table ip ovltun-10.42.0.0/16 {",
      "type nat hook postrouting priority srcnat; policy accept;",
      "meta mark & 0x00004000 == 0x00004000 return",
      "ip saddr 10.42.0.0/16 ip daddr 10.42.0.0/16 return",
      "ip saddr != 10.42.0.0/16 ip daddr 10.42.16.0/20 return",
      "ip saddr 10.42.0.0/16 ip daddr != 224.0.0.0/4 counter packets 0 bytes 0 masquerade fully-random",
      "ip saddr != 10.42.0.0/16 ip daddr 10.42.0.0/16 counter packets 0 bytes 0 masquerade fully-random",
      "type filter hook forward priority mangle; policy accept;",
      "ip daddr 10.42.0.0/16 tcp flags syn / syn,rst tcp option maxseg size set rt mtu",
      "table ip6 ovltun-fd42__/48 {",
      "ip6 saddr != fd42::/48 ip6 daddr fd42:0:0:7::/64 return",
      "ip6 saddr fd42::/48 ip6 daddr != ff00::/8 counter packets 0 bytes 0 masquerade fully-random",
    ]
  ) assert.ok(lines.includes(line), `${line}\n${text}`);
});

test("what nft(8) saved and loaded again is ours as it was", { skip }, () => {
  reconcile(ruleset);
  const saved = nft(["list", "ruleset"]);
  nft(["flush", "ruleset"]);
  nft(["-f", "-"], saved);
  assert.deepEqual(reconcile(ruleset), { repaired: [], failed: [] });
});

test("whatever others do to a table of ours is undone, and their own tables stay", { skip }, () => {
  reconcile(ruleset);
  const own =
    "add table ip theirs; add chain ip theirs c { type filter hook forward priority 0; }; add rule ip theirs c drop";
  nft([own]);
  const before = nft(["list", "table", "ip", "theirs"]);
  const ours = nft(["list", "table", "ip", "ovltun-10.42.0.0/16"]);
  for (
    const harm of [
      "flush table ip ovltun-10.42.0.0/16",
      "delete table ip ovltun-10.42.0.0/16",
      "delete chain ip ovltun-10.42.0.0/16 forward",
      "add rule ip ovltun-10.42.0.0/16 forward drop",
      "insert rule ip ovltun-10.42.0.0/16 postrouting ip daddr @s return",
      "add chain ip ovltun-10.42.0.0/16 more",
      "add set ip ovltun-10.42.0.0/16 more { type ipv4_addr; }",
      "chain ip ovltun-10.42.0.0/16 forward { policy drop; }",
    ]
  ) {
    const setup = harm.includes("@s") ? "add set ip ovltun-10.42.0.0/16 s { type ipv4_addr; }; " : "";
    nft([setup + harm]);
    assert.equal(ruleset.changed("ovltun-"), true, harm);
    assert.deepEqual(reconcile(ruleset).repaired, ["Wrote the nftables table ovltun-10.42.0.0/16"], harm);
    assert.equal(nft(["list", "table", "ip", "ovltun-10.42.0.0/16"]), ours, harm);
    ruleset.changed("ovltun-");
  }
  assert.equal(nft(["list", "table", "ip", "theirs"]), before);
  nft(["add rule ip theirs c accept"]);
  assert.equal(ruleset.changed("ovltun-"), false, "what others do to theirs is no change");
  nft(["delete", "table", "ip", "theirs"]);
});

test("a change that the kernel refuses is undone as a whole, and the error says which rule", { skip }, () => {
  reconcile(ruleset);
  const before = nft(["list", "ruleset"]);
  const rule: Rule = { comment: "", expressions: [{ kind: "masquerade" }] };
  const chain = { name: "c", type: "filter", hook: "forward", priority: 0, rules: [rule] } as const;
  assert.throws(
    () => ruleset.change(TABLES, [{ family: "ip", name: "ovltun-10.42.0.0/16", chains: [chain] }]),
    (error: SysError) =>
      error instanceof SysError &&
      error.message.startsWith(
        "Cannot write the nftables table ovltun-10.42.0.0/16 (rule 1 of chain c): EOPNOTSUPP",
      ),
  );
  assert.equal(nft(["list", "ruleset"]), before);
});

test("thousands of rules of others cost nothing to read past", { skip }, () => {
  reconcile(ruleset);
  const many = Array.from(
    { length: 5000 },
    (_, i) => `add rule ip theirs c ip saddr 10.0.${i >> 8}.${i & 255} drop`,
  );
  nft(["-f", "-"], ["add table ip theirs", "add chain ip theirs c", ...many].join("\n"));
  const found = ruleset.tables("ovltun-");
  assert.equal(found.length, 2);
  assert.deepEqual(found.flatMap(({ chains }) => chains.map(({ rules }) => rules.length)).sort(), [
    2,
    2,
    5,
    5,
  ]);
  nft(["delete", "table", "ip", "theirs"]);
});

test("a process without the right to look sees none, and is told when it wants to write", { skip }, () => {
  const script = `
    const { openRuleset } = await import("./src/sys/nftables.ts");
    const ruleset = openRuleset(true);
    let said = "";
    try { ruleset.change([], [{ family: "ip", name: "ovltun-x", chains: [] }]); } catch (e) { said = e.message; }
    console.log(JSON.stringify([ruleset.tables("ovltun-"), said]));`;
  const drop = ["--reuid=65534", "--clear-groups", "--inh-caps=-all", "--", process.execPath];
  const { stdout, stderr } = inNamespace(ns, () =>
    spawnSync("setpriv", [...drop, ...evaluate(script)], {
      encoding: "utf8",
      env: { ...process.env, HOME: "/tmp", NO_COLOR: "1" },
    }));
  const [tables, said] = JSON.parse(stdout || JSON.stringify([stderr]));
  assert.deepEqual(tables, []);
  assert.match(said, /EPERM.*\(run as root or grant CAP_NET_ADMIN\)/);
});

function evaluate(script: string): string[] {
  return "Deno" in globalThis ? ["eval", "--no-check", script] : ["-e", script];
}
