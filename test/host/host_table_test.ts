import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { HostTable } from "../../src/host/host_table.ts";
import { OWN_ROUTES, ROUTE_PROTOCOL } from "../../src/host/owned.ts";
import { reconcileHost } from "../../src/host/reconcile_host.ts";
import type { Route } from "../../src/ports/host.ts";
import { prefix } from "../../src/wire/prefix.ts";
import type { RouteFilter } from "../../src/wire/route_filter.ts";
import { CountedKernel, NOTHING } from "../fakes/counted_kernel.ts";
import { FakeKernel, route, rule } from "../fakes/fake_kernel.ts";

const NETWORK = prefix("10.42.0.0/16");
const INTO_MESH: RouteFilter = { overlapping: NETWORK };
const DEFAULTS: RouteFilter = { table: 254, defaults: true };

/** A host with one LAN, and what a node has asked of it. */
function host() {
  const kernel = new FakeKernel();
  const eth0 = kernel.addLink("eth0");
  kernel.addAddress({ iface: eth0, address: "192.168.1.10", prefixLength: 24, scope: 0 });
  kernel.addRoute(route("0.0.0.0/0", { gateway: "192.168.1.1", iface: eth0 }));
  const counted = new CountedKernel(kernel);
  let now = 0;
  const table = new HostTable(counted.kernel, () => now);
  const askAll = () => {
    for (const filter of [OWN_ROUTES, INTO_MESH, DEFAULTS]) table.routes(filter);
    for (const ask of [() => table.interfaces(), () => table.addresses(), () => table.rules()]) ask();
    table.routeTo("192.168.1.11");
    table.routeTo("203.0.113.9");
  };
  askAll();
  table.changed();
  counted.asked();
  return {
    kernel,
    eth0,
    table,
    askAll,
    asked: () => counted.asked(),
    pass: (ms: number) => void (now += ms),
  };
}

const texts = (routes: readonly Route[]) =>
  routes.map((r) => `${r.destination} ${r.iface} ${r.gateway}`).sort();

test("what was asked once is answered from memory", () => {
  const { table, askAll, asked, pass } = host();
  for (let i = 0; i < 100; i++) {
    pass(100);
    assert.equal(table.changed(), false);
    askAll();
  }
  assert.deepEqual(asked(), NOTHING);
});

test("a foreign route that comes and goes all the time changes nothing, and nothing is read", () => {
  const { kernel, eth0, table, askAll, asked, pass } = host();
  const foreign = route("198.51.100.0/24", { gateway: "192.168.1.1", iface: eth0, protocol: 186 });
  const six = route("2001:db8::/32", { iface: eth0, protocol: 186 });
  const before = table.revision();
  for (let i = 0; i < 200; i++) {
    pass(50);
    kernel.addRoute(foreign);
    kernel.addRoute(six);
    assert.equal(table.changed(), false);
    askAll();
    kernel.deleteRoute(foreign);
    kernel.deleteRoute(six);
  }
  assert.equal(table.changed(), false);
  assert.equal(table.revision(), before);
  assert.deepEqual(asked(), NOTHING);
});

test("a route that bears on an answer is a change, whosever it is, and no route has to be read for it", () => {
  const { kernel, eth0, table, asked } = host();
  const cases: Route[] = [
    route("10.42.9.0/24", { iface: eth0, protocol: 186 }), // in the mesh's network
    route("10.0.0.0/8", { iface: eth0, table: 77 }), // shorter, of another table
    route("10.42.0.0/16", { iface: eth0, protocol: ROUTE_PROTOCOL }),
    route("0.0.0.0/0", { gateway: "192.168.1.2", iface: eth0, metric: 9 }),
    route("::/0", { gateway: "fd07::2", iface: eth0, onlink: true }),
    route("203.0.113.0/24", { iface: eth0 }), // on the way to an address that was asked for
  ];
  for (const one of cases) {
    kernel.addRoute(one);
    assert.equal(table.changed(), true, one.destination.text);
    assert.equal(table.changed(), false);
    for (const filter of [OWN_ROUTES, INTO_MESH, DEFAULTS]) {
      assert.deepEqual(texts(table.routes(filter)), texts(kernel.routes(filter)), one.destination.text);
    }
    assert.deepEqual(table.routeTo("203.0.113.9"), kernel.routeTo("203.0.113.9"));
    kernel.deleteRoute(one);
    assert.equal(table.changed(), true, one.destination.text);
    assert.deepEqual(texts(table.routes(INTO_MESH)), texts(kernel.routes(INTO_MESH)));
    assert.deepEqual(table.routeTo("203.0.113.9"), kernel.routeTo("203.0.113.9"));
  }
  const { ways, ...rest } = asked();
  assert.ok(ways > 0);
  assert.deepEqual({ ...rest, ways: 0 }, NOTHING);
});

