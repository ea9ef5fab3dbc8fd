import assert from "node:assert/strict";
import { test } from "node:test";
import { RateLimit } from "../../src/bounds/rate_limit.ts";
import { below, seeded } from "../made/seeded.ts";

function takeAll(limit: RateLimit, now: number): number {
  let taken = 0;
  while (limit.take(now)) taken++;
  return taken;
}

test("take() gives the burst at once, then the rate", () => {
  const limit = new RateLimit(100, 10);
  assert.equal(takeAll(limit, 5_000_000), 10);
  assert.equal(takeAll(limit, 5_000_009), 0);
  assert.equal(takeAll(limit, 5_000_010), 1);
  assert.equal(takeAll(limit, 5_000_060), 5);
  assert.equal(takeAll(limit, 6_000_000), 10);
});

test("take() never exceeds burst + rate · time, whatever the steps", () => {
  const random = seeded(3);
  const limit = new RateLimit(50, 20);
  let now = 1000, taken = 0;
  for (let i = 0; i < 20_000; i++) {
    now += random() * below(random, 30);
    if (limit.take(now)) taken++;
    assert.ok(taken <= 20 + (now - 1000) * 50 / 1000 + 1e-6);
  }
  assert.ok(taken > 50 * (now - 1000) / 1000 * 0.9, "the rate is used up when asked for more");
});
