import { test } from "node:test";
import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { NoiseHandshake, type Pattern } from "../../src/crypto/noise.ts";
import { dhKeys, sharedSecret } from "../../src/crypto/noise_state.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import { randomBytes, seeded } from "../made/seeded.ts";

const DH_LEN = 32, TAG_LEN = 16;
/** Bytes that each message of a pattern has besides its payload. */
const NOISE_OVERHEAD: Readonly<Record<Pattern, readonly number[]>> = {
  XXpsk3: [DH_LEN + TAG_LEN, 2 * DH_LEN + 2 * TAG_LEN, DH_LEN + 2 * TAG_LEN],
  IKpsk2: [2 * DH_LEN + 2 * TAG_LEN, DH_LEN + TAG_LEN],
};

interface Vector {
  readonly protocol_name: string;
  readonly init_prologue: string;
  readonly init_psks: readonly string[];
  readonly init_static: string;
  readonly init_ephemeral: string;
  readonly init_remote_static?: string;
  readonly resp_prologue: string;
  readonly resp_psks: readonly string[];
  readonly resp_static: string;
  readonly resp_ephemeral: string;
  readonly handshake_hash: string;
  readonly messages: readonly { readonly payload: string; readonly ciphertext: string }[];
}

const CHECKOUT = resolve(import.meta.dirname!, "../..");
const FOLDERS = [
  ...(process.env["OVLTUN_VECTORS"] === undefined ? [] : [process.env["OVLTUN_VECTORS"]]),
  resolve(CHECKOUT, "../shared/vectors"),
  resolve(CHECKOUT, "../../shared/vectors"),
];
const PATTERNS: readonly Pattern[] = ["XXpsk3", "IKpsk2"];

function vectorFile(): string | null {
  return FOLDERS.map((folder) => join(folder, "noise.json")).find((path) => existsSync(path)) ?? null;
}

const bytes = (text: string) => fromHex(text)!;

function pairOf(v: Vector, pattern: Pattern): [NoiseHandshake, NoiseHandshake] {
  const remote = v.init_remote_static === undefined ? {} : { remoteStatic: bytes(v.init_remote_static) };
  return [
    new NoiseHandshake({
      pattern,
      initiator: true,
      prologue: bytes(v.init_prologue),
      psk: bytes(v.init_psks[0]!),
      staticKeys: dhKeys(bytes(v.init_static)),
      ephemeralKeys: dhKeys(bytes(v.init_ephemeral)),
      ...remote,
    }),
    new NoiseHandshake({
      pattern,
      initiator: false,
      prologue: bytes(v.resp_prologue),
      psk: bytes(v.resp_psks[0]!),
      staticKeys: dhKeys(bytes(v.resp_static)),
      ephemeralKeys: dhKeys(bytes(v.resp_ephemeral)),
    }),
  ];
}

// A transport message as the vectors have it: AES-256-GCM, no associated data, its counter as nonce.
function transport(key: Uint8Array, counter: number, payload: Uint8Array): string {
  const cipher = createCipheriv("aes-256-gcm", key, Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, counter));
  return cipher.update(payload).toString("hex") + cipher.final("hex") + cipher.getAuthTag().toString("hex");
}

for (const pattern of PATTERNS) {
  test(`NoiseHandshake passes the published vector of ${pattern}`, (t) => {
    const file = vectorFile();
    if (file === null) {
      console.log(`skipped: no noise.json in ${FOLDERS.join(", ")} (set OVLTUN_VECTORS)`);
      return t.skip("no noise.json");
    }
    const { vectors } = JSON.parse(readFileSync(file, "utf8")) as { vectors: readonly Vector[] };
    const found = vectors.filter((v) => v.protocol_name === `Noise_${pattern}_25519_AESGCM_SHA256`);
    assert.equal(found.length, 1);
    const v = found[0]!;
    const sides = pairOf(v, pattern);
    const count = NOISE_OVERHEAD[pattern].length;
    v.messages.slice(0, count).forEach(({ payload, ciphertext }, n) => {
      const message = sides[n % 2]!.write(bytes(payload))!;
      assert.equal(toHex(message), ciphertext, `message ${n + 1}`);
      assert.equal(toHex(sides[(n + 1) % 2]!.read(message)!), payload, `payload ${n + 1}`);
    });
    for (const side of sides) assert.equal(toHex(side.hash), v.handshake_hash);
    assert.equal(toHex(sides[1].remoteStatic!), toHex(dhKeys(bytes(v.init_static)).publicKey));
    const keys = sides.map((side) => side.split());
    assert.deepEqual(keys[0]!.send, keys[1]!.receive);
    assert.deepEqual(keys[0]!.receive, keys[1]!.send);
    v.messages.slice(count).forEach(({ payload, ciphertext }, n) => {
      const from = keys[(n + count) % 2]!;
      assert.equal(transport(from.send, Math.floor(n / 2), bytes(payload)), ciphertext, `transport ${n}`);
    });
  });
}

