/**
 * host/host_table.ts on the real kernel, in a network namespace with some thousands of routes of others: what it says is
 * what a fresh reading says, and what it asks is counted, not timed. Needs root and iproute2; nothing outside is touched.
 */
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { isDeepStrictEqual } from "node:util";
import { HostTable } from "../../src/host/host_table.ts";
import { OWN_ROUTES } from "../../src/host/owned.ts";
import { reconcileHost } from "../../src/host/reconcile_host.ts";
import type { HostKernel, Route } from "../../src/ports/host.ts";
import { type Metered, openHostNetwork } from "../../src/sys/host_network.ts";
import { type InterfaceMaker, openInterfaceMaker } from "../../src/sys/interface_maker.ts";
import { createNamespace, inNamespace, type Namespace } from "../../src/sys/namespaces.ts";
import { prefix } from "../../src/wire/prefix.ts";
import { fitsFilter, type RouteFilter } from "../../src/wire/route_filter.ts";
import { below, seeded } from "../made/seeded.ts";
import { until } from "./wires.ts";

const skip = process.getuid?.() !== 0 ? "needs root" : false;
const FOREIGN = 5000;
/** Of an IPv6 address the kernel tells once it is not that any more. */
const TENTATIVE = 0x40;
const NETWORK = prefix("10.42.0.0/16");
const NETWORK6 = prefix("fd42::/48");

let ns: Namespace;
let kernel: HostKernel & InterfaceMaker & Metered, fresh: HostKernel & InterfaceMaker & Metered;
let bridge = 0, device = 0;
/** It only moves where a test says so. */
let now = 0;

before(() => {
  if (skip !== false) return;
  ns = createNamespace();
  kernel = inNamespace(ns, openInterfaceMaker);
  fresh = inNamespace(ns, openInterfaceMaker);
  bridge = fresh.addBridge("br0");
  fresh.addBridge("br1");
  ip("tuntap add ovl0 mode tun");
  device = fresh.interfaces().find(({ name }) => name === "ovl0")!.index;
  for (
    const words of ["link set br0 up", "link set br1 up", "link set lo up", "addr add 192.168.7.1/24 dev br0"]
  ) {
    ip(words);
  }
  ip("addr add fd07::1/64 dev br0 nodad");
  ip("route add default via 192.168.7.254");
  const lines = Array.from(
    { length: FOREIGN },
    (_, i) => `route add 20.0.${i >> 8}.${i & 255}/32 via 192.168.7.2 proto 186`,
  );
  ip("-batch -", lines.join("\n"));
});

after(() => {
  if (skip !== false) return;
  for (const held of [kernel, fresh, ns]) held.close();
});

function ip(words: string, input = ""): void {
  const result = inNamespace(ns, () => spawnSync("ip", words.split(" "), { encoding: "utf8", input }));
  // Of a batch with -force some lines are meant to fail.
  if (!words.includes("-force")) assert.equal(result.status, 0, `ip ${words}: ${result.stderr}`);
}

const lines = (routes: readonly Route[]) => routes.map((r) => JSON.stringify(r)).sort();

const FILTERS = (): RouteFilter[] => [
  OWN_ROUTES,
  { overlapping: NETWORK },
  { overlapping: NETWORK6 },
  { table: 254, defaults: true },
  { iface: device },
];

/** What was asked since the last call of it: requests, bytes. */
function meter(): () => { requests: number; received: number } {
  let last = kernel.traffic;
  return () => {
    const { requests, received } = kernel.traffic;
    const used = { requests: requests - last.requests, received: received - last.received };
    last = kernel.traffic;
    return used;
  };
}

/**
 * The kernel changes IPv6 addresses, and their routes, on its own: what differs for a moment is compared again. Of ways
 * some are asked for anew once a second at the most, where next-hop objects change.
 */
