/** Meshes with IPv6, alone and beside IPv4: what is on the host, in subnet.env and in the reports, and that packets flow. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { foundedBy, inTown, joined, NETWORK } from "./town.ts";

const NETWORK6 = "fd42:1:2::/48";
const last = (subnet6: string) => subnet6.replace("::/64", ":ffff:ffff:ffff:ffff");

test("a mesh of both families: one lease, whose subnets have one number, on host, in files and reports", () =>
  inTown(async (town) => {
    const a = await foundedBy(town.host("a"), { network6: NETWORK6 });
    const b = await joined(town.host("b"), a);
    for (const host of [a, b]) {
      const { node, network } = host.status();
      const n = Number(node.subnet!.split(".")[2]).toString(16);
      assert.equal(node.subnet6, `fd42:1:2:${n}::/64`);
      assert.deepEqual([network.cidr, network.cidr6, network.subnet6Len], [NETWORK, NETWORK6, 64]);
      assert.deepEqual([node.address6, node.address], [last(node.subnet6), node.subnet!.replace("/24", "")]);
      const held = host.kernel.addresses().map(({ address, prefixLength }) => `${address}/${prefixLength}`);
      assert.ok(held.includes(`${node.address6}/128`) && held.includes(`${node.address}/32`), `${held}`);
      assert.deepEqual(host.kernelRoutes().sort(), [
        ...[`${NETWORK} dev ovl0`, `${NETWORK6} dev ovl0`],
        ...[`unreachable ${node.subnet}`, `unreachable ${node.subnet6}`],
      ]);
      assert.ok(
        host.subnetEnv()!.startsWith(
          `FLANNEL_NETWORK=${NETWORK}\nFLANNEL_SUBNET=${node.subnet!.replace("0/24", "1/24")}\n` +
            `FLANNEL_IPV6_NETWORK=${NETWORK6}\nFLANNEL_IPV6_SUBNET=${node.subnet6.replace("/64", "1/64")}\n`,
        ),
      );
      assert.deepEqual(
        host.leases().map(({ subnet, subnet6 }) => [subnet, subnet6]).sort(),
        [a, b].map((one) => one.status().node).map(({ subnet, subnet6 }) => [subnet, subnet6]).sort(),
      );
    }
    const { node } = b.status();
    assert.deepEqual(a.why("b").subnet6, node.subnet6);
    assert.equal(a.why(node.address6!).node, "b");
    const lease = [node.subnet, node.subnet6];
    b.kill();
    assert.deepEqual(
      b.ownRoutes().map(({ destination, type }) => `${type} ${destination}`).sort(),
      lease.map((one) => `unreachable ${one}`),
    );
    await b.up();
    await town.run(0);
    assert.deepEqual([b.status().node.subnet, b.status().node.subnet6], lease);
    await town.until("they reach one another", () => a.reaches(b) && b.reaches(a));
    assert.equal((await b.down({ purge: true })).release?.outcome, "heard");
    assert.deepEqual([b.ownRoutes(), b.subnetEnv()], [[], null]);
  }));

test("a host is refused an IPv6 network that it has itself, by the flag's name", () =>
  inTown(async (town) => {
    const a = town.host("a");
    const iface = a.kernel.interfaces().find(({ name }) => name === "eth0")!.index;
    a.kernel.addAddress({ iface, address: "fd42:1:2:3::1", prefixLength: 64, scope: 0 });
    const words = /"fd42:1:2::\/48" overlaps the route fd42:1:2:3::\/64.*choose another with --network6/;
    await assert.rejects(a.up({ network6: NETWORK6 }), words);
    const b = await foundedBy(town.host("b"), { network6: NETWORK6 });
    await a.join(b.token());
    await town.until("a is refused", () => a.end !== null);
    assert.deepEqual(a.end, { code: 2 });
  }));

test("the lease-change hook is told of both families", () =>
  inTown(async (town) => {
    const a = town.host("a");
    await a.up({ network: NETWORK, network6: NETWORK6, "on-lease-change": "/bin/hook" });
    await town.until("a founds", () => a.lease !== null);
    await town.run(10);
    const { node } = a.status();
    const told = a.ran.map(({ environment }) => environment);
    assert.deepEqual(told.map((one) => [one["OVLTUN_OLD_SUBNET"], one["OVLTUN_OLD_SUBNET6"]]), [["", ""]]);
    assert.deepEqual(told.map((one) => [one["OVLTUN_NEW_SUBNET"], one["OVLTUN_NEW_SUBNET6"]]), [
      [node.subnet, node.subnet6],
    ]);
  }));

test("a mesh of IPv6 alone has no IPv4 anywhere; a host that asks for it is refused", () =>
  inTown(async (town) => {
    const a = town.host("a");
    await a.up({ network: "none", network6: "auto" });
    await town.until("a founds", () => a.status().node.leaseState === "confirmed");
    const { node, network } = a.status();
    assert.match(network.cidr6!, /^fd[0-9a-f]{2}:[0-9a-f:]+\/48$/);
    assert.deepEqual([node.subnet, node.address, network.cidr], [null, null, null]);
    assert.deepEqual(
      a.kernelRoutes().sort(),
      [
        `${network.cidr6} dev ovl0`,
        `unreachable ${node.subnet6}`,
      ].sort(),
    );
    assert.ok(a.subnetEnv()!.startsWith(`FLANNEL_IPV6_NETWORK=${network.cidr6}\nFLANNEL_IPV6_SUBNET=`));
    assert.ok(!a.subnetEnv()!.includes("FLANNEL_NETWORK"));
    const b = town.host("b");
    await b.join(a.token());
    await town.until("b joins", () => b.reaches(a) && a.reaches(b));
    const c = town.host("c");
    await c.join(a.token(), { network: NETWORK });
    await town.until("c ends", () => c.end !== null);
    assert.deepEqual(c.end, { code: 2 });
  }));

test("VXLAN carries a mesh of IPv6 alone: its probes are of that family, too", () =>
  inTown(async (town) => {
    const a = town.host("a");
    await a.up({ plain: true, backend: "vxlan", network: "none", network6: NETWORK6 });
    const b = town.host("b");
    await b.up({ plain: true, peers: [a.address] });
    await town.until("they reach one another", () => a.reaches(b) && b.reaches(a));
    await town.run(2000);
    const dropped = [a, b].map((host) => host.dropped()); // a first probe may be there before its sender is known
    await town.run(60_000);
    for (const [from, to] of [[a, b], [b, a]] as const) {
      const { path, healthy, why } = from.peer(to)!;
      assert.ok(path === "tunnel" && healthy, why);
    }
    assert.deepEqual([a, b].map((host) => host.dropped()), dropped);
  }));
