/**
 * sys/netlink, sys/host_network and sys/namespaces on the real kernel, in network namespaces of their own, with
 * `ip -j` (iproute2) as the second opinion. Needs root; nothing outside is touched.
 */
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import type { HostNetwork } from "../../src/ports/host.ts";
import { advertisable, isOnLink } from "../../src/host/underlay.ts";
import { type InterfaceMaker, openInterfaceMaker } from "../../src/sys/interface_maker.ts";
import { createNamespace, inNamespace, type Namespace } from "../../src/sys/namespaces.ts";
import { prefix } from "../../src/wire/prefix.ts";
import { SysError } from "../../src/ports/sys_error.ts";
import { route } from "../fakes/fake_kernel.ts";
import { until } from "./wires.ts";

const skip = process.getuid?.() !== 0 ? "needs root" : false;
const home = readlinkSync("/proc/thread-self/ns/net");

let ns: Namespace, far: Namespace;
let net: HostNetwork & InterfaceMaker, farNet: HostNetwork & InterfaceMaker;
let bridge = 0, veth = 0, tun = 0;

before(() => {
  if (skip !== false) return;
  ns = createNamespace();
  far = createNamespace();
  net = inNamespace(ns, openInterfaceMaker);
  farNet = inNamespace(far, openInterfaceMaker);
  bridge = net.addBridge("br0");
  veth = net.addVeth("va", { name: "vb", namespaceFd: far.fd });
  net.setMaster(veth, bridge);
  net.setAddress(bridge, "02:42:00:00:00:01");
  ip("tuntap add ovl0 mode tun");
  tun = index(net, "ovl0");
  for (const iface of [bridge, veth]) net.setInterface(iface, { up: true });
  farNet.setInterface(index(farNet, "vb"), { up: true });
  net.addAddress({ iface: bridge, address: "192.168.7.1", prefixLength: 24, scope: 0 });
  net.addAddress({ iface: bridge, address: "fd07::1", prefixLength: 64, scope: 0 });
  farNet.addAddress({ iface: index(farNet, "vb"), address: "192.168.7.2", prefixLength: 24, scope: 0 });
});

after(() => {
  if (skip !== false) return;
  for (const held of [net, farNet, ns, far]) held.close();
  assert.equal(readlinkSync("/proc/thread-self/ns/net"), home);
});

/** Runs `ip` inside the first namespace; its standard output. */
function ip(words: string, input = ""): string {
  const result = inNamespace(ns, () => spawnSync("ip", words.split(" "), { encoding: "utf8", input }));
  assert.equal(result.status, 0, `ip ${words}: ${result.stderr}`);
  return result.stdout;
}

// deno-lint-ignore no-explicit-any -- the shape is iproute2's
const ipJson = (words: string): any[] => JSON.parse(ip(`-j ${words}`));

function index(of: HostNetwork, name: string): number {
  const iface = of.interfaces().find((candidate) => candidate.name === name);
  assert.ok(iface !== undefined, name);
  return iface.index;
}

function refusal(fn: () => void): SysError {
  try {
    fn();
  } catch (error) {
    assert.ok(error instanceof SysError, `${error}`);
    return error;
  }
  throw new assert.AssertionError({ message: "Nothing was thrown" });
}

test("links() agrees with `ip link`", { skip }, () => {
  const expected = ipJson("-d link show").map((l) => ({
    index: l.ifindex,
    name: l.ifname,
    kind: l.linkinfo?.info_kind ?? null,
    mtu: l.mtu,
    up: l.flags.includes("UP"),
    loopback: l.link_type === "loopback",
    ...(l.flags.includes("NOARP") || l.flags.includes("POINTOPOINT") ? { noNeighbours: true } : {}),
    mac: l.link_type === "ether" ? l.address : null,
    master: l.master === undefined ? null : index(net, l.master),
  }));
  assert.deepEqual(net.interfaces(), expected);
});

test("addresses() agrees with `ip address`", { skip }, () => {
  const expected = ipJson("address show").flatMap((l) =>
    // deno-lint-ignore no-explicit-any -- the shape is iproute2's
    l.addr_info.map((a: any) => `${l.ifindex} ${a.local}/${a.prefixlen} ${a.scope}`)
  );
  const scopes = new Map([[0, "global"], [253, "link"], [254, "host"]]);
  const found = net.addresses().map((a) =>
    `${a.iface} ${a.address}/${a.prefixLength} ${scopes.get(a.scope)}`
  );
  assert.deepEqual(found.sort(), expected.sort());
});

