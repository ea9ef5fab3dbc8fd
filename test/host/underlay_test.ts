import { test } from "node:test";
import assert from "node:assert/strict";
import { advertisable, isOnLink, underlayMtu } from "../../src/host/underlay.ts";
import { passedOver } from "../../src/host/passed_over.ts";
import type { NetworkInterface } from "../../src/ports/host.ts";
import { FakeKernel, route } from "../fakes/fake_kernel.ts";
import { prefix } from "../../src/wire/prefix.ts";

const advertisedAddresses = (...of: Parameters<typeof advertisable>) => advertisable(...of).addresses;
const FIND = { iface: null, towards: [], exclude: null };

function host() {
  const net = new FakeKernel();
  const eth0 = net.addLink("eth0", { mtu: 9000 });
  const eth1 = net.addLink("eth1");
  const docker0 = net.addLink("docker0", { kind: "bridge" });
  const wg0 = net.addLink("ovl0", { kind: "tun" });
  const add = (iface: number, address: string, prefixLength: number, scope = 0) =>
    net.addAddress({ iface, address, prefixLength, scope });
  add(eth0, "192.168.1.10", 24);
  add(eth0, "2001:db8::10", 64);
  add(eth0, "fe80::1", 64, 253);
  add(eth1, "172.16.0.10", 24);
  add(docker0, "172.17.0.1", 16);
  add(wg0, "10.42.7.0", 32);
  return { net, eth0, eth1, wg0 };
}

test("advertisable() without routes takes every ordinary link that is up", () => {
  const { net, eth1 } = host();
  assert.deepEqual(advertisedAddresses(net, FIND), ["192.168.1.10", "2001:db8::10", "172.16.0.10"]);
  net.setInterface(eth1, { up: false });
  assert.deepEqual(advertisedAddresses(net, FIND), ["192.168.1.10", "2001:db8::10"]);
});

test("advertisable() takes the source towards peers first, then the default route's interface, then others", () => {
  const { net, eth1 } = host();
  net.addRoute(route("0.0.0.0/0", { gateway: "172.16.0.1", iface: eth1 }));
  assert.deepEqual(advertisedAddresses(net, FIND), ["172.16.0.10", "192.168.1.10", "2001:db8::10"]);
  const towards = ["192.168.1.20", "8.8.8.8", "not-an-address", "192.168.1.21", "192.168.1.10"];
  assert.deepEqual(advertisedAddresses(net, { ...FIND, towards }), [
    "192.168.1.10",
    "172.16.0.10",
    "2001:db8::10",
  ]);
});

test("advertisable() names the address that every VM has first, and the one that tells them apart too", () => {
  const net = new FakeKernel();
  const nat = net.addLink("enp0s3");
  const lan = net.addLink("enp0s8");
  net.addAddress({ iface: nat, address: "10.0.2.15", prefixLength: 24, scope: 0 });
  net.addAddress({ iface: lan, address: "192.168.56.10", prefixLength: 24, scope: 0 });
  net.addRoute(route("0.0.0.0/0", { gateway: "10.0.2.2", iface: nat }));
  assert.deepEqual(advertisedAddresses(net, FIND), ["10.0.2.15", "192.168.56.10"]);
});

test("advertisable() takes a bridge with a port, and passes over those of guests and VPN devices", () => {
  const net = new FakeKernel();
  const add = (name: string, address: string, fields: Partial<NetworkInterface> = {}) => {
    const iface = net.addLink(name, fields);
    net.addAddress({ iface, address, prefixLength: 24, scope: 0 });
    return iface;
  };
  const vmbr0 = add("vmbr0", "192.168.1.10", { kind: "bridge" });
  net.addLink("eno1", { master: vmbr0 });
  const docker0 = add("docker0", "172.17.0.1", { kind: "bridge" });
  net.addLink("veth1a2b3c", { kind: "veth", master: docker0 });
  const virbr0 = add("virbr0", "192.168.122.1", { kind: "bridge" });
  net.addLink("vnet0", { kind: "tun", master: virbr0 });
  add("br-0123456789ab", "172.18.0.1", { kind: "bridge" });
  add("cni0", "10.244.1.1", { kind: "bridge" });
  add("flannel.1", "10.244.1.0", { kind: "vxlan" });
  add("kube-ipvs0", "10.96.0.1", { kind: "dummy" });
  add("tun0", "10.8.0.2", { kind: "tun" });
  assert.deepEqual(advertisedAddresses(net, FIND), ["192.168.1.10"]);
  add("wg0", "10.9.0.1", { kind: "wireguard" });
  assert.deepEqual(advertisedAddresses(net, FIND), ["192.168.1.10", "10.9.0.1"]);
  assert.equal(advertisable(net, FIND).onlyGuests, false);
});

