import { test } from "node:test";
import assert from "node:assert/strict";
import { toHex } from "../../src/wire/bytes.ts";
import {
  decodeDirective,
  DIRECTIVE_MAX_LEN,
  type DirectiveContent,
  encodeDirective,
} from "../../src/wire/directive.ts";
import { below, randomBytes, seeded } from "../made/seeded.ts";

const CONTENT: DirectiveContent = {
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
  for (const kind of [1, 100, 0xc0]) {
    const later = good.slice();
    later[kindAt] = kind;
    assert.equal(decodeDirective(signed(later)), null);
  }
  const wrong: Partial<Record<keyof DirectiveContent, unknown>>[] = [
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
    if (directive !== null) assert.equal(directive.target.length, 64);
  }
});
