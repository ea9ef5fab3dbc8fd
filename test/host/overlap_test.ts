import { test } from "node:test";
import assert from "node:assert/strict";
import type { Route } from "../../src/ports/host.ts";
import type { Random } from "../../src/ports/time.ts";
import {
  describeOverlap,
  overlappingRoutes,
  type OwnMarks,
  randomNetwork,
  randomNetwork6,
} from "../../src/host/overlap.ts";
import { FakeKernel, route } from "../fakes/fake_kernel.ts";
import { seeded } from "../made/seeded.ts";
import { Prefix, prefix } from "../../src/wire/prefix.ts";

const NETWORK = prefix("10.42.0.0/16");
const OWN: OwnMarks = { protocol: 84, device: null, subnet: null };
const overlappingRoute = (...host: Parameters<typeof overlappingRoutes>) =>
  overlappingRoutes(...host)[0] ?? null;
const over = (
  routes: Route[],
  own: OwnMarks = OWN,
) => overlappingRoute(routes, [], NETWORK, own)?.destination.text ?? null;

function random(seed: number): Random {
  const next = seeded(seed);
  return { bytes: (n) => new Uint8Array(n), below: (limit) => Math.floor(next() * limit) };
}

test("overlappingRoutes() finds routes within and equal to the network, of any table", () => {
  assert.equal(over([route("10.42.7.0/24")]), "10.42.7.0/24");
  assert.equal(over([route("10.42.0.0/16", { metric: 100 })]), "10.42.0.0/16");
  assert.equal(over([route("10.42.0.0/16", { table: 52 })]), "10.42.0.0/16");
  assert.equal(over([route("10.42.9.0/26", { type: "blackhole", table: 52 })]), "10.42.9.0/26");
  assert.equal(over([route("10.42.0.0/15", { type: "local", table: 255, iface: 1 })]), null);
  assert.equal(over([route("10.42.9.0/24", { type: "local", table: 255, iface: 1 })]), "10.42.9.0/24");
  assert.equal(over([route("10.43.0.0/16"), route("fd00::/8")]), null);
});

test("overlappingRoutes() overlooks what is broader than the network: ours is longer and wins", () => {
  for (const destination of ["10.0.0.0/8", "10.0.0.0/9", "10.42.0.0/15", "8.0.0.0/5"]) {
    for (const type of ["unicast", "blackhole", "unreachable", "prohibit", "throw"] as const) {
      assert.equal(over([route(destination, { type })]), null, `${type} ${destination}`);
    }
  }
  const lan = { iface: 7, address: "10.9.3.4", prefixLength: 8, scope: 0 };
  assert.equal(overlappingRoute([], [lan], NETWORK, OWN), null);
});

test("overlappingRoutes() overlooks what only drops and contains the network", () => {
  for (const type of ["blackhole", "unreachable", "prohibit", "throw"] as const) {
    assert.equal(over([route(NETWORK.text, { type })]), null, type);
    assert.equal(over([route("10.42.8.0/21", { type })]), "10.42.8.0/21", type);
  }
});

test("overlappingRoutes() takes a route of our mark for ours, but for those of another instance's device", () => {
  const other = route("10.42.0.0/16", { protocol: 84, iface: 8 });
  assert.equal(over([other]), null);
  const found = overlappingRoute([other], [], NETWORK, { ...OWN, otherDevices: [8] });
  assert.equal(found, other);
});

test("overlappingRoutes() overlooks default routes, their halves, and special ranges", () => {
  for (const destination of ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "::/0", "::/1"]) {
    assert.equal(over([route(destination)]), null, destination);
  }
  for (const destination of ["224.0.0.0/4", "169.254.0.0/16", "127.0.0.0/8", "fe80::/64", "ff00::/8"]) {
    assert.equal(overlappingRoute([route(destination)], [], prefix(destination), OWN), null, destination);
  }
});

test("overlappingRoutes() overlooks what is ours, and the bridge that holds our earlier lease", () => {
  assert.equal(over([route(NETWORK.text, { protocol: 84 })]), null);
  const own = { protocol: 84, device: 5, subnet: prefix("10.42.7.0/24") };
  assert.equal(over([route("10.42.0.0/16", { iface: 5 })], own), null);
  assert.equal(over([route("10.42.7.0/24", { iface: 9 })], own), null);
  assert.equal(over([route("10.42.8.0/24", { iface: 9 })], own), "10.42.8.0/24");
});

test("overlappingRoutes() finds addresses too, also those without a route", () => {
  const net = new FakeKernel();
  const dummy = net.addLink("dummy0", { up: false });
  net.addAddress({ iface: dummy, address: "10.42.3.4", prefixLength: 32, scope: 0 });
  const found = overlappingRoute(net.routes(), net.addresses(), NETWORK, OWN);
  assert.deepEqual([found?.destination.text, found?.iface], ["10.42.3.4/32", dummy]);
  assert.equal(overlappingRoute(net.routes(), net.addresses(), prefix("10.43.0.0/16"), OWN), null);
});

test("describeOverlap() names the route and what to do", () => {
  const net = new FakeKernel();
  const iface = net.addLink("cni0");
  assert.equal(
    describeOverlap(NETWORK, route("10.42.0.0/24", { iface }), net.interfaces(), false),
    'Network "10.42.0.0/16" overlaps the route 10.42.0.0/24 dev cni0; choose another with --network',
  );
  assert.match(
    describeOverlap(NETWORK, route("10.42.0.0/24", { iface: 77 }), net.interfaces(), false),
    /dev #77;/,
  );
});

