import assert from "node:assert/strict";
import { test } from "node:test";
import {
  MAX_WAITING,
  MAX_WAITING_BYTES,
  MAX_WAITING_MS,
  WaitingPackets,
} from "../../../src/dataplane/tables/waiting_packets.ts";

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
