import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeText, encodeText, hasPrefix } from "../../src/crypto/text_code.ts";

test("encodeText() keeps to its layout", () => {
  // Made with Python from the definition.
  const vector = "ovx1000g40r40m30e209185gr38e1w8124gk2gahc5rr34d1p70x3rft3rdvnc";
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => i);
  assert.equal(encodeText("ovx1", bytes), vector);
});

test("decodeText() gives back what encodeText() took, however it was broken and spelled", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), fc.boolean(), (bytes, at, upper) => {
      const text = encodeText("ovt1", bytes);
      assert.deepEqual(decodeText("ovt1", text), bytes);
      const cut = at % text.length;
      const broken = ` ${text.slice(0, cut)}\r\n > `.replace(">", "-") + `${text.slice(cut)}\n\n`;
      const misread = (upper ? broken.toUpperCase() : broken).replace(
        /(?<=ovt1.*)[01]/gis,
        (d) => d === "0" ? "O" : "l",
      );
      assert.deepEqual(decodeText("ovt1", misread), bytes);
    }),
    { numRuns: 300, seed: 8473 },
  );
});

test("decodeText() refuses every text that differs in one character, and every part of it", () => {
  const text = encodeText("ovs1", Uint8Array.from({ length: 32 }, (_, i) => (i * 37) & 255));
  for (let i = 4; i < text.length; i++) {
    for (const c of "0123456789abcdefghjkmnpqrstuvwxyz!ä") {
      if (c === text[i]) continue;
      assert.equal(decodeText("ovs1", text.slice(0, i) + c + text.slice(i + 1)), "damaged", `${i} ${c}`);
    }
    assert.equal(decodeText("ovs1", text.slice(0, i)), "damaged");
    assert.equal(decodeText("ovs1", text.slice(0, i) + text.slice(i + 1)), "damaged");
  }
  for (const more of ["0", "00", "7zz"]) assert.equal(decodeText("ovs1", text + more), "damaged");
});

test("decodeText() tells another prefix from damage", () => {
  const text = encodeText("ovs1", new Uint8Array(32));
  assert.equal(decodeText("ovt1", text), "prefix");
  assert.equal(decodeText("ovs1", ""), "prefix");
  assert.equal(decodeText("ovs1", "ovs1"), "damaged");
  assert.ok(hasPrefix("ovs1", " OVS1abc"));
  assert.ok(!hasPrefix("ovs1", "xovs1"));
});
