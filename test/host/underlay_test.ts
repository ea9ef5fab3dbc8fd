import { test } from "node:test";
import assert from "node:assert/strict";
import { advertisedAddresses, isOnLink, underlayMtu } from "../../src/host/underlay.ts";
import { FakeKernel, route } from "../fakes/fake_kernel.ts";

const FIND = { iface: null, towards: [], exclude: null };

function host() {
  const net = new FakeKernel();
  const eth0 = net.addLink("eth0", { mtu: 9000 });
  const eth1 = net.addLink("eth1");
  const docker0 = net.addLink("docker0", { kind: "bridge" });
  const wg0 = net.addLink("ovl0", { kind: "tun" });
  const add = (link: number, address: string, prefixLength: number, scope = 0) =>
    net.addAddress({ link, address, prefixLength, scope });
  add(eth0, "192.168.1.10", 24);
  add(eth0, "2001:db8::10", 64);
  add(eth0, "fe80::1", 64, 253);
  add(eth1, "172.16.0.10", 24);
  add(docker0, "172.17.0.1", 16);
  add(wg0, "10.42.7.0", 32);
  return { net, eth0, eth1, wg0 };
}

test("advertisedAddresses() without routes takes every ordinary link that is up", () => {
  const { net, eth1 } = host();
  assert.deepEqual(advertisedAddresses(net, FIND), ["192.168.1.10", "2001:db8::10", "172.16.0.10"]);
  net.setLink(eth1, { up: false });
  assert.deepEqual(advertisedAddresses(net, FIND), ["192.168.1.10", "2001:db8::10"]);
});

test("advertisedAddresses() takes the source towards peers first, then the default route's interface", () => {
  const { net, eth0 } = host();
  net.addRoute(route("0.0.0.0/0", { gateway: "192.168.1.1", link: eth0 }));
  assert.deepEqual(advertisedAddresses(net, FIND), ["192.168.1.10", "2001:db8::10"]);
  const towards = ["172.16.0.20", "8.8.8.8", "not-an-address", "172.16.0.21"];
  assert.deepEqual(advertisedAddresses(net, { ...FIND, towards }), [
    "172.16.0.10",
    "192.168.1.10",
    "2001:db8::10",
  ]);
});

test("advertisedAddresses() leaves out our own device", () => {
  const { net, wg0 } = host();
  net.addRoute(route("10.42.0.0/16", { link: wg0, source: "10.42.7.0" }));
  const towards = ["10.42.9.1"];
  assert.ok(advertisedAddresses(net, { ...FIND, towards }).includes("10.42.7.0"));
  assert.ok(!advertisedAddresses(net, { ...FIND, towards, exclude: "ovl0" }).includes("10.42.7.0"));
});

test("advertisedAddresses() obeys an interface, by name or by address", () => {
  const { net } = host();
  net.addLink("empty0");
  const named = (iface: string) => advertisedAddresses(net, { ...FIND, iface });
  assert.deepEqual(named("eth0"), ["192.168.1.10", "2001:db8::10"]);
  assert.deepEqual(named("172.17.0.1"), ["172.17.0.1"]);
  assert.throws(() => named("empty0"), /Interface "empty0" has no address that others could reach/);
  assert.throws(() => named("lo"), /Interface "lo" has no address that others could reach/);
  assert.throws(() => named("eth9"), /Interface "eth9" does not exist \(there are lo, eth0, /);
  assert.throws(() => named("9.9.9.9"), /Address "9\.9\.9\.9" is on no interface of this host/);
});

test("advertisedAddresses() names eight at most, each once", () => {
  const { net, eth0 } = host();
  for (let i = 0; i < 12; i++) {
    net.addAddress({ link: eth0, address: `192.168.1.${100 + i}`, prefixLength: 24, scope: 0 });
  }
  const found = advertisedAddresses(net, { ...FIND, towards: ["192.168.1.2", "192.168.1.3"] });
  assert.deepEqual(found, ["192.168.1.10"]);
  net.addRoute(route("0.0.0.0/0", { gateway: "192.168.1.1", link: eth0 }));
  assert.equal(new Set(advertisedAddresses(net, FIND)).size, 8);
});

test("underlayMtu() is the smallest of the links that hold the addresses", () => {
  const { net } = host();
  assert.equal(underlayMtu(net, ["192.168.1.10"]), 9000);
  assert.equal(underlayMtu(net, ["192.168.1.10", "172.16.0.10"]), 1500);
  assert.equal(underlayMtu(net, ["203.0.113.5"]), null);
});

test("isOnLink() wants a unicast route without a gateway", () => {
  const { net, eth0 } = host();
  net.addRoute(route("0.0.0.0/0", { gateway: "192.168.1.1", link: eth0 }));
  assert.deepEqual(isOnLink(net, "192.168.1.11"), { link: eth0 });
  assert.equal(isOnLink(net, "8.8.8.8"), null);
  assert.equal(isOnLink(net, "192.168.1.10"), null);
  assert.equal(isOnLink(net, "2001:db9::1"), null);
  assert.equal(isOnLink(net, "host.example"), null);
});
