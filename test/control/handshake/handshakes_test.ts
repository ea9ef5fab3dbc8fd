import { test } from "node:test";
import assert from "node:assert/strict";
import type { Action } from "../../../src/control/outbox/events.ts";
import type { OwnNode } from "../../../src/control/outbox/outbox.ts";
import { signRecord } from "../../../src/control/records/record.ts";
import {
  maskCookie,
  nodeHmac,
  openCookie,
  stampHandshake,
  stampReply,
} from "../../../src/crypto/handshake_mac.ts";
import { identityFromSeeds } from "../../../src/crypto/identity.ts";
import { fromHex } from "../../../src/wire/bytes.ts";
import * as wire from "../../../src/wire/handshake.ts";
import { REFUSE_VERSION } from "../../../src/wire/hello.ts";
import { keysOf } from "../../made/network_keys.ts";
import { contentOf } from "../../made/records.ts";
import { KEYS, type Side, side } from "../../made/handshake_side.ts";

const sends = (s: Side) => s.actions.drain().filter((a): a is Action & { kind: "send" } => a.kind === "send");

/** Carries what waits at both ends, at once, until nothing does; returns every datagram. */
function carry(sides: readonly Side[], now: number): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let rounds = 0; rounds < 10; rounds++) {
    const under = sides.flatMap((from) => sends(from).map((sent) => ({ from, sent })));
    if (under.length === 0) break;
    for (const { from, sent } of under) {
      all.push(sent.bytes.slice());
      const to = sides.find((s) => s.endpoint === sent.to);
      to?.events.push(...to.machine.receive(sent.bytes, from.endpoint, now));
    }
  }
  return all;
}

const sessions = (s: Side) => s.events.flatMap((event) => event.kind === "session" ? [event.session] : []);
const knownAs = (s: Side) => ({ id: s.record.id, staticKey: fromHex(s.record.staticKey)! });

for (const known of [false, true]) {
  const pattern = known ? "IKpsk2" : "XXpsk3";

  test(`A handshake of ${pattern} gives both the same session, who the other is and where it sees them`, () => {
    const [a, b] = [side(1), side(2)];
    if (known) a.store.set(b.record.id, b.record);
    a.machine.begin(b.endpoint, known ? knownAs(b) : null, 0);
    const datagrams = carry([a, b], 0);
    assert.equal(datagrams.length, known ? 2 : 3);
    const [[ours], [theirs]] = [sessions(a), sessions(b)];
    assert.deepEqual(ours!.sendKey, theirs!.receiveKey);
    assert.deepEqual(ours!.receiveKey, theirs!.sendKey);
    assert.notDeepEqual(ours!.sendKey, ours!.receiveKey);
    assert.equal(ours!.sendIndex, theirs!.receiveIndex);
    assert.equal(ours!.receiveIndex, theirs!.sendIndex);
    assert.equal(ours!.receiveIndex & 0xff, 0);
    assert.deepEqual([ours!.peer.id, theirs!.peer.id], [b.record.id, a.record.id]);
    assert.deepEqual([ours!.life, theirs!.life], [b.record.bootNonce, a.record.bootNonce]);
    assert.deepEqual([ours!.seen, theirs!.seen], [a.endpoint, b.endpoint]);
    assert.deepEqual([ours!.initiator, theirs!.initiator], [true, false]);
    assert.ok(datagrams[1]!.length <= datagrams[0]!.length, "no answer is longer than its question");
  });

  test(`A node that bears another's record gets no session by ${pattern}`, () => {
    const victim = side(9);
    const liar = side(1, () => ({ record: () => victim.record.raw }));
    const b = side(2);
    b.store.set(victim.record.id, victim.record);
    liar.store.set(b.record.id, b.record);
    liar.machine.begin(b.endpoint, known ? knownAs(b) : null, 0);
    carry([liar, b], 0);
    assert.deepEqual(sessions(b), []);
  });

  test(`A record with a wrong signature, or of another network, gives no session by ${pattern}`, () => {
    for (const what of ["signature", "network"]) {
      const b = side(2);
      const a = side(1, (own) => {
        const raw = own.record().slice();
        if (what === "signature") raw[raw.length - 1]! ^= 1;
        return { record: () => what === "signature" ? raw : signedFor("11".repeat(16), own) };
      });
      a.store.set(b.record.id, b.record);
      a.machine.begin(b.endpoint, known ? knownAs(b) : null, 0);
      carry([a, b], 0);
      assert.deepEqual(sessions(b), [], what);
    }
  });

  test(`Two that begin ${pattern} at the same moment come to one session`, () => {
    for (let i = 0; i < 20; i++) {
      const [a, b] = [side(1), side(2)];
      a.store.set(b.record.id, b.record);
      b.store.set(a.record.id, a.record);
      a.machine.begin(b.endpoint, known ? knownAs(b) : null, 0);
      b.machine.begin(a.endpoint, known ? knownAs(a) : null, 0);
      carry([a, b], 20);
      assert.deepEqual([sessions(a).length, sessions(b).length], [1, 1]);
      assert.deepEqual(sessions(a)[0]!.sendKey, sessions(b)[0]!.receiveKey);
    }
  });

  test(`A handshake of ${pattern} survives every forged and every cut datagram on the way`, () => {
    const [a, b] = [side(1), side(2)];
    a.store.set(b.record.id, b.record);
    a.machine.begin(b.endpoint, known ? knownAs(b) : null, 0);
    let [from, to] = [a, b];
    for (let n = 0; n < 3; n++) {
      const sent = sends(from);
      if (sent.length === 0) break;
      const { bytes } = sent[0]!;
      const noiseEnd = 16 + wire.decodeHandshake(bytes)!.noise.length;
      for (let at = 0; at < noiseEnd; at += 11) {
        const bad = bytes.slice();
        bad[at] = bad[at]! ^ 0x40;
        to.machine.receive(bad, from.endpoint, 1).forEach((event) => assert.notEqual(event.kind, "session"));
        to.machine.receive(bytes.slice(0, at), from.endpoint, 1);
        sends(to);
      }
      to.events.push(...to.machine.receive(bytes, from.endpoint, 1));
      [from, to] = [to, from];
    }
    assert.deepEqual([sessions(a).length, sessions(b).length], [1, 1]);
  });
}

