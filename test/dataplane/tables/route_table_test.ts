import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_SLOT, OWN_SLOT, RouteTable } from "../../../src/dataplane/tables/route_table.ts";
import { formatAddress, isIpv4, parseAddress } from "../../../src/wire/address.ts";
import { below, seeded } from "../../made/seeded.ts";
import { contains, networkOf, parsePrefix, Prefix } from "../../../src/wire/prefix.ts";

/** Asked by the address alone, and as source and destination of a packet, each with what was asked before it. */
function lookup(table: RouteTable, text: string): number {
  const address = parseAddress(text)!;
  const bytes = isIpv4(address) ? address.slice(12) : address;
  const slot = table.lookup(bytes, 0, bytes.length);
  const b = new Uint8Array(40);
  b[0] = bytes.length === 4 ? 0x45 : 0x60;
  const source = bytes.length === 4 ? 12 : 8;
  b.set(bytes, source);
  b.set(bytes, source + bytes.length);
  assert.equal(table.sourceOf(b, 0), slot);
  assert.equal(table.destinationOf(b, 0), slot);
  return slot;
}

function add(table: RouteTable, text: string, slot: number): void {
  table.set(text, parsePrefix(text)!, slot);
}

test("lookup() returns NO_SLOT while there is no route", () => {
  const table = new RouteTable();
  assert.equal(lookup(table, "10.0.0.1"), NO_SLOT);
  assert.equal(lookup(table, "fd00::1"), NO_SLOT);
});

test("lookup() prefers the longest prefix, from /0 to /32 and from ::/0 to /128", () => {
  const table = new RouteTable();
  add(table, "0.0.0.0/0", 1);
  add(table, "10.42.0.0/16", 2);
  add(table, "10.42.7.0/24", OWN_SLOT);
  add(table, "10.42.7.9/32", 3);
  add(table, "::/0", 4);
  add(table, "fd00:42::/64", 5);
  add(table, "fd00:42::9/128", 6);
  assert.equal(lookup(table, "255.255.255.255"), 1);
  assert.equal(lookup(table, "10.42.8.1"), 2);
  assert.equal(lookup(table, "10.42.7.8"), OWN_SLOT);
  assert.equal(lookup(table, "10.42.7.9"), 3);
  assert.equal(lookup(table, "2001:db8::1"), 4);
  assert.equal(lookup(table, "fd00:42::8"), 5);
  assert.equal(lookup(table, "fd00:42::9"), 6);
});

test("lookup() keeps IPv4 and IPv6 apart", () => {
  const table = new RouteTable();
  add(table, "0.0.0.0/0", 1);
  assert.equal(lookup(table, "::"), NO_SLOT);
  add(table, "::/0", 2);
  assert.equal(lookup(table, "0.0.0.0"), 1);
  assert.equal(lookup(table, "::"), 2);
  assert.equal(lookup(table, "a2a:701::"), 2);
});

test("set() and delete() are seen by addresses that the cache already holds", () => {
  const table = new RouteTable();
  add(table, "10.42.0.0/16", 1);
  for (let i = 0; i < 3; i++) assert.equal(lookup(table, "10.42.7.1"), 1);
  add(table, "10.42.7.0/24", 2);
  assert.equal(lookup(table, "10.42.7.1"), 2);
  add(table, "10.42.7.0/24", 3);
  assert.equal(lookup(table, "10.42.7.1"), 3);
  table.delete("10.42.7.0/24");
  assert.equal(lookup(table, "10.42.7.1"), 1);
  table.delete("10.42.7.0/24");
  table.delete("10.42.0.0/16");
  assert.equal(lookup(table, "10.42.7.1"), NO_SLOT);
});

test("set() keeps 4,096 leases right while the trie grows", () => {
  const table = new RouteTable();
  for (let i = 0; i < 4096; i++) add(table, `10.${i >> 8}.${i & 255}.0/24`, i);
  for (let i = 0; i < 4096; i++) assert.equal(lookup(table, `10.${i >> 8}.${i & 255}.77`), i);
  assert.equal(lookup(table, "10.16.0.1"), NO_SLOT);
  assert.equal(lookup(table, "0.0.0.0"), NO_SLOT);
});

test("lookup() agrees with a naive longest-prefix model through random adds and deletes", () => {
  const random = seeded(4096);
  const table = new RouteTable();
  const model = new Map<string, { prefix: Prefix; slot: number }>();
  // Addresses and prefixes from few values, so that they often meet.
  const anyPrefix = (): Prefix => {
    const v4 = random() < 0.5;
    const address = new Uint8Array(16);
    for (let i = v4 ? 12 : 0; i < 16; i++) address[i] = [0, 1, 0x80, 0xff][below(random, 4)]!;
    if (v4) address[10] = address[11] = 0xff;
    else address[0] = 0xfd;
    return networkOf(new Prefix(address, v4 ? 96 + below(random, 33) : 8 + below(random, 121)));
  };
  const naive = (address: Uint8Array): number => {
    let best = -1, slot = NO_SLOT;
    for (const { prefix, slot: candidate } of model.values()) {
      if (isIpv4(prefix.address) !== isIpv4(address) || prefix.length <= best) continue;
      if (contains(prefix, address)) [best, slot] = [prefix.length, candidate];
    }
    return slot;
  };
  const b = new Uint8Array(16);
  for (let round = 0; round < 3000; round++) {
    const prefix = anyPrefix();
    const { text } = prefix;
    if (random() < 0.4 && model.size > 0) {
      const victim = random() < 0.8 ? [...model.keys()][below(random, model.size)]! : text;
      model.delete(victim);
      table.delete(victim);
    } else {
      const slot = below(random, OWN_SLOT + 1);
      model.set(text, { prefix, slot });
      table.set(text, prefix, slot);
    }
    for (let i = 0; i < 8; i++) {
      b.set(anyPrefix().address);
      const found = isIpv4(b) ? table.lookup(b, 12, 4) : table.lookup(b, 0, 16);
      assert.equal(found, naive(b), `round ${round}, ${formatAddress(b)}`);
    }
  }
});
