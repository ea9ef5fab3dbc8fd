import { test } from "node:test";
import assert from "node:assert/strict";
import { toHex } from "../../src/wire/bytes.ts";
import * as wire from "../../src/wire/handshake.ts";
import * as offers from "../../src/wire/handshake.ts";
import { below, dirty, hex, randomBytes, seeded, untouchedOutside } from "../made/seeded.ts";

const MESSAGE: wire.Handshake = {
  message: wire.IK2,
  sender: 0xabcdef00,
  receiver: 0x01020300,
  keyId: 0x1234,
  noise: Uint8Array.of(1, 2, 3),
};
const OFFER: offers.HandshakeOffer = {
  index: 0xabcdef00,
  seen: "192.168.1.10:8473",
  suites: [{ suite: "aes-256-gcm", mbps: 3000 }, { suite: "xsalsa20-poly1305", mbps: 100 }],
  counter: 2 ** 48 - 1,
  member: true,
  record: new Uint8Array(960).fill(7),
  life: null,
};

test("encodeHandshake() writes the documented bytes", () => {
  const b = wire.encodeHandshake(MESSAGE);
  assert.equal(toHex(b), "01010500abcdef000102030000031234" + "010203" + "00".repeat(32));
});

test("decodeHandshake() gives back what encodeHandshake() wrote, whatever the length", () => {
  const random = seeded(1);
  for (let i = 0; i < 300; i++) {
    const message = 1 + below(random, 5);
    const h: wire.Handshake = {
      message,
      sender: below(random, 2 ** 32),
      receiver: message === wire.XX1 || message === wire.IK1 ? 0 : below(random, 2 ** 32),
      keyId: below(random, 65536),
      noise: randomBytes(random, 16 + below(random, 1169)),
    };
    const b = wire.encodeHandshake(h);
    assert.deepEqual(wire.decodeHandshake(b), h);
    assert.ok(b.length <= wire.HANDSHAKE_MAX_LEN);
    if (h.message === wire.XX1) assert.equal(b.length, wire.XX1_LEN);
  }
});

test("encodeHandshake() throws RangeError when no datagram takes the message", () => {
  assert.throws(() => wire.encodeHandshake({ ...MESSAGE, noise: new Uint8Array(1185) }), RangeError);
});

test("decodeHandshake() returns null at every shorter length, and of another type, version or message", () => {
  const b = wire.encodeHandshake(MESSAGE);
  for (let n = 0; n < b.length; n++) assert.equal(wire.decodeHandshake(b.slice(0, n)), null);
  for (const [at, value] of [[0, 2], [1, 2], [2, 0], [2, 6], [12, 1]] as const) {
    const c = b.slice();
    c[at] = value;
    assert.equal(wire.decodeHandshake(c), null, `${at}`);
  }
  const first = wire.encodeHandshake({ ...MESSAGE, message: wire.XX1, receiver: 0 });
  assert.notEqual(wire.decodeHandshake(first), null);
  assert.equal(wire.decodeHandshake(wire.encodeHandshake({ ...MESSAGE, message: wire.IK1 })), null, "whose?");
  assert.equal(wire.decodeHandshake(first.slice(0, -1)), null, "an answer could be longer");
});

test("encodeReply() writes the documented 64 bytes over a dirty buffer, and decodeReply() reads them", () => {
  const reply = {
    kind: wire.REPLY_COOKIE,
    reason: 0,
    receiver: 0xabcdef00,
    echoedMac: new Uint8Array(16).fill(3),
  };
  const b = dirty(84);
  const cookie = new Uint8Array(16).fill(4);
  assert.equal(wire.encodeReply(b, 10, reply, new Uint8Array(8).fill(2), cookie), wire.REPLY_LEN);
  const text = "02010000abcdef00" + "02".repeat(8) + "03".repeat(16) + "04".repeat(16) + "00".repeat(16);
  assert.equal(toHex(b.slice(10, 74)), text);
  assert.ok(untouchedOutside(b, 10, 74));
  assert.deepEqual(wire.decodeReply(b.slice(10, 74)), reply);
  for (let n = 0; n < 64; n++) assert.equal(wire.decodeReply(b.slice(10, 10 + n)), null);
});

