/**
 * The decoders of messages between control planes and of texts that people paste: nothing throws, what is accepted
 * keeps its meaning when it is written and read again, and lists have their bounds.
 */

import assert from "node:assert/strict";
import { decodeRecord, openRecord, RECORD_MAX_LEN, signRecord } from "../../src/control/records/record.ts";
import { openDirective } from "../../src/control/forget/directives.ts";
import { encodeToken, type JoinToken, parseToken } from "../../src/crypto/join_token.ts";
import { NetworkSecret } from "../../src/crypto/network_secret.ts";
import { decodeText, encodeText } from "../../src/crypto/text_code.ts";
import { decodeDirective, DIRECTIVE_MAX_LEN, encodeDirective } from "../../src/wire/directive.ts";
import * as gossip from "../../src/wire/gossip.ts";
import * as group from "../../src/wire/group_message.ts";
import * as handshake from "../../src/wire/handshake.ts";
import { decodeOffer, encodeOffer } from "../../src/wire/handshake.ts";
import * as hello from "../../src/wire/hello.ts";
import type { Gossip } from "../../src/wire/gossip_body.ts";
import { directiveOf } from "../made/directives.ts";
import { identityOf, recordOf } from "../made/records.ts";
import { fuzz, tellCases } from "./campaign.ts";
import { fullGossip, genuineGossip } from "./genuine.ts";
import { prefix } from "../../src/wire/prefix.ts";
import { encodeGossip } from "../made/gossip.ts";

const ID = "ab".repeat(32);
const SIGNATURE = new Uint8Array(64).fill(3);
const RECORDS = [
  recordOf(1),
  recordOf(2, {
    claims: [{ subnet: prefix("10.42.7.0/24"), stamp: 2 ** 47, incarnation: 3 }, {
      subnet: prefix("fd00:42:7::/64"),
      stamp: 1,
      incarnation: 1,
    }],
    reserved: [prefix("10.42.100.0/24")],
    endpoints: ["[2001:db8:1111:2222::1]:8473", "192.168.1.10:8473"],
    capabilities: ["masquerade"],
    yielded: { subnet: prefix("10.42.200.0/24"), to: "cd".repeat(32) },
    age: 2 ** 40,
    incarnation: 2 ** 48 - 1,
  }),
  recordOf(3, { gone: true, security: "sealed" }),
];

/** A record whose lists have this many entries. */
function listing(claims: number, endpoints: number, reserved: number): Uint8Array {
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
  return recordOf(4, {
    claims: numbers(claims).map((i) => ({ subnet: prefix(`10.42.${i}.0/24`), stamp: i, incarnation: 1 })),
    endpoints: numbers(endpoints).map((i) => `10.0.0.${i}:8473`),
    reserved: numbers(reserved).map((i) => prefix(`10.43.${i}.0/24`)),
  }).raw;
}

/** Lists as long as they may be, and each one longer. */
const FULL = [listing(8, 8, 16), listing(9, 8, 16), listing(8, 9, 16), listing(8, 8, 17)];

/** Written, read and written again, a message is the same. */
function assertStable<T>(
  value: T,
  encode: (value: T) => Uint8Array,
  decode: (b: Uint8Array) => T | null,
): void {
  const first = encode(value);
  const again = decode(first);
  assert.ok(again !== null, "what was accepted is refused when it is written anew");
  // Copies: a decoder may have left a view on the array it was given.
  assert.deepEqual(encode(again).slice(), first.slice());
}

fuzz({
  name: "hello",
  genuine: [0, 1, 2].map((kind) => {
    const b = new Uint8Array(hello.HELLO_LEN);
    const fields = { index: 5, echoedIndex: 6, nonce: "01".repeat(8), echoedNonce: hello.NO_NONCE };
    const ids = { networkId: "22".repeat(16), nodeId: ID };
    const seen = { seenAddress: new Uint8Array(16).fill(1), seenPort: 8473 };
    const head = { version: hello.PROTOCOL_VERSION, kind, flags: 1, reason: 0 };
    hello.encodeHello(b, 0, { ...head, ...fields, ...ids, ...seen }, () => SIGNATURE);
    return b;
  }),
  start: () => (b) => {
    const foreign = hello.decodeForeignHello(b);
    const own = hello.decodeHello(b);
    assert.ok(foreign === null || own === null);
    if (own === null) return foreign === null ? null : `foreign ${foreign.version}`;
    assert.equal(hello.helloSigned(b).length, hello.HELLO_SIGNED_LEN);
    assert.equal(hello.helloSignature(b).length, 64);
    const again = new Uint8Array(hello.HELLO_LEN);
    hello.encodeHello(again, 0, own, () => hello.helloSignature(b));
    b[95] = 0; // reserved
    assert.deepEqual(again, b.slice(0, hello.HELLO_LEN));
    return `${own.kind} ${own.flags}`;
  },
});

