import assert from "node:assert/strict";
import { test } from "node:test";
import { aeadProvider, measureSuites, works } from "../../src/crypto/aead.ts";
import { naclAead } from "../../src/crypto/nacl_aead.ts";
import { nodeAead } from "../../src/crypto/node_aead.ts";
import type { AeadMaker, CipherSuite } from "../../src/ports/aead.ts";
import { openLibcrypto } from "../../src/sys/libcrypto.ts";
import { ManualClock } from "../fakes/manual_clock.ts";
import { below, randomBytes, seeded } from "../made/seeded.ts";
import { referenceSeal } from "../made/reference_aead.ts";

const TAG = 16;
const SUITES: CipherSuite[] = ["aes-256-gcm", "chacha20-poly1305", "xsalsa20-poly1305"];

function makers(): AeadMaker[] {
  return [openLibcrypto(), nodeAead(), naclAead()];
}

/** Every maker of a suite, and the one of the tests themselves. */
function pairs(): { maker: AeadMaker; suite: CipherSuite }[] {
  return makers().flatMap((maker) => maker.suites.map((suite) => ({ maker, suite })));
}

function memoryOf(length: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(length)).fill(0xa5);
}

for (const suite of SUITES) {
  test(`${suite}: every implementation seals and opens as every other, at any length and offset`, () => {
    const random = seeded(suite.length);
    const size = 20_000;
    const lengths = [0, 1, 15, 16, 17, 31, 52, 63, 64, 65, 255, 1024, 1388, 1439, 9000];
    for (let i = 0; i < 60; i++) lengths.push(below(random, 9001));
    const mine = pairs().filter((pair) => pair.suite === suite);
    assert.ok(mine.length > 0);
    for (const length of lengths) {
      const key = randomBytes(random, 32);
      const header = randomBytes(random, 16);
      const plain = randomBytes(random, length);
      const expected = referenceSeal(suite, key, header, plain);
      for (const { maker } of mine) {
        const b = memoryOf(size);
        const aead = maker.key(suite, key, b);
        const headerAt = below(random, 64);
        const from = 100 + below(random, 64);
        const to = random() < 0.5 ? from : from + length + below(random, 64);
        b.set(header, headerAt);
        b.set(plain, from);
        aead.seal(b, headerAt, from, length, to);
        assert.deepEqual(b.slice(to, to + length + TAG), expected, `${maker.by}, ${length} bytes`);
        assert.ok(
          b.subarray(to + length + TAG).every((byte) => byte === 0xa5),
          "nothing is written behind it",
        );
        assert.equal(aead.open(b, headerAt, to, length + TAG), length);
        assert.deepEqual(b.slice(to, to + length), plain);
        aead.wipe();
      }
    }
  });

  test(`${suite}: a packet with any bit changed, or cut anywhere, does not open`, () => {
    const random = seeded(7);
    for (const { maker } of pairs().filter((pair) => pair.suite === suite)) {
      const b = memoryOf(256);
      const aead = maker.key(suite, randomBytes(random, 32), b);
      const length = 37;
      const packet = bytesWith(random, length);
      b.set(packet);
      aead.seal(b, 0, 16, length, 16);
      const sealed = b.slice(0, 16 + length + TAG);
      for (let bit = 0; bit < sealed.length * 8; bit++) {
        // The first half of the header is associated data; the index and type are bound, too.
        b.set(sealed);
        b[bit >> 3]! ^= 1 << (bit & 7);
        assert.equal(aead.open(b, 0, 16, length + TAG), -1, `${maker.by}, bit ${bit}`);
      }
      for (let cut = 0; cut < length + TAG; cut++) {
        b.set(sealed);
        assert.equal(aead.open(b, 0, 16, cut), -1, `${maker.by}, cut to ${cut}`);
      }
      b.set(sealed);
      assert.equal(aead.open(b, 0, 16, length + TAG), length);
    }
  });
}

function bytesWith(random: () => number, length: number): Uint8Array {
  return randomBytes(random, 16 + length);
}

test("a key seals with the nonce of each packet, not with the first", () => {
  for (const { maker, suite } of pairs()) {
    const b = memoryOf(256);
    const key = new Uint8Array(32).fill(3);
    const aead = maker.key(suite, key, b);
    for (const counter of [0, 1, 0xffffffff, 0x1234]) {
      const header = new Uint8Array(16);
      new DataView(header.buffer).setBigUint64(8, BigInt(counter));
      b.set(header);
      const plain = b.slice(16, 60);
      aead.seal(b, 0, 16, 44, 16);
      assert.deepEqual(b.slice(16, 76), referenceSeal(suite, key, header, plain), `${maker.by}, ${counter}`);
    }
  }
});

