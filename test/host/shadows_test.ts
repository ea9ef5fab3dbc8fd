import { test } from "node:test";
import assert from "node:assert/strict";
import type { OwnMarks } from "../../src/host/overlap.ts";
import { describeShadows, type HostRouting, shadows } from "../../src/host/shadows.ts";
import { FakeKernel, route, rule } from "../fakes/fake_kernel.ts";
import { prefix } from "../../src/wire/prefix.ts";

const NETWORK = prefix("10.42.0.0/16");
const LEASE = prefix("10.42.7.0/24");

/** A member with our device, our route and README's bridge on our lease. */
function member() {
  const net = new FakeKernel();
  const eth0 = net.addLink("eth0");
  net.addAddress({ iface: eth0, address: "192.168.1.10", prefixLength: 24, scope: 0 });
  net.addRoute(route("0.0.0.0/0", { gateway: "192.168.1.1", iface: eth0 }));
  const device = net.addLink("ovl0", { kind: "tun" });
  net.addAddress({ iface: device, address: "10.42.7.0", prefixLength: 32, scope: 0 });
  net.addRoute(route(NETWORK.text, { iface: device, protocol: 84 }));
  net.addRoute(route(LEASE.text, { type: "unreachable", protocol: 84, metric: 0xff002000 }));
  const cbr0 = net.addLink("cbr0", { kind: "bridge" });
  net.addAddress({ iface: cbr0, address: "10.42.7.1", prefixLength: 24, scope: 0 });
  const own: OwnMarks = { protocol: 84, device, subnet: LEASE };
  return { net, eth0, own };
}

const routing = (net: FakeKernel): HostRouting => ({
  interfaces: net.interfaces(),
  addresses: net.addresses(),
  routes: net.routes(),
  rules: net.rules(),
});
const HOLDERS = [{ subnet: prefix("10.42.9.0/24"), name: "beta" }, {
  subnet: prefix("10.42.177.0/24"),
  name: "gamma",
}];
const told = ({ net, own }: ReturnType<typeof member>): string[] =>
  describeShadows(shadows(routing(net), NETWORK, own), {
    network: NETWORK,
    interfaces: net.interfaces(),
    lease: LEASE,
    holders: HOLDERS,
  });

test("shadows() finds nothing on a member with a bridge on its lease, a broad route and a VPN", () => {
  const host = member();
  const wg0 = host.net.addLink("wg0", { kind: "wireguard" });
  host.net.addRoute(route("10.0.0.0/8", { gateway: "192.168.1.2", iface: host.eth0 }));
  host.net.addRoute(route("10.32.0.0/11", { type: "blackhole" }));
  host.net.addRoute(route("10.42.7.0/26", { type: "blackhole" }));
  // As wg-quick does it.
  host.net.addRoute(route("0.0.0.0/0", { iface: wg0, table: 51820 }));
  host.net.addRule(rule(32764, 254, { suppress: 0 }));
  host.net.addRule(rule(32765, 51820));
  assert.deepEqual(told(host), []);
});

test("shadows() finds a bridge of an earlier lease once, and names who is behind it and what removes it", () => {
  const host = member();
  const old = host.net.addLink("cbr1", { kind: "bridge" });
  host.net.addAddress({ iface: old, address: "10.42.177.1", prefixLength: 24, scope: 0 });
  assert.deepEqual(told(host), [
    "10.42.177.1/24 on the bridge cbr1 overlaps the mesh, outside of this node's lease 10.42.7.0/24: this host cannot reach 10.42.177.0/24 of the mesh (gamma). If it is a leftover of an earlier lease: ip link del cbr1",
  ]);
});

test("shadows() names Docker's own way to remove a network of Docker", () => {
  const host = member();
  const network = host.net.addLink("br-0123456789ab", { kind: "bridge" });
  host.net.addAddress({ iface: network, address: "10.42.20.1", prefixLength: 24, scope: 0 });
  assert.match(
    told(host)[0]!,
    /docker network rm 0123456789ab, or without Docker: ip link del br-0123456789ab$/,
  );
});

test("shadows() finds a hotspot, and an address alone where its own network is wider than the mesh's", () => {
  const host = member();
  const wlan0 = host.net.addLink("wlan0");
  host.net.addAddress({ iface: wlan0, address: "10.42.0.1", prefixLength: 24, scope: 0 });
  host.net.addAddress({ iface: host.eth0, address: "10.42.3.4", prefixLength: 8, scope: 0 });
  const lines = told(host);
  assert.equal(lines.length, 2, lines.join("\n"));
  assert.match(
    lines[0]!,
    /^10\.42\.0\.1\/24 on wlan0 .*reach 10\.42\.0\.0\/24 of the mesh; remove it \(ip addr del 10\.42\.0\.1\/24 dev wlan0\)/,
  );
  assert.match(
    lines[1]!,
    /^10\.42\.3\.4\/8 on eth0 .*10\.42\.3\.4\/32 of the mesh; change the network of one of the two$/,
  );
});

