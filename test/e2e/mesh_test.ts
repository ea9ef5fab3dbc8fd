// How a mesh comes to be, and what it is for: founded, joined, carrying packets both ways.
import assert from "node:assert/strict";
import { test } from "node:test";
import { destinationOf, sourceOf, udp } from "../made/packets.ts";
import { inTown, type Town } from "./town.ts";

const NETWORK = "10.42.0.0/16";

for (const plain of [false, true]) {
  const kind = plain ? "plain" : "sealed";

  test(`a host founds a ${kind} mesh: lease, device, routes and subnet.env are there`, () =>
    inTown(async (town) => {
      const a = town.host("a");
      await a.up({ plain, network: NETWORK });
      await town.until("a lease", () => a.lease !== null);
      const { node, network, peers, warnings } = a.status();
      assert.deepEqual([node.name, node.security, node.underlay, network.cidr], ["a", kind, [
        "192.168.1.1:8473",
      ], NETWORK]);
      assert.deepEqual([peers, warnings], [[], []]);
      assert.deepEqual(a.kernelRoutes(), [`${NETWORK} dev ovl0`, `unreachable ${a.lease}`]);
      assert.match(a.subnetEnv()!, /^FLANNEL_NETWORK=10\.42\.0\.0\/16\nFLANNEL_SUBNET=10\.42\.\d+\.1\/24\n/);
    }));

  test(`a second host joins a ${kind} mesh by its token, and packets go both ways`, () =>
    inTown(async (town) => {
      const [a, b] = await pairOf(town, { plain });
      assert.notEqual(a.lease, b.lease);
      assert.deepEqual(b.leases().map(({ subnet }) => subnet).sort(), [a.lease, b.lease].sort());
      for (const [from, to] of [[a, b], [b, a]] as const) {
        const packet = udp([from.overlay, to.overlay], new TextEncoder().encode("hello"));
        assert.ok(from.send(packet));
        await town.run(5);
        assert.deepEqual(to.received.map(sourceOf), [from.overlay]);
        assert.deepEqual(to.received.map(destinationOf), [to.overlay]);
        assert.deepEqual(to.heard(), ["hello"]);
        assert.equal(to.peer(from)!.security, kind);
      }
      const { drops } = b.status();
      assert.deepEqual(Object.entries(drops).filter(([, count]) => count > 0), []);
    }));
}

async function pairOf(town: Town, flags: Record<string, unknown> = {}) {
  const a = town.host("a"), b = town.host("b");
  await a.up({ ...flags, network: NETWORK });
  await town.until("a founds", () => a.lease !== null);
  await b.join(a.token(), flags);
  await town.until("they reach one another", () => b.lease !== null && a.reaches(b) && b.reaches(a));
  return [a, b] as const;
}
