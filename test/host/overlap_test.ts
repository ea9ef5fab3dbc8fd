import { test } from "node:test";
import assert from "node:assert/strict";
import type { Random, Route } from "../../src/ports.ts";
import { describeOverlap, overlappingRoute, randomNetwork } from "../../src/host/overlap.ts";
import { FakeKernel, route } from "../fakes/fake_kernel.ts";
import { seeded } from "../wire/seeded.ts";

const NETWORK = "10.42.0.0/16";
const OWN = { protocol: 84, device: null, subnet: null };
const over = (
  routes: Route[],
  own: typeof OWN | { protocol: number; device: number; subnet: string } = OWN,
) => overlappingRoute(routes, [], NETWORK, own)?.destination ?? null;

function random(seed: number): Random {
  const next = seeded(seed);
  return { bytes: (n) => new Uint8Array(n), below: (limit) => Math.floor(next() * limit) };
}

test("overlappingRoute() finds routes within, around and equal to the network, of any table", () => {
  assert.equal(over([route("10.42.7.0/24")]), "10.42.7.0/24");
  assert.equal(over([route("10.0.0.0/8")]), "10.0.0.0/8");
  assert.equal(over([route("10.42.0.0/16", { type: "blackhole", table: 52 })]), "10.42.0.0/16");
  assert.equal(over([route("10.43.0.0/16"), route("fd00::/8")]), null);
});

test("overlappingRoute() overlooks default routes, their halves, and special ranges", () => {
  for (const destination of ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "::/0", "::/1"]) {
    assert.equal(over([route(destination)]), null, destination);
  }
  for (const destination of ["224.0.0.0/4", "169.254.0.0/16", "127.0.0.0/8", "fe80::/64", "ff00::/8"]) {
    assert.equal(overlappingRoute([route(destination)], [], destination, OWN), null, destination);
  }
});

test("overlappingRoute() overlooks what is ours, and the bridge that holds our earlier lease", () => {
  assert.equal(over([route(NETWORK, { protocol: 84 })]), null);
  const own = { protocol: 84, device: 5, subnet: "10.42.7.0/24" };
  assert.equal(over([route("10.42.0.0/16", { link: 5 })], own), null);
  assert.equal(over([route("10.42.7.0/24", { link: 9 })], own), null);
  assert.equal(over([route("10.42.8.0/24", { link: 9 })], own), "10.42.8.0/24");
});

test("overlappingRoute() finds addresses too, also those without a route", () => {
  const net = new FakeKernel();
  const dummy = net.addLink("dummy0", { up: false });
  net.addAddress({ link: dummy, address: "10.42.3.4", prefixLength: 32, scope: 0 });
  const found = overlappingRoute(net.routes(), net.addresses(), NETWORK, OWN);
  assert.deepEqual([found?.destination, found?.link], ["10.42.3.4/32", dummy]);
  assert.equal(overlappingRoute(net.routes(), net.addresses(), "10.43.0.0/16", OWN), null);
});

test("overlappingRoute() throws RangeError for what is no network", () => {
  assert.throws(() => overlappingRoute([], [], "10.42.0.0", OWN), RangeError);
});

test("describeOverlap() names the route and what to do", () => {
  const net = new FakeKernel();
  const link = net.addLink("cni0");
  assert.equal(
    describeOverlap(NETWORK, route("10.42.0.0/24", { link }), net.links(), false),
    'Network "10.42.0.0/16" overlaps the route 10.42.0.0/24 dev cni0; choose another with --network',
  );
  assert.match(describeOverlap(NETWORK, route("10.42.0.0/24", { link: 77 }), net.links(), false), /dev #77;/);
});

test("describeOverlap() sends nobody who joins a mesh to a flag that only its founder has", () => {
  const net = new FakeKernel();
  const link = net.addLink("cni0");
  const told = describeOverlap(NETWORK, route("10.42.0.0/24", { link }), net.links(), true);
  assert.match(
    told,
    /dev cni0; the mesh has .*: remove the route .*, or found the mesh with another --network$/,
  );
});

test("randomNetwork() spreads over 10.128.0.0 to 10.254.0.0", () => {
  const seen = new Set<string>();
  const source = random(7);
  for (let i = 0; i < 3000; i++) seen.add(randomNetwork(source, [route("0.0.0.0/0")]));
  assert.equal(seen.size, 127);
  assert.ok(seen.has("10.128.0.0/16") && seen.has("10.254.0.0/16"));
});

test("randomNetwork() picks none that overlaps a route, and says when there is none", () => {
  const taken = Array.from({ length: 127 }, (_, i) => route(`10.${128 + i}.3.0/24`));
  const free = taken.splice(50, 1)[0]!.destination.replace("3.0/24", "0.0/16");
  for (let i = 0; i < 20; i++) assert.equal(randomNetwork(random(i), taken), free);
  assert.throws(
    () => randomNetwork(random(1), [route("10.0.0.0/8")]),
    /No \/16 between .* is free \(routes: 10\.0\.0\.0\/8\); choose one with --network/,
  );
});
