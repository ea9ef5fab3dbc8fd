import { test } from "node:test";
import assert from "node:assert/strict";
import { OwnRecord } from "../../../src/control/records/own_record.ts";
import { openRecord, RECORD_MAX_LEN } from "../../../src/control/records/record.ts";
import { VERSION_LIMIT } from "../../../src/wire/untrusted.ts";
import {
  encodeHandshake,
  encodeOffer,
  HANDSHAKE_MAX_LEN,
  IK1,
  SUITE_NAMES,
  XX2,
  XX3,
} from "../../../src/wire/handshake.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";
import { settingsFor } from "../../made/settings.ts";
import { identityOf } from "../../made/records.ts";
import { prefix } from "../../../src/wire/prefix.ts";

/** A node that has as much of everything as it may have; its endpoints in the order of their worth. */
function fullest(endpoints: readonly string[], subnets: readonly string[]): OwnRecord {
  const settings = settingsFor("n".repeat(63), {
    version: "9".repeat(32),
    ownEndpoints: endpoints,
    plain: false,
    staticPeers: subnets.map((subnet) => ({
      subnet: prefix(subnet),
      address: "192.0.2.1",
      port: null,
      backend: "udp",
      mac: null,
      vni: null,
    })),
  });
  const own = new OwnRecord(identityOf(1), settings, "ab".repeat(16), new SeededRandom(1));
  own.incarnateAbove(VERSION_LIMIT);
  own.epoch = VERSION_LIMIT - 1;
  own.claim = {
    subnet: prefix("255.255.255.240/28"),
    stamp: VERSION_LIMIT - 1,
    incarnation: VERSION_LIMIT - 1,
  };
  own.yielded = { subnet: prefix("255.255.255.224/28"), to: "cd".repeat(32) };
  own.capabilities = ["k999999999.ffff.0123456789abcdef"];
  return own;
}

const LONGEST = Array.from({ length: 8 }, (_, i) => `[2001:db8:1111:2222:3333:4444:5555:666${i}]:65535`);
const SUBNETS = Array.from({ length: 16 }, (_, i) => `255.255.255.${100 + i}/32`);

test("sign() leaves out the last endpoints when the record would be too long, and keeps the first", () => {
  const { raw, ...said } = fullest(LONGEST, SUBNETS).sign(2 ** 40);
  assert.ok(raw.length <= RECORD_MAX_LEN, `${raw.length} bytes`);
  assert.deepEqual(said.endpoints, LONGEST.slice(0, said.endpoints.length));
  assert.ok(said.endpoints.length >= 2 && said.endpoints.length < 8, `${said.endpoints.length} endpoints`);
  assert.deepEqual(said.reserved.map(({ text }) => text), SUBNETS);
  assert.deepEqual(openRecord(raw), { ...said, raw });
});

test("sign() tells all eight endpoints where there is room", () => {
  const { endpoints, raw } = fullest(LONGEST, []).sign(1);
  assert.deepEqual(endpoints, LONGEST);
  assert.ok(raw.length <= RECORD_MAX_LEN);
});

test("sign() tells all sixteen static peers also where their subnets are the longest there are", () => {
  const longest = Array.from({ length: 16 }, (_, i) => `2001:db8:1111:2222:3333:4444:5555:66${10 + i}/128`);
  const { raw, ...said } = fullest(LONGEST, longest).sign(2 ** 40);
  assert.ok(raw.length <= RECORD_MAX_LEN, `${raw.length} bytes`);
  assert.deepEqual(said.reserved.map(({ text }) => text), longest);
  assert.ok(said.endpoints.length >= 1);
  assert.deepEqual(openRecord(raw), { ...said, raw });
});

test("sign() never throws, whatever there is to tell", () => {
  const word = "k".repeat(32);
  const own = fullest(LONGEST, SUBNETS);
  for (let count = 0; count <= 12; count++) {
    own.capabilities = Array.from({ length: count }, () => word);
    const { raw, endpoints } = own.sign(2 ** 40);
    assert.ok(raw.length <= RECORD_MAX_LEN);
    assert.deepEqual(endpoints, LONGEST.slice(0, endpoints.length));
    assert.ok(openRecord(raw) !== null);
  }
});

