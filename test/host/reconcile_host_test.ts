import { test } from "node:test";
import assert from "node:assert/strict";
import { removeOwned } from "../../src/host/cleanup.ts";
import { type HostState, isOwned } from "../../src/host/owned.ts";
import { reconcileHost } from "../../src/host/reconcile_host.ts";
import { FakeKernel, route } from "../fakes/fake_kernel.ts";
import { prefix, samePrefix } from "../../src/wire/prefix.ts";

function host() {
  const net = new FakeKernel();
  const eth0 = net.addLink("eth0");
  net.addAddress({ iface: eth0, address: "192.168.1.10", prefixLength: 24, scope: 0 });
  net.addRoute(route("0.0.0.0/0", { gateway: "192.168.1.1", iface: eth0 }));
  const device = net.addLink("ovl0", { kind: "tun", up: false });
  const state: HostState = {
    device: { iface: device, address: "10.42.7.0", mtu: 1440 },
    network: prefix("10.42.0.0/16"),
    subnet: prefix("10.42.7.0/24"),
    directRoutes: [{ destination: prefix("10.42.9.0/24"), gateway: "192.168.1.11", iface: eth0 }],
  };
  net.writes = 0;
  return { net, eth0, device, state };
}
/** What was done, then what could not be. */
function applied(net: FakeKernel, state: HostState): string[] {
  const { repaired, failed } = reconcileHost(net, state);
  return [...repaired, ...failed];
}
const owned = (net: FakeKernel) =>
  net.routes().filter((r) => isOwned(r, null)).map((r) => r.destination.text).sort();

test("reconcileHost() sets up device, address and routes, and says so", () => {
  const { net, device, state } = host();
  assert.deepEqual(applied(net, state), [
    "Set the MTU of ovl0 to 1440",
    "Set ovl0 up",
    "Added 10.42.7.0/32 to ovl0",
    "Added route 10.42.0.0/16 dev ovl0",
    "Added route unreachable 10.42.7.0/24, fallback",
    "Added route 10.42.9.0/24 via 192.168.1.11 dev eth0",
  ]);
  assert.deepEqual(owned(net), ["10.42.0.0/16", "10.42.7.0/24", "10.42.9.0/24"]);
  assert.equal(net.routeTo("10.42.200.1")?.iface, device);
});

test("reconcileHost() writes nothing when the host is as wanted", () => {
  const { net, state } = host();
  applied(net, state);
  net.writes = 0;
  assert.deepEqual(applied(net, state), []);
  assert.equal(net.writes, 0);
});

test("reconcileHost() repairs what somebody deleted, and only that", () => {
  const { net, device, state } = host();
  applied(net, state);
  net.deleteRoute(net.routes().find((r) => r.destination.text === "10.42.0.0/16")!);
  assert.deepEqual(applied(net, state), ["Added route 10.42.0.0/16 dev ovl0"]);
  net.setInterface(device, { up: false });
  assert.deepEqual(applied(net, state), ["Set ovl0 up", "Added route 10.42.0.0/16 dev ovl0"]);
  net.deleteAddress({ iface: device, address: "10.42.7.0", prefixLength: 32, scope: 0 });
  const repaired = applied(net, state);
  assert.equal(repaired[0], "Added 10.42.7.0/32 to ovl0");
  assert.equal(net.routes().filter((r) => isOwned(r, null)).length, 3);
});

test("reconcileHost() follows a new lease and a peer that moved or went", () => {
  const { net, eth0, device, state } = host();
  applied(net, state);
  const next: HostState = {
    ...state,
    device: { iface: device, address: "10.42.8.0", mtu: 1440 },
    subnet: prefix("10.42.8.0/24"),
    directRoutes: [{ destination: prefix("10.42.9.0/24"), gateway: "192.168.1.12", iface: eth0 }],
  };
  const lines = applied(net, next);
  assert.ok(lines.includes("Removed 10.42.7.0/32, of an earlier lease, from ovl0"), lines.join("\n"));
  assert.deepEqual(net.addresses().filter((a) => a.iface === device).map((a) => a.address), ["10.42.8.0"]);
  assert.deepEqual(owned(net), ["10.42.0.0/16", "10.42.8.0/24", "10.42.9.0/24"]);
  assert.equal(net.routeTo("10.42.9.1")?.gateway, "192.168.1.12");
  assert.deepEqual(applied(net, { ...next, directRoutes: [] }), [
    "Removed route 10.42.9.0/24 via 192.168.1.12 dev eth0",
  ]);
});

