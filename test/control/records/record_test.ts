import { test } from "node:test";
import assert from "node:assert/strict";
import { decodeRecord, openRecord, RECORD_MAX_LEN, recordName } from "../../../src/control/records/record.ts";
import { below, randomBytes, seeded } from "../../made/seeded.ts";
import { recordOf } from "../../made/records.ts";
import { parseInterface, prefix } from "../../../src/wire/prefix.ts";

const FULL = {
  incarnation: 2 ** 48 - 1,
  epoch: 7,
  name: "a".repeat(63),
  claims: [{
    subnet: prefix("10.42.7.0/24"),
    second: prefix("fd00:42:7::/64"),
    stamp: 2 ** 47,
    incarnation: 1,
  }],
  reserved: Array.from({ length: 16 }, (_, i) => prefix(`10.42.${100 + i}.0/24`)),
  endpoints: Array.from({ length: 8 }, (_, i) => `[2001:db8:1111:2222::${i + 1}]:8473`),
  capabilities: ["masquerade"],
  yielded: { subnet: prefix("10.42.200.0/24"), to: "cd".repeat(32) },
  age: 2 ** 40,
  clearPaths: true,
};

const CLAIM = { subnet: prefix("10.42.7.0/24"), stamp: 1, incarnation: 1 };

test("openRecord() gives back every field of a signed record, and keeps its bytes", () => {
  for (const record of [recordOf(1), recordOf(2, FULL), recordOf(3, { gone: true, clearPaths: false })]) {
    assert.deepEqual(openRecord(record.raw), record);
  }
});

test("The fullest record fits in a datagram", () => {
  assert.ok(recordOf(2, FULL).raw.length <= RECORD_MAX_LEN);
});

test("openRecord() returns null when any byte is changed, and at every shorter length", () => {
  const { raw } = recordOf(2, FULL);
  for (let at = 0; at < raw.length; at += 3) {
    const bad = raw.slice();
    bad[at] = bad[at]! ^ 0x10;
    assert.equal(openRecord(bad), null, `byte ${at}`);
  }
  for (let n = 0; n < raw.length; n++) assert.equal(openRecord(raw.slice(0, n)), null);
});

test("decodeRecord() returns null when a field is none that an honest node writes", () => {
  const bad = [
    { name: "new\nline" },
    { name: "x".repeat(64) },
    { claims: [{ subnet: parseInterface("10.42.7.1/24")!, stamp: 1, incarnation: 1 }] },
    { claims: [{ subnet: prefix("10.42.7.0/24"), stamp: 2 ** 48, incarnation: 1 }] },
    { claims: [{ subnet: prefix("10.42.7.0/24"), stamp: -1, incarnation: 1 }] },
    { claims: [{ ...CLAIM, second: prefix("10.43.7.0/24") }] },
    { claims: [{ ...CLAIM, second: parseInterface("fd00::1/64")! }] },
    { incarnation: 0.5 },
    { endpoints: ["example.org"] },
    { endpoints: ["example.org:0"] },
    { endpoints: ["exa mple.org:8473"] },
    { endpoints: ["localhost:8473"] },
    { endpoints: [`${"x".repeat(254)}:8473`] },
    { vtepMac: "01:00:5e:00:00:01" },
    { networkId: "00" },
  ];
  for (const change of bad) assert.equal(decodeRecord(recordOf(1, change).raw), null, JSON.stringify(change));
});

test("decodeRecord() takes an endpoint that is a name, in one spelling", () => {
  const endpoints = ["Home.Example.:8473", "192.168.1.10:8473", `${`${"x".repeat(60)}.`.repeat(4)}org:65535`];
  const record = decodeRecord(recordOf(1, { endpoints }).raw);
  assert.deepEqual(record?.endpoints, ["home.example:8473", ...endpoints.slice(1)]);
});

test("decodeRecord() never throws on changed or random bytes", () => {
  const random = seeded(1);
  const { raw } = recordOf(2, FULL);
  for (let i = 0; i < 10_000; i++) {
    const bad = i % 2 === 0 ? raw.slice() : randomBytes(random, below(random, 300));
    for (let n = 0; n < 3 && bad.length > 0; n++) bad[below(random, bad.length)] = below(random, 256);
    decodeRecord(bad);
  }
});

test("recordName() keeps what is printable and never is empty", () => {
  assert.equal(recordName("höst\n one\x1b[31m"), "hstone[31m");
  assert.equal(recordName("\n"), "unnamed");
  assert.equal(recordName("x".repeat(100)).length, 63);
});

test("A node that names itself like an address is called otherwise, by itself and by all others", () => {
  const names = ["10.0.0.5", "10.0.0.0/24", "fd00::1", "[fd00::1]:8473", "host:8473", "0x0a.5", "", "::"];
  for (const name of names) {
    const shown = openRecord(recordOf(1, { name }).raw)!.name;
    assert.match(shown, /^(node|unnamed)[A-Za-z0-9_-]*$/, name);
    if (name !== "") assert.equal(recordName(name), shown);
  }
  assert.equal(openRecord(recordOf(1, { name: "10.0.0.5" }).raw)!.name, "node-10-0-0-5");
  const longest = openRecord(recordOf(1, { name: `${"1.".repeat(31)}1` }).raw)!.name;
  assert.ok(longest.length <= 63 && longest.startsWith("node-1-1-"), longest);
  for (const name of ["7", "web.1", "ip-10-0-0-5"]) {
    assert.equal(openRecord(recordOf(1, { name }).raw)!.name, name);
  }
});
