import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { isIPv4, isIPv6 } from "node:net";
import * as address from "../../src/wire/address.ts";
import { toHex } from "../../src/wire/bytes.ts";
import { below, hex, randomBytes, seeded } from "../made/seeded.ts";

const parse = (text: string) => {
  const a = address.parseAddress(text);
  assert.ok(a !== null, text);
  return a;
};

test("parseAddress() reads IPv4 as ::ffff:a.b.c.d", () => {
  assert.deepEqual(parse("10.42.0.255"), hex("00000000000000000000ffff0a2a00ff"));
  assert.deepEqual(parse("::ffff:10.42.0.255"), parse("10.42.0.255"));
  assert.ok(address.isIpv4(parse("0.0.0.0")));
  assert.equal(address.addressToU32(parse("255.1.2.3")), 0xff010203);
  assert.deepEqual(address.addressFromU32(0xff010203), parse("255.1.2.3"));
});

test("parseAddress() and formatAddress() follow RFC 5952", () => {
  const canonical: [string, string][] = [
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0DB8::0001", "2001:db8::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:db8:0:0:0:0:2:1", "2001:db8::2:1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["1:0:0:0:0:0:0:0", "1::"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
    ["0:0:1:0:0:0:1:1", "0:0:1::1:1"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["1:2:3:4:5:6:7.8.9.10", "1:2:3:4:5:6:708:90a"],
    ["::ffff:c000:0221", "192.0.2.33"],
  ];
  for (const [text, expected] of canonical) assert.equal(address.formatAddress(parse(text)), expected);
});

test("parseAddress() returns null for what is no address", () => {
  const bad =
    `|1.2.3|1.2.3.4.5|1.2.3.256|01.2.3.4|1.2.3.4 | 1.2.3.4|1.2.3.|0x1.2.3.4|1e1.2.3.4|:|:::|1::2::3|1:2:3:4:5:6:7
    |1:2:3:4:5:6:7:8:9|1:2:3:4:5:6:7:8::|1:2:3:4::5:6:7:8|12345::|g::|1:|:1|fe80::1%eth0|1.2.3.4::|::1.2.3.4:5|::1.2.3
    |[::1]|1:2:3:4:5:6:7:1.2.3.4|::01.2.3.4|+1::|0x1::`.split("|").map((text) => text.replace(/\n +$/, ""));
  for (const text of bad) assert.equal(address.parseAddress(text), null, text);
});

test("formatAddress() then parseAddress() is the identity", () => {
  const random = seeded(1);
  for (let i = 0; i < 2000; i++) {
    const a = randomBytes(random, 16).map((byte) => random() < 0.6 ? 0 : byte);
    if (i % 3 === 0) a.set(hex("00000000000000000000ffff"));
    assert.deepEqual(parse(address.formatAddress(a)), a);
  }
});

test("parseAddress() agrees with node:net on texts near to addresses", () => {
  const random = seeded(2);
  const alphabet = ["0", "1", "f", "ffff", ":", ":", "::", ".", "255", "12", "1.2.3.4", "a"];
  for (let i = 0; i < 20000; i++) {
    const text = Array.from({ length: below(random, 14) }, () => alphabet[below(random, alphabet.length)]!)
      .join("");
    assert.equal(address.parseAddress(text) !== null, isIPv4(text) || isIPv6(text), text);
  }
});

test("no parser throws on any text", () => {
  fc.assert(fc.property(fc.string(), (text) => {
    address.parseAddress(text);
    address.parseEndpoint(text, 1);
    address.parseMac(text);
  }));
});

test("the address classes hold at their borders", () => {
  const classes: [(a: Uint8Array) => boolean, string, string][] = [
    [address.isUnspecified, "0.0.0.0 ::", "0.0.0.1 ::1"],
    [address.isLoopback, "127.0.0.1 127.255.255.255 ::1", "126.255.255.255 128.0.0.0 :: ::2 100::1"],
    [address.isMulticast, "224.0.0.0 239.255.255.255 ff02::1", "223.255.255.255 240.0.0.0 fe00::"],
    [
      address.isLinkLocal,
      "169.254.0.0 169.254.255.255 fe80:: febf::1",
      "169.253.1.1 169.255.0.0 fec0:: fd80::",
    ],
  ];
  for (const [is, inside, outside] of classes) {
    for (const text of inside.split(" ")) assert.ok(is(parse(text)), `${is.name} ${text}`);
    for (const text of outside.split(" ")) assert.ok(!is(parse(text)), `${is.name} ${text}`);
  }
});

test("parseEndpoint() and formatEndpoint() round-trip", () => {
  for (const text of ["1.2.3.4:8473", "[fd00::1]:8473", "[::]:1", "0.0.0.0:65535"]) {
    assert.equal(address.formatEndpoint(address.parseEndpoint(text)!), text);
  }
  assert.equal(address.formatEndpoint(address.parseEndpoint("1.2.3.4", 8473)!), "1.2.3.4:8473");
  assert.equal(address.formatEndpoint(address.parseEndpoint("fd00::1", 8473)!), "[fd00::1]:8473");
  assert.equal(address.formatEndpoint(address.parseEndpoint("[fd00::1]", 8473)!), "[fd00::1]:8473");
  assert.equal(address.formatEndpoint(address.parseEndpoint("1.2.3.4:1", 8473)!), "1.2.3.4:1");
  assert.deepEqual(address.parseEndpoint("[::ffff:1.2.3.4]:1"), address.parseEndpoint("1.2.3.4:1"));
});

test("parseEndpoint() returns null when malformed or without a port", () => {
  const bad = [
    "",
    "1.2.3.4",
    "::1",
    "[::1]",
    "1.2.3.4:",
    "1.2.3.4:0",
    "1.2.3.4:65536",
    "1.2.3.4:1:2",
    "[1.2.3.4]:1",
  ];
  for (const text of [...bad, "[::1]:x", "[::1:1", "host:1", ":1", "1.2.3.4: 1", "1.2.3.4:-1", "[::1]1"]) {
    assert.equal(address.parseEndpoint(text), null, text);
  }
  for (const text of ["", "host", "1.2.3", "[::1"]) {
    assert.equal(address.parseEndpoint(text, 8473), null, text);
  }
});

test("parseMac() and formatMac() round-trip", () => {
  const mac = address.parseMac("02:42:AC:11:00:02")!;
  assert.equal(toHex(mac), "0242ac110002");
  assert.equal(address.formatMac(mac), "02:42:ac:11:00:02");
  assert.equal(address.formatMac(hex("ffff 0242ac110002 ff"), 2), "02:42:ac:11:00:02");
  for (
    const text of [
      "",
      "02:42:ac:11:00",
      "02:42:ac:11:00:02:03",
      "02-42-ac-11-00-02",
      "0242ac110002",
      "g2:42:ac:11:00:02",
    ]
  ) {
    assert.equal(address.parseMac(text), null, text);
  }
});
