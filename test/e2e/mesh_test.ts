/** How a mesh comes to be, and what it is for: founded, joined by a token, carrying packets both ways. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Changes } from "../../src/api/states.ts";
import { destinationOf, sourceOf, udp } from "../made/packets.ts";
import { foundedBy, inTown, joined, NETWORK } from "./town.ts";

for (const plain of [false, true]) {
  const kind = plain ? "plain" : "sealed";

  test(`a host founds a ${kind} mesh: lease, device, routes and subnet.env are there`, () =>
    inTown(async (town) => {
      const a = town.host("a");
      await a.up({ plain, network: NETWORK });
      await town.until("a lease", () => a.lease !== null);
      const { node, network, peers, warnings } = a.status();
      assert.deepEqual([node.name, node.security, network.cidr], ["a", kind, NETWORK]);
      assert.deepEqual([node.underlay, peers, warnings], [["192.168.1.1:8473"], [], []]);
      assert.deepEqual(a.kernelRoutes(), [`${NETWORK} dev ovl0`, `unreachable ${a.lease}`]);
      assert.match(a.subnetEnv()!, /^FLANNEL_NETWORK=10\.42\.0\.0\/16\nFLANNEL_SUBNET=10\.42\.\d+\.1\/24\n/);
    }));

  test(`a second host joins a ${kind} mesh by its token, and packets go both ways`, () =>
    inTown(async (town) => {
      const a = await foundedBy(town.host("a"), { plain });
      const b = await joined(town.host("b"), a, { plain });
      assert.notEqual(a.lease, b.lease);
      assert.deepEqual(b.leases().map(({ subnet }) => subnet).sort(), [a.lease, b.lease].sort());
      const before = [a.dropped(), b.dropped()];
      for (const [from, to] of [[a, b], [b, a]] as const) {
        const ends = [from.addressIn(7), to.addressIn(9)] as const;
        const packet = udp(ends, new TextEncoder().encode("hello"));
        const datagrams = town.tap();
        assert.ok(from.send(packet));
        await town.run(5);
        assert.equal(
          datagrams().some((bytes) => textOf(bytes).includes("hello")),
          plain,
          "readable on its way",
        );
        assert.deepEqual(to.received, [packet]);
        assert.deepEqual([sourceOf(to.received[0]!), destinationOf(to.received[0]!)], ends);
        assert.deepEqual(to.heard(), ["hello"]);
        assert.deepEqual([to.peer(from)!.path, to.peer(from)!.security], ["tunnel", kind]);
      }
      assert.deepEqual([a.dropped(), b.dropped()], before);
    }));
}

test("three hosts that know one of them find one another, by VXLAN as well", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"), { plain: true, backend: "vxlan" });
    const [b, c] = [town.host("b"), town.host("c")];
    for (const host of [b, c]) await host.up({ plain: true, peers: [a.address] });
    await town.until("all reach all", () => [a, b, c].every((host) => host.reachesAll([a, b, c])));
    b.say(c, "by VXLAN");
    await town.run(5);
    assert.deepEqual(c.heard(), ["by VXLAN"]);
  }));

test("hosts that start together, each with the other as its peer, found one mesh and not two", () =>
  inTown(async (town) => {
    town.names.set("a.example", ["192.168.1.1"]);
    town.names.set("b.example", ["192.168.1.2"]);
    const [a, b] = [town.host("a"), town.host("b")];
    await a.up({ plain: true, peers: ["b.example"] });
    await b.up({ plain: true, peers: ["a.example"] });
    await town.until("they reach one another", () => [a, b].every((host) => host.reachesAll([a, b])));
    assert.equal(a.status().network.id, b.status().network.id);
    assert.equal(a.status().network.cidr, b.status().network.cidr);
  }));

test("hosts on one link send by the kernel's own routes where the mesh is for that", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"), { plain: true, backend: "host-gw" });
    const b = await joined(town.host("b"), a, { plain: true });
    await town.until("the direct route is there", () => b.peer(a)!.path === "direct-route");
    assert.ok(b.kernelRoutes().includes(`${a.lease} via ${a.address} dev eth0`));
    assert.equal(b.say(a, "not through the tunnel"), false);
  }));

test("a host is refused a network that it has itself", () =>
  inTown(async (town) => {
    const a = town.host("a");
    await assert.rejects(a.up({ network: "192.168.0.0/16" }), /192\.168\.1\.0\/24/);
    assert.deepEqual(a.files(), []);
  }));

function textOf(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}

test("who follows the events hears of a host that joins, loses its power and comes back", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"));
    const b = town.host("b");
    let cursor: string | null = null;
    const heard: string[] = [];
    const until = async (last: string) => {
      while (!heard.includes(last)) {
        let answer: Changes | null = null;
        void a.events(cursor).then((changes) => answer = changes);
        await town.until(`"${last}" is told`, () => answer !== null, 30_000);
        const { cursor: next, events } = answer! as Changes;
        cursor = next;
        for (const e of events) heard.push(`${e.event} ${e.name} ${e.event === "path" ? e.path : e.state}`);
      }
    };
    await until("lease a confirmed");
    await joined(b, a);
    await until("path b tunnel");
    assert.ok(heard.includes("peer b alive") && heard.includes("lease b held"), heard.join(", "));
    b.kill();
    await until("peer b dead");
    heard.length = 0;
    await b.up();
    await until("peer b alive");
    await until("path b tunnel");
  }));