test("a key of another length and an unknown suite are refused", () => {
  for (const { maker, suite } of pairs()) {
    assert.throws(() => maker.key(suite, new Uint8Array(31), memoryOf(64)), TypeError);
  }
  assert.throws(() => openLibcrypto().key("xsalsa20-poly1305", new Uint8Array(32), memoryOf(64)), TypeError);
  assert.throws(() => naclAead().key("aes-256-gcm", new Uint8Array(32), memoryOf(64)), TypeError);
});

test("libcrypto is never given memory that is not the key's, nor used after wipe()", () => {
  const b = memoryOf(128);
  const aead = openLibcrypto().key("aes-256-gcm", new Uint8Array(32), b);
  assert.throws(() => aead.seal(memoryOf(128), 0, 16, 16, 16), RangeError);
  assert.throws(() => aead.seal(b, 0, 16, 97, 16), RangeError);
  assert.throws(() => aead.open(b, 120, 16, 32), RangeError);
  aead.seal(b, 0, 16, 96, 16);
  aead.wipe();
  assert.throws(() => aead.seal(b, 0, 16, 16, 16), TypeError);
  assert.throws(() => aead.open(b, 0, 16, 32), TypeError);
  aead.wipe();
});

test("openLibcrypto() says what it tried where there is none", () => {
  assert.throws(() => openLibcrypto(["libcrypto-none.so.9"]), /No libcrypto \(libcrypto-none\.so\.9: /);
});

test("measureSuites() takes the fastest maker of each suite, the fastest suite first, and is not held up by the slow", () => {
  const clock = new ManualClock();
  let slow = 0;
  const paced = (maker: AeadMaker, ms: number): AeadMaker => ({
    ...maker,
    suites: maker.suites,
    key: (suite, key, memory) => {
      const inner = maker.key(suite, key, memory);
      return {
        suite,
        seal: (b, headerAt, from, length, to) => {
          clock.advanceTo(clock.now() + (suite === "aes-256-gcm" ? ms : ms * 2));
          if (suite === "xsalsa20-poly1305") slow++;
          inner.seal(b, headerAt, from, length, to);
        },
        open: inner.open.bind(inner),
        wipe: inner.wipe.bind(inner),
      };
    },
  });
  const node = nodeAead();
  const measured = measureSuites(
    [paced(naclAead(), 1), paced(openLibcrypto(), 0.01), paced(node, 0.1)],
    clock,
  );
  assert.deepEqual(measured.map(({ suite, by }) => [suite, by]), [
    ["aes-256-gcm", "libcrypto"],
    ["chacha20-poly1305", "libcrypto"],
    ["xsalsa20-poly1305", "tweetnacl"],
  ]);
  assert.ok(Math.abs(measured[0]!.mbps - 1416 * 8 / 10) < 20, `${measured[0]!.mbps}`);
  assert.ok(slow < 20, `${slow} packets by one that needs 2 ms for each`);
  assert.equal(
    aeadProvider(makers(), measured).key("aes-256-gcm", new Uint8Array(32), memoryOf(64)).suite,
    "aes-256-gcm",
  );
});

test("measureSuites() leaves out who seals or opens wrongly", () => {
  const clock = { now: () => performance.now(), wall: () => 0 };
  const nacl = naclAead();
  const wrong = (change: (b: Uint8Array) => void, refuses: boolean): AeadMaker => ({
    ...nacl,
    key: (suite, key, memory) => {
      const inner = nacl.key(suite, key, memory);
      return {
        suite,
        seal: (b, headerAt, from, length, to) => {
          inner.seal(b, headerAt, from, length, to);
          change(b.subarray(to, to + length + TAG));
        },
        open: (b, headerAt, at, length) => {
          const plain = inner.open(b, headerAt, at, length);
          return refuses || plain >= 0 ? plain : length - TAG;
        },
        wipe: () => inner.wipe(),
      };
    },
  });
  assert.equal(works(nacl, "xsalsa20-poly1305"), true);
  assert.equal(works(wrong(() => {}, true), "xsalsa20-poly1305"), true);
  assert.equal(works(wrong(() => {}, false), "xsalsa20-poly1305"), false);
  assert.deepEqual(measureSuites([wrong((sealed) => sealed[3]! ^= 1, true)], clock), []);
  const strict: AeadMaker = {
    ...nacl,
    key: () => {
      throw new Error("not allowed here");
    },
  };
  assert.deepEqual(measureSuites([strict], clock), []);
});

test("without libcrypto every host still has xsalsa20-poly1305", () => {
  const clock = { now: () => performance.now(), wall: () => 0 };
  const measured = measureSuites([nodeAead(), naclAead()], clock);
  assert.ok(
    measured.some(({ suite, by, mbps }) => suite === "xsalsa20-poly1305" && by === "tweetnacl" && mbps > 0),
  );
  assert.throws(() => aeadProvider([], []).key("aes-256-gcm", new Uint8Array(32), memoryOf(64)), TypeError);
});
