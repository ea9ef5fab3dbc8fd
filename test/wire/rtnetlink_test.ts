/**
 * The answers in vectors/rtnetlink.json were given by Linux 6.18 in a namespace with: bridge br0 (2,
 * 02:42:00:00:00:01, 192.168.7.1/24, fd00::7/64), veth vb (3) and va (4, on br0), TUN ovl0 (5, MTU 1440,
 * 10.42.7.0/32), vxlan vx (6), and the routes and neighbours that the tests name.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Address, formatAddress, parseAddress } from "../../src/wire/address.ts";
import { parsePrefix } from "../../src/wire/prefix.ts";
import { decodeMessages, type NetlinkMessage, NLM_F_MULTI } from "../../src/wire/netlink.ts";
import * as rt from "../../src/wire/rtnetlink.ts";
import * as rtr from "../../src/wire/rtnetlink_route.ts";
import { encodeRouteDump } from "../../src/wire/route_filter.ts";
import vectors from "../vectors/rtnetlink.json" with { type: "json" };
import { below, hex, randomBytes, seeded } from "../made/seeded.ts";

const answers = (datagrams: string[]): NetlinkMessage[] =>
  datagrams.flatMap((text) => decodeMessages(hex(text))!);
const entries = <T>(datagrams: string[], type: number, decode: (b: Uint8Array) => T | null): T[] =>
  answers(datagrams).filter((m) => m.type === type).map((m) => {
    const entry = decode(m.payload);
    assert.ok(entry !== null);
    return entry;
  });
const address = (text: string): Address => parseAddress(text)!;
const MAC = hex("02420000000a");

const DECODERS: [string, (b: Uint8Array) => unknown, string[]][] = [
  ["decodeLink", rt.decodeLink, [...vectors.veth, ...vectors.tun]],
  ["decodeAddress", rt.decodeAddress, [...vectors.addresses4, ...vectors.addresses6]],
  ["decodeRoute", rtr.decodeRoute, [...vectors.routes4, ...vectors.routes6, ...vectors.lookup]],
  ["decodeNeighbour", rtr.decodeNeighbour, [...vectors.neighbours, ...vectors.forwarding]],
];

test("decodeLink() reads a TUN, a veth on a bridge, a bridge and lo", () => {
  const read = (datagrams: string[]) => entries(datagrams, rt.RTM_NEWLINK, rt.decodeLink)[0]!;
  const tun = read(vectors.tun);
  assert.deepEqual(
    [tun.index, tun.name, tun.kind, tun.mtu, tun.mac, tun.master, tun.loopback],
    [5, "ovl0", "tun", 1440, null, null, false],
  );
  const veth = read(vectors.veth);
  assert.deepEqual([veth.index, veth.name, veth.kind, veth.mtu, veth.master], [4, "va", "veth", 1500, 2]);
  assert.deepEqual(veth.mac, MAC);
  assert.equal(veth.flags & rt.IFF_UP, rt.IFF_UP);
  assert.equal(read(vectors.bridge).kind, "bridge");
  const lo = read(vectors.lo);
  assert.deepEqual([lo.name, lo.kind, lo.mac, lo.mtu, lo.loopback], ["lo", null, null, 65536, true]);
});

test("decodeAddress() reads IPv4 and IPv6 addresses with their scope", () => {
  const read = (datagrams: string[]) =>
    entries(datagrams, rt.RTM_NEWADDR, rt.decodeAddress)
      .map((a) => `${a.iface} ${formatAddress(a.address)}/${a.prefixLength} ${a.scope}`);
  assert.deepEqual(read(vectors.addresses4), ["1 127.0.0.1/8 254", "2 192.168.7.1/24 0", "5 10.42.7.0/32 0"]);
  assert.deepEqual(read(vectors.addresses6).slice(0, 3), [
    "1 ::1/128 254",
    "2 fd00::7/64 0",
    "2 fe80::42:ff:fe00:1/64 253",
  ]);
});

test("decodeRoute() reads device, unreachable, onlink, multipath and other-family routes", () => {
  const routes = entries(vectors.routes4, rtr.RTM_NEWROUTE, rtr.decodeRoute);
  const of = (destination: string) => {
    const r = routes.find((candidate) => candidate.destination.text === destination);
    assert.ok(r !== undefined, destination);
    return r;
  };
  const network = of("10.42.0.0/16");
  assert.deepEqual(
    [network.type, network.scope, network.protocol, network.table, network.iface, network.mtu],
    [1, 253, 84, 254, 5, 1400],
  );
  assert.equal(formatAddress(network.source!), "10.42.7.0");
  const refused = of("10.42.7.0/24");
  assert.deepEqual([refused.type, refused.metric, refused.iface], [7, 4278198272, null]);
  const onlink = of("10.42.9.0/24");
  assert.deepEqual([onlink.table, onlink.flags & rtr.RTNH_F_ONLINK], [1000, rtr.RTNH_F_ONLINK]);
  assert.equal(formatAddress(onlink.gateway!), "192.168.7.9");
  const several = of("10.99.0.0/16");
  assert.deepEqual([formatAddress(several.gateway!), several.iface], ["192.168.7.3", 2]);
  assert.equal(formatAddress(of("10.98.0.0/16").gateway!), "fe80::1");
});

test("decodeRoute() reads IPv6 routes and the answer to a lookup", () => {
  const routes = entries(vectors.routes6, rtr.RTM_NEWROUTE, rtr.decodeRoute);
  const defaultRoute = routes.find((r) => r.destination.text === "::/0")!;
  assert.deepEqual([formatAddress(defaultRoute.gateway!), defaultRoute.metric], ["fd00::1", 50]);
  const [found] = entries(vectors.lookup, rtr.RTM_NEWROUTE, rtr.decodeRoute);
  assert.deepEqual([formatAddress(found!.source!), formatAddress(found!.gateway!)], [
    "192.168.7.1",
    "192.168.7.3",
  ]);
});

test("decodeNeighbour() reads neighbours and forwarding entries", () => {
  const [first] = entries(vectors.neighbours, rtr.RTM_NEWNEIGH, rtr.decodeNeighbour);
  assert.deepEqual(first, {
    iface: 2,
    address: address("192.168.7.2"),
    mac: hex("024200000002"),
    state: rtr.NUD_PERMANENT,
    bridge: false,
  });
  const entry = entries(vectors.forwarding, rtr.RTM_NEWNEIGH, rtr.decodeNeighbour).find((n) =>
    n.iface === 6
  )!;
  assert.deepEqual([entry.address, entry.mac, entry.bridge], [
    address("192.168.7.3"),
    hex("024200000003"),
    true,
  ]);
});

test("dumps are marked NLM_F_MULTI and end with DONE", () => {
  const all = answers(vectors.addresses4);
  assert.ok(all.every((m) => (m.flags & NLM_F_MULTI) !== 0));
  assert.equal(all.at(-1)?.type, 3);
});

test("encodeLink() writes a veth pair with its peer in another namespace", () => {
  const b = rt.encodeLink({ name: "va", kind: "veth", peer: { name: "vb", namespaceFd: 7 } });
  const peer = `${"00".repeat(16)} 0700 0300 766200 00 0800 1c00 07000000`;
  const expected = `${"00".repeat(16)} 0700 0300 766100 00
    3800 1280 0900 0100 7665746800 000000
    2800 0280 2400 0180 ${peer}`;
  assert.deepEqual(b, hex(expected));
});

test("encodeLink() changes only what is given", () => {
  assert.deepEqual(rt.encodeLink({ index: 5 }), hex("00000000 05000000 00000000 00000000"));
  assert.deepEqual(
    rt.encodeLink({ index: 5, up: false, mtu: 1440 }),
    hex("00000000 05000000 00000000 01000000 0800 0400 a0050000"),
  );
  const all = rt.decodeLink(
    rt.encodeLink({ index: 5, name: "x", up: true, mtu: 1400, master: 3, kind: "bridge" }),
  );
  assert.deepEqual(
    [all?.index, all?.name, all?.flags, all?.mtu, all?.master, all?.kind],
    [5, "x", 1, 1400, 3, "bridge"],
  );
});

test("decodeAddress() returns what encodeAddress() wrote", () => {
  for (const [text, prefixLength] of [["10.42.7.0", 32], ["192.168.7.1", 24], ["fd00::7", 64]] as const) {
    const a = { iface: 9, address: address(text), prefixLength, scope: 0 };
    assert.deepEqual(rt.decodeAddress(rt.encodeAddress(a)), a);
  }
});

test("decodeRoute() returns what encodeRoute() wrote", () => {
  const v4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((b) => address(b.join(".")));
  const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
  const property = fc.property(
    fc.constantFrom("0.0.0.0/0", "10.42.0.0/16", "10.42.7.9/32"),
    fc.record({
      type: fc.integer({ min: 1, max: 8 }),
      scope: fc.constantFrom(0, 253),
      protocol: fc.nat(255),
      table: fc.constantFrom(254, 255, 1000, 0xfffffffe),
      flags: fc.constantFrom(0, rtr.RTNH_F_ONLINK),
      gateway: optional(fc.oneof(v4, fc.constant(address("fe80::1")))),
      iface: optional(fc.nat()),
      metric: fc.integer({ min: 0, max: 0xffffffff }),
      source: optional(v4),
      mtu: optional(fc.nat(65535)),
    }),
    (destination, fields) => {
      const r = { ...fields, family: rt.AF_INET, destination: parsePrefix(destination)! };
      assert.deepEqual(rtr.decodeRoute(rtr.encodeRoute(r)), r);
    },
  );
  fc.assert(property, { seed: 84 });
});

test("decodeNeighbour() returns what encodeNeighbour() wrote", () => {
  for (const bridge of [false, true]) {
    for (const to of [address("10.42.9.0"), address("fd00::1")]) {
      const n = { iface: 6, address: to, mac: MAC, state: rtr.NUD_PERMANENT, bridge };
      assert.deepEqual(rtr.decodeNeighbour(rtr.encodeNeighbour(n)), n);
    }
  }
});

test("a dump asks with a header of zeros and the family, as strict checking demands", () => {
  assert.deepEqual(encodeRouteDump(rt.AF_INET6), hex(`0a ${"00".repeat(11)}`));
  assert.deepEqual(rt.encodeAddressDump(rt.AF_INET), hex(`02 ${"00".repeat(7)}`));
  assert.deepEqual(rtr.encodeNeighbourDump(rt.AF_BRIDGE), hex(`07 ${"00".repeat(11)}`));
  assert.deepEqual(rt.encodeLinkDump(), hex(`${"00".repeat(16)} 0800 1d00 08000000`));
});

for (const [name, decode, datagrams] of DECODERS) {
  test(`${name}() survives truncation at every length and returns null inside the fixed header`, () => {
    for (const { type, payload } of answers(datagrams)) {
      if (type <= 3) continue;
      assert.notEqual(decode(payload), null);
      for (let length = 0; length < payload.length; length++) {
        const result = decode(payload.subarray(0, length));
        if (length < 8) assert.equal(result, null);
      }
    }
  });

  test(`${name}() survives random and damaged bytes`, () => {
    const random = seeded(name.length);
    const whole = answers(datagrams).filter((m) => m.type > 3).map((m) => m.payload);
    for (let round = 0; round < 5000; round++) {
      decode(randomBytes(random, below(random, 64)));
      const damaged = whole[below(random, whole.length)]!.slice();
      for (let i = below(random, 4); i >= 0; i--) damaged[below(random, damaged.length)] = below(random, 256);
      decode(damaged);
    }
  });
}

test("decodeAddress() and decodeRoute() return null for a prefix length beyond the family", () => {
  const a = rt.encodeAddress({ iface: 1, address: address("10.0.0.1"), prefixLength: 33, scope: 0 });
  assert.equal(rt.decodeAddress(a), null);
  const dump = encodeRouteDump(rt.AF_INET);
  dump[1] = 33;
  assert.equal(rtr.decodeRoute(dump), null);
});

test("decodeAddress() tells the flags of an address that is not to be relied on, all bits of them", () => {
  const plain = rt.encodeAddress({ iface: 9, address: address("fd00::1"), prefixLength: 64, scope: 0 });
  assert.equal(rt.decodeAddress(plain)!.flags, undefined);
  const dirty = plain.slice();
  dirty[2] = 0x41;
  assert.equal(rt.decodeAddress(dirty)!.flags, 0x41);
  const IFA_FLAGS = [8, 0, 8, 0, 0x20, 0x01, 0, 0];
  const whole = Uint8Array.from([...dirty, ...IFA_FLAGS]);
  assert.equal(rt.decodeAddress(whole)!.flags, 0x20);
});
