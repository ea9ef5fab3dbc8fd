import { test } from "node:test";
import assert from "node:assert/strict";
import { hostEvent } from "../../src/sys/host_events.ts";
import { fromRoute } from "../../src/sys/rtnetlink_text.ts";
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_REPLACE } from "../../src/wire/netlink.ts";
import * as rt from "../../src/wire/rtnetlink.ts";
import { encodeRoute, RTM_DELROUTE, RTM_F_CLONED, RTM_NEWROUTE } from "../../src/wire/rtnetlink_route.ts";
import { parseAddress } from "../../src/wire/address.ts";
import { route } from "../fakes/fake_kernel.ts";
import { randomBytes, seeded } from "../made/seeded.ts";

const event = (type: number, payload: Uint8Array, flags = 0) =>
  hostEvent({ type, flags, sequence: 0, port: 0, payload });

test("hostEvent() tells how a route came, and that one went", () => {
  const ours = route("10.42.9.0/24", { gateway: "192.168.1.9", iface: 2, protocol: 84 });
  const payload = encodeRoute(fromRoute(ours));
  const flags = [
    [NLM_F_CREATE, "added"],
    [NLM_F_CREATE | NLM_F_APPEND, "appended"],
    [NLM_F_CREATE | NLM_F_REPLACE, "replaced"],
  ] as const;
  for (const [flag, how] of flags) {
    assert.deepEqual(event(RTM_NEWROUTE, payload, flag), { kind: "route", how, route: ours });
  }
  assert.deepEqual(event(RTM_DELROUTE, payload), { kind: "route", how: "removed", route: ours });
  const cached = encodeRoute({ ...fromRoute(ours), flags: RTM_F_CLONED });
  assert.equal(event(RTM_NEWROUTE, cached), null, "a path MTU");
});

test("hostEvent() tells that a link is down or gone, but not of a bridge that lost a port", () => {
  const up = rt.encodeLink({ index: 7, name: "eth0", up: true });
  const down = rt.encodeLink({ index: 7, name: "eth0", up: false });
  assert.deepEqual(event(rt.RTM_NEWLINK, up), { kind: "interface", iface: 7, down: false });
  assert.deepEqual(event(rt.RTM_NEWLINK, down), { kind: "interface", iface: 7, down: true });
  assert.deepEqual(event(rt.RTM_DELLINK, up), { kind: "interface", iface: 7, down: true });
  const port = up.slice();
  port[0] = rt.AF_BRIDGE;
  assert.deepEqual(event(rt.RTM_DELLINK, port), { kind: "interface", iface: 7, down: false });
});

test("hostEvent() tells which address came or went", () => {
  for (const address of ["10.42.7.0", "fd42::7"]) {
    const payload = rt.encodeAddress({
      iface: 7,
      address: parseAddress(address)!,
      prefixLength: 32,
      scope: 0,
    });
    assert.deepEqual(event(rt.RTM_NEWADDR, payload), { kind: "address", iface: 7, address, gone: false });
    assert.deepEqual(event(rt.RTM_DELADDR, payload), { kind: "address", iface: 7, address, gone: true });
  }
});

test("hostEvent() tells of rules, next-hop objects and changed settings, and of nothing else", () => {
  for (const type of [32, 33]) assert.deepEqual(event(type, new Uint8Array(12)), { kind: "rule" });
  for (const type of [104, 105]) assert.deepEqual(event(type, new Uint8Array(8)), { kind: "nexthop" });
  assert.deepEqual(event(80, new Uint8Array(64)), { kind: "settings" });
  for (const type of [28, 29, 4711]) assert.equal(event(type, new Uint8Array(64)), null);
});

test("hostEvent() takes what it cannot read for anything, and never throws", () => {
  const random = seeded(11);
  for (const type of [16, 17, 20, 21, 24, 25]) {
    assert.deepEqual(event(type, new Uint8Array(3)), { kind: "lost" });
    for (let i = 0; i < 2000; i++) event(type, randomBytes(random, Math.floor(random() * 60)));
  }
});
