import { test } from "node:test";
import assert from "node:assert/strict";
import { GroupGossip } from "../../../src/control/secrets/group_gossip.ts";
import { openGossip, sealGossip } from "../../../src/crypto/gossip_seal.ts";
import { toHex } from "../../../src/wire/bytes.ts";
import * as wire from "../../../src/wire/group_message.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";
import { keysOf } from "../../made/network_keys.ts";
import { below, randomBytes, seeded } from "../../made/seeded.ts";

const A = "aa".repeat(32);
const B = "bb".repeat(32);
const HELLO = Uint8Array.of(0x21, 1, 2, 3);
const member = (incarnation: number) => () => incarnation;

const of = (id: string, ...secrets: string[]) =>
  new GroupGossip(secrets.map(keysOf), id, new SeededRandom(1));

test("encodeGroupHeader() writes the documented 36 bytes, and decodeGroupHeader() reads them", () => {
  const b = wire.encodeGroupHeader({ keyId: 0x1234, sender: A });
  assert.equal(toHex(b), "20011234" + A);
  const whole = new Uint8Array(wire.GROUP_SEALED_AT + 28);
  whole.set(b);
  assert.deepEqual(wire.decodeGroupHeader(whole), { keyId: 0x1234, sender: A });
  for (let n = 0; n < whole.length; n++) assert.equal(wire.decodeGroupHeader(whole.slice(0, n)), null);
  for (const at of [0, 1]) {
    const other = whole.slice();
    other[at] = 9;
    assert.equal(wire.decodeGroupHeader(other), null);
  }
});

test("encodeGroupMessage() and decodeGroupMessage() give back what they were given", () => {
  const message = { incarnation: 2 ** 48 - 1, sequence: 7, gossip: HELLO };
  assert.deepEqual(wire.decodeGroupMessage(wire.encodeGroupMessage(message)), message);
  for (let n = 0; n < 12; n++) assert.equal(wire.decodeGroupMessage(new Uint8Array(n)), null);
  const long = { ...message, gossip: new Uint8Array(wire.GROUP_MESSAGE_MAX + 1) };
  assert.throws(() => wire.encodeGroupMessage(long), RangeError);
});

test("openGossip() opens what sealGossip() made, and nothing that was changed anywhere", () => {
  const key = keysOf("x").gossipKey;
  const header = wire.encodeGroupHeader({ keyId: 1, sender: A });
  const b = sealGossip(key, header, new Uint8Array(24).fill(3), HELLO);
  assert.deepEqual(openGossip(key, b, 36), HELLO);
  assert.equal(openGossip(keysOf("y").gossipKey, b, 36), null);
  for (let bit = 0; bit < 8 * b.length; bit++) {
    const bad = b.slice();
    bad[bit >> 3] = bad[bit >> 3]! ^ (1 << (bit & 7));
    assert.equal(openGossip(key, bad, 36), null, `bit ${bit}`);
  }
  for (let n = 0; n < b.length; n++) assert.equal(openGossip(key, b.slice(0, n), 36), null);
});

test("GroupGossip takes a message once, from members only, of their present life", () => {
  const [a, b] = [of(A, "x"), of(B, "x")];
  const datagram = a.seal(5, HELLO)!;
  assert.equal(b.open(datagram, () => null), null, "no member");
  assert.equal(b.open(datagram, member(6)), null, "a former life");
  const { keyId, ...opened } = b.open(datagram, member(5))!;
  assert.deepEqual(opened, { sender: A, gossip: HELLO });
  assert.equal(keyId, keysOf("x").keyId);
  assert.equal(b.open(datagram, member(5)), null, "a replay");
  assert.equal(a.open(a.seal(5, HELLO)!, member(5)), null, "our own words");
  const later = a.seal(6, HELLO)!;
  assert.notEqual(b.open(later, member(5)), null, "a life that we have no record of yet");
  assert.notEqual(b.open(later, member(6)), null, "its record has come");
  assert.equal(b.open(later, member(6)), null, "a replay");
});

test("A forged incarnation silences nobody: what the record does not tell is not remembered", () => {
  const [a, b, forger] = [of(A, "x"), of(B, "x"), of(A, "x")];
  for (let i = 0; i < 40; i++) assert.notEqual(b.open(forger.seal(2 ** 48 - 1, HELLO)!, member(5)), null);
  for (let i = 0; i < 3; i++) {
    const genuine = a.seal(5, HELLO)!;
    assert.notEqual(b.open(genuine, member(5)), null);
    assert.equal(b.open(genuine, member(5)), null, "and counts once");
  }
  const restarted = of(A, "x").seal(6, HELLO)!;
  assert.notEqual(b.open(restarted, member(6)), null, "its next life begins to count anew");
  assert.equal(b.open(restarted, member(6)), null);
});

test("GroupGossip takes each message once in whatever order, within a window", () => {
  const [a, b] = [of(A, "x"), of(B, "x")];
  const random = seeded(4);
  const datagrams = Array.from({ length: 300 }, () => a.seal(1, HELLO)!);
  const taken = new Set<number>();
  let greatest = -1;
  for (let i = 0; i < 5000; i++) {
    const n = Math.min(299, Math.max(0, Math.floor(i / 16) - 20 + below(random, 60)));
    const fresh = !taken.has(n) && n > greatest - 32;
    assert.equal(b.open(datagrams[n]!, member(1)) !== null, fresh, `step ${i}, message ${n}`);
    if (fresh) taken.add(n);
    greatest = Math.max(greatest, n);
  }
});

test("GroupGossip takes old keys beside new ones, and those of another network not", () => {
  const b = of(B, "new", "old");
  for (const [secret, taken] of [["new", true], ["old", true], ["other", false]] as const) {
    assert.equal(
      b.open(of(A, secret).seal(secret === "new" ? 1 : 2, HELLO)!, member(1)) !== null,
      taken,
      secret,
    );
  }
});

test("seal() gives null for what is too long to go without a session", () => {
  assert.equal(of(A, "x").seal(1, new Uint8Array(wire.GROUP_MESSAGE_MAX + 1)), null);
  assert.equal(of(A, "x").seal(1, new Uint8Array(wire.GROUP_MESSAGE_MAX))!.length, 1232);
});

test("open() never throws on random bytes", () => {
  const random = seeded(5);
  const b = of(B, "x");
  const header = of(A, "x").seal(1, HELLO)!.slice(0, 36);
  for (let i = 0; i < 2000; i++) {
    const bytes = randomBytes(random, below(random, 200));
    if (bytes.length > 36 && i % 2 === 0) bytes.set(header);
    assert.equal(b.open(bytes, member(1)), null);
  }
});