test("routes() agrees with `ip route show table all`", { skip }, () => {
  ip("route add 10.9.0.0/16 via 192.168.7.9 metric 70 table 1000 proto 99");
  ip("route add 10.8.0.0/16 via inet6 fe80::9 dev br0");
  ip("route add 10.7.0.0/16 nexthop via 192.168.7.3 nexthop via 192.168.7.4");
  ip("-6 route add unreachable 2001:db8::/32 metric 9");
  ip("-6 route add unreachable ::ffff:0.0.0.0/96");
  const text = (destination: string) =>
    destination.replace(/^(0\.0\.0\.0|::)\/0$/, "default").replace(/\/(32|128)$/, "");
  const expected = ["-4", "-6"].flatMap((family) => ipJson(`${family} route show table all`)).map((r) => {
    const hop = r.nexthops?.[0] ?? r;
    const gateway = hop.gateway ?? hop.via?.host ?? null;
    return `${r.type ?? "unicast"} ${text(r.dst)} ${gateway} ${r.metric ?? 0} ${r.table ?? "main"}`;
  }).filter((line) => !line.includes("::ffff:"));
  const tables = new Map([[254, "main"], [255, "local"]]);
  const found = net.routes().map((r) =>
    `${r.type} ${text(r.destination.text)} ${r.gateway} ${r.metric} ${tables.get(r.table) ?? r.table}`
  );
  assert.deepEqual(found.sort(), expected.map((line) => line.replace("anycast", "other")).sort());
  for (const r of net.routes().filter((r) => /^10\.[789]\./.test(r.destination.text))) net.deleteRoute(r);
  assert.ok(net.routes().every((r) => !/^10\.[789]\./.test(r.destination.text)));
});

test("routeTo() finds link, source and type, or null", { skip }, () => {
  assert.deepEqual(net.routeTo("192.168.7.2"), {
    type: "unicast",
    gateway: null,
    iface: bridge,
    source: "192.168.7.1",
  });
  assert.equal(net.routeTo("192.168.7.1")?.type, "local");
  assert.equal(net.routeTo("fd07::9")?.iface, bridge);
  assert.equal(net.routeTo("8.8.8.8"), null);
  assert.equal(net.routeTo("2001:db9::1"), null);
  for (const type of ["unreachable", "blackhole", "prohibit"] as const) {
    const refused = route("8.8.8.0/24", { type });
    net.addRoute(refused);
    assert.equal(net.routeTo("8.8.8.8"), null, type);
    net.deleteRoute(refused);
  }
  assert.deepEqual(isOnLink(net, "192.168.7.2"), { iface: bridge });
  assert.equal(isOnLink(net, "192.168.7.1"), null);
  const choice = { iface: null, towards: ["192.168.7.2"], exclude: "ovl0" };
  assert.deepEqual(advertisable(net, choice).addresses, ["192.168.7.1", "fd07::1"]);
});

test("errors carry the kernel's own sentence", { skip }, () => {
  assert.equal(refusal(() => net.setInterface(tun, { mtu: 10 })).detail, "mtu less than device minimum");
  const noGateway = refusal(() => net.addRoute(route("10.0.0.0/8", { gateway: "1.2.3.4", iface: bridge })));
  assert.deepEqual([noGateway.code, noGateway.detail], ["ENETUNREACH", "Nexthop has invalid gateway"]);
  assert.equal(refusal(() => net.addBridge("br0")).code, "EEXIST");
  assert.equal(refusal(() => net.deleteInterface(9999)).code, "ENODEV");
});

test("setLink(), setSegmentation() and neighbours reach the kernel", { skip }, () => {
  net.setInterface(tun, { mtu: 1400, txQueueLength: 77 });
  net.setSegmentation(tun, 60000, 64);
  const [shown] = ipJson("-d link show ovl0");
  assert.deepEqual([shown.mtu, shown.txqlen, shown.gso_max_size, shown.gso_max_segs], [1400, 77, 60000, 64]);
  const neighbour = {
    iface: bridge,
    address: "192.168.7.5",
    mac: "02:42:00:00:00:05",
    state: 128,
    bridge: false,
  };
  net.addNeighbour(neighbour);
  assert.deepEqual(net.neighbours().filter((n) => n.address === "192.168.7.5"), [neighbour]);
  net.deleteNeighbour(neighbour);
  assert.ok(net.neighbours().every((n) => n.address !== "192.168.7.5"));
  const tables = net.neighbourTables().map((table) => ({ ...table, fulls: table.fulls >= 0 }));
  assert.deepEqual(tables.map(({ family }) => family), [4, 6]);
  for (const table of tables) {
    assert.ok(table.entries > 0 && table.fulls, JSON.stringify(table));
    assert.ok(table.limit >= 1, `${table.limit}`);
  }
  const entry = { iface: veth, address: null, mac: "02:42:00:00:00:06", state: 128, bridge: true };
  net.addNeighbour(entry);
  assert.ok(net.neighbours(true).some((n) => n.mac === entry.mac && n.iface === veth));
  net.deleteNeighbour(entry);
});