test("sign() has room for a record whose endpoints are the longest names, also beside all the rest", () => {
  const names = Array.from(
    { length: 8 },
    (_, i) => `${`${i}${"x".repeat(61)}.`.repeat(3)}${"y".repeat(57)}.org:65535`,
  );
  for (const subnets of [SUBNETS, []]) {
    const { raw, endpoints } = fullest(names, subnets).sign(2 ** 40);
    assert.ok(raw.length <= RECORD_MAX_LEN, `${raw.length} bytes`);
    assert.deepEqual(endpoints, names.slice(0, endpoints.length));
    assert.deepEqual(openRecord(raw)?.endpoints, endpoints);
  }
});

test("where others see us has its place beside eight addresses of our own", () => {
  const own = fullest(Array.from({ length: 8 }, (_, i) => `192.0.2.${i}:8473`), []);
  own.observe("203.0.113.1:1111", "a", 0);
  own.observe("203.0.113.2:2222", "b", 0);
  assert.equal(own.endpoints.length, 8);
  assert.equal(own.endpoints[0], "192.0.2.0:8473");
  assert.deepEqual(own.endpoints.slice(6), ["203.0.113.1:1111", "203.0.113.2:2222"]);
});

test("behind a router that shows another address to each of 1,000 peers, what we tell of it settles", () => {
  const own = fullest(["192.168.1.2:8473"], []);
  let changes = 0;
  for (let n = 0; n < 10_000; n++) {
    const by = (n * 7919) % 1000; // whoever makes a handshake with us
    if (own.observe(`203.0.113.${by % 4}:${20_000 + by}`, `${by}`, n * 120)) changes++;
  }
  assert.ok(changes <= 3, `${changes} times`);
  assert.equal(own.translated.length, 3);
});

test("where nobody sees us any more is told no more, at once or after a while", () => {
  const own = fullest(["192.168.1.2:8473"], []);
  for (const by of ["a", "b", "c"]) own.observe("203.0.113.1:1000", by, 0);
  own.observe("203.0.113.1:2000", "a", 1000);
  assert.deepEqual(own.translated, ["203.0.113.1:1000", "203.0.113.1:2000"]);
  for (const by of ["b", "c"]) own.observe("203.0.113.1:2000", by, 2000);
  assert.deepEqual(own.translated, ["203.0.113.1:2000"]);
  // Those who saw us at the others are gone, and say nothing more.
  own.observe("203.0.113.1:3000", "x", 3000);
  own.observe("203.0.113.1:4000", "y", 3000);
  own.observe("203.0.113.9:9000", "a", 10_000);
  assert.equal(own.translated.includes("203.0.113.9:9000"), false, "three have a place");
  own.observe("203.0.113.9:9000", "a", 900_000);
  assert.equal(own.translated.includes("203.0.113.9:9000"), true);
});

test("A record of the greatest length fits into every message of a handshake that carries one", () => {
  const offer = encodeOffer({
    index: 2 ** 32 - 1,
    seen: LONGEST[0]!,
    suites: SUITE_NAMES.map((suite) => ({ suite, mbps: 2 ** 32 - 1 })),
    counter: VERSION_LIMIT - 1,
    member: true,
    record: new Uint8Array(RECORD_MAX_LEN),
    life: null,
  });
  // Two public keys, the static one under a tag, and the payload under another, at most.
  const noise = new Uint8Array(32 + (32 + 16) + offer.length + 16);
  for (const message of [XX2, XX3, IK1]) {
    const bytes = encodeHandshake({ message, sender: 1, receiver: message === IK1 ? 0 : 2, keyId: 3, noise });
    assert.ok(bytes.length <= HANDSHAKE_MAX_LEN, `${bytes.length} bytes`);
  }
});