test("advertisable() falls back to link-local addresses of the LAN, then to what guests reach", () => {
  const net = new FakeKernel();
  const eth0 = net.addLink("eth0");
  const docker0 = net.addLink("docker0", { kind: "bridge" });
  net.addAddress({ iface: docker0, address: "172.17.0.1", prefixLength: 16, scope: 0 });
  assert.deepEqual(advertisedAddresses(net, FIND), ["172.17.0.1"]);
  assert.equal(advertisable(net, FIND).onlyGuests, true);
  net.addAddress({ iface: eth0, address: "169.254.7.7", prefixLength: 16, scope: 253 });
  net.addAddress({ iface: eth0, address: "fe80::7", prefixLength: 64, scope: 253 });
  assert.deepEqual(advertisedAddresses(net, FIND), ["169.254.7.7"]);
  assert.equal(advertisable(net, FIND).onlyGuests, false);
  net.addAddress({ iface: eth0, address: "10.1.1.7", prefixLength: 24, scope: 0 });
  assert.deepEqual(advertisedAddresses(net, FIND), ["10.1.1.7"]);
});

test("advertisable() leaves temporary, deprecated and unsettled IPv6 addresses out where a stable one is", () => {
  const net = new FakeKernel();
  const eth0 = net.addLink("eth0");
  const add = (address: string, flags: number) =>
    net.addAddress({ iface: eth0, address, prefixLength: 64, scope: 0, flags });
  add("2001:db8::bad", 0x08 | 0x40);
  add("2001:db8::7e57", 0x01);
  assert.deepEqual(advertisedAddresses(net, FIND), ["2001:db8::7e57"]);
  add("2001:db8::01d", 0x20);
  add("2001:db8::5", 0x80);
  assert.deepEqual(advertisedAddresses(net, FIND), ["2001:db8::5"]);
  // An IPv4 address with the same bit is a secondary one, as good as the first.
  net.addAddress({ iface: eth0, address: "192.0.2.9", prefixLength: 24, scope: 0, flags: 0x81 });
  assert.deepEqual(advertisedAddresses(net, FIND), ["2001:db8::5", "192.0.2.9"]);
});

test("advertisable() leaves out what lies in the mesh itself, wherever it is held", () => {
  const { net, eth1 } = host();
  const bridge = net.addLink("br-lan", { kind: "bridge" });
  net.addLink("eth2", { master: bridge });
  net.addAddress({ iface: bridge, address: "10.42.7.1", prefixLength: 24, scope: 0 });
  assert.ok(advertisedAddresses(net, FIND).includes("10.42.7.1"));
  const networks = [prefix("10.42.0.0/16")];
  assert.ok(!advertisedAddresses(net, { ...FIND, networks }).includes("10.42.7.1"));
  assert.throws(
    () => advertisedAddresses(net, { ...FIND, iface: "10.42.7.1", networks }),
    /is in the mesh's own network 10\.42\.0\.0\/16/,
  );
  assert.deepEqual(advertisedAddresses(net, { ...FIND, iface: "eth1", networks }), ["172.16.0.10"]);
  assert.ok(eth1 > 0);
});

test("advertisable() takes the address on lo that a routing protocol announces, after those of links", () => {
  const net = new FakeKernel();
  const lo = net.interfaces().find((iface) => iface.loopback)!.index;
  const eth0 = net.addLink("eth0");
  net.addAddress({ iface: lo, address: "10.255.0.7", prefixLength: 32, scope: 0 });
  assert.deepEqual(advertisedAddresses(net, FIND), ["10.255.0.7"]);
  net.addAddress({ iface: eth0, address: "192.168.1.10", prefixLength: 24, scope: 0 });
  assert.deepEqual(advertisedAddresses(net, FIND), ["192.168.1.10", "10.255.0.7"]);
  net.addRoute(route("0.0.0.0/0", { gateway: "192.168.1.1", iface: eth0, source: "10.255.0.7" }));
  assert.deepEqual(advertisedAddresses(net, FIND), ["10.255.0.7", "192.168.1.10"]);
});

test("passedOver() says of every link why nobody is told its address", () => {
  const net = new FakeKernel();
  net.addLink("eth0", { up: false });
  net.addLink("eth1");
  const eth2 = net.addLink("eth2");
  net.addAddress({ iface: eth2, address: "fe80::7", prefixLength: 64, scope: 253 });
  net.addLink("ovl0", { kind: "tun" });
  assert.equal(
    passedOver(net, "ovl0"),
    "lo (loopback), eth0 (down), eth1 (no address), eth2 (only a link-local IPv6 address), ovl0 (our own device)",
  );
});