function agree(table: HostTable, when: string): void {
  const ways = ["10.42.9.7", "10.43.1.1", "203.0.113.9", "192.168.7.9", "fd42:0:0:9::1"];
  const seen = (net: HostKernel | HostTable) => [
    ...FILTERS().map((filter) => lines(net.routes(filter))),
    net.interfaces(),
    net.addresses().filter(({ flags = 0 }) => (flags & TENTATIVE) === 0),
    ways.map((way) => net.routeTo(way)),
  ];
  for (let tries = 0; tries < 3; tries++) {
    now += 1000;
    if (isDeepStrictEqual(seen(table), seen(fresh))) return;
  }
  assert.deepEqual(seen(table), seen(fresh), when);
}

test("routes() of a filter are those that fit, on kernels with and without strict checks", { skip }, () => {
  ip("route add 10.42.9.0/24 dev br0 proto 84");
  ip("route add 10.0.0.0/8 via 192.168.7.3 table 1000 proto 84");
  ip("-6 route add fd42:0:0:9::/64 dev br0 proto 84");
  const old = inNamespace(ns, () => openHostNetwork(false));
  try {
    const all = fresh.routes();
    assert.ok(all.length > FOREIGN);
    for (const filter of [...FILTERS(), { iface: 4711 }, { table: 4711 }, { table: 1000, protocol: 84 }]) {
      const expected = lines(all.filter((one) => fitsFilter(one, filter)));
      assert.deepEqual(lines(fresh.routes(filter)), expected, JSON.stringify(filter));
      assert.deepEqual(lines(old.routes(filter)), expected, `not strict: ${JSON.stringify(filter)}`);
    }
    const used = meter();
    assert.equal(kernel.routes(OWN_ROUTES).length, 2);
    const { requests, received } = used();
    assert.equal(requests, 2, "one for each family");
    assert.ok(received < 1000, `${received} bytes for two routes among ${FOREIGN}`);
  } finally {
    old.close();
    ip("route flush proto 84");
    ip("route flush table 1000");
    ip("-6 route flush proto 84");
  }
});

test("a node at rest asks nothing, however often the routes of others change", { skip }, () => {
  const table = new HostTable(kernel, () => now);
  const state = {
    device: { iface: device, address: "10.42.7.0", mtu: 1400 },
    network: NETWORK,
    subnet: prefix("10.42.7.0/24"),
    directRoutes: [{ destination: prefix("10.42.9.0/24"), gateway: "192.168.7.9", iface: bridge }],
  };
  assert.deepEqual(reconcileHost(table, state).failed, []);
  const ask = () => {
    for (const filter of FILTERS()) table.routes(filter);
    assert.deepEqual(reconcileHost(table, state), { repaired: [], failed: [] });
    assert.equal(table.routeTo("192.168.7.9")?.iface, bridge);
  };
  ask();
  // The kernel decides later on its own that interface-local IPv6 addresses are not taken, and tells that as a change.
  until("the host to settle", () => table.changed() ? null : true);
  ask();
  const used = meter();
  for (let i = 0; i < 20; i++) {
    ip(`route ${i % 2 === 0 ? "add" : "del"} 20.1.0.0/16 via 192.168.7.2 proto 186`);
    assert.equal(table.changed(), false);
    ask();
  }
  const { requests, received } = used();
  assert.equal(requests, 0);
  assert.ok(received < 20 * 200, `${received} bytes for 20 events`);
  ip("route del 10.42.9.0/24");
  assert.equal(table.changed(), true);
  assert.deepEqual(reconcileHost(table, state).repaired, [
    "Added route 10.42.9.0/24 via 192.168.7.9 dev br0",
  ]);
  assert.equal(used().requests, 1, "the one that puts it back");
  ip("link set ovl0 down"); // its routes go without a word, and the source of the others does not
  assert.equal(table.changed(), true);
  assert.equal(reconcileHost(table, state).failed.length, 0);
  assert.deepEqual(lines(table.routes(OWN_ROUTES)), lines(fresh.routes(OWN_ROUTES)));
  assert.equal(fresh.routes(OWN_ROUTES).length, 3);
  ip("addr flush dev ovl0");
  ip("route flush proto 84");
});