test("what we do ourselves is seen by the next question, without a pause", () => {
  const { eth0, table } = host();
  const ours = route("10.42.0.0/16", { iface: eth0, protocol: ROUTE_PROTOCOL });
  table.addRoute(ours);
  assert.deepEqual(texts(table.routes(OWN_ROUTES)), texts([ours]));
  assert.equal(table.routeTo("10.42.1.1")?.gateway, null);
  table.deleteRoute(ours);
  assert.deepEqual(table.routes(OWN_ROUTES), []);
  assert.equal(table.routeTo("10.42.1.1")?.gateway, "192.168.1.1");
  table.setInterface(eth0, { mtu: 1400 });
  assert.equal(table.interfaces().find(({ index }) => index === eth0)?.mtu, 1400);
  table.addAddress({ iface: eth0, address: "10.9.9.9", prefixLength: 32, scope: 0 });
  assert.ok(table.addresses().some(({ address }) => address === "10.9.9.9"));
});

test("routes that the kernel drops without a word are gone here too, and are read again", () => {
  const { kernel, eth0, table, asked } = host();
  kernel.quiet = true;
  const device = kernel.addLink("ovl0", { kind: "tun" });
  const held = { iface: device, address: "10.42.7.0", prefixLength: 32, scope: 0 };
  const routes = [
    route("10.42.0.0/16", { iface: device, protocol: ROUTE_PROTOCOL, source: "10.42.7.0" }),
    route("10.42.9.0/24", {
      gateway: "192.168.1.9",
      iface: eth0,
      protocol: ROUTE_PROTOCOL,
      source: "10.42.7.0",
    }),
    route("10.42.8.0/24", { iface: device }),
  ];
  const put = () => {
    for (const one of routes) kernel.addRoute(one);
    assert.deepEqual(texts(table.routes(INTO_MESH)), texts(kernel.routes(INTO_MESH)));
    assert.equal(table.routes(OWN_ROUTES).length, 2);
  };
  kernel.addAddress(held);
  put();
  table.changed();
  asked();
  kernel.setInterface(device, { up: false });
  kernel.setInterface(device, { up: true }); // and nobody has looked in between
  assert.equal(table.changed(), true);
  assert.deepEqual(texts(table.routes(OWN_ROUTES)), texts(kernel.routes(OWN_ROUTES)));
  assert.deepEqual(texts(table.routes(INTO_MESH)), texts(kernel.routes(INTO_MESH)));
  assert.deepEqual({ routes: 2, walks: 1 }, (({ routes, walks }) => ({ routes, walks }))(asked()));
  kernel.deleteRoute(routes[1]!);
  put();
  kernel.deleteAddress(held);
  assert.equal(table.changed(), true);
  assert.deepEqual(table.routes(OWN_ROUTES), []);
  kernel.deleteInterface(device);
  assert.deepEqual(texts(table.routes(INTO_MESH)), texts(kernel.routes(INTO_MESH)));
});

test("of a route that was replaced only the one in its place is left; of several, all are read again", () => {
  const { kernel, eth0, table, asked } = host();
  const one = route("10.42.9.0/24", { gateway: "192.168.1.9", iface: eth0 });
  kernel.addRoute(one);
  kernel.replaceRoute({ ...one, gateway: "192.168.1.8" });
  assert.deepEqual(texts(table.routes(INTO_MESH)), texts(kernel.routes(INTO_MESH)));
  assert.equal(asked().routes, 0);
  kernel.addRoute(one, true);
  kernel.replaceRoute({ ...one, gateway: "192.168.1.7" });
  assert.deepEqual(texts(table.routes(INTO_MESH)), texts(kernel.routes(INTO_MESH)));
  assert.equal(asked().routes, 1);
});

