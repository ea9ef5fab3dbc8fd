import assert from "node:assert/strict";
import { test } from "node:test";
import {
  EARLY_MS,
  EarlyDatagrams,
  MAX_EARLY,
  MAX_EARLY_BYTES,
  MAX_EXPECTED,
} from "../../../src/dataplane/tables/early_datagrams.ts";

const FROM = "10.0.0.1:8473";
const memory = new Uint8Array(65_536).fill(7);

function keep(early: EarlyDatagrams, index: number, length = 40, now = 0): boolean {
  return early.keep(index, memory.subarray(0, length), () => FROM, now);
}

test("what came before its session is there in order, once, whatever its lane", () => {
  const early = new EarlyDatagrams();
  assert.equal(keep(early, 0x1200), false, "nobody expects it");
  assert.equal(early.expects(0x1200), false);
  early.expect(0x1200, 0);
  assert.deepEqual([0x12ff, 0x1300].map((index) => early.expects(index)), [true, false]);
  assert.ok(keep(early, 0x12ff, 3));
  assert.ok(keep(early, 0x1200, 2));
  assert.equal(keep(early, 0x1300), false);
  const expected = [3, 2].map((length) => ({ bytes: new Uint8Array(length).fill(7), from: FROM }));
  assert.deepEqual(early.take(0x1200), expected);
  assert.deepEqual(early.take(0x1200), []);
  assert.equal(keep(early, 0x1200), false, "the session is there");
});

test("what was kept is a copy", () => {
  const early = new EarlyDatagrams();
  const lent = Uint8Array.of(1, 2, 3);
  early.expect(0x100, 0);
  early.keep(0x100, lent.subarray(1, 3), () => FROM, 0);
  lent.fill(9);
  assert.deepEqual(early.take(0x100)[0]!.bytes, Uint8Array.of(2, 3));
});

test("a session is expected for half a second; what waited for one that did not come is given up", () => {
  const early = new EarlyDatagrams();
  early.expect(0x100, 0);
  keep(early, 0x100);
  assert.equal(keep(early, 0x100, 40, EARLY_MS), false);
  assert.equal(early.expire(EARLY_MS - 1), 0);
  assert.equal(early.expect(0x200, EARLY_MS - 1), 0);
  assert.equal(early.expect(0x300, EARLY_MS), 1);
  assert.deepEqual(early.take(0x100), []);
  early.expect(0x400, EARLY_MS);
  keep(early, 0x400, 40, EARLY_MS);
  assert.equal(early.expire(2 * EARLY_MS), 1, "whether or not another is expected");
});

test("sessions, datagrams of each and bytes of all are bounded", () => {
  const early = new EarlyDatagrams();
  early.expect(0x100, 0);
  for (let i = 0; i < MAX_EARLY; i++) assert.ok(keep(early, 0x100));
  assert.equal(keep(early, 0x100), false);
  let lost = 0;
  for (let i = 0; i < MAX_EXPECTED; i++) lost += early.expect(0x1000 + i * 0x100, 1);
  assert.equal(lost, MAX_EARLY, "the oldest went");
  const room = Math.floor(MAX_EARLY_BYTES / memory.length);
  const kept = Array.from({ length: room + 3 }, (_, i) => keep(early, 0x1000 + i * 0x100, memory.length, 1));
  assert.equal(kept.filter(Boolean).length, room);
  early.take(0x1000);
  assert.ok(keep(early, 0x1100, memory.length, 1), "taken ones make room");
});
