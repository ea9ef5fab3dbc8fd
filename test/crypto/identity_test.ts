import { test } from "node:test";
import assert from "node:assert/strict";
import * as identity from "../../src/crypto/identity.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import { randomBytes, seeded } from "../made/seeded.ts";

// RFC 8032 §7.1, test 3; RFC 7748 §6.1, Alice.
const ED_SEED = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7";
const ED_PUBLIC = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025";
const ED_SIGNATURE = "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac" +
  "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a";
const X_SEED = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
const X_PUBLIC = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";

function known(): identity.Identity {
  return identity.identityFromSeeds(fromHex(ED_SEED)!, fromHex(X_SEED)!);
}

test("identityFromSeeds() gives the keys and the signature of RFC 8032 and RFC 7748", () => {
  assert.equal(known().id, ED_PUBLIC);
  assert.equal(known().staticKey, X_PUBLIC);
  assert.equal(toHex(known().sign(fromHex("af82")!)), ED_SIGNATURE);
});

test("identityFromSeeds() throws TypeError when a seed is not 32 bytes", () => {
  assert.throws(() => identity.identityFromSeeds(new Uint8Array(31), new Uint8Array(32)), TypeError);
});

test("createIdentity() makes another identity each time", () => {
  assert.notEqual(identity.createIdentity().id, identity.createIdentity().id);
});

test("identityFromJson() reads what identityToJson() wrote", () => {
  const read = identity.identityFromJson(identity.identityToJson(known()));
  assert.equal(read.id, ED_PUBLIC);
  assert.equal(read.staticKey, X_PUBLIC);
  assert.deepEqual(read.seeds, known().seeds);
});

test("identityFromJson() says what is wrong with a damaged file", () => {
  const good = JSON.parse(identity.identityToJson(known()));
  const damaged: [string, RegExp][] = [
    ["", /not JSON/],
    [identity.identityToJson(known()).slice(0, 50), /not JSON/],
    ["null", /version undefined/],
    [JSON.stringify({ ...good, version: 2 }), /version 2/],
    [JSON.stringify({ ...good, ed25519: "zz" }), /"ed25519" is not 32 bytes/],
    [JSON.stringify({ ...good, x25519: undefined }), /"x25519" is not 32 bytes/],
    [JSON.stringify({ ...good, id: "00".repeat(32) }), /"id" does not belong/],
  ];
  for (const [text, message] of damaged) assert.throws(() => identity.identityFromJson(text), message);
});

test("verifySignature() accepts only the signature of that id over those bytes", () => {
  const message = fromHex("af82")!;
  const signature = fromHex(ED_SIGNATURE)!;
  assert.equal(identity.verifySignature(ED_PUBLIC, message, signature), true);
  assert.equal(identity.verifySignature(ED_PUBLIC, fromHex("af83")!, signature), false);
  assert.equal(identity.verifySignature(identity.createIdentity().id, message, signature), false);
  for (let bit = 0; bit < 512; bit += 7) {
    const bad = signature.slice();
    bad[bit >> 3] = bad[bit >> 3]! ^ (1 << (bit & 7));
    assert.equal(identity.verifySignature(ED_PUBLIC, message, bad), false);
  }
});

test("verifySignature() never throws, whatever id and signature are", () => {
  const random = seeded(1);
  const ids = ["", "zz", "00".repeat(32), "ff".repeat(32), "01" + "00".repeat(31), ED_PUBLIC.slice(2)];
  for (let i = 0; i < 50; i++) ids.push(toHex(randomBytes(random, 32)));
  for (const id of ids) {
    for (const length of [0, 63, 64, 65]) {
      assert.equal(identity.verifySignature(id, new Uint8Array(5), randomBytes(random, length)), false);
    }
  }
});

test("verifySignature() judges more ids than it keeps keys of, the first time and again", () => {
  const random = seeded(2);
  const message = randomBytes(random, 40);
  const signed = Array.from({ length: 300 }, () => {
    const { id, sign } = identity.identityFromSeeds(randomBytes(random, 32), randomBytes(random, 32));
    return { id, signature: sign(message) };
  });
  for (let round = 0; round < 2; round++) {
    signed.forEach(({ id, signature }, i) => {
      assert.equal(identity.verifySignature(id, message, signature), true);
      assert.equal(identity.verifySignature(id, message, signed[(i + 1) % 300]!.signature), false);
    });
  }
});

test("nodeMac() is a locally administered unicast address, the same each time, another for another id", () => {
  for (let i = 0; i < 50; i++) {
    const mac = identity.nodeMac(toHex(randomBytes(seeded(i), 32)));
    assert.match(mac, /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/);
    assert.equal(parseInt(mac.slice(0, 2), 16) & 3, 2);
  }
  assert.equal(identity.nodeMac(ED_PUBLIC), identity.nodeMac(ED_PUBLIC));
  assert.notEqual(identity.nodeMac(ED_PUBLIC), identity.nodeMac(X_PUBLIC));
});

test("shortId() is the first 8 digits", () => {
  assert.equal(identity.shortId(ED_PUBLIC), "fc51cd8e");
});