test("advertisable() leaves out our own device", () => {
  const { net, wg0 } = host();
  net.addRoute(route("10.42.0.0/16", { iface: wg0, source: "10.42.7.0" }));
  const towards = ["10.42.9.1"];
  assert.ok(advertisedAddresses(net, { ...FIND, towards }).includes("10.42.7.0"));
  assert.ok(!advertisedAddresses(net, { ...FIND, towards, exclude: "ovl0" }).includes("10.42.7.0"));
});

test("advertisable() obeys an interface, by name or by address", () => {
  const { net } = host();
  net.addLink("empty0");
  const named = (iface: string) => advertisedAddresses(net, { ...FIND, iface });
  assert.deepEqual(named("eth0"), ["192.168.1.10", "2001:db8::10"]);
  assert.deepEqual(named("172.17.0.1"), ["172.17.0.1"]);
  assert.throws(() => named("empty0"), /Interface "empty0" has no address that others can reach/);
  assert.throws(() => named("lo"), /Interface "lo" has no address that others can reach/);
  assert.throws(() => named("eth9"), /Interface "eth9" does not exist \(available: lo, eth0, /);
  assert.throws(
    () => advertisedAddresses(net, { ...FIND, iface: "eth9", exclude: "ovl0" }),
    /\(available: lo, eth0, eth1, docker0, empty0\)/,
    "not our own device",
  );
  assert.throws(() => named("9.9.9.9"), /Address "9\.9\.9\.9" is on no interface of this host/);
});

test("advertisable() names eight at most, each once, and leaves no interface out for another's addresses", () => {
  const { net, eth0 } = host();
  for (let i = 0; i < 12; i++) {
    net.addAddress({ iface: eth0, address: `192.168.1.${100 + i}`, prefixLength: 24, scope: 0 });
  }
  net.addRoute(route("0.0.0.0/0", { gateway: "192.168.1.1", iface: eth0 }));
  const towards = ["192.168.1.2", "192.168.1.3"];
  const all = advertisedAddresses(net, { ...FIND, towards });
  assert.equal(new Set(all).size, 8);
  assert.equal(all[0], "192.168.1.10");
  assert.ok(all.includes("172.16.0.10") && all.includes("2001:db8::10"), all.join(" "));
});

test("underlayMtu() is that of the links by which the peers are reached", () => {
  const { net, eth0 } = host();
  net.addRoute(route("0.0.0.0/0", { gateway: "192.168.1.1", iface: eth0 }));
  const towards = (...peers: string[]) => underlayMtu(net, { ...FIND, towards: peers });
  assert.equal(towards(), 9000);
  assert.equal(towards("192.168.1.11"), 9000);
  assert.equal(towards("192.168.1.11", "172.16.0.11"), 1500);
  assert.equal(towards("172.16.0.11", "not-an-address"), 1500);
  assert.equal(underlayMtu(net, { ...FIND, iface: "eth1" }), 1500);
  assert.equal(underlayMtu(net, { ...FIND, iface: "172.16.0.10" }), 1500);
  assert.equal(underlayMtu(net, { ...FIND, iface: "eth9" }), 9000);
});

test("underlayMtu() is never that of a link that only holds the address", () => {
  for (const name of ["lo", "dummy0"]) {
    const net = new FakeKernel();
    const holder = name === "lo" ? 1 : net.addLink(name, { kind: "dummy", mtu: 65536 });
    const eth0 = net.addLink("eth0", { mtu: 1400 });
    net.addAddress({ iface: holder, address: "10.255.0.7", prefixLength: 32, scope: 0 });
    assert.equal(underlayMtu(net, FIND), 1400, name);
    assert.equal(underlayMtu(net, { ...FIND, iface: name }), 1400, name);
    assert.equal(underlayMtu(net, { ...FIND, iface: "10.255.0.7", towards: ["10.255.0.7"] }), 1400, name);
    net.addRoute(route("10.255.0.0/24", { iface: eth0, source: "10.255.0.7" }));
    assert.equal(underlayMtu(net, { ...FIND, towards: ["10.255.0.8"] }), 1400, name);
  }
});

test("isOnLink() wants a unicast route without a gateway", () => {
  const { net, eth0 } = host();
  net.addRoute(route("0.0.0.0/0", { gateway: "192.168.1.1", iface: eth0 }));
  assert.deepEqual(isOnLink(net, "192.168.1.11"), { iface: eth0 });
  assert.equal(isOnLink(net, "8.8.8.8"), null);
  assert.equal(isOnLink(net, "192.168.1.10"), null);
  assert.equal(isOnLink(net, "2001:db9::1"), null);
  assert.equal(isOnLink(net, "host.example"), null);
});