function signedFor(networkId: string, own: OwnNode): Uint8Array {
  // Signed by whoever owns another identity: the binding to the static key is what fails, or the network.
  const identity = identityFromSeeds(new Uint8Array(32).fill(3), new Uint8Array(32).fill(4));
  const { staticKey } = own.identity;
  const content = contentOf(1, { id: identity.id, staticKey, networkId, security: "sealed" });
  return signRecord(content, identity).raw;
}

test("A first message of IK counts once; a later one with a smaller counter not at all", () => {
  const [a, b] = [side(1), side(2)];
  a.store.set(b.record.id, b.record);
  a.machine.begin(b.endpoint, knownAs(b), 0);
  a.machine.begin(b.endpoint, knownAs(b), 1000);
  const [first, second] = sends(a);
  assert.equal(b.machine.receive(second!.bytes, a.endpoint, 1000).length, 1);
  assert.deepEqual(b.machine.receive(first!.bytes, a.endpoint, 1000), []);
  assert.deepEqual(b.machine.receive(second!.bytes, a.endpoint, 1000), []);
  assert.equal(sends(b).length, 1);
});

test("After XX a smaller counter is right: the peer's disk was restored", () => {
  let counter = 500;
  const a = side(1, () => ({ nextCounter: () => counter++ }));
  const b = side(2);
  a.store.set(b.record.id, b.record);
  a.machine.begin(b.endpoint, knownAs(b), 0);
  carry([a, b], 0);
  counter = 7;
  a.machine.begin(b.endpoint, knownAs(b), 1000);
  carry([a, b], 1000);
  assert.equal(sessions(b).length, 1);
  a.machine.begin(b.endpoint, null, 2000);
  carry([a, b], 2000);
  a.machine.begin(b.endpoint, knownAs(b), 3000);
  carry([a, b], 3000);
  assert.equal(sessions(b).length, 3);
});

