import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeMessages } from "../../src/wire/netlink.ts";
import { prefix } from "../../src/wire/prefix.ts";
import {
  encodeRouteDump,
  familiesOf,
  filterText,
  fitsFilter,
  payloadTest,
  type RouteFilter,
} from "../../src/wire/route_filter.ts";
import { AF_INET, AF_INET6, familyOf } from "../../src/wire/rtnetlink.ts";
import { decodeRoute, encodeRoute, RTM_F_CLONED } from "../../src/wire/rtnetlink_route.ts";
import { parseAddress } from "../../src/wire/address.ts";
import vectors from "../vectors/rtnetlink.json" with { type: "json" };
import { hex } from "../made/seeded.ts";

const PREFIXES = [
  ...[
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.42.0.0/16",
    "10.42.9.0/24",
    "10.42.9.7/32",
    "10.43.0.0/16",
    "128.0.0.0/1",
  ],
  ...["::/0", "fd00::/8", "fd42::/48", "fd42:0:0:9::/64", "fd43::/48", "fd42::1/128"],
].map(prefix);

const anyRoute = fc.record({
  destination: fc.constantFrom(...PREFIXES),
  protocol: fc.constantFrom(2, 84, 186),
  table: fc.constantFrom(254, 255, 77, 1000),
  iface: fc.constantFrom(null, 2, 3),
});
type AnyRoute = typeof anyRoute extends fc.Arbitrary<infer T> ? T : never;
const anyFilter: fc.Arbitrary<RouteFilter> = fc.record({
  protocol: fc.constantFrom(84, 2),
  table: fc.constantFrom(254, 1000),
  iface: fc.constantFrom(2, 3),
  overlapping: fc.constantFrom(...PREFIXES),
  defaults: fc.constant(true as const),
}, { requiredKeys: [] });

const payloadOf = ({ destination, ...fields }: AnyRoute, flags = 0) =>
  encodeRoute({
    ...{ family: familyOf(destination.address), destination, type: 1, scope: 0, flags },
    ...{ gateway: parseAddress("192.168.7.3"), metric: 7, source: null, mtu: null },
    ...fields,
  });

test("payloadTest() refuses no route that fits, and of those with another protocol or destination all", () => {
  fc.assert(fc.property(anyRoute, anyFilter, (route, filter) => {
    const family = familyOf(route.destination.address);
    const pass = familiesOf(filter).includes(family) && payloadTest(family, filter)(payloadOf(route));
    const { protocol, overlapping, defaults } = filter;
    if (fitsFilter(route, filter)) assert.ok(pass);
    const told = { protocol, overlapping, defaults };
    const seen = Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined));
    if (!fitsFilter(route, seen)) assert.ok(!pass, "found in the bytes");
  }));
});

test("payloadTest() finds among the kernel's own answers those that decodeRoute() would show", () => {
  for (const [family, datagrams] of [[AF_INET, vectors.routes4], [AF_INET6, vectors.routes6]] as const) {
    const payloads = datagrams.flatMap((text) => decodeMessages(hex(text))!).filter(({ type }) => type === 24)
      .map(({ payload }) => payload);
    for (const overlapping of PREFIXES.filter(({ address }) => familyOf(address) === family)) {
      const found = payloads.filter(payloadTest(family, { overlapping })).map((b) => decodeRoute(b)!);
      const all = payloads.map((b) => decodeRoute(b)!);
      assert.deepEqual(found, all.filter((route) => fitsFilter(route, { overlapping })), overlapping.text);
    }
  }
});

test("payloadTest() leaves out cached path MTUs, and messages that are cut are never thrown at", () => {
  const whole = payloadOf({ destination: prefix("10.42.9.0/24"), protocol: 84, table: 254, iface: 2 });
  const pass = payloadTest(AF_INET, { protocol: 84, overlapping: prefix("10.42.0.0/16") });
  assert.equal(pass(whole), true);
  for (let length = 0; length < whole.length; length++) pass(whole.subarray(0, length));
  assert.equal(pass(whole.subarray(0, 11)), false);
  const odd = whole.slice();
  odd[1] = 77; // bits beyond the family: for decodeRoute to refuse
  assert.equal(pass(odd), true);
  assert.equal(decodeRoute(odd), null);
  const cached = payloadOf(
    { destination: prefix("10.42.9.7/32"), protocol: 84, table: 254, iface: 2 },
    RTM_F_CLONED,
  );
  assert.equal(pass(cached), false);
});

test("encodeRouteDump() asks for what a kernel with strict checks can look for itself", () => {
  assert.deepEqual(encodeRouteDump(AF_INET6), hex(`0a ${"00".repeat(11)}`));
  assert.deepEqual(
    encodeRouteDump(AF_INET, { protocol: 84, table: 254, iface: 9, overlapping: prefix("10.42.0.0/16") }),
    hex("02 00 00 00 fe 54 00 00 00000000 0800 0400 09000000"),
  );
  assert.deepEqual(encodeRouteDump(AF_INET, { table: 1000 }), hex(`02 ${"00".repeat(11)}`));
});

test("an IPv6 default route has no IPv4 address in it", () => {
  const six = { destination: prefix("::/0"), protocol: 2, table: 254, iface: 2 };
  assert.equal(fitsFilter(six, { overlapping: prefix("10.42.0.0/16") }), false);
  assert.equal(fitsFilter(six, { overlapping: prefix("fd42::/48") }), true);
  assert.equal(fitsFilter(six, { defaults: true }), true);
});

test("filterText() is the same for filters that ask for the same, and for no others", () => {
  fc.assert(fc.property(anyFilter, anyFilter, (a, b) => {
    const same = JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());
    assert.equal(filterText(a) === filterText(b), same);
  }));
});