test("decodeReply() takes a refusal of another version, and no cookie of one", () => {
  const b = new Uint8Array(wire.REPLY_LEN);
  const reply = { kind: wire.REPLY_REFUSAL, reason: 1, receiver: 5, echoedMac: new Uint8Array(16) };
  wire.encodeReply(b, 0, reply, new Uint8Array(8), null);
  b[1] = 9;
  assert.deepEqual(wire.decodeReply(b), reply);
  b[2] = wire.REPLY_COOKIE;
  assert.equal(wire.decodeReply(b), null);
  b[2] = 2;
  assert.equal(wire.decodeReply(b), null);
});

test("Decoders of handshakes never throw on random bytes", () => {
  const random = seeded(2);
  for (let i = 0; i < 5000; i++) {
    const b = randomBytes(random, below(random, 300));
    if (b.length > 3 && i % 2 === 0) b.set(hex("0101 04"));
    wire.decodeHandshake(b);
    wire.decodeReply(b);
    offers.decodeOffer(b);
  }
});

test("decodeOffer() gives back what encodeOffer() wrote", () => {
  for (
    const offer of [OFFER, { ...OFFER, seen: null, record: null, member: false, suites: [], counter: 0 }]
  ) {
    assert.deepEqual(offers.decodeOffer(offers.encodeOffer(offer)), offer);
  }
});

test("A message of XX that carries the longest record fits in a datagram", () => {
  const suites = offers.SUITE_NAMES.map((suite) => ({ suite, mbps: 2 ** 31 }));
  const seen = "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535";
  const long = { ...OFFER, seen, suites };
  assert.ok(
    wire.HANDSHAKE_LEN + 96 + offers.encodeOffer(long).length + wire.MACS_LEN <= wire.HANDSHAKE_MAX_LEN,
  );
});

test("decodeOffer() returns null at every cut and for malformed fields", () => {
  const b = offers.encodeOffer(OFFER);
  for (let n = 0; n < b.length; n += 7) assert.equal(offers.decodeOffer(b.slice(0, n)), null);
  const bad: Partial<Record<keyof offers.HandshakeOffer, unknown>>[] = [
    { index: 0 },
    { index: 2 ** 32 },
    { index: -1 },
    { counter: 2 ** 48 },
    { seen: "nowhere" },
    { seen: 5 },
    { record: "text" },
    { life: "0102" },
    { record: new Uint8Array(961) },
    { suites: Array.from({ length: 9 }, () => ({ suite: "aes-256-gcm", mbps: 1 })) },
    { suites: [{ suite: "aes-256-gcm", mbps: -1 }] },
  ];
  for (const change of bad) {
    const made = offers.encodeOffer({ ...OFFER, ...change } as offers.HandshakeOffer);
    assert.equal(offers.decodeOffer(made), null, JSON.stringify(change));
  }
});

test("chooseSuite() takes what is fastest for the slower side, the same on both sides", () => {
  const of = (...mbps: number[]) =>
    offers.SUITE_NAMES.map((suite, i) => ({ suite, mbps: mbps[i]! })).filter((o) => o.mbps > 0);
  assert.equal(offers.chooseSuite(of(3000, 1500, 100), of(3000, 1500, 100)), "aes-256-gcm");
  assert.equal(offers.chooseSuite(of(3000, 1500, 100), of(50, 900, 90)), "chacha20-poly1305");
  assert.equal(offers.chooseSuite(of(3000, 0, 100), of(0, 900, 90)), "xsalsa20-poly1305");
  assert.equal(offers.chooseSuite(of(3000), of(0, 900)), null);
  const random = seeded(3);
  for (let i = 0; i < 300; i++) {
    const [a, b] = [
      of(...[0, 0, 0].map(() => below(random, 5))),
      of(...[0, 0, 0].map(() => below(random, 5))),
    ];
    assert.equal(offers.chooseSuite(a, b), offers.chooseSuite(b, a));
  }
});