test("shadows() finds longer routes of the main table, also those that only drop or have several next hops", () => {
  const host = member();
  const flannel = host.net.addLink("flannel.1", { kind: "vxlan" });
  host.net.addRoute(route("10.42.9.0/24", { gateway: "10.42.9.0", iface: flannel, onlink: true }));
  host.net.addRoute(route("10.42.64.0/26", { type: "blackhole" }));
  host.net.addRoute(route("10.42.66.0/24")); // a nexthop object, whose link the kernel did not say
  assert.deepEqual(told(host), [
    "The route 10.42.9.0/24 via 10.42.9.0 dev flannel.1 overlaps the mesh's network 10.42.0.0/16: this host cannot reach 10.42.9.0/24 of the mesh (beta); delete it (ip route del 10.42.9.0/24 via 10.42.9.0 dev " +
    "flannel.1), or change the network of one of the two",
    "The route 10.42.66.0/24 overlaps the mesh's network 10.42.0.0/16: this host cannot reach " +
    "10.42.66.0/24 of the " +
    "mesh; delete it (ip route del 10.42.66.0/24), or change the network of one of the two",
    "The route blackhole 10.42.64.0/26 overlaps the mesh's network 10.42.0.0/16: this host cannot reach " +
    "10.42.64.0/26 of the mesh; delete it (ip route del blackhole 10.42.64.0/26), or change the network of " +
    "one of the two",
  ]);
});

test("shadows() leaves the route in the very place of ours to reconcileHost()", () => {
  const host = member();
  host.net.addRoute(route(NETWORK.text, { iface: host.eth0, metric: 100 }));
  assert.deepEqual(told(host), []);
});

test("shadows() finds tables that come before the main one, whatever the length of their routes", () => {
  const host = member();
  const tailscale = host.net.addLink("tailscale0", { kind: "tun" });
  host.net.addRoute(route("0.0.0.0/0", { iface: tailscale, table: 52 }));
  host.net.addRule(rule(5210, 254, { unmarked: false }));
  host.net.addRule(rule(5270, 52));
  assert.deepEqual(told(host), [
    "The route default dev tailscale0 of table 52, consulted before the main table (rule 5270), overlaps " +
    "the mesh's " +
    "network 10.42.0.0/16: this host cannot reach the mesh; give the mesh precedence: ip rule add to " +
    "10.42.0.0/16 " +
    "lookup main priority 5269",
  ]);
  host.net.addRule(rule(5269, 254, { to: NETWORK }));
  assert.deepEqual(told(host), []);
});

test("shadows() overlooks tables for some packets only, what `throw` sends on, and what is suppressed", () => {
  const host = member();
  host.net.addRoute(route("10.0.0.0/8", { iface: host.eth0, table: 100 }));
  host.net.addRule(rule(100, 100, { partial: true }));
  host.net.addRule(rule(101, 100, { unmarked: false }));
  host.net.addRule(rule(102, 100, { to: prefix("172.16.0.0/12") }));
  host.net.addRule(rule(103, 100, { suppress: 8 }));
  assert.deepEqual(told(host), []);
  host.net.addRule(rule(104, 100, { to: prefix("10.42.9.0/24") }));
  assert.match(
    told(host)[0]!,
    /table 100, consulted before the main table \(rule 104\).* 10\.42\.9\.0\/24 of the mesh \(beta\)/,
  );
  host.net.addRoute(route("10.42.0.0/16", { type: "throw", table: 100 }));
  assert.deepEqual(told(host), []);
});

test("shadows() finds a range that the host takes for its own addresses", () => {
  const host = member();
  host.net.addRoute(route("10.42.9.0/24", { type: "local", table: 255, iface: 1 }));
  assert.match(told(host)[0]!, /^The route local 10\.42\.9\.0\/24 dev lo table 255 overlaps .*\(beta\)/);
});

test("describeShadows() counts what is left of many", () => {
  const host = member();
  for (let i = 20; i < 40; i++) host.net.addRoute(route(`10.42.${i}.0/24`, { iface: host.eth0 }));
  const lines = told(host);
  assert.equal(lines.length, 6);
  assert.equal(lines[5], "15 more routes of this host overlap the mesh's network 10.42.0.0/16");
});
