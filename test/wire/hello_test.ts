import { test } from "node:test";
import assert from "node:assert/strict";
import { identityFromSeeds, verifySignature } from "../../src/crypto/identity.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import * as wire from "../../src/wire/hello.ts";
import { below, dirty, hex, randomBytes, seeded, untouchedOutside } from "../made/seeded.ts";

const HELLO: wire.Hello = {
  version: 1,
  kind: wire.HELLO_ACK,
  flags: wire.FLAG_MEMBER,
  index: 0xabcdef00,
  echoedIndex: 0x01020300,
  nonce: "1111111111111111",
  echoedNonce: "2222222222222222",
  networkId: "33".repeat(16),
  nodeId: "44".repeat(32),
  seenAddress: hex("00000000000000000000ffff c0a8010a"),
  seenPort: 8473,
  reason: 0,
};
const SIGNED = "03 01 01 01 abcdef00 01020300 1111111111111111 2222222222222222" + "33".repeat(16) +
  "44".repeat(32) + "00000000000000000000ffff c0a8010a 2119 00 00";

const fives = () => new Uint8Array(64).fill(0x55);

test("encodeHello() writes the documented 160 bytes over a dirty buffer", () => {
  const b = dirty(180);
  assert.equal(wire.encodeHello(b, 10, HELLO, fives), 160);
  assert.equal(toHex(b.slice(10, 106)), toHex(hex(SIGNED)));
  assert.deepEqual(b.slice(106, 170), fives());
  assert.ok(untouchedOutside(b, 10, 170));
});

test("decodeHello() gives back every field that encodeHello() wrote", () => {
  const random = seeded(1);
  for (let i = 0; i < 200; i++) {
    const hello: wire.Hello = {
      version: 1,
      kind: below(random, 3),
      flags: below(random, 256),
      index: below(random, 2 ** 32),
      echoedIndex: below(random, 2 ** 32),
      nonce: toHex(randomBytes(random, 8)),
      echoedNonce: toHex(randomBytes(random, 8)),
      networkId: toHex(randomBytes(random, 16)),
      nodeId: toHex(randomBytes(random, 32)),
      seenAddress: randomBytes(random, 16),
      seenPort: below(random, 65536),
      reason: below(random, 256),
    };
    const b = new Uint8Array(wire.HELLO_LEN);
    wire.encodeHello(b, 0, hello, fives);
    assert.deepEqual(wire.decodeHello(b), hello);
  }
});

test("A signature made by encodeHello() verifies, and no longer when a signed byte changes", () => {
  const identity = identityFromSeeds(new Uint8Array(32).fill(1), new Uint8Array(32).fill(2));
  const b = new Uint8Array(wire.HELLO_LEN);
  wire.encodeHello(b, 0, { ...HELLO, nodeId: identity.id }, identity.sign);
  const good = (c: Uint8Array) => verifySignature(identity.id, wire.helloSigned(c), wire.helloSignature(c));
  assert.equal(good(b), true);
  for (let at = 0; at < wire.HELLO_LEN; at += 5) {
    const c = b.slice();
    c[at] = c[at]! ^ 1;
    assert.equal(good(c), false, `byte ${at}`);
  }
});

test("decodeHello() returns null at every shorter length, of another type, version or kind", () => {
  const b = new Uint8Array(wire.HELLO_LEN);
  wire.encodeHello(b, 0, HELLO, fives);
  for (let n = 0; n < wire.HELLO_LEN; n++) assert.equal(wire.decodeHello(b.slice(0, n)), null);
  for (const [at, value] of [[0, 4], [1, 2], [2, 3]] as const) {
    const c = b.slice();
    c[at] = value;
    assert.equal(wire.decodeHello(c), null);
  }
});

test("decodeForeignHello() reads what every version has, of other versions only", () => {
  const b = new Uint8Array(wire.HELLO_LEN);
  wire.encodeHello(b, 0, HELLO, fives);
  assert.equal(wire.decodeForeignHello(b), null);
  b[1] = 9;
  const common = { version: 9, kind: 1, nonce: HELLO.nonce, echoedNonce: HELLO.echoedNonce };
  assert.deepEqual(wire.decodeForeignHello(b), common);
  assert.deepEqual(wire.decodeForeignHello(b.slice(0, 28)), common);
  for (let n = 0; n < 28; n++) assert.equal(wire.decodeForeignHello(b.slice(0, n)), null);
});

test("decodeHello() never throws on random bytes", () => {
  const random = seeded(2);
  for (let i = 0; i < 5000; i++) {
    const b = randomBytes(random, below(random, 200));
    if (b.length > 3 && i % 2 === 0) b.set(fromHex("030100")!);
    wire.decodeHello(b);
    wire.decodeForeignHello(b);
  }
});
