/**
 * Tables, chains, rules and expressions as bytes. What the kernel and nft(8) make of them is in
 * test/live/nftables_live_test.ts.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { wantedTable } from "../../src/host/packet_rules.ts";
import {
  attribute,
  attributeText,
  attributeTextAt,
  decodeAcknowledgement,
  join,
  nest,
} from "../../src/wire/netlink.ts";
import { attributeU32be, decodeExpressions, encodeExpressions } from "../../src/wire/nft_expression.ts";
import * as nft from "../../src/wire/nftables.ts";
import { prefix } from "../../src/wire/prefix.ts";
import { below, hex, randomBytes, seeded } from "../made/seeded.ts";

const TABLES = [["10.42.0.0/16", "10.42.16.0/20"], ["fd42::/48", "fd42:0:0:7::/64"]].map((
  [network, subnet],
) => wantedTable({ network: prefix(network!), subnet: prefix(subnet!), masquerade: true, clampMss: true })!);
const MESSAGES = TABLES.flatMap(nft.tableMessages);
const RULES = TABLES.flatMap(({ chains }) => chains.flatMap(({ rules }) => rules));

test("encodeExpressions() writes `meta mark & 0x4000 == 0x4000 return` as nft(8) does", () => {
  const expressions = encodeExpressions([
    { kind: "meta", key: "mark" },
    { kind: "mask", bits: "00400000" },
    { kind: "compare", equal: true, to: "00400000" },
    { kind: "verdict", verdict: "return" },
  ]);
  const meta = "2400 0180 0900 0100 6d657461 00000000 1400 0280 0800 0100 00000001 0800 0200 00000003";
  const bitwise = "4400 0180 0c00 0100 62697477697365 00 3400 0280 0800 0100 00000001 0800 0200 00000001 " +
    "0800 0300 00000004 0c00 0480 0800 0100 00400000 0c00 0580 0800 0100 00000000";
  const cmp = "2c00 0180 0800 0100 636d7000 2000 0280 0800 0100 00000001 0800 0200 00000000 " +
    "0c00 0380 0800 0100 00400000";
  const immediate = "3000 0180 0e00 0100 696d6d656469617465 00 0000 1c00 0280 0800 0100 00000000 " +
    "1000 0280 0c00 0280 0800 0100 fffffffb";
  assert.deepEqual(expressions, hex([meta, bitwise, cmp, immediate].join(" ")));
});

test("decodeRule() and decodeChain() return what was encoded", () => {
  for (const table of TABLES) {
    const read = nft.tableMessages(table);
    assert.deepEqual(nft.decodeTableName(read[0]!.payload), { family: table.family, name: table.name });
    const chains = read.filter(({ type }) => type === nft.NFT_MSG_NEWCHAIN);
    assert.deepEqual(
      chains.map(({ payload }) => nft.decodeChain(payload)),
      table.chains.map((chain) => ({ ...chain, rules: [] })),
    );
    const rules = read.filter(({ type }) => type === nft.NFT_MSG_NEWRULE).map(({ payload }) =>
      nft.decodeRule(payload)
    );
    assert.deepEqual(
      rules.map((one) => [one?.chain, one?.rule]),
      table.chains.flatMap(({ name, rules }) => rules.map((rule) => [name, rule])),
    );
  }
});

test("decodeExpressions() returns null for what others write: another register, ports, a set", () => {
  const one = (name: string, ...data: Uint8Array[]) =>
    decodeExpressions(nest(1, [attributeText(1, name), nest(2, data)]));
  assert.deepEqual(one("meta", attributeU32be(1, 1), attributeU32be(2, 7)), [{
    kind: "meta",
    key: "oifname",
  }]);
  assert.equal(one("meta", attributeU32be(1, 2), attributeU32be(2, 7)), null);
  assert.equal(one("meta", attributeU32be(1, 1), attributeU32be(2, 4711)), null);
  assert.deepEqual(one("masq", attributeU32be(1, 0x10)), [{ kind: "masquerade" }]);
  assert.equal(one("masq", attributeU32be(1, 0x10), attributeU32be(2, 1)), null);
  assert.equal(one("lookup", attributeText(1, "__set0"), attributeU32be(2, 1)), null);
  const xor = [nest(4, [attribute(1, hex("ff"))]), nest(5, [attribute(1, hex("01"))])];
  assert.equal(
    one("bitwise", attributeU32be(1, 1), attributeU32be(2, 1), attributeU32be(3, 1), ...xor),
    null,
  );
  assert.deepEqual(decodeExpressions(new Uint8Array(0)), []);
});

test("Every decoder returns null or less for what is cut, and bears random and damaged bytes", () => {
  const random = seeded(12);
  const decoders = [nft.decodeTable, nft.decodeTableName, nft.decodeChain, nft.decodeRule, decodeExpressions];
  for (const { payload } of MESSAGES) {
    for (let length = 0; length < payload.length; length++) {
      for (const decode of decoders) decode(payload.subarray(0, length));
      if (length < 4) assert.equal(nft.decodeTableName(payload.subarray(0, length)), null);
    }
  }
  for (let round = 0; round < 5000; round++) {
    const damaged = MESSAGES[below(random, MESSAGES.length)]!.payload.slice();
    for (let i = below(random, 4); i >= 0; i--) damaged[below(random, damaged.length)] = below(random, 256);
    for (const decode of decoders) {
      decode(damaged);
      decode(randomBytes(random, below(random, 64)));
    }
  }
});

test("decodeRule() finds the comment among other user data, and lives without one", () => {
  const rule = (data: string) =>
    nft.decodeRule(join([
      hex("02000000"),
      attributeText(1, "ovltun-x"),
      attributeText(2, "postrouting"),
      attribute(7, hex(data)),
    ]))?.rule.comment;
  assert.equal(rule("01 02 aaaa 00 03 686900"), "hi");
  assert.equal(rule("00 ff 6869"), "hi");
  assert.equal(rule("01 02 aaaa"), "");
  assert.equal(rule("00"), "");
});

test("A refusal names what the kernel objects to: the expression that it does not have", () => {
  const payload = nft.tableMessages(TABLES[0]!).at(-1)!.payload;
  const name = hex("0b00 0100 657874686472 00"); // of NFTA_EXPR_NAME: "exthdr"
  const at = payload.findIndex((_, i) => name.every((byte, k) => payload[i + k] === byte));
  assert.ok(at > 0);
  assert.equal(attributeTextAt(payload, at), "exthdr");
  assert.equal(attributeTextAt(payload, 4096), null);
  assert.equal(attributeTextAt(payload, -3), null);
  const extack = join([attributeText(1, "no such thing"), hex("0800 0200"), hex("58000000")]);
  const refused = { type: 2, flags: 0x300, sequence: 7, port: 0 };
  const answer = { ...refused, payload: join([hex("feffffff"), new Uint8Array(16), extack]) };
  assert.deepEqual(decodeAcknowledgement(answer), { errno: 2, text: "no such thing", offset: 0x58 });
});

test("Comments fit into what nft(8) reads", () => {
  for (const { comment } of RULES) assert.ok(comment.length > 0 && comment.length < 128);
});
