import { test } from "node:test";
import assert from "node:assert/strict";
import { UnderlayWatch } from "../../../src/daemon/host/underlay_watch.ts";
import { HostTable } from "../../../src/host/host_table.ts";
import { CountedKernel, NOTHING } from "../../fakes/counted_kernel.ts";
import { FakeKernel, route } from "../../fakes/fake_kernel.ts";
import { systemMachine } from "../../../src/machine/machine.ts";
import { prefix } from "../../../src/wire/prefix.ts";

const ADDRESS = { address: "192.168.1.10", prefixLength: 24, scope: 0 };

function host() {
  const net = new FakeKernel();
  const iface = net.addLink("eth0", { mtu: 1400 });
  net.addAddress({ iface, ...ADDRESS });
  return { net, iface };
}

const OPTIONS = { iface: "eth0", device: "ovl0", port: 8473, underlayMtu: null };

test("UnderlayWatch keeps address and MTU while --iface has none, says so, and follows when it is back", () => {
  const { net, iface } = host();
  const underlay = new UnderlayWatch(systemMachine, net, OPTIONS);
  assert.deepEqual(underlay.endpoints(), ["192.168.1.10:8473"]);
  assert.equal(underlay.facts().underlayMtu, 1400);
  assert.equal(underlay.trouble, null);
  net.deleteAddress({ iface, ...ADDRESS });
  assert.deepEqual(underlay.endpoints(), ["192.168.1.10:8473"]);
  assert.equal(underlay.facts().underlayMtu, 1400);
  assert.match(underlay.trouble ?? "", /"eth0" has no address/);
  net.addAddress({ iface, ...ADDRESS, address: "192.168.1.77" });
  assert.deepEqual(underlay.endpoints(), ["192.168.1.77:8473"]);
  assert.equal(underlay.trouble, null);
});

test("UnderlayWatch waits for an interface that is not there at the start, and says which", () => {
  const { net } = host();
  const underlay = new UnderlayWatch(systemMachine, net, { ...OPTIONS, iface: "eth9" });
  assert.deepEqual(underlay.endpoints(), []);
  assert.match(
    underlay.trouble ?? "",
    /"eth9" does not exist \(available: lo, eth0\): waiting for it \(--iface\)/,
  );
  const iface = net.addLink("eth9", { mtu: 1280 });
  assert.match(underlay.trouble ?? "", /"eth9" has no address that others can reach: waiting for it/);
  net.addAddress({ iface, ...ADDRESS, address: "10.1.1.9" });
  assert.deepEqual(underlay.endpoints(), ["10.1.1.9:8473"]);
  assert.equal(underlay.trouble, null);
  assert.equal(underlay.facts().underlayMtu, 1280);
  net.deleteInterface(iface);
  assert.match(underlay.trouble ?? "", /"eth9" does not exist .* still announcing 10\.1\.1\.9/);
  const again = net.addLink("eth9", { mtu: 1400 });
  net.addAddress({ iface: again, ...ADDRESS, address: "10.1.1.10" });
  assert.deepEqual(underlay.endpoints(), ["10.1.1.10:8473"]);
  assert.equal(underlay.facts().underlayMtu, 1400);
});

test("UnderlayWatch waits for an address of --iface that no interface has yet", () => {
  const { net, iface } = host();
  const underlay = new UnderlayWatch(systemMachine, net, { ...OPTIONS, iface: "192.168.1.99" });
  assert.match(underlay.trouble ?? "", /"192\.168\.1\.99" is on no interface of this host: waiting for it/);
  net.addAddress({ iface, ...ADDRESS, address: "192.168.1.99" });
  assert.deepEqual(underlay.endpoints(), ["192.168.1.99:8473"]);
});

test("UnderlayWatch says that nobody can reach this host, and of every interface why", () => {
  const net = new FakeKernel();
  const eth0 = net.addLink("eth0");
  const underlay = new UnderlayWatch(systemMachine, net, { ...OPTIONS, iface: null });
  assert.match(
    underlay.trouble ?? "",
    /No other host can reach .*lo \(loopback\), eth0 \(no address\).*--iface/,
  );
  underlay.advertised = ["203.0.113.5:8473"];
  assert.equal(underlay.trouble, null);
  underlay.advertised = [];
  const docker0 = net.addLink("docker0", { kind: "bridge" });
  net.addAddress({ iface: docker0, address: "172.17.0.1", prefixLength: 16, scope: 0 });
  assert.match(
    underlay.trouble ?? "",
    /Only guests \(containers, VMs\) of this host can reach this node, at 172\.17\.0\.1:8473/,
  );
  net.addAddress({ iface: eth0, ...ADDRESS });
  assert.equal(underlay.trouble, null);
});

test("UnderlayWatch believes in no larger packets than underlayMtu allows", () => {
  const { net } = host();
  const facts = (underlayMtu: number | null) =>
    new UnderlayWatch(systemMachine, net, { ...OPTIONS, underlayMtu }).facts();
  assert.deepEqual(
    [null, 1300, 9000].map(facts).map(({ underlayMtu, pathMtu }) => [underlayMtu, pathMtu("192.168.1.2:1")]),
    [[1400, 1400], [1300, 1300], [1400, 1400]],
  );
});