test(
  "100 changes of interfaces, addresses, routes and next-hop objects later it says what is there",
  { skip },
  () => {
    const table = new HostTable(kernel, () => now);
    const random = seeded(20);
    const pick = <T>(of: readonly T[]): T => of[below(random, of.length)]!;
    const destinations = ["default", "10.42.0.0/16", "10.42.9.0/24", "10.0.0.0/8", "10.43.0.0/16"];
    const wide = () => pick(destinations);
    const hop = () =>
      pick(["dev br0", "dev br1", "via 192.168.7.9", "via 192.168.7.8 proto 84", "dev ovl0 proto 84"]);
    const six = () => pick(["fd42::/48", "fd42:0:0:9::/64", "default"]);
    const changes: readonly (() => string)[] = [
      () => `route add ${wide()} ${hop()} metric ${below(random, 2)}`,
      () => `route append ${wide()} ${hop()}`,
      () => `route prepend ${wide()} ${hop()}`,
      () => `route replace ${wide()} ${hop()}`,
      () => `route del ${wide()}`,
      () => `route add ${wide()} nexthop via 192.168.7.3 nexthop via 192.168.7.4`,
      () => `route add ${wide()} ${hop()} table 1000`,
      () => `route add ${wide()} src 10.42.7.0 dev br0`,
      () => `nexthop ${pick(["add", "replace"])} id 7 via ${pick(["192.168.7.5", "192.168.7.6"])} dev br0`,
      () => `route add ${wide()} nhid 7`,
      () => "nexthop del id 7",
      () => `link set ${pick(["br1", "ovl0"])} ${pick(["up", "down"])}`,
      () =>
        `addr ${pick(["add", "del"])} ${pick(["10.42.7.0/32", "10.42.9.1/24"])} dev ${pick(["br1", "ovl0"])}`,
      () => `-6 route add ${six()} via fd07::${1 + below(random, 4)} metric ${1 + below(random, 2)}`,
      () => `-6 route append ${six()} via fd07::${1 + below(random, 4)}`,
      () => `-6 route replace ${six()} ${pick(["dev br1 proto 84", "via fd07::9"])}`,
      () => `-6 route del ${six()}`,
      () => `-6 route add ${six()} nexthop via fd07::3 nexthop via fd07::4`,
    ];
    for (let round = 0; round < 100; round++) {
      const told = Array.from({ length: 1 + below(random, 3) }, () => pick(changes)());
      const batch = told.flatMap((line) => line.startsWith("-6 ") ? [] : [line]).join("\n");
      const batch6 = told.flatMap((line) => line.startsWith("-6 ") ? [line.slice(3)] : []).join("\n");
      ip("-force -batch -", batch);
      if (batch6 !== "") ip("-6 -force -batch -", batch6);
      agree(table, `after ${round}: ${told.join("; ")}`);
    }
  },
);

test("events that were lost in a flood of routes are made up for by reading", { skip }, () => {
  const table = new HostTable(kernel, () => now);
  for (const filter of FILTERS()) table.routes(filter);
  const flood = Array.from(
    { length: 30_000 },
    (_, i) => `route ${i % 2 ? "del" : "add"} 20.2.0.0/16 via 192.168.7.2 proto 186`,
  );
  ip("-batch -", [...flood, "route replace 10.42.33.0/24 dev br0"].join("\n"));
  now += 60_000;
  assert.equal(table.changed(), true);
  for (const filter of FILTERS()) {
    assert.deepEqual(lines(table.routes(filter)), lines(fresh.routes(filter)));
  }
  assert.ok(table.routes({ overlapping: NETWORK }).some((one) => one.destination.text === "10.42.33.0/24"));
});
