import { test } from "node:test";
import assert from "node:assert/strict";
import { nodeHmac } from "../../src/crypto/handshake_mac.ts";
import type { Hmac } from "../../src/ports/aead.ts";
import { libcryptoHmac } from "../../src/sys/libcrypto_hmac.ts";
import { toHex } from "../../src/wire/bytes.ts";
import { below, hex, randomBytes, seeded } from "../made/seeded.ts";

// RFC 4231 §4.2 and §4.3.
const VECTORS = [
  ["0b".repeat(20), "4869205468657265", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"],
  [
    "4a656665",
    "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  ],
] as const;

const libcrypto = libcryptoHmac();
const all: readonly Hmac[] = [nodeHmac, ...(libcrypto === null ? [] : [libcrypto])];

for (const hmac of all) {
  test(`digest() of ${hmac.by} gives the MACs of RFC 4231, whole and cut, at any place`, () => {
    for (const [key, data, mac] of VECTORS) {
      const b = new Uint8Array(new ArrayBuffer(100)).fill(0xa5);
      b.set(hex(data), 7);
      for (const length of [16, 32]) {
        const out = new Uint8Array(length);
        hmac.digest(hex(key), b, 7, data.length / 2, out);
        assert.equal(toHex(out), mac.slice(0, 2 * length));
      }
    }
  });
}

test("digest() is the same by libcrypto and by node:crypto", (t) => {
  if (libcrypto === null) return t.skip("no libcrypto on this host");
  const random = seeded(1);
  const memory = new Uint8Array(new ArrayBuffer(2000));
  for (let i = 0; i < 300; i++) {
    memory.set(randomBytes(random, 1500));
    const key = randomBytes(random, below(random, 65));
    const [at, length] = [below(random, 500), below(random, 1500)];
    const [one, other] = [new Uint8Array(32), new Uint8Array(32)];
    nodeHmac.digest(key, memory, at, length, one);
    libcrypto.digest(key, memory, at, length, other);
    assert.equal(toHex(one), toHex(other));
  }
  assert.throws(() => libcrypto.digest(new Uint8Array(65), memory, 0, 1, new Uint8Array(32)), RangeError);
});

test(
  "libcrypto's HMAC reads nothing outside of the array that it is given",
  { skip: libcrypto === null },
  () => {
    const b = new Uint8Array(new ArrayBuffer(64)), key = new Uint8Array(32), out = new Uint8Array(16);
    for (const [at, length] of [[60, 5], [-1, 2], [48, -48]] as const) {
      assert.throws(() => libcrypto!.digest(key, b, at, length, out), /^RangeError: No such bytes/);
    }
  },
);