test("A cookie that is demanded is shown at once, and with what follows", () => {
  const [a, b] = [side(1), side(2)];
  a.machine.begin(b.endpoint, null, 0);
  const [{ bytes }] = sends(a) as [Action & { kind: "send" }];
  const question = bytes.slice();
  const mac = question.slice(-32, -16);
  const cookie = new Uint8Array(16).fill(9);
  const reply = cookieReply(question, cookie);
  assert.deepEqual(openCookie(nodeHmac, KEYS.macKey, reply, mac), cookie);
  a.machine.receive(reply, "10.6.6.6:1", 1); // from elsewhere: not ours
  assert.equal(sends(a).length, 0);
  a.machine.receive(reply, b.endpoint, 1);
  const again = sends(a)[0]!.bytes;
  assert.deepEqual(again.slice(0, -16), question.slice(0, -16));
  const expected = question.slice();
  stampHandshake(nodeHmac, KEYS.macKey, expected, cookie);
  assert.deepEqual(again, expected);
  a.machine.receive(reply, b.endpoint, 2);
  assert.equal(sends(a).length, 0, "once");
  b.machine.receive(again, a.endpoint, 2);
  a.events.push(...a.machine.receive(sends(b)[0]!.bytes, b.endpoint, 3));
  const third = sends(a)[0]!.bytes;
  assert.notDeepEqual(third.slice(-16), new Uint8Array(16));
});

test("A cookie demanded for the last message is shown, too: the session is made on both sides", () => {
  const [a, b] = [side(1), side(2)];
  a.machine.begin(b.endpoint, null, 0);
  b.machine.receive(sends(a)[0]!.bytes, a.endpoint, 0);
  a.events.push(...a.machine.receive(sends(b)[0]!.bytes, b.endpoint, 1));
  const third = sends(a)[0]!.bytes;
  a.machine.receive(cookieReply(third, new Uint8Array(16).fill(9)), b.endpoint, 2);
  carry([a, b], 3);
  assert.deepEqual([sessions(a).length, sessions(b).length], [1, 1]);
  assert.deepEqual(sessions(a)[0]!.sendKey, sessions(b)[0]!.receiveKey);
});

function cookieReply(question: Uint8Array, cookie: Uint8Array): Uint8Array {
  const reply = new Uint8Array(wire.REPLY_LEN);
  const echoedMac = question.slice(-32, -16);
  const receiver = wire.handshakeSender(question, 0);
  wire.encodeReply(
    reply,
    0,
    { kind: wire.REPLY_COOKIE, reason: 0, receiver, echoedMac },
    new Uint8Array(8),
    cookie,
  );
  maskCookie(nodeHmac, KEYS.macKey, reply, 0);
  stampReply(nodeHmac, KEYS.macKey, reply, 0);
  return reply;
}

test("Two versions refuse each other by name, on both sides", () => {
  const [a, b] = [side(1), side(2)];
  a.machine.begin(b.endpoint, null, 0);
  const question = sends(a)[0]!.bytes.slice();
  const later = question.slice();
  later[1] = 2; // the sender is of version 2
  stampHandshake(nodeHmac, KEYS.macKey, later, null);
  assert.deepEqual(b.machine.receive(later, a.endpoint, 1), [{
    kind: "foreign",
    endpoint: a.endpoint,
    version: 2,
  }]);
  const [refusal] = sends(b);
  assert.ok(refusal!.bytes.length <= later.length);
  // As if the refusal were of our own question, by a node of version 2.
  const theirs = refusal!.bytes.slice();
  theirs[1] = 2;
  theirs.set(question.slice(-32, -16), wire.REPLY_ECHO_AT);
  stampReply(nodeHmac, KEYS.macKey, theirs, 0);
  assert.deepEqual(a.machine.receive(theirs, b.endpoint, 1), [
    {
      kind: "refused",
      endpoint: b.endpoint,
      reason: REFUSE_VERSION,
      version: 2,
      index: wire.decodeHandshake(question)!.sender,
      keyId: KEYS.keyId,
    },
  ]);
  theirs[20]! ^= 1; // answers something else
  stampReply(nodeHmac, KEYS.macKey, theirs, 0);
  assert.deepEqual(a.machine.receive(theirs, b.endpoint, 1), []);
});

test("Old keys are accepted beside new ones", () => {
  const old = keysOf("old");
  const b = side(2, () => ({ keys: [KEYS, old] }));
  const a = side(1, () => ({ keys: [old] }));
  a.machine.begin(b.endpoint, null, 0);
  carry([a, b], 0);
  assert.deepEqual([sessions(a).length, sessions(b).length], [1, 1]);
});

