import { test } from "node:test";
import assert from "node:assert/strict";
import { toHex } from "../../src/wire/bytes.ts";
import {
  aboutOf,
  decodeDirective,
  DIRECTIVE_MAX_LEN,
  type DirectiveContent,
  encodeDirective,
  type Forgetting,
  type Reservation,
  reservationKey,
} from "../../src/wire/directive.ts";
import { Prefix, prefix } from "../../src/wire/prefix.ts";
import { below, randomBytes, seeded } from "../made/seeded.ts";

const CONTENT: Forgetting = {
  issuer: "ab".repeat(32),
  networkId: "cd".repeat(16),
  seq: 2 ** 47,
  kind: "forget",
  target: "ef".repeat(32),
  incarnation: 2 ** 48 - 1,
  revoke: true,
};

function signed(payload: Uint8Array): Uint8Array {
  const raw = new Uint8Array(payload.length + 64).fill(0x5a);
  raw.set(payload);
  return raw;
}

test("decodeDirective() gives back what encodeDirective() took, and keeps the bytes", () => {
  for (const content of [CONTENT, { ...CONTENT, seq: 0, incarnation: 0, revoke: false }]) {
    const raw = signed(encodeDirective(content));
    assert.ok(raw.length <= DIRECTIVE_MAX_LEN, `${raw.length}`);
    assert.deepEqual(decodeDirective(raw), { ...content, raw });
  }
});

test("encodeDirective() keeps to its layout", () => {
  const b = encodeDirective({ ...CONTENT, seq: 1, incarnation: 2 });
  assert.equal(
    toHex(b),
    `87a169c420${"ab".repeat(32)}a177c410${"cd".repeat(16)}a17101a16b00a174c420${
      "ef".repeat(32)
    }a16e02a172c3`,
  );
});

test("decodeDirective() returns null for a later kind and for every field that is wrong", () => {
  const good = encodeDirective({ ...CONTENT, seq: 1, incarnation: 2 });
  const kindAt = good.indexOf(0x6b) + 1; // after the key "k"
  assert.equal(toHex(good.slice(kindAt - 2, kindAt + 1)), "a16b00");
  for (const kind of [2, 100, 0xc0]) {
    const later = good.slice();
    later[kindAt] = kind;
    assert.equal(decodeDirective(signed(later)), null);
  }
  const wrong: Partial<Record<keyof Forgetting, unknown>>[] = [
    { issuer: "ab" },
    { networkId: "ab".repeat(32) },
    { target: "" },
    { seq: -1 },
    { seq: 2 ** 48 },
    { incarnation: 1.5 },
    { revoke: 1 },
  ];
  for (const change of wrong) {
    const content = { ...CONTENT, ...change } as DirectiveContent;
    assert.equal(decodeDirective(signed(encodeDirective(content))), null, JSON.stringify(change));
  }
});

const RESERVATION: Reservation = {
  issuer: "ab".repeat(32),
  networkId: "cd".repeat(16),
  seq: 2 ** 48 - 1,
  kind: "reserve",
  subnet: prefix("fd42:1:2:7::/64"),
  holder: "ef".repeat(32),
  moves: true,
  name: "n".repeat(63),
};

test("a reservation comes back as it went, for IPv4 and IPv6, made and lifted", () => {
  const lifted = { ...RESERVATION, subnet: prefix("10.42.9.0/24"), holder: null, moves: false };
  for (const content of [RESERVATION, { ...RESERVATION, subnet: prefix("10.42.9.4/32") }, lifted]) {
    const raw = signed(encodeDirective(content));
    assert.ok(raw.length <= DIRECTIVE_MAX_LEN, `${raw.length}`);
    assert.deepEqual(decodeDirective(raw), { ...content, raw });
  }
});

test("a reservation with a wrong field, or of a subnet with host bits, is none", () => {
  const loose = new Prefix(prefix("10.42.9.1/32").address, 120);
  const long = Object.assign(new Prefix(prefix("::1/128").address, 128), { length: 129 });
  for (const change of [{ holder: "ab" }, { moves: 1 }, { subnet: loose }, { subnet: long }]) {
    const content = { ...RESERVATION, ...change } as DirectiveContent;
    assert.equal(decodeDirective(signed(encodeDirective(content))), null, JSON.stringify(change));
  }
});

test("what a reservation is about has a name like no node's: nobody can forget it away", () => {
  const subnets = ["10.42.9.0/24", "10.42.8.0/23", "10.42.9.0/25", "fd42::/64", "fd42:0:0:1::/64", "::/0"];
  const keys = subnets.map((text) => reservationKey(prefix(text)));
  assert.equal(new Set(keys).size, keys.length);
  const neighbours = Array.from({ length: 256 }, (_, n) => reservationKey(prefix(`10.42.${n}.0/24`)));
  assert.ok(new Set(neighbours.map((key) => key.slice(0, 3))).size > 200, "spread over the leaves of a tree");
  for (const key of keys) {
    assert.match(key, /^[0-9a-f]{64}$/);
    assert.equal(decodeDirective(signed(encodeDirective({ ...CONTENT, target: key }))), null);
  }
});

test("decodeDirective() returns null at every truncation, and never throws", () => {
  const raw = signed(encodeDirective(CONTENT));
  for (let length = 0; length < raw.length; length++) {
    assert.equal(decodeDirective(raw.slice(0, length)), null);
  }
  assert.equal(decodeDirective(new Uint8Array(DIRECTIVE_MAX_LEN + 1)), null);
  const random = seeded(8473);
  for (let i = 0; i < 20_000; i++) {
    const noise = i % 2 === 0 ? randomBytes(random, below(random, 300)) : raw.slice();
    if (i % 2 === 1) noise[below(random, noise.length)] = below(random, 256);
    const directive = decodeDirective(noise);
    if (directive !== null) assert.equal(aboutOf(directive).length, 64);
  }
});