test("changed() tells once of changes, whoever made them, and also when events were lost", { skip }, () => {
  // The kernel decides later on its own that an IPv6 address is not taken, and tells that as a change.
  until("the IPv6 addresses to settle", () => ip("-6 addr show tentative").trim() === "" ? true : null);
  net.changed();
  assert.equal(net.changed(), false);
  ip("route add 10.77.0.0/16 dev br0");
  assert.equal(net.changed(), true);
  assert.equal(net.changed(), false);
  const flood = Array.from(
    { length: 20000 },
    (_, i) => `route ${i % 2 ? "del" : "add"} 10.78.0.0/16 dev br0`,
  );
  ip("-batch -", flood.join("\n"));
  assert.equal(net.changed(), true);
  assert.equal(net.changed(), false);
  assert.ok(net.interfaces().length > 0);
});

test("routes() is whole while routes come and go", { skip }, async () => {
  const lines = Array.from(
    { length: 4000 },
    (_, i) => `route add 10.${100 + (i >> 8)}.${i & 255}.0/24 dev br0 proto 99`,
  );
  ip("-batch -", lines.join("\n"));
  const flapping = "while :; do ip route add 10.79.0.0/16 dev br0; ip route del 10.79.0.0/16; done";
  const child = inNamespace(ns, () => spawn("sh", ["-c", flapping], { stdio: "ignore" }));
  const ended = new Promise((resolve) => child.on("close", resolve));
  try {
    for (let round = 0; round < 20; round++) {
      const found = new Set(net.routes().filter((r) => r.protocol === 99).map((r) => r.destination.text));
      assert.equal(found.size, 4000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  } finally {
    child.kill("SIGKILL");
    await ended;
    ip("route flush proto 99");
  }
});

test("inNamespace() gives birth to processes inside, and always comes back", { skip }, async () => {
  const inside = readlinkSync(`/proc/self/fd/${ns.fd}`);
  const where = ["/proc/self/ns/net"];
  assert.equal(
    inNamespace(ns, () => spawnSync("readlink", where, { encoding: "utf8" })).stdout.trim(),
    inside,
  );
  const child = inNamespace(ns, () => spawn("readlink", where));
  assert.equal(readlinkSync("/proc/thread-self/ns/net"), home);
  let text = "";
  child.stdout.on("data", (data) => text += data);
  await new Promise((resolve) => child.on("close", resolve));
  assert.equal(text.trim(), inside);
  assert.throws(() => inNamespace(ns, () => assert.fail("on purpose")), /on purpose/);
  assert.equal(readlinkSync("/proc/thread-self/ns/net"), home);
  assert.throws(() => inNamespace(ns, () => Promise.resolve()), TypeError);
  const closed = createNamespace();
  closed.close();
  closed.close();
  assert.throws(() => inNamespace(closed, () => {}), TypeError);
});

test("packets cross the bridge into the other namespace", { skip }, () => {
  const ping = inNamespace(
    far,
    () => spawnSync("ping", ["-c", "1", "-W", "2", "192.168.7.1"], { encoding: "utf8" }),
  );
  assert.equal(ping.status, 0, ping.stdout);
});

test("rules() reads the rules of policy routing, and links() the port of a VXLAN device", { skip }, () => {
  for (
    const words of [
      "not fwmark 0xca6c lookup 51820 priority 79",
      "to 10.42.0.0/16 lookup main priority 77",
      "from 10.1.0.0/16 lookup 9 priority 78",
    ]
  ) {
    ip(`rule add ${words}`);
  }
  const [, first, ...rest] = net.rules();
  assert.deepEqual(first, {
    priority: 77,
    table: 254,
    suppress: -1,
    to: prefix("10.42.0.0/16"),
    unmarked: true,
    partial: false,
  });
  assert.deepEqual(rest.map(({ table, partial }) => [table, partial]), [[9, true], [51820, false], [
    254,
    false,
  ], [253, false]]);
  assert.ok(net.changed(), "a new rule is an event");
  ip("link add vx9 type vxlan id 9 dstport 9472 dev br0");
  assert.equal(net.interfaces().find((iface) => iface.name === "vx9")?.udpPort, 9472);
  assert.ok(net.interfaces().every((iface) => iface.name === "vx9" || iface.udpPort === undefined));
  ip("link del vx9");
});

test("addRoute() goes in front of a route in its place where that is asked for", { skip }, () => {
  ip("route add blackhole 10.87.0.0/16");
  const ours = route("10.87.0.0/16", { iface: bridge, protocol: 84, scope: 253 });
  assert.throws(
    () => net.addRoute(ours),
    (error: unknown) => error instanceof SysError && error.code === "EEXIST",
  );
  net.addRoute(ours, true);
  assert.equal(net.routeTo("10.87.1.1")?.iface, bridge);
  net.deleteRoute(ours);
  assert.equal(net.routeTo("10.87.1.1"), null);
  ip("route del blackhole 10.87.0.0/16");
});