fuzz({
  name: "handshake",
  genuine: [1, 2, 3, 4, 5].map((message) =>
    handshake.encodeHandshake({
      message,
      sender: 0x100,
      receiver: message === 1 || message === 4 ? 0 : 0x200,
      keyId: 7,
      noise: new Uint8Array(96).fill(message),
    })
  ),
  start: () => (b) => {
    const h = handshake.decodeHandshake(b);
    if (h === null) return null;
    assert.ok(h.noise.length <= b.length && b.length <= handshake.HANDSHAKE_MAX_LEN);
    assertStable(h, handshake.encodeHandshake, handshake.decodeHandshake);
    return `${h.message} ${Math.clz32(h.noise.length)}`;
  },
});

fuzz({
  name: "handshake reply",
  genuine: [0, 1].map((kind) => {
    const b = new Uint8Array(handshake.REPLY_LEN);
    const fields = { kind, reason: 2, receiver: 9, echoedMac: new Uint8Array(16).fill(4) };
    handshake.encodeReply(b, 0, fields, new Uint8Array(8).fill(5), new Uint8Array(16).fill(6));
    return b;
  }),
  start: () => (b) => {
    const reply = handshake.decodeReply(b);
    if (reply === null) return null;
    const again = new Uint8Array(handshake.REPLY_LEN);
    handshake.encodeReply(again, 0, reply, b.slice(8, 16), b.slice(32, 48));
    again[1] = b[1]!; // a refusal may be of another version
    again.set(b.slice(48), 48); // the MAC is crypto's
    assert.deepEqual(again, b);
    return `${reply.kind} ${reply.reason}`;
  },
});

fuzz({
  name: "handshake offer",
  genuine: [RECORDS[0]!.raw, null].map((record) =>
    encodeOffer({
      index: 0xaabbcc00,
      seen: record === null ? null : "192.168.1.10:8473",
      suites: [{ suite: "aes-256-gcm", mbps: 9000 }, { suite: "xsalsa20-poly1305", mbps: 400 }],
      counter: 2 ** 40,
      member: true,
      record,
      life: record === null ? "0123456789abcdef" : null,
    })
  ),
  start: () => (b) => {
    const offer = decodeOffer(b);
    if (offer === null) return null;
    assert.ok(offer.suites.length <= 3 && (offer.record?.length ?? 0) <= RECORD_MAX_LEN);
    assertStable(offer, encodeOffer, decodeOffer);
    return `${offer.suites.length} ${offer.seen === null} ${offer.record === null} ${offer.member}`;
  },
});

fuzz({
  name: "gossip",
  genuine: [...genuineGossip(RECORDS.map(({ raw }) => raw), [directiveOf(1, 2).raw]), ...fullGossip()],
  start: () => (b) => {
    const message = gossip.decodeGossip(b);
    if (message === null) return null;
    const { body } = message;
    const lists = Object.values(body).filter((field) => Array.isArray(field));
    const many = Math.max(0, ...lists.map(({ length }) => length));
    assert.ok(many <= 64, `a list of ${many}`);
    const encode = (value: Gossip) => encodeGossip(7, value);
    // Texts that are no UTF-8 and numbers in short forms grow when they are written properly.
    if (b.length <= gossip.GOSSIP_MAX_LEN / 3) assertStable(message, encode, gossip.decodeGossip);
    return `${body.kind} ${Object.keys(body).length} ${many}`;
  },
});

fuzz({
  name: "group gossip",
  genuine: [bytes(group.encodeGroupHeader({ keyId: 5, sender: ID }), 24 + 16 + 12 + 40)],
  start: () => (b) => {
    const header = group.decodeGroupHeader(b);
    const message = group.decodeGroupMessage(b);
    if (message !== null && message.gossip.length <= group.GROUP_MESSAGE_MAX) {
      assert.deepEqual(group.encodeGroupMessage(message), b);
    }
    if (header === null) return null;
    assert.deepEqual(group.encodeGroupHeader(header), b.slice(0, group.GROUP_HEADER_LEN));
    return Math.clz32(header.keyId);
  },
});

