/** `ovltun reserve` and `unreserve` with whole daemons: what is refused, what is told, and what becomes of the node's lease. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Changes } from "../../src/api/states.ts";
import { reservedLines } from "../../src/cli/reserve.ts";
import type { Host } from "./host.ts";
import { foundedBy, inTown, joined, NETWORK } from "./town.ts";

const NETWORK6 = "fd42:1:2::/48";
const S = "10.42.200.0/24";

const listed = (host: Host) =>
  host.leases().filter((one) => one.reserved).map(({ subnet, name, state, reservedBy }) =>
    `${subnet} ${name} ${state} by ${reservedBy}`
  );

test("a reservation is listed by all, given to nobody else, kept over restarts, taken with --now, and lifted", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    const b = await joined(town.host("b"), a);
    const { lease } = b;
    const answer = a.reserve(S, "b");
    assert.deepEqual([answer.holds, answer.taken, answer.moves, answer.state], [
      [lease],
      false,
      false,
      "alive",
    ]);
    await town.until("b knows", () => listed(b).length === 1);
    for (const host of [a, b]) assert.deepEqual(listed(host), [`${S} b reserved by a`]);
    assert.deepEqual(
      b.status().reservations?.map(({ subnet, name, by, state }) => [subnet, name, by, state]),
      [
        [S, "b", "a", "free"],
      ],
    );
    const c = await joined(town.host("c"), a, { subnet: S });
    assert.notEqual(c.lease, S);
    assert.deepEqual(listed(c), [`${S} b reserved by a`]);
    for (const host of [a, b, c]) host.kill();
    for (const host of [a, b, c]) await host.up();
    await town.until("all reach all", () => [a, b, c].every((host) => host.reachesAll([a, b, c])));
    assert.equal(b.lease, lease);
    for (const host of [a, b, c]) assert.deepEqual(listed(host), [`${S} b reserved by a`]);
    assert.equal(c.reserve(S, "b", { now: true }).moves, true);
    await town.until("b has it", () => b.lease === S && a.reaches(b) && c.reaches(b));
    assert.ok(b.subnetEnv()!.includes("10.42.200.1/24") && b.kernelRoutes().includes(`unreachable ${S}`));
    a.say(b, "to the new subnet");
    await town.run(5);
    assert.deepEqual(b.heard(), ["to the new subnet"]);
    assert.deepEqual(listed(a), [`${S} b alive by c`]);
    assert.deepEqual(b.unreserve(S), { subnet: S, id: answer.id, name: "b", taken: true });
    await town.until("all have heard", () => [a, b, c].every((host) => listed(host).length === 0));
    assert.deepEqual([b.lease, a.status().warnings], [S, []]);
  }));

test("events tell when a reservation is made, is for another, and is lifted", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    const b = await joined(town.host("b"), a);
    const seen: string[] = [];
    const begun = await b.events(null);
    let cursor = begun.cursor;
    const next = async (act: () => void) => {
      let answer: Changes | null = null;
      void b.events(cursor).then((changes) => answer = changes);
      act();
      await town.until("an answer", () => answer !== null);
      cursor = answer!.cursor;
      for (const e of answer!.events) {
        if (e.event === "reservation") {
          seen.push(`${e.subnet} ${e.name} ${e.state} by ${e.by}, was ${e.before}`);
        }
      }
    };
    await next(() => a.reserve(S, "b"));
    await next(() => a.unreserve(S));
    await next(() => b.reserve(S, "a"));
    assert.deepEqual(seen, [
      `${S} b reserved by a, was null`,
      `${S} b lifted by a, was b`,
      `${S} a reserved by b, was null`,
    ]);
    const all = await b.events(null);
    assert.ok(all.events.some((e) => e.event === "reservation" && e.subnet === S && e.name === "a"));
  }));

test("what cannot be reserved is refused with the reason and what to do", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"), {
      plain: true,
      "subnet-min": "10.42.16.0",
      "subnet-max": "10.42.250.0",
    });
    const b = await joined(town.host("b"), a, {
      plain: true,
      "static-peer": "10.42.199.0/24=192.168.1.99,backend=udp",
    });
    await town.until("the static peer is known", () => a.leases().some(({ state }) => state === "static"));
    const refused = (subnet: string, node: string, words: RegExp) =>
      assert.throws(() => a.reserve(subnet, node), words, `${subnet} ${node}`);
    refused("10.42.200.0", "b", /"10\.42\.200\.0" is not a subnet such as 10\.42\.16\.0\/24/);
    refused(
      "10.42.200.7/24",
      "b",
      /10\.42\.200\.7\/24 has host bits set \(did you mean 10\.42\.200\.0\/24\?\)/,
    );
    refused("10.42.200.0/25", "b", /cannot be reserved: leases in this mesh are \/24/);
    refused("10.42.200.0/23", "b", /cannot be reserved: leases in this mesh are \/24/);
    refused(NETWORK, "b", /it is the whole network; leases in this mesh are \/24/);
    refused("10.43.1.0/24", "b", /it is not in 10\.42\.0\.0\/16/);
    refused("10.42.3.0/24", "b", /leases in this mesh range from 10\.42\.16\.0 to 10\.42\.250\.0/);
    refused("fd42:1:2:3::/64", "b", /this mesh has no IPv6/);
    refused(S, "nobody", /No node is called "nobody"; known: a \(this node\), b/);
    refused(S, "10.42.199.1", /is no node/);
    refused("10.42.199.0/24", "b", /it is that of a static peer of b/);
    refused(b.lease!, "a", new RegExp(`${b.lease} is leased by b: it would lose it`));
    refused(a.lease!, "b", new RegExp(`${a.lease} is leased by a: this node would lose it`));
    a.reserve(S, "b");
    await town.run(100);
    refused(S, "a", /10\.42\.200\.0\/24 is reserved for b: ovltun unreserve 10\.42\.200\.0\/24 first/);
    refused("10.42.201.0/24", "b", /10\.42\.200\.0\/24 is reserved for b already.*ovltun unreserve/);
    assert.throws(() => a.unreserve("10.42.201.0/24"), /is not reserved \(see: ovltun leases\)/);
    assert.equal(a.reserve(S, "b").name, "b", "again is no mistake");
  }));

test("in a mesh of both families each half is reserved for itself, and a node that has to move takes both", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"), { network6: NETWORK6 });
    const b = await joined(town.host("b"), a);
    a.reserve("fd42:1:2:77::/64", "b");
    await town.run(1000);
    assert.throws(() => a.reserve("fd42:1:2:78::/64", "b"), /fd42:1:2:77::\/64 is reserved for b already/);
    a.reserve(S, "b", { now: true });
    const has = (subnet: string, subnet6: string) => () => {
      const { node } = b.status();
      return node.subnet === subnet && node.subnet6 === subnet6 && node.leaseState === "confirmed";
    };
    await town.until("b has both", has(S, "fd42:1:2:77::/64"));
    await town.until("they reach one another", () => a.reaches(b) && b.reaches(a));
    assert.deepEqual(listed(a), [`${S} b alive by a`]);
    a.unreserve("fd42:1:2:77::/64");
    await town.run(3000);
    a.reserve("fd42:1:2:99::/64", "b", { now: true });
    await town.until("b has moved", has(S, "fd42:1:2:99::/64"));
  }));

test("what is told of a reservation says what becomes of the lease that the node has", () => {
  const said = {
    subnet: S,
    id: "ab".repeat(32),
    name: "b",
    state: "alive",
    holds: ["10.42.3.0/24"],
  } as const;
  const lines = (change: object) =>
    reservedLines({ ...said, taken: false, moves: false, ...change }).join("; ");
  const first = `${S} is reserved for b (abababab)`;
  assert.equal(lines({ holds: [S], taken: true }), `${first}, which holds it`);
  assert.equal(
    lines({}),
    `${first}; b keeps 10.42.3.0/24, also over restarts; to have it change: ovltun reserve ${S} b --now`,
  );
  assert.equal(
    lines({ moves: true }),
    `${first}; b leaves 10.42.3.0/24 for it now; its containers need new addresses`,
  );
  assert.match(lines({ moves: true, state: "dead" }), /leaves 10\.42\.3\.0\/24 for it when it is back/);
  assert.match(lines({ holds: [] }), /takes this one when it claims one/);
});