/** A host on which it takes time to read routes. */
function slowHost(milliseconds: number) {
  const kernel = new FakeKernel();
  const eth0 = kernel.addLink("eth0");
  const clock = { now: 0, walked: 0 };
  const slow = new Proxy(kernel, {
    get: (target, name) => {
      const member = Reflect.get(target, name) as unknown;
      if (typeof member !== "function") return member;
      return (...given: unknown[]): unknown => {
        if (name === "routes") {
          clock.now += milliseconds;
          clock.walked++;
        }
        return Reflect.apply(member, target, given);
      };
    },
  });
  return { slow, kernel, eth0, clock };
}

test("events that were lost cost one reading of each, and in a flood no more than a part of the time", () => {
  const { slow, kernel, eth0, clock } = slowHost(300); // milliseconds, for a hundred thousand routes
  const table = new HostTable(slow, () => clock.now);
  table.routes(INTO_MESH);
  table.changed();
  clock.now += 10_000;
  kernel.loseEvents();
  kernel.addRoute(route("10.42.9.0/24", { iface: eth0 }));
  assert.equal(table.changed(), true);
  assert.equal(table.routes(INTO_MESH).length, 1, "at once");
  clock.walked = 0;
  const from = clock.now;
  while (clock.now - from < 60_000) {
    clock.now += 100;
    kernel.loseEvents();
    if (table.changed()) table.routes(INTO_MESH);
  }
  const { walked } = clock;
  assert.ok(walked >= 5 && walked <= 10, `${walked} readings in a minute`);
  kernel.deleteRoute(route("10.42.9.0/24", { iface: eth0 }));
  kernel.loseEvents();
  assert.equal(table.changed(), true);
  assert.equal(table.routes(INTO_MESH).length, 1, "too soon");
  let later = 0;
  while (later < 10_000 && !(table.changed() && table.routes(INTO_MESH).length === 0)) {
    clock.now += 100, later += 100;
  }
  assert.ok(later <= 6000, `${later} ms`);
});

test("what takes long to read is read again only in doubt", () => {
  const { slow, kernel, clock } = slowHost(600);
  const table = new HostTable(slow, () => clock.now);
  for (let i = 0; i < 10; i++) {
    table.routes(INTO_MESH);
    clock.now += 3_600_000;
  }
  assert.equal(clock.walked, 1);
  kernel.loseEvents();
  table.routes(INTO_MESH);
  assert.equal(clock.walked, 2);
});

test("what escapes the events is found after a while", () => {
  const { kernel, eth0, table, pass } = host();
  const ours = route("10.42.0.0/16", { iface: eth0, protocol: ROUTE_PROTOCOL });
  table.addRoute(ours);
  assert.equal(table.routes(OWN_ROUTES).length, 1);
  kernel.deleteRoute(ours);
  kernel.changed(); // nobody tells
  assert.equal(table.routes(OWN_ROUTES).length, 1);
  pass(30_000);
  assert.equal(table.routes(OWN_ROUTES).length, 0);
});

test("ways are asked again when a rule, an address or a link changes", () => {
  const { kernel, eth0, table, asked } = host();
  const changes = [
    () => kernel.addRule(rule(99, 77)),
    () => kernel.addAddress({ iface: eth0, address: "10.7.7.7", prefixLength: 32, scope: 0 }),
    () => kernel.setInterface(eth0, { mtu: 1300 }),
  ];
  for (const change of changes) {
    change();
    assert.equal(table.changed(), true);
    table.routeTo("192.168.1.11");
    table.routeTo("192.168.1.11");
    assert.equal(asked().ways, 1);
  }
});

test("a reconcile without a change on the host asks the kernel nothing", () => {
  const { kernel, table, eth0, asked } = host();
  const device = kernel.addLink("ovl0", { kind: "tun", up: false });
  const state = {
    device: { iface: device, address: "10.42.7.0", mtu: 1400 },
    network: NETWORK,
    subnet: prefix("10.42.7.0/24"),
    directRoutes: [{ destination: prefix("10.42.9.0/24"), gateway: "192.168.1.9", iface: eth0 }],
  };
  assert.deepEqual(reconcileHost(table, state).failed, []);
  reconcileHost(table, state);
  asked();
  for (let i = 0; i < 50; i++) assert.deepEqual(reconcileHost(table, state), { repaired: [], failed: [] });
  assert.deepEqual(asked(), NOTHING);
  const { writes } = kernel;
  kernel.deleteRoute(kernel.routes(OWN_ROUTES)[0]!);
  assert.equal(reconcileHost(table, state).repaired.length, 1);
  assert.equal(kernel.writes, writes + 2);
  assert.deepEqual(asked(), NOTHING);
});