fuzz({
  name: "directive",
  genuine: [directiveOf(1, 2).raw, directiveOf(2, 3, { revoke: true, seq: 2 ** 40 }).raw],
  start: () => (b) => {
    const directive = decodeDirective(b);
    if (directive === null) return null;
    assert.ok(b.length <= DIRECTIVE_MAX_LEN);
    const encode = (value: typeof directive) => bytes(encodeDirective(value), 64);
    assertStable(directive, encode, decodeDirective);
    return `${directive.kind} ${directive.kind === "forget" ? directive.revoke : directive.moves} ${
      Math.clz32(directive.seq)
    }`;
  },
});

fuzz({
  name: "directive's signature",
  genuine: [directiveOf(1, 2).raw],
  start: () => (b) => {
    if (openDirective(b) === null) return null;
    assert.deepEqual(b, directiveOf(1, 2).raw, "a signature holds for other bytes");
    return 1;
  },
});

fuzz({
  name: "record",
  genuine: [...RECORDS.map(({ raw }) => raw), ...FULL],
  start: () => (b) => {
    const record = decodeRecord(b);
    if (record === null) return null;
    assert.ok(b.length <= RECORD_MAX_LEN && record.claims.length <= 8 && record.reserved.length <= 16);
    assert.ok(record.endpoints.length <= 8 && record.capabilities.length <= 16);
    assert.deepEqual(record.raw, b);
    return `${record.claims.length} ${record.endpoints.length} ${record.gone} ${record.security} ${record.age}`;
  },
});

fuzz({
  name: "record's signature",
  genuine: RECORDS.map(({ raw }) => raw),
  start: () => (b) => {
    const record = openRecord(b);
    if (record === null) return null;
    const genuine = RECORDS.find(({ id }) => id === record.id);
    assert.deepEqual(record, genuine, "a signature holds for other bytes");
    assert.deepEqual(signRecord(record, identityOf(RECORDS.indexOf(genuine!) + 1)).raw, b);
    return record.id;
  },
});

const TOKEN: JoinToken = {
  networkName: "ovltun",
  endpoints: ["192.168.1.10:8473", "[2001:db8::1]:8473"],
  secret: NetworkSecret.of(new Uint8Array(32).fill(9)),
  issuer: ID,
  expiresAt: 1_800_000_000_000,
};
const ROTATED = NetworkSecret.of(new Uint8Array(32).fill(8), new Uint8Array(16).fill(7));
const TOKENS = [
  TOKEN,
  { ...TOKEN, secret: null, expiresAt: null, networkName: "x" },
  { ...TOKEN, secret: ROTATED },
].map(encodeToken);

fuzz({
  name: "token's text",
  genuine: [...TOKENS, TOKENS[0]!.match(/.{1,30}/g)!.join("\n")].map((text) =>
    new TextEncoder().encode(text)
  ),
  start: () => (b) => {
    const bytes = decodeText("ovt1", new TextDecoder().decode(b));
    if (typeof bytes === "string") return null;
    assert.ok(TOKENS.includes(encodeText("ovt1", bytes)), "a checksum holds for other bytes");
    return bytes.length;
  },
});

fuzz({
  name: "token",
  genuine: TOKENS.map((text) => decodeText("ovt1", text) as Uint8Array),
  start: () => (b) => {
    let token: JoinToken;
    try {
      token = parseToken(encodeText("ovt1", b), 0);
    } catch (error) {
      assert.match((error as Error).message, /^The token is incomplete/);
      return null;
    }
    assert.deepEqual(parseToken(encodeToken(token), 0), token);
    const rotated = token.secret === null ? null : token.secret.foundingId !== null;
    return `${token.endpoints.length} ${rotated} ${token.networkName.length}`;
  },
});

fuzz({
  name: "secret's text",
  genuine: [new TextEncoder().encode(NetworkSecret.of(new Uint8Array(32).fill(9)).text())],
  start: () => (b) => {
    const text = new TextDecoder().decode(b);
    if (!/^\s*ovs1/i.test(text)) return null; // a passphrase costs 0.3 s, and comes from nobody else
    try {
      assert.deepEqual(NetworkSecret.parse(text, "ovltun").bytes(), new Uint8Array(32).fill(9));
    } catch (error) {
      assert.match((error as Error).message, /^The secret is incomplete or mistyped/);
      return null;
    }
    return 1;
  },
});

tellCases();

function bytes(head: Uint8Array, more: number): Uint8Array {
  const b = new Uint8Array(head.length + more).fill(5);
  b.set(head);
  return b;
}
