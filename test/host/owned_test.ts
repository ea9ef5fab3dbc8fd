import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Route } from "../../src/ports/host.ts";
import * as owned from "../../src/host/owned.ts";
import { route } from "../fakes/fake_kernel.ts";
import { prefix } from "../../src/wire/prefix.ts";

const STATE: owned.HostState = {
  device: { iface: 5, address: "10.42.7.0", mtu: 1440 },
  network: prefix("10.42.0.0/16"),
  subnet: prefix("10.42.7.0/24"),
  directRoutes: [{ destination: prefix("10.42.9.0/24"), gateway: "192.168.1.11", iface: 2 }],
};
const ours = (destination: string, fields: Partial<Route> = {}) =>
  route(destination, { protocol: 84, ...fields });

test("wantedRoutes() wants the network, no loop for our subnet, and one route a direct peer", () => {
  assert.deepEqual(owned.wantedRoutes(STATE), [
    ours("10.42.0.0/16", { iface: 5, source: "10.42.7.0", scope: 253 }),
    ours("10.42.7.0/24", { type: "unreachable", metric: owned.UNREACHABLE_METRIC }),
    ours("10.42.9.0/24", { gateway: "192.168.1.11", iface: 2, source: "10.42.7.0" }),
  ]);
});

test("wantedRoutes() without a device wants only gateway routes and the guard", () => {
  const routes = owned.wantedRoutes({ ...STATE, device: null });
  assert.deepEqual(routes.map((r) => [r.destination.text, r.iface, r.source]), [
    ["10.42.7.0/24", null, null],
    ["10.42.9.0/24", 2, null],
  ]);
});

test("wantedRoutes() gives IPv6 the metric and scope that the kernel would", () => {
  const device = { iface: 5, address: "fd00:7::", mtu: 1440 };
  const [network] = owned.wantedRoutes({
    device,
    network: prefix("fd00::/16"),
    subnet: prefix("fd00:7::/32"),
    directRoutes: [],
  });
  assert.deepEqual([network?.metric, network?.scope], [1024, 0]);
});

test("isOwned() wants our protocol, the main table, and a destination inside the network", () => {
  assert.ok(owned.isOwned(ours("10.42.9.0/24"), prefix("10.42.0.0/16")));
  assert.ok(owned.isOwned(ours("10.42.0.0/16"), prefix("10.42.0.0/16")));
  assert.ok(owned.isOwned(ours("10.43.0.0/16"), null));
  assert.ok(!owned.isOwned(ours("10.43.0.0/16"), prefix("10.42.0.0/16")));
  assert.ok(!owned.isOwned(ours("10.0.0.0/8"), prefix("10.42.0.0/16")));
  assert.ok(!owned.isOwned(ours("10.42.9.0/24", { table: 100 }), prefix("10.42.0.0/16")));
  assert.ok(!owned.isOwned(route("10.42.9.0/24"), prefix("10.42.0.0/16")));
});

test("diffRoutes() adds what is missing, removes what is stale, and leaves the identical in place", () => {
  const wanted = owned.wantedRoutes(STATE);
  const stale = ours("10.42.8.0/24", { gateway: "192.168.1.12", iface: 2 });
  const moved = ours("10.42.9.0/24", { gateway: "192.168.1.99", iface: 2, source: "10.42.7.0" });
  const { add, remove } = owned.diffRoutes(wanted, [wanted[0]!, wanted[1]!, stale, moved], STATE);
  assert.deepEqual(add, [wanted[2]]);
  assert.deepEqual(remove, [stale, moved]);
});

test("diffRoutes() overlooks the scope, which the kernel decides for IPv6", () => {
  const wanted = owned.wantedRoutes(STATE);
  const current = wanted.map((r) => ({ ...r, scope: 0 }));
  assert.deepEqual(owned.diffRoutes(wanted, current, STATE), { add: [], remove: [] });
});

test("diffRoutes() touches nothing that is not ours, whatever is there", () => {
  const anyRoute = fc.record({
    destination: fc.constantFrom("0.0.0.0/0", "10.42.0.0/16", "10.42.9.0/24", "10.42.7.0/24", "10.43.0.0/16"),
    protocol: fc.constantFrom(2, 4, 84),
    metric: fc.constantFrom(0, 100, owned.UNREACHABLE_METRIC),
    iface: fc.constantFrom(null, 2, 5),
    table: fc.constantFrom(254, 255),
  }).map(({ destination, ...fields }) => route(destination, fields));
  const property = fc.property(fc.array(anyRoute), (current) => {
    const { add, remove } = owned.diffRoutes(owned.wantedRoutes(STATE), current, STATE);
    assert.ok(remove.every((r) => owned.isOwned(r, STATE.network)));
    const after = [...current.filter((r) => !remove.includes(r)), ...add];
    assert.deepEqual(owned.diffRoutes(owned.wantedRoutes(STATE), after, STATE), { add: [], remove: [] });
  });
  fc.assert(property, { seed: 84 });
});