function fresh(pattern: Pattern, seed: number, change: { psk?: Uint8Array; prologue?: Uint8Array } = {}) {
  const random = seeded(seed);
  const key = () => dhKeys(randomBytes(random, 32));
  const [initiator, responder, psk] = [key(), key(), randomBytes(random, 32)];
  const common = { pattern, prologue: new Uint8Array(4), psk };
  return [
    new NoiseHandshake({
      ...common,
      initiator: true,
      staticKeys: initiator,
      ephemeralKeys: key(),
      ...(pattern === "IKpsk2" ? { remoteStatic: responder.publicKey } : {}),
    }),
    new NoiseHandshake({
      ...common,
      ...change,
      initiator: false,
      staticKeys: responder,
      ephemeralKeys: key(),
    }),
  ] as const;
}

for (const pattern of PATTERNS) {
  test(`NoiseHandshake of ${pattern} refuses every changed byte and every cut, and goes on after it`, () => {
    const sides = fresh(pattern, 5);
    NOISE_OVERHEAD[pattern].forEach((overhead, n) => {
      const reader = sides[(n + 1) % 2]!;
      const message = sides[n % 2]!.write(new Uint8Array(10).fill(n))!;
      assert.equal(message.length, overhead + 10);
      for (let at = 0; at < message.length; at += 3) {
        const bad = message.slice();
        bad[at] = bad[at]! ^ 1;
        assert.equal(reader.read(bad), null, `byte ${at} of message ${n + 1}`);
        assert.equal(reader.read(message.slice(0, at)), null, `${at} bytes of message ${n + 1}`);
      }
      assert.deepEqual(reader.read(message), new Uint8Array(10).fill(n));
    });
    assert.deepEqual(sides[0].hash, sides[1].hash);
  });

  test(`NoiseHandshake of ${pattern} ends nowhere with another psk or prologue`, () => {
    for (const change of [{ psk: new Uint8Array(32) }, { prologue: new Uint8Array(3) }]) {
      const sides = fresh(pattern, 6, change);
      let read: Uint8Array | null = new Uint8Array(0);
      for (let n = 0; n < NOISE_OVERHEAD[pattern].length && read !== null; n++) {
        const message: Uint8Array | null = sides[n % 2]!.write(new Uint8Array(0));
        read = message === null ? null : sides[(n + 1) % 2]!.read(message);
      }
      assert.equal(read, null);
    }
  });
}

test("NoiseHandshake demands its turns and refuses to split before the end", () => {
  const [a, b] = fresh("XXpsk3", 7);
  assert.throws(() => b.write(new Uint8Array(0)), TypeError);
  assert.throws(() => a.read(new Uint8Array(48)), TypeError);
  assert.throws(() => a.split(), TypeError);
  a.wipe();
  assert.throws(() => a.write(new Uint8Array(0)), TypeError);
});

test("NoiseHandshake of IKpsk2 throws TypeError without the responder's key", () => {
  const keys = dhKeys(new Uint8Array(32).fill(9));
  const setup = { pattern: "IKpsk2", initiator: true, prologue: new Uint8Array(0) } as const;
  const rest = { psk: new Uint8Array(32), staticKeys: keys, ephemeralKeys: keys };
  assert.throws(() => new NoiseHandshake({ ...setup, ...rest }), TypeError);
});

test("sharedSecret() refuses points of low order and of wrong length", () => {
  const keys = dhKeys(new Uint8Array(32).fill(7));
  // The points of RFC 7748's curve whose order divides 8, from https://cr.yp.to/ecdh.html
  const low = [
    "00".repeat(32),
    "01" + "00".repeat(31),
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ];
  for (const point of low) assert.equal(sharedSecret(keys, bytes(point)), null, point);
  for (const length of [0, 31, 33]) assert.equal(sharedSecret(keys, new Uint8Array(length).fill(9)), null);
  assert.notEqual(sharedSecret(keys, dhKeys(new Uint8Array(32).fill(8)).publicKey), null);
});

test("A message of low order ends no handshake and gives no answer", () => {
  const [, b] = fresh("IKpsk2", 8);
  assert.equal(b.read(new Uint8Array(120)), null);
});
