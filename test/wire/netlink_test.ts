import { test } from "node:test";
import assert from "node:assert/strict";
import * as nl from "../../src/wire/netlink.ts";
import vectors from "../vectors/rtnetlink.json" with { type: "json" };
import { below, hex, randomBytes, seeded } from "../made/seeded.ts";

const only = (text: string | undefined): nl.NetlinkMessage => {
  const messages = nl.decodeMessages(hex(text!));
  assert.equal(messages?.length, 1);
  return messages![0]!;
};

test("encodeMessage() writes the header of netlink(7) and pads to four bytes", () => {
  const b = nl.encodeMessage(18, nl.NLM_F_REQUEST | nl.NLM_F_ACK, 0xfffffffe, hex("0102030405"));
  assert.deepEqual(b, hex("15000000 1200 0500 feffffff 00000000 0102030405 000000"));
});

test("decodeMessages() returns what encodeMessage() wrote, several in a row", () => {
  const random = seeded(1);
  for (let round = 0; round < 200; round++) {
    const sent = Array.from({ length: below(random, 4) }, (_, i) => ({
      type: below(random, 65536),
      flags: below(random, 65536),
      sequence: i,
      port: 0,
      payload: randomBytes(random, below(random, 40)),
    }));
    const wire = nl.join(sent.map((m) => nl.encodeMessage(m.type, m.flags, m.sequence, m.payload)));
    assert.deepEqual(nl.decodeMessages(wire)?.map((m) => ({ ...m, payload: m.payload.slice() })), sent);
  }
});

test("decodeMessages() returns null when a message is cut anywhere", () => {
  const whole = hex(vectors.refused[0]!);
  for (let length = 1; length < whole.length; length++) {
    assert.equal(nl.decodeMessages(whole.subarray(0, length)), null, `${length} bytes`);
  }
  assert.deepEqual(nl.decodeMessages(new Uint8Array(0)), []);
});

test("decodeMessages() returns null for a length shorter than the header", () => {
  for (let length = 0; length < nl.NLMSG_LEN; length++) {
    const b = nl.encodeMessage(1, 0, 0, new Uint8Array(0));
    b[0] = length;
    assert.equal(nl.decodeMessages(b), null);
  }
});

test("decodeAttributes() returns what was encoded, nested and with the flag bits taken off", () => {
  const inner = nl.nest(18, [nl.attributeText(1, "veth"), nl.attribute(2, hex("0102"))]);
  const attributes = nl.decodeAttributes(nl.join([nl.attributeU32(4, 0xfffffffe), inner]));
  assert.ok(attributes !== null);
  assert.deepEqual([...attributes.keys()], [4, 18]);
  assert.equal(nl.readU32(attributes, 4), 0xfffffffe);
  const nested = nl.readNested(attributes, 18);
  assert.ok(nested !== null);
  assert.equal(nl.readText(nested, 1), "veth");
  assert.deepEqual(nested.get(2)?.slice(), hex("0102"));
  assert.equal(nl.readU32(nested, 2), null);
  assert.equal(nl.readText(nested, 3), null);
  assert.equal(nl.readNested(nested, 3), null);
});

test("decodeAttributes() returns null when an attribute is cut or too short", () => {
  const one = nl.attribute(7, hex("0102030405060708"));
  for (let length = 4; length < one.length; length++) {
    assert.equal(nl.decodeAttributes(one.subarray(0, length)), null, `${length} bytes`);
  }
  for (const length of [0, 1, 2, 3]) {
    const b = one.slice();
    b[0] = length;
    assert.equal(nl.decodeAttributes(b), null);
  }
});

test("attribute() refuses more than 65531 bytes", () => {
  assert.throws(() => nl.attribute(1, new Uint8Array(65532)), RangeError);
});

test("decodeAcknowledgement() reads the errno and the kernel's sentence", () => {
  const read = (text: string | undefined) => nl.decodeAcknowledgement(only(text));
  assert.deepEqual(read(vectors.refused[0]), { errno: 22, text: "mtu less than device minimum" });
  assert.deepEqual(read(vectors.refusedGateway[0]), { errno: 101, text: "Nexthop has invalid gateway" });
  assert.deepEqual(read(vectors.absent[0]), { errno: 3, text: null });
  assert.deepEqual(read(vectors.acknowledged[0]), { errno: 0, text: null });
});

test("decodeAcknowledgement() finds the sentence behind a request that was sent back whole", () => {
  const request = nl.encodeMessage(16, 5, 9, hex("aabbccdd11"));
  const payload = nl.join([hex("eaffffff"), request, nl.attributeText(1, "no")]);
  const message = { type: nl.NLMSG_ERROR, flags: 0x200, sequence: 9, port: 0, payload };
  assert.deepEqual(nl.decodeAcknowledgement(message), { errno: 22, text: "no" });
});

test("decodeAcknowledgement() reads the end of a dump, also of one that failed", () => {
  const done = (payload: Uint8Array, flags = 0) =>
    nl.decodeAcknowledgement({ type: nl.NLMSG_DONE, flags, sequence: 1, port: 0, payload });
  assert.deepEqual(done(new Uint8Array(0)), { errno: 0, text: null });
  assert.deepEqual(done(hex("00000000")), { errno: 0, text: null });
  const failed = nl.join([hex("eaffffff"), nl.attributeText(1, "Invalid header")]);
  assert.deepEqual(done(failed, 0x200), { errno: 22, text: "Invalid header" });
});

test("decodeAcknowledgement() returns null for other messages and for a cut error", () => {
  assert.equal(
    nl.decodeAcknowledgement({ type: 16, flags: 0, sequence: 1, port: 0, payload: hex("eaffffff") }),
    null,
  );
  for (let length = 0; length < 4; length++) {
    const message = { type: nl.NLMSG_ERROR, flags: 0, sequence: 1, port: 0, payload: new Uint8Array(length) };
    assert.equal(nl.decodeAcknowledgement(message), null);
  }
});

test("the decoders survive random bytes", () => {
  const random = seeded(20240601);
  for (let round = 0; round < 20000; round++) {
    const b = randomBytes(random, below(random, 80));
    if (b.length > 1 && below(random, 2) === 0) b[1] = 0; // lengths that can fit
    nl.decodeAttributes(b, below(random, 8));
    for (const message of nl.decodeMessages(b) ?? []) nl.decodeAcknowledgement(message);
    nl.decodeAcknowledgement({ type: 2 + below(random, 2), flags: 0x300, sequence: 0, port: 0, payload: b });
    nl.decodeAcknowledgement({ type: 2 + below(random, 2), flags: 0x200, sequence: 0, port: 0, payload: b });
  }
});
