import { test } from "node:test";
import assert from "node:assert/strict";
import * as checksum from "../../src/wire/checksum.ts";
import { putU16, u16 } from "../../src/wire/bytes.ts";
import { summedMemory } from "../../src/wire/checksum_simd.ts";
import { below, hex, randomBytes, seeded } from "../made/seeded.ts";

function naive(b: Uint8Array, at: number, len: number): number {
  let total = 0;
  for (let i = 0; i < len; i++) {
    total += i % 2 === 0 ? b[at + i]! * 256 : b[at + i]!;
    if (total > 0xffff) total -= 0xffff;
  }
  return total;
}

test("sum() gives the example of RFC 1071 §3", () => {
  const b = hex("0001 f203 f4f5 f6f7");
  assert.equal(checksum.sum(b, 0, 8, 0), 0x2ddf0);
  assert.equal(checksum.fold(0x2ddf0), 0xddf2);
  assert.equal(checksum.checksum(b, 0, 8), 0x220d);
});

test("sum() agrees with a naive model at every alignment, in small arrays and arenas", () => {
  const random = seeded(11);
  const memory = randomBytes(random, 80_000).buffer;
  const views = [0, 1, 2, 3, 5].map((from) => new Uint8Array(memory, from, 70_000 + from));
  views.push(new Uint8Array(memory, 3, 600));
  views.push(checksum.checksumArena(80_000));
  views.at(-1)!.set(new Uint8Array(memory));
  for (let i = 0; i < 6000; i++) {
    const b = views[below(random, views.length)]!;
    const len = below(random, random() < 0.9 ? 200 : b.length - 16);
    const at = below(random, b.length - len);
    const initial = below(random, 0x30000);
    const expected = (naive(b, at, len) + initial) % 0xffff;
    assert.equal(
      checksum.fold(checksum.sum(b, at, len, initial)) % 0xffff,
      expected,
      `${b.byteOffset} ${at} ${len}`,
    );
  }
});

test("sum() reads what was written since, and the arena that is meant", () => {
  const one = new Uint8Array(8192), two = new Uint8Array(8192);
  for (let round = 1; round < 5; round++) {
    putU16(one, 100, round);
    putU16(two, 100, round * 100);
    assert.equal(checksum.fold(checksum.sum(one, 0, 1400, 0)), round);
    assert.equal(checksum.fold(checksum.sum(two, 0, 1400, 0)), round * 100);
  }
});

test("both runtimes have WebAssembly with SIMD, which sums zeroes to zero", () => {
  const made = summedMemory(1)!;
  assert.equal(made.memory.byteLength, 65_536);
  assert.equal(made.sum(0, 65_536), 0);
  new Uint8Array(made.memory).set([1, 2, 3], 7);
  assert.equal(made.sum(7, 3), 0x0201 + 3);
  assert.equal(made.sum(0, 65_536), 0x0100 + 0x0302);
});

test("sum() of the greatest words stays exact, beyond the word path too", () => {
  const plain = new Uint8Array(600_000).fill(0xff);
  const arena = checksum.checksumArena(plain.length).fill(0xff);
  for (const b of [plain, arena]) {
    for (const len of [63, 64, 65, 65535, 65536, 262143, 262144, 262145, 599_999]) {
      const expected = len % 2 === 0 ? 0xffff : 0xff00;
      for (const at of [0, 1]) {
        assert.equal(checksum.fold(checksum.sum(b, at, len, 0)), expected, `${at} ${len}`);
      }
    }
  }
});

test("sum() is 0 only over zeros", () => {
  const b = new Uint8Array(5000);
  assert.equal(checksum.sum(b, 0, 5000, 0), 0);
  b[4999] = 1;
  assert.notEqual(checksum.fold(checksum.sum(b, 0, 5000, 0)), 0);
});

test("sum() leaves out every byte outside its range", () => {
  const random = seeded(12);
  const b = randomBytes(random, 8192);
  for (let len = 0; len < 300; len++) {
    const at = below(random, 4000) + 1;
    const before = checksum.fold(checksum.sum(b, at, len, 0));
    b[at - 1] = b[at - 1]! ^ 0xff;
    b[at + len] = b[at + len]! ^ 0xff;
    assert.equal(checksum.fold(checksum.sum(b, at, len, 0)), before);
  }
});

test("fold() is exact up to 2^53", () => {
  const random = seeded(13);
  for (let i = 0; i < 2000; i++) {
    const value = Math.floor(random() * 2 ** below(random, 54));
    const folded = checksum.fold(value);
    assert.ok(folded >= 0 && folded <= 0xffff);
    assert.equal(folded % 0xffff, value % 0xffff);
    assert.equal(folded === 0, value === 0);
  }
});

test("pseudoHeaderSum4() and the sum verify a UDP datagram", () => {
  const b = hex("45000020123440004011043b0a2a07020a2a09090fa00035000c06dc61626364");
  assert.equal(checksum.fold(checksum.sum(b, 20, 12, checksum.pseudoHeaderSum4(b, 0, 17, 12))), 0xffff);
});

test("pseudoHeaderSum6() and the sum verify a TCP segment", () => {
  const b = hex(
    "6000000000170640fd000000000000000000000000000002fd000001000000000000000000000009" +
      "01bbc350fffffff080000001501801f57c4f000078797a",
  );
  assert.equal(checksum.fold(checksum.sum(b, 40, 23, checksum.pseudoHeaderSum6(b, 0, 6, 23))), 0xffff);
});

test("pseudoHeaderSum6() takes lengths above 65535", () => {
  const b = new Uint8Array(40);
  assert.equal(checksum.fold(checksum.pseudoHeaderSum6(b, 0, 6, 0x12345)), 1 + 0x2345 + 6);
});

test("updateChecksum16() gives the example of RFC 1624 §4", () => {
  assert.equal(checksum.updateChecksum16(0xdd2f, 0x5555, 0x3285), 0x0000);
});

test("updateChecksum16() equals a checksum computed anew", () => {
  const random = seeded(14);
  for (let i = 0; i < 5000; i++) {
    const b = randomBytes(random, 40);
    const old = checksum.checksum(b, 0, 40);
    const at = below(random, 20) * 2;
    const from = u16(b, at);
    const to = i % 5 === 0 ? 0xffff : i % 7 === 0 ? 0 : below(random, 0x10000);
    putU16(b, at, to);
    assert.equal(checksum.updateChecksum16(old, from, to), checksum.checksum(b, 0, 40));
  }
});

test("updateChecksum16() stays right through every id of a packet, also where the checksum passes zero", () => {
  const b = randomBytes(seeded(15), 20);
  b.fill(0, 10, 12);
  putU16(b, 4, 0);
  let kept = checksum.checksum(b, 0, 20), zeros = 0;
  for (let id = 0; id < 0x10000; id++) {
    const next = (id + 1) & 0xffff;
    putU16(b, 4, next);
    kept = checksum.updateChecksum16(kept, id, next);
    assert.equal(kept, checksum.checksum(b, 0, 20), `id ${next}`);
    if (kept === 0) zeros++;
  }
  assert.ok(zeros > 0);
});