test("A message whose payload is no offer of ours ends its handshake: the genuine one comes too late, and throws nothing", () => {
  const [a, b] = [side(1), side(2)];
  a.machine.begin(b.endpoint, null, 0);
  const [first] = sends(a);
  b.machine.receive(first!.bytes, a.endpoint, 0);
  const genuine = sends(b)[0]!.bytes;
  const changed = genuine.slice();
  changed[4]! ^= 1; // the sender's index, which the payload repeats
  stampHandshake(nodeHmac, KEYS.macKey, changed, null);
  assert.deepEqual(a.machine.receive(changed, b.endpoint, 1), []);
  assert.deepEqual(a.machine.receive(genuine, b.endpoint, 2), []);
  assert.deepEqual(sends(a), []);
});

test("Whoever signs a record that names another's static key gets no session of IK through that other", () => {
  const [a, victim] = [side(1), side(2)];
  const liar = side(3);
  a.store.set(liar.record.id, liar.record);
  // As if the liar's record named the victim's key, and he passed the messages on.
  a.machine.begin(victim.endpoint, { id: liar.record.id, staticKey: fromHex(victim.record.staticKey)! }, 0);
  assert.equal(carry([a, victim], 0).length, 1, "no answer");
  assert.deepEqual([sessions(a), sessions(victim)], [[], []]);
});

test("The last message of XX is sent again while nothing comes on its session", () => {
  const [a, b] = [side(1), side(2)];
  a.machine.begin(b.endpoint, null, 0);
  carry([a, b], 0);
  const made = sessions(a)[0]!.receiveIndex;
  a.machine.tick(400);
  assert.equal(sends(a).length, 0);
  a.machine.tick(600);
  assert.equal(wire.decodeHandshake(sends(a)[0]!.bytes)!.message, wire.XX3);
  a.machine.arrived(made);
  a.machine.tick(1600);
  assert.equal(sends(a).length, 0);
});

test("Of several XX with one endpoint that are answered late one is finished", () => {
  const [a, b] = [side(1), side(2)];
  for (const at of [0, 500, 1500]) a.machine.begin(b.endpoint, null, at);
  const messages = carry([a, b], 1600).map((bytes) => wire.decodeHandshake(bytes)!.message);
  assert.deepEqual(messages, [wire.XX1, wire.XX1, wire.XX1, wire.XX2, wire.XX2, wire.XX2, wire.XX3]);
  assert.deepEqual([sessions(a).length, sessions(b).length], [1, 1]);
  a.machine.arrived(sessions(a)[0]!.receiveIndex);
  for (const now of [2200, 2700, 3700]) a.machine.tick(now);
  assert.deepEqual(sends(a), []);
});

test("Handshakes under keys that count no more end: nothing is sent or taken under them", () => {
  const old = keysOf("old");
  const [mine, theirs] = [[old, KEYS], [old, KEYS]];
  const [a, b] = [side(1, () => ({ keys: mine })), side(2, () => ({ keys: theirs }))];
  a.machine.begin(b.endpoint, null, 0);
  b.machine.receive(sends(a)[0]!.bytes, a.endpoint, 0);
  const [answer] = sends(b);
  assert.ok(b.machine.halfOpen(1000, 100));
  // b drops them, and forgets whoever began by them.
  theirs.shift();
  b.machine.tick(100);
  assert.ok(!b.machine.halfOpen(1000, 100));
  // a still has them, and finishes; then it drops them, too, and does not say the last message again.
  a.machine.receive(answer!.bytes, b.endpoint, 100);
  assert.equal(wire.decodeHandshake(sends(a)[0]!.bytes)!.message, wire.XX3);
  mine.shift();
  a.machine.tick(700);
  assert.deepEqual(sends(a), []);
  // One that was begun is ended as well: an answer that arrives before the next tick is not read.
  mine.unshift(old);
  a.machine.begin(b.endpoint, null, 1000);
  const [question] = sends(a);
  theirs.unshift(old);
  b.machine.receive(question!.bytes, a.endpoint, 1000);
  mine.shift();
  assert.deepEqual(a.machine.receive(sends(b)[0]!.bytes, b.endpoint, 1000), []);
  assert.deepEqual(sends(a), []);
});
