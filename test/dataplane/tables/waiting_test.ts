import assert from "node:assert/strict";
import { test } from "node:test";
import {
  EARLY_MS,
  EarlyDatagrams,
  MAX_EARLY,
  MAX_EARLY_BYTES,
  MAX_EXPECTED,
  MAX_WAITING,
  MAX_WAITING_BYTES,
  MAX_WAITING_MS,
  WaitingPackets,
} from "../../../src/dataplane/tables/waiting.ts";

const LARGE = 65_000;

test("take() gives what was kept, the oldest first, once", () => {
  const waiting = new WaitingPackets();
  const frame = Uint8Array.of(1, 2, 3);
  assert.equal(waiting.keep(4, frame, 0), 0);
  frame.fill(9); // borrowed memory: a copy is kept
  waiting.keep(4, Uint8Array.of(4), 0);
  waiting.keep(5, Uint8Array.of(5), 0);
  assert.deepEqual(waiting.take(4), [Uint8Array.of(1, 2, 3), Uint8Array.of(4)]);
  assert.deepEqual(waiting.take(4), []);
  assert.deepEqual(waiting.take(5), [Uint8Array.of(5)]);
});

test("a peer's oldest frames go when it has too many", () => {
  const waiting = new WaitingPackets();
  let lost = 0;
  for (let i = 0; i < MAX_WAITING + 7; i++) lost += waiting.keep(1, Uint8Array.of(i), 0);
  assert.equal(lost, 7);
  assert.deepEqual(
    waiting.take(1).map((frame) => frame[0]),
    Array.from({ length: MAX_WAITING }, (_, i) => i + 7),
  );
});

test("all peers together keep no more than the bytes allowed; taken frames make room", () => {
  const waiting = new WaitingPackets();
  const frame = new Uint8Array(LARGE);
  const room = Math.floor(MAX_WAITING_BYTES / LARGE);
  let kept = 0;
  for (let slot = 0; kept < room; slot++) {
    for (let i = 0; i < 50 && kept < room; i++, kept++) assert.equal(waiting.keep(slot, frame, 0), 0);
  }
  assert.equal(waiting.keep(3000, frame, 0), 1, "who has nothing waiting loses the new one");
  assert.equal(waiting.take(3000).length, 0);
  assert.equal(waiting.keep(0, frame, 0), 1, "who has, its oldest");
  assert.equal(waiting.take(0).length, 50);
  for (let i = 0; i < 50; i++) assert.equal(waiting.keep(3000, frame, 0), 0);
});

test("expire() drops what has waited too long, and makes room for others", () => {
  const waiting = new WaitingPackets();
  waiting.keep(1, Uint8Array.of(1), 0);
  waiting.keep(1, Uint8Array.of(2), 5000);
  waiting.keep(2, Uint8Array.of(3), 100);
  assert.equal(waiting.expire(MAX_WAITING_MS - 1), 0);
  assert.equal(waiting.expire(MAX_WAITING_MS), 0, "it looked a moment ago");
  assert.equal(waiting.expire(MAX_WAITING_MS + 1000), 2);
  assert.deepEqual(waiting.take(1), [Uint8Array.of(2)]);
  assert.deepEqual(waiting.take(2), []);
  const frame = new Uint8Array(LARGE);
  const room = Math.floor(MAX_WAITING_BYTES / LARGE);
  for (let i = 0; i < room; i++) assert.equal(waiting.keep(i >> 5, frame, 20_000), 0);
  assert.equal(waiting.keep(3000, frame, 40_000), 1);
  assert.equal(waiting.expire(40_000), room);
  assert.equal(waiting.keep(3000, frame, 40_000), 0);
});

// ------------------------------------------------------------------------------------------- on the way in

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
