/** Prefixes as values: their texts, what lies in what, and the subnets of a network by number. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatAddress, parseAddress } from "../../src/wire/address.ts";
import {
  addressAt,
  comparePrefixes,
  contains,
  deviceAddress,
  hostPrefix,
  isEverything,
  isInside,
  liesWithin,
  networkOf,
  nthSubnet,
  overlaps,
  parseInterface,
  parsePrefix,
  Prefix,
  prefix,
  prefixOf,
  samePrefix,
  subnetIndex,
  writtenLength,
} from "../../src/wire/prefix.ts";
import { below, randomBytes, seeded } from "../made/seeded.ts";

test("parsePrefix() refuses host bits, parseInterface() keeps them", () => {
  assert.equal(prefix("10.42.0.0/16").length, 112);
  assert.equal(prefix("0.0.0.0/0").length, 96);
  assert.equal(prefix("fd00::/8").length, 8);
  assert.equal(parsePrefix("10.42.0.1/16"), null);
  assert.equal(parsePrefix("fd00::1/64"), null);
  const host = parseInterface("10.42.7.1/24")!;
  assert.equal(host.text, "10.42.7.1/24");
  assert.equal(networkOf(host).text, "10.42.7.0/24");
  for (
    const text of [
      "10.0.0.0",
      "10.0.0.0/",
      "10.0.0.0/33",
      "10.0.0.0/08",
      "10.0.0.0/-1",
      "::/129",
      "/8",
      "::/1e1",
    ]
  ) {
    assert.equal(parseInterface(text), null, text);
  }
});

test("the text of a prefix and parseInterface() round-trip", () => {
  for (const text of ["10.42.0.0/16", "0.0.0.0/0", "1.2.3.4/32", "::/0", "fd00::/8", "2001:db8::1/128"]) {
    assert.equal(parseInterface(text)!.text, text);
  }
  const mapped = parseInterface("::ffff:1.2.3.4/90")!;
  assert.deepEqual(parseInterface(mapped.text), mapped);
});

test("contains(), overlaps() and networkOf() agree with a model over bit strings", () => {
  const random = seeded(3);
  const bits = (a: Uint8Array) => Array.from(a, (byte) => byte.toString(2).padStart(8, "0")).join("");
  for (let i = 0; i < 5000; i++) {
    const near = randomBytes(random, 16);
    const p = new Prefix(near, below(random, 129));
    const other = near.slice();
    const flip = below(random, 160);
    if (flip < 128) other[flip >> 3] = other[flip >> 3]! ^ (0x80 >> (flip & 7));
    const q = new Prefix(other, below(random, 129));
    const shorter = Math.min(p.length, q.length);
    assert.equal(
      contains(p, other),
      bits(near).slice(0, p.length) === bits(other).slice(0, p.length),
    );
    assert.equal(overlaps(p, q), bits(near).slice(0, shorter) === bits(other).slice(0, shorter));
    assert.equal(bits(networkOf(p).address), bits(near).slice(0, p.length).padEnd(128, "0"));
  }
});

test("samePrefix() compares length and address", () => {
  assert.ok(samePrefix(prefix("10.0.0.0/8"), prefix("10.0.0.0/8")));
  assert.ok(!samePrefix(prefix("10.0.0.0/8"), prefix("10.0.0.0/9")));
  assert.ok(!samePrefix(prefix("10.0.0.0/8"), prefix("11.0.0.0/8")));
});

test("nthSubnet() and subnetIndex() count the subnets of a network", () => {
  const network = prefix("10.42.0.0/16");
  assert.equal(nthSubnet(network, 120, 0).text, "10.42.0.0/24");
  assert.equal(nthSubnet(network, 120, 255).text, "10.42.255.0/24");
  assert.equal(nthSubnet(network, 123, 9).text, "10.42.1.32/27");
  assert.equal(nthSubnet(prefix("fd00::/16"), 64, 0x10002).text, "fd00:0:1:2::/64");
  assert.equal(nthSubnet(network, 112, 0).text, "10.42.0.0/16");
  for (const [length, n] of [[120, 256], [120, -1], [120, 0.5], [111, 0], [129, 0], [120, NaN]] as const) {
    assert.throws(() => nthSubnet(network, length, n), RangeError);
  }
  assert.equal(subnetIndex(network, 120, prefix("10.42.7.0/24")), 7);
  assert.equal(subnetIndex(network, 120, prefix("10.43.7.0/24")), null);
  assert.equal(subnetIndex(network, 120, prefix("10.42.7.0/25")), null);
  assert.equal(subnetIndex(network, 120, parseInterface("10.42.7.1/24")!), null);
});

test("subnetIndex() is the inverse of nthSubnet()", () => {
  fc.assert(fc.property(fc.nat(128), fc.nat(128), fc.nat(2 ** 46 - 1), (one, two, any) => {
    const [length, subnetLength] = one < two ? [one, two] : [two, one];
    const network = networkOf(new Prefix(parseAddress("aaaa:5555:aaaa:5555:aaaa:5555:aaaa:5555")!, length));
    const n = any % 2 ** Math.min(46, subnetLength - length);
    const subnet = nthSubnet(network, subnetLength, n);
    assert.ok(contains(network, subnet.address));
    assert.equal(subnetIndex(network, subnetLength, subnet), n);
  }));
});

test("addressAt() steps from the first address and stops at the last", () => {
  const p = parseInterface("10.42.7.77/24")!;
  assert.equal(formatAddress(addressAt(p, 0)), "10.42.7.0");
  assert.equal(formatAddress(addressAt(p, 255)), "10.42.7.255");
  assert.throws(() => addressAt(p, 256), RangeError);
});

test("a prefix reads as its text in sentences and in JSON", () => {
  const network = prefix("10.42.0.0/16");
  assert.equal(`${network}`, "10.42.0.0/16");
  assert.equal(JSON.stringify({ network }), '{"network":"10.42.0.0/16"}');
  assert.throws(() => prefix("10.42.0.1/16"), RangeError);
});

test("prefixOf() takes texts alone, and no long ones", () => {
  assert.equal(prefixOf("10.42.0.0/16")?.text, "10.42.0.0/16");
  assert.equal(prefixOf("FD00::/8")?.text, "fd00::/8");
  for (const value of [null, undefined, 5, {}, [], "", "x", `${"0".repeat(64)}::/8`]) {
    assert.equal(prefixOf(value), null);
  }
});

test("no parser of prefixes throws on any text", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    parsePrefix(text);
    parseInterface(text);
    prefixOf(text);
  }));
});

test("isInside(), liesWithin() and isEverything() hold at their borders", () => {
  const network = prefix("10.42.0.0/16");
  assert.ok(isInside(network, network) && isInside(prefix("10.42.255.0/24"), network));
  assert.ok(!isInside(prefix("10.0.0.0/8"), network) && !isInside(prefix("10.43.0.0/24"), network));
  assert.ok(liesWithin(network, "10.42.255.255"));
  for (const text of ["10.43.0.0", "x", ""]) assert.ok(!liesWithin(network, text), text);
  assert.ok(!liesWithin(null, "10.42.0.0"));
  for (const text of ["0.0.0.0/0", "::/0"]) assert.ok(isEverything(prefix(text)), text);
  for (const text of ["0.0.0.0/1", "::/1", "::/96"]) assert.ok(!isEverything(prefix(text)), text);
});

test("hostPrefix() and writtenLength() count as people write it", () => {
  assert.equal(hostPrefix(parseAddress("10.42.0.1")!).text, "10.42.0.1/32");
  assert.equal(hostPrefix(parseAddress("fd00::1")!).text, "fd00::1/128");
  assert.equal(writtenLength(prefix("10.42.0.0/16")), 16);
  assert.equal(writtenLength(prefix("fd00::/8")), 8);
});

test("comparePrefixes() orders by address, then by length", () => {
  const texts = ["fd00::/16", "10.42.7.0/24", "10.42.0.0/24", "fd00::/8", "10.42.0.0/16"];
  const sorted = texts.map(prefix).sort(comparePrefixes).map(({ text }) => text);
  assert.deepEqual(sorted, ["10.42.0.0/16", "10.42.0.0/24", "10.42.7.0/24", "fd00::/8", "fd00::/16"]);
});

test("deviceAddress() is the first of an IPv4 lease, and the last of an IPv6 one", () => {
  const cases = [
    ["10.42.7.0/24", "10.42.7.0"],
    ["10.42.7.5/32", "10.42.7.5"],
    ["fd42:1:2:7::/64", "fd42:1:2:7:ffff:ffff:ffff:ffff"],
    ["fd42:1:2:7::80/121", "fd42:1:2:7::ff"],
    ["fd42::4/127", "fd42::4"],
    ["fd42::4/128", "fd42::4"],
  ] as const;
  for (const [subnet, address] of cases) {
    assert.equal(formatAddress(deviceAddress(prefix(subnet))), address);
  }
});