// ------------------------------------------------------------------- whatever happens, it says what the kernel says

const LINKS = ["eth0", "eth1", "ovl0"] as const;
const HELD = ["192.168.1.10/24", "10.42.7.0/32", "10.7.0.1/16", "fd07::1/64"] as const;
const DESTINATIONS = [
  "0.0.0.0/0",
  "10.0.0.0/8",
  "10.42.0.0/16",
  "10.42.9.0/24",
  "198.51.100.0/24",
  "fd42::/48",
  "::/0",
];
const ASKED: RouteFilter[] = [OWN_ROUTES, INTO_MESH, DEFAULTS, { iface: 2 }, {
  overlapping: prefix("fd42::/48"),
}];
const WAYS = ["10.42.9.1", "198.51.100.9", "192.168.1.1", "fd42::9"];

const op = fc.record({
  what: fc.constantFrom(
    ...[
      "add",
      "add",
      "add",
      "before",
      "remove",
      "remove",
      "replace",
      "down",
      "up",
      "hold",
      "free",
      "delete",
      "rule",
    ],
    ...["lose", "pass", "ask", "ask"],
  ),
  iface: fc.nat(2),
  held: fc.nat(HELD.length - 1),
  to: fc.nat(DESTINATIONS.length - 1),
  ours: fc.boolean(),
  metric: fc.nat(1),
  source: fc.boolean(),
});

test("whatever happens to the host, the table says what the kernel says", () => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(op, { maxLength: 40 }), (quiet, ops) => {
      const kernel = new FakeKernel();
      kernel.quiet = quiet;
      const interfaces = LINKS.map((name) => kernel.addLink(name));
      let now = 0;
      const table = new HostTable(kernel, () => now);
      const ask = () => {
        for (const filter of ASKED) {
          const text = (routes: readonly Route[]) => routes.map((r) => JSON.stringify(r)).sort();
          assert.deepEqual(text(table.routes(filter)), text(kernel.routes(filter)));
        }
        assert.deepEqual(table.interfaces(), kernel.interfaces());
        assert.deepEqual(table.addresses(), kernel.addresses());
        assert.deepEqual(table.rules(), kernel.rules());
        for (const way of WAYS) assert.deepEqual(table.routeTo(way), kernel.routeTo(way), way);
      };
      for (const one of ops) {
        try {
          perform(kernel, interfaces, one);
        } catch (error) {
          assert.ok(error instanceof Error && "errno" in error, `${error}`); // refused, as Linux would
        }
        if (one.what === "pass") now += 7000;
        if (one.what === "lose") now += 1000; // more often, ways are not forgotten for it
        // The daemon's tick: so often, at the least, it listens.
        now += 100;
        if (one.what === "ask") ask();
      }
      ask();
    }),
    { numRuns: 400 },
  );
});

type Op = typeof op extends fc.Arbitrary<infer T> ? T : never;

function perform(
  kernel: FakeKernel,
  interfaces: readonly number[],
  { what, iface, held, to, ours, metric, source }: Op,
) {
  const index = interfaces[iface]!;
  const [address, length] = HELD[held]!.split("/") as [string, string];
  const own = { iface: index, address, prefixLength: Number(length), scope: 0 };
  const destination = DESTINATIONS[to]!;
  const one = route(destination, {
    iface: index,
    metric,
    protocol: ours ? ROUTE_PROTOCOL : 4,
    source: source && destination.includes(":") === address.includes(":") ? address : null,
  });
  const there = kernel.routes().filter((r) => r.destination.text === destination);
  switch (what) {
    case "add":
      return kernel.addRoute(one);
    case "before":
      return kernel.addRoute(one, true);
    case "remove":
      return there.length > 0 && kernel.deleteRoute(there[metric % there.length]!);
    case "replace":
      return kernel.replaceRoute(one);
    case "down":
    case "up":
      return kernel.setInterface(index, { up: what === "up" });
    case "hold":
      return kernel.addAddress(own);
    case "free":
      return kernel.deleteAddress(own);
    case "delete":
      return iface === 1 && kernel.deleteInterface(index);
    case "rule":
      return kernel.addRule(rule(metric, 77));
    case "lose":
      return kernel.loseEvents();
  }
}
