import { test } from "node:test";
import assert from "node:assert/strict";
import { type Leasable, leftBridges, stillHolding } from "../../src/host/left_bridge.ts";
import { FakeKernel } from "../fakes/fake_kernel.ts";
import { prefix } from "../../src/wire/prefix.ts";

const MESH = { network: prefix("10.42.0.0/16"), subnetLen: 24, subnetMin: null, subnetMax: null };

function host(address: string, prefixLength: number, kind: string | null = "bridge") {
  const net = new FakeKernel();
  const iface = net.addLink("cbr0", { kind });
  net.addAddress({ iface, address, prefixLength, scope: 0 });
  return net;
}
const left = (net: FakeKernel, change: Partial<Leasable> = {}) =>
  leftBridges(net.interfaces(), net.addresses(), { ...MESH, ...change }).map(({ subnet }) => subnet.text);

test("leftBridges() knows a bridge as README has it made", () => {
  assert.deepEqual(left(host("10.42.7.1", 24)), ["10.42.7.0/24"]);
});

test("leftBridges() knows one with IPv6, too, each by the range of its family", () => {
  const six = { network: prefix("fd42:1:2::/48"), subnetLen: 64 };
  const both = host("10.42.7.1", 24);
  const iface = both.interfaces().find(({ name }) => name === "cbr0")!.index;
  both.addAddress({ iface, address: "fd42:1:2:7::1", prefixLength: 64, scope: 0 });
  assert.deepEqual([left(both), left(both, six)], [["10.42.7.0/24"], ["fd42:1:2:7::/64"]]);
  assert.deepEqual(left(host("fd42:1:2::1", 64), six), [], "the first subnet is leased to nobody");
  assert.deepEqual(left(host("fd42:1:2:7::2", 64), six), [], "not the first address");
  assert.deepEqual(left(host("fd42:1:3:7::1", 64), six), [], "not of this mesh");
});

test("leftBridges() takes no other network of the host for one", () => {
  assert.deepEqual(left(host("10.42.7.1", 24, null)), [], "a hotspot");
  assert.deepEqual(left(host("10.42.0.1", 24)), [], "k3s: its first subnet is leased to nobody");
  assert.deepEqual(left(host("10.42.0.1", 16)), [], "a network of Docker");
  assert.deepEqual(left(host("10.42.7.5", 24)), [], "not the first address");
  assert.deepEqual(left(host("10.43.7.1", 24)), [], "not of this mesh");
  assert.deepEqual(left(host("10.42.7.1", 24), { subnetMin: "10.42.8.0" }), [], "before the first subnet");
});

test("stillHolding() names what holds an address of the mesh and the command that removes it", () => {
  const net = host("10.42.7.1", 24);
  const eth0 = net.addLink("eth0");
  net.addAddress({ iface: eth0, address: "192.168.1.10", prefixLength: 24, scope: 0 });
  net.addAddress({ iface: eth0, address: "10.42.7.9", prefixLength: 32, scope: 0 });
  assert.deepEqual(stillHolding(net.interfaces(), net.addresses(), MESH.network), [
    "The bridge cbr0 still has 10.42.7.1/24 of this mesh; to remove it: ip link del cbr0",
    "eth0 still has 10.42.7.9/32 of this mesh; to remove it: ip addr del 10.42.7.9/32 dev eth0",
  ]);
});

test("stillHolding() names README's setting for docker0", () => {
  const net = new FakeKernel();
  const iface = net.addLink("docker0", { kind: "bridge" });
  net.addAddress({ iface, address: "10.42.7.1", prefixLength: 24, scope: 0 });
  assert.deepEqual(stillHolding(net.interfaces(), net.addresses(), MESH.network), [
    'The bridge docker0 still has 10.42.7.1/24 of this mesh; to remove it: remove "bip" from daemon.json and restart ' +
    "Docker, or without Docker: ip link del docker0",
  ]);
});