test("UnderlayWatch takes the MTU of the way to the peers, also to one that is away at the moment", () => {
  const { net } = host();
  const wide = net.addLink("eth1", { mtu: 9000 });
  net.addAddress({ iface: wide, ...ADDRESS, address: "10.1.1.1" });
  const underlay = new UnderlayWatch(systemMachine, net, { ...OPTIONS, iface: null });
  assert.equal(underlay.facts().underlayMtu, 1400);
  underlay.reach([{ id: "a", endpoint: "10.1.1.2:8473" }]);
  assert.equal(underlay.facts().underlayMtu, 9000);
  underlay.reach([{ id: "a", endpoint: null }, { id: "b", endpoint: "192.168.1.11:8473" }]);
  assert.equal(underlay.facts().underlayMtu, 1400);
  underlay.reach([{ id: "a", endpoint: null }]);
  assert.equal(underlay.facts().underlayMtu, 9000);
  underlay.reach([]);
  assert.equal(underlay.facts().underlayMtu, 1400);
});

test("UnderlayWatch tells no address of the mesh's own network", () => {
  const { net } = host();
  const bridge = net.addLink("lan0", { kind: "bridge" });
  net.addLink("eth1", { master: bridge });
  net.addAddress({ iface: bridge, address: "10.42.7.1", prefixLength: 24, scope: 0 });
  const underlay = new UnderlayWatch(systemMachine, net, { ...OPTIONS, iface: null });
  underlay.advertised = ["10.42.9.1:8473"];
  assert.deepEqual(underlay.endpoints(), ["10.42.9.1:8473", "192.168.1.10:8473", "10.42.7.1:8473"]);
  underlay.networks = [prefix("10.42.0.0/16")];
  assert.deepEqual(underlay.endpoints(), ["192.168.1.10:8473"]);
  assert.match(
    underlay.trouble ?? "",
    /--advertise 10\.42\.9\.1:8473 is not used: it is in the mesh's own network/,
  );
});

test("UnderlayWatch names what --advertise resolves to first", () => {
  const underlay = new UnderlayWatch(systemMachine, host().net, OPTIONS);
  underlay.advertised = ["203.0.113.5:99"];
  assert.deepEqual(underlay.endpoints(), ["203.0.113.5:99", "192.168.1.10:8473"]);
});

test("UnderlayWatch keeps the MTU of the way to its peers while that way is missing", () => {
  const { net, iface } = host();
  const wg0 = net.addLink("wg0", { mtu: 1280, kind: "wireguard" });
  net.addAddress({ iface: wg0, address: "10.8.0.2", prefixLength: 32, scope: 0 });
  const byRouter = route("0.0.0.0/0", { gateway: "192.168.1.1", iface });
  net.addRoute(byRouter);
  const underlay = new UnderlayWatch(systemMachine, net, { ...OPTIONS, iface: null });
  underlay.reach([{ id: "a", endpoint: "203.0.113.9:8473" }]);
  assert.equal(underlay.facts().underlayMtu, 1400);
  net.deleteRoute(byRouter);
  assert.equal(underlay.facts().underlayMtu, 1400);
  net.addRoute({ ...byRouter, gateway: null, iface: wg0 });
  assert.equal(underlay.facts().underlayMtu, 1280);
  underlay.reach([]);
  net.deleteRoute({ ...byRouter, gateway: null, iface: wg0 });
  net.setInterface(wg0, { up: false });
  assert.equal(underlay.facts().underlayMtu, 1400);
});

test("UnderlayWatch finds addresses and MTU once, and again when the host changed", () => {
  const { net, iface } = host();
  const counted = new CountedKernel(net);
  let now = 0;
  const table = new HostTable(counted.kernel, () => now);
  const underlay = new UnderlayWatch(systemMachine, table, { ...OPTIONS, iface: null });
  underlay.reach([{ id: "a", endpoint: "192.168.1.11:8473" }]);
  const ask = () => [underlay.endpoints(), underlay.facts().underlayMtu, underlay.trouble];
  assert.deepEqual(ask(), [["192.168.1.10:8473"], 1400, null]);
  counted.asked();
  for (let i = 0; i < 100; i++) {
    now += 10;
    ask(); // as for each session that is installed
  }
  assert.deepEqual(counted.asked(), NOTHING);
  net.setInterface(iface, { mtu: 1300 });
  net.addAddress({ iface, address: "192.168.1.77", prefixLength: 24, scope: 0 });
  now += 100;
  assert.deepEqual(ask(), [["192.168.1.10:8473", "192.168.1.77:8473"], 1300, null]);
  const { interfaces, addresses, routes } = counted.asked();
  assert.deepEqual([interfaces, addresses, routes], [1, 1, 0]);
});
