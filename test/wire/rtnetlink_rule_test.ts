/** The answers were given by Linux 6.18 to `ip rule` of the words beside them. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { decodeRule } from "../../src/wire/rtnetlink_rule.ts";
import { toRule } from "../../src/sys/rtnetlink_text.ts";
import { below, hex, randomBytes, seeded } from "../made/seeded.ts";

const RULES = {
  "from all lookup local priority 0":
    "02000000ff0000010000000008000f00ff00000008000e00ffffffff0500150002000000",
  "iif lo unreachable priority 98":
    "02000000000000070000000008000f000000000008000e00ffffffff0500150000000000070003006c6f00000800060062000000",
  "from 192.168.1.5 lookup 100 priority 99":
    "02002000640000010000000008000f006400000008000e00ffffffff0500150000000000080006006300000008000200c0a80105",
  "fwmark 0x80000/0xff0000 lookup main priority 5210":
    "02000000fe0000010000000008000f00fe00000008000e00ffffffff0500150000000000080006005a14000008000a0000000800080010000000ff00",
  "to 10.42.0.0/16 lookup main priority 5269":
    "02100000fe0000010000000008000f00fe00000008000e00ffffffff05001500000000000800060095140000080001000a2a0000",
  "lookup main suppress_prefixlength 0 priority 32764":
    "02000000fe0000010000000008000f00fe00000008000e0000000000050015000000000008000600fc7f0000",
  "not fwmark 0xca6c lookup 51820 priority 32765":
    "02000000fc0000010200000008000f006cca000008000e00ffffffff050015000000000008000600fd7f000008000a006cca000008001000ffffffff",
} as const;
const read = (words: keyof typeof RULES) => decodeRule(hex(RULES[words]))!;

test("decodeRule() reads what rules say", () => {
  const wireguard = read("not fwmark 0xca6c lookup 51820 priority 32765");
  assert.deepEqual(wireguard, {
    priority: 32765,
    action: 1,
    table: 51820,
    to: null,
    inverted: true,
    mark: 0xca6c,
    mask: 0xffffffff,
    conditional: false,
    suppress: -1,
  });
  assert.equal(read("lookup main suppress_prefixlength 0 priority 32764").suppress, 0);
  assert.equal(read("to 10.42.0.0/16 lookup main priority 5269").to?.text, "10.42.0.0/16");
  assert.equal(read("from 192.168.1.5 lookup 100 priority 99").conditional, true);
});

test("toRule() tells which rules take every packet without a mark", () => {
  const told = (words: keyof typeof RULES) => {
    const rule = toRule(read(words));
    return rule === null ? null : [rule.table, rule.unmarked, rule.partial];
  };
  assert.deepEqual(told("from all lookup local priority 0"), [255, true, false]);
  assert.equal(told("iif lo unreachable priority 98"), null);
  assert.deepEqual(told("from 192.168.1.5 lookup 100 priority 99"), [100, true, true]);
  assert.deepEqual(told("fwmark 0x80000/0xff0000 lookup main priority 5210"), [254, false, false]);
  assert.deepEqual(told("not fwmark 0xca6c lookup 51820 priority 32765"), [51820, true, false]);
});

test("decodeRule() never throws, whatever it is given", () => {
  const next = seeded(11);
  for (const text of Object.values(RULES)) {
    const whole = hex(text);
    for (let length = 0; length < whole.length; length++) decodeRule(whole.subarray(0, length));
    assert.equal(decodeRule(whole.subarray(0, 11)), null);
    for (let i = 0; i < 200; i++) {
      const changed = whole.slice();
      changed[below(next, changed.length)] = below(next, 256);
      decodeRule(changed);
    }
  }
  for (let i = 0; i < 500; i++) decodeRule(randomBytes(next, below(next, 80)));
  assert.equal(decodeRule(hex("0a" + RULES["from all lookup local priority 0"].slice(2))), null, "IPv6");
});