test("reconcileHost() leaves a foreign route in our place and names it", () => {
  const { net, eth0, state } = host();
  const foreign = route("10.42.9.0/24", { gateway: "192.168.1.7", iface: eth0, protocol: 3 });
  net.addRoute(foreign);
  const { repaired, failed } = reconcileHost(net, state);
  assert.deepEqual(failed, [
    "Cannot add route 10.42.9.0/24 via 192.168.1.11 dev eth0: 10.42.9.0/24 via 192.168.1.7 dev eth0 " +
    "(protocol 3) is in its place (delete it, or choose another --network)",
  ]);
  assert.equal(repaired.length, 5);
  assert.ok(net.routes().includes(foreign));
});

test("reconcileHost() goes on after a refusal and reports it", () => {
  const { net, eth0, state } = host();
  const directRoutes = [
    { destination: prefix("10.42.5.0/24"), gateway: "172.16.0.1", iface: eth0 },
    ...state.directRoutes,
  ];
  const blocked = new FakeKernel();
  assert.match(applied(blocked, state)[0]!, /^Cannot find our device, link 3/);
  net.refuse = "10.42.5.0/24";
  const { repaired, failed } = reconcileHost(net, { ...state, directRoutes });
  assert.deepEqual(failed, [
    "Cannot add route 10.42.5.0/24 via 172.16.0.1 link 2: EPERM, Operation not permitted",
  ]);
  assert.ok(repaired.includes("Added route 10.42.9.0/24 via 192.168.1.11 dev eth0"));
});

test("reconcileHost() works without a device", () => {
  const { net, state } = host();
  applied(net, { ...state, device: null });
  assert.deepEqual(owned(net), ["10.42.7.0/24", "10.42.9.0/24"]);
});

test("removeOwned() removes our routes into the network and nothing else", () => {
  const { net, state } = host();
  const before = net.routes();
  net.addRoute(route("10.50.0.0/16", { type: "unreachable", protocol: 84 }));
  applied(net, { ...state, device: null });
  const { repaired, failed } = removeOwned(net, state.network);
  assert.match(repaired[0]!, /^Removed route /);
  assert.deepEqual([repaired.length, failed.length], [2, 0]);
  assert.deepEqual(owned(net), ["10.50.0.0/16"]);
  assert.equal(net.routes().length, before.length + 1);
  assert.deepEqual(removeOwned(net, state.network), { repaired: [], failed: [] });
});

test("removeOwned() goes on after a refusal", () => {
  const { net, state } = host();
  applied(net, state);
  net.refuse = "10.42.9.0/24";
  const { failed } = removeOwned(net, state.network);
  assert.match(failed[0]!, /^Cannot delete route 10\.42\.9\.0\/24/);
  assert.deepEqual(owned(net), ["10.42.9.0/24"]);
});

test("reconcileHost() steps back before a network of the host with the mesh's addresses, and repairs itself", () => {
  for (const metric of [0, 100]) {
    const { net, eth0, state } = host();
    applied(net, state);
    const ours = net.routes().find((r) => samePrefix(r.destination, state.network))!;
    const lan = route(state.network.text, { iface: eth0, metric, protocol: 2 });
    if (metric === 0) net.deleteRoute(ours); // else the kernel would hold both
    net.addRoute(lan);
    const lines = applied(net, state);
    assert.match(
      lines.at(-1)!,
      /^Cannot add route 10\.42\.0\.0\/16 dev ovl0: .*\(protocol 2\) is in its place/,
    );
    assert.equal(net.routeTo("10.42.200.1")?.iface, eth0, `metric ${metric}`);
    net.deleteRoute(lan);
    assert.deepEqual(applied(net, state), ["Added route 10.42.0.0/16 dev ovl0"]);
  }
});

test("reconcileHost() goes in front of a route that only drops what is for the mesh, and leaves it there", () => {
  const { net, device, state } = host();
  const sink = route(state.network.text, { type: "blackhole" });
  net.addRoute(sink);
  assert.ok(applied(net, state).includes("Added route 10.42.0.0/16 dev ovl0"));
  assert.equal(net.routeTo("10.42.200.1")?.iface, device);
  assert.ok(net.routes().includes(sink));
  assert.deepEqual(applied(net, state), []);
  removeOwned(net, state.network);
  assert.ok(net.routes().includes(sink));
});

test("reconcileHost() looks at each route of a host with many neighbours a few times, not once for each other", () => {
  const { net, eth0, state } = host();
  const count = 300;
  const directRoutes = Array.from({ length: count }, (_, i) => ({
    destination: prefix(`10.42.${128 + (i >> 4)}.${16 * (i & 15)}/28`),
    gateway: "192.168.1.11",
    iface: eth0,
  }));
  const many = { ...state, directRoutes };
  applied(net, many);
  let looks = 0;
  const watched = net.routes().map((there) =>
    Object.defineProperty({ ...there }, "destination", { get: () => (looks++, there.destination) })
  );
  net.routes = () => watched;
  assert.deepEqual(applied(net, many), []);
  assert.ok(looks < 20 * count, `${looks / count} looks a route`);
});