test("describeOverlap() sends nobody who joins a mesh to a flag that only its founder has", () => {
  const net = new FakeKernel();
  const iface = net.addLink("cni0");
  const told = describeOverlap(NETWORK, route("10.42.0.0/24", { iface }), net.interfaces(), true);
  assert.match(
    told,
    /dev cni0; the network of a mesh .*: remove the route .*, or found a new mesh with another --network$/,
  );
});

test("randomNetwork() spreads over 10.128.0.0 to 10.254.0.0", () => {
  const seen = new Set<string>();
  const source = random(7);
  for (let i = 0; i < 3000; i++) seen.add(randomNetwork(source, [route("0.0.0.0/0")]).text);
  assert.equal(seen.size, 127);
  assert.ok(seen.has("10.128.0.0/16") && seen.has("10.254.0.0/16"));
});

test("randomNetwork() picks none that overlaps a route", () => {
  const taken = Array.from({ length: 127 }, (_, i) => route(`10.${128 + i}.3.0/24`));
  const free = taken.splice(50, 1)[0]!.destination.text.replace("3.0/24", "0.0/16");
  for (let i = 0; i < 20; i++) assert.equal(randomNetwork(random(i), taken).text, free);
  const held = { iface: 7, address: free.replace("0.0/16", "200.1"), prefixLength: 24, scope: 0 };
  for (let i = 0; i < 20; i++) {
    assert.doesNotMatch(randomNetwork(random(i), taken, [held]).text, new RegExp(`^${free}`));
  }
});

test("randomNetwork() draws from the other private ranges where all of 10.128.0.0 to 10.254.0.0 is in use", () => {
  const taken = Array.from({ length: 127 }, (_, i) => route(`10.${128 + i}.0.0/17`));
  const seen = new Set<string>();
  const source = random(3);
  for (let i = 0; i < 1000; i++) seen.add(randomNetwork(source, taken).text);
  assert.ok(seen.has("10.1.0.0/16") && seen.has("172.31.0.0/16"));
  for (const usual of ["10.42.0.0/16", "172.17.0.0/16", "192.168.0.0/16"]) assert.ok(!seen.has(usual), usual);
  for (const one of seen) {
    assert.match(one, /^(10\.(\d{1,2}|1[01]\d|12[0-7]|255)|172\.(1[6-9]|2\d|3[01]))\.0\.0\/16$/);
  }
});

test("randomNetwork() keeps out of a broad route while another range is free, and draws in it else", () => {
  for (let i = 0; i < 20; i++) {
    assert.match(randomNetwork(random(i), [route("10.0.0.0/8")]).text, /^172\.\d+\.0\.0\/16$/);
  }
  const all = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/15"].map((text) => route(text));
  assert.match(randomNetwork(random(1), all).text, /^10\.(12[89]|1[3-9]\d|2[0-4]\d|25[0-4])\.0\.0\/16$/);
});

test("randomNetwork() looks at each route once, and not for each candidate, of a hundred thousand", () => {
  let looks = 0;
  const routes = Array.from({ length: 20_000 }, (_, i) => {
    const { destination, ...rest } = route(`10.${128 + (i % 100)}.${i & 255}.${i >> 8}/32`);
    const counted = Object.create(Prefix.prototype, {
      length: { value: destination.length },
      text: { value: destination.text },
      address: { get: () => (looks++, destination.address) },
    }) as Prefix;
    return { ...rest, destination: counted };
  });
  assert.match(randomNetwork(random(1), routes).text, /^10\.2(2[89]|[345]\d)\.0\.0\/16$/);
  assert.ok(looks <= 10 * routes.length, `${looks} looks at ${routes.length} routes`);
});

test("randomNetwork() says when there is none", () => {
  const all = [
    ...Array.from({ length: 256 }, (_, i) => route(`10.${i}.3.0/24`)),
    ...Array.from({ length: 16 }, (_, i) => route(`172.${16 + i}.3.0/24`)),
    route("192.168.1.0/24"),
  ];
  assert.throws(
    () => randomNetwork(random(1), all),
    /No private \/16 is free \(routes: 10\.128\.3\.0\/24, .*\); choose a network with --network/,
  );
});

test("randomNetwork6() draws a unique local /48 that nothing of the host touches", () => {
  const drawn = [[1, 1, 1, 1, 1], [2, 2, 2, 2, 2], [3, 3, 3, 3, 3]];
  const from = (): Random => {
    let n = 0; // the same ones again for each look through the routes
    return { bytes: () => Uint8Array.from(drawn[n++ % 16] ?? [9, 9, 9, 9, 9]), below: () => 0 };
  };
  const [first, second, third] = ["fd01:101:101::/48", "fd02:202:202::/48", "fd03:303:303::/48"];
  assert.equal(randomNetwork6(from(), [route("fd00::/16"), route("::/0")]).text, first);
  assert.equal(randomNetwork6(from(), [route("fd01:101:101:7::/64")]).text, second);
  const held = { iface: 7, address: "fd02:202:202::9", prefixLength: 64, scope: 0 };
  assert.equal(randomNetwork6(from(), [route(first!)], [held]).text, third);
  // Where a broad route covers all of them, one inside it: that goes on for the rest.
  assert.equal(randomNetwork6(from(), [route("fc00::/7")]).text, first);
  assert.equal(randomNetwork6(from(), [route("fc00::/7"), route(first!)]).text, second);
  const all = [first!, second!, third!, "fd09:909:909::/48"].map((one) => route(one));
  assert.throws(() => randomNetwork6(from(), all), /No unique local \/48 is free.*--network6/);
});
