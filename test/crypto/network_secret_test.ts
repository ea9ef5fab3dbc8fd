import { test } from "node:test";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { inspect } from "node:util";
import { NetworkSecret, SCRYPT, wipeKeys } from "../../src/crypto/network_secret.ts";
import { encodeText } from "../../src/crypto/text_code.ts";
import { toHex } from "../../src/wire/bytes.ts";

const PHRASE = "correct horse battery staple";

/** Checks the refusal, and that it does not repeat what was given. */
function refused(text: string, message: RegExp): void {
  assert.throws(() => NetworkSecret.parse(text, "home"), (error: Error) => {
    assert.match(error.message, message);
    const words = text.trim();
    assert.ok(words.length < 4 || !`${error.message}${error.stack}`.includes(words), error.message);
    return true;
  });
}

test("NetworkSecret.keys() derives the keys that docs/wire.md names (HKDF-SHA256, RFC 5869)", () => {
  const keys = NetworkSecret.of(Uint8Array.from({ length: 32 }, (_, i) => i)).keys("ovltun");
  // Made with Python's hmac and hashlib from the definition.
  assert.equal(toHex(keys.networkId), "ca4e2cc587adc5b2cac983378e035182");
  assert.equal(toHex(keys.psk), "e97fa6adab8c7eb659644d080166c2401610881705dc3d913c023504beb8641f");
  assert.equal(toHex(keys.macKey), "67a0a75bc6c8a3cc5cdc6cfb2e69c54139fbe981f47f6d313e5d7cf69981227e");
  assert.equal(toHex(keys.gossipKey), "810225f3e299bb405c688d134815e841e2cc4e226625497e8ae7a8040b32023c");
  assert.equal(keys.keyId, 51977);
});

test("NetworkSecret.parse() stretches a passphrase by scrypt, salted with the network's name (RFC 7914)", () => {
  const secret = NetworkSecret.parse(`${PHRASE}\n`, "home");
  // Made with Python's hashlib.scrypt(n=32768, r=8, p=3, salt=b"ovltun home").
  assert.equal(toHex(secret.bytes()), "7cf573e1f8239e7dcb91a6adfd0fb93c7b5e1d315cb10da144a71c9acc1c110e");
  assert.ok(!secret.equals(NetworkSecret.parse(PHRASE, "work")));
  assert.ok(128 * SCRYPT.N * SCRYPT.r <= 64 * 1024 * 1024);
  const composed = NetworkSecret.parse("Grüße an alle Gäste", "home");
  assert.ok(composed.equals(NetworkSecret.parse("Grüße an alle Gäste".normalize("NFD"), "home")));
});

test("NetworkSecret.parse() reads what text() wrote, with a line end and in upper case", () => {
  const secret = NetworkSecret.create();
  assert.match(secret.text(), /^ovs1[0-9a-hjkmnp-tv-z]{58}$/);
  assert.ok(NetworkSecret.parse(`${secret.text()}\r\n`, "home").equals(secret));
  assert.ok(NetworkSecret.parse(secret.text().toUpperCase(), "work").equals(secret));
  assert.ok(!NetworkSecret.create().equals(secret));
});

test("NetworkSecret.parse() refuses what is short, mistyped or no secret, and repeats nothing of it", () => {
  refused("", /is empty; generate one with ovltun secret new/);
  refused("  \n", /is empty/);
  refused("hunter2-hunter2", /too short: .* at least 16 characters; .*six random words/);
  refused("abababababababababab", /too few different/);
  refused(`${PHRASE}\nmore of it`, /a single line of text/);
  refused(`${PHRASE}\u0000`, /line of text/);
  refused("x".repeat(20) + PHRASE.repeat(100), /line of text/);
  const text = NetworkSecret.create().text();
  refused(text.slice(0, -1), /mistyped/);
  refused(text.slice(0, 20) + (text[20] === "a" ? "b" : "a") + text.slice(21), /mistyped/);
  refused(encodeText("ovs1", new Uint8Array(31)), /mistyped/);
  refused(encodeText("ovt1", new Uint8Array(64)), /is a token.*ovltun join/);
});

test("A NetworkSecret shows itself nowhere", () => {
  const root = Uint8Array.from({ length: 32 }, (_, i) => 200 + i % 50);
  const secret = NetworkSecret.of(root);
  const shown = [
    String(secret),
    JSON.stringify({ secret }),
    inspect(secret, { depth: 9, showHidden: true }),
    inspect(Object.entries(secret)),
    `${Object.getOwnPropertyNames(secret)}`,
  ].join(" ");
  for (const form of [secret.text(), toHex(root), root.join(","), root.join(", "), "200"]) {
    assert.ok(!shown.includes(form), shown);
  }
});

test("wipe() and wipeKeys() zero what they are given, and a secret keeps no hold of foreign memory", () => {
  const root = new Uint8Array(32).fill(7);
  const secret = NetworkSecret.of(root);
  const buffer = Buffer.from(root); // its slice() is no copy
  assert.ok(NetworkSecret.of(buffer).equals(secret));
  root.fill(0);
  assert.deepEqual(secret.bytes(), new Uint8Array(32).fill(7));
  const keys = secret.keys("home");
  wipeKeys(keys);
  for (const key of [keys.psk, keys.macKey, keys.gossipKey]) assert.deepEqual(key, new Uint8Array(32));
  secret.wipe();
  assert.deepEqual(secret.bytes(), new Uint8Array(32));
  assert.throws(() => NetworkSecret.of(new Uint8Array(31)), TypeError);
});
