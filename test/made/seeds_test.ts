import assert from "node:assert/strict";
import { test } from "node:test";
import { seeds } from "./seeds.ts";

test("seeds() of two runs are all seeds once, and each run has one of every three", () => {
  for (const [first, last] of [[1, 3], [1, 60], [20, 24], [7, 9]] as const) {
    const [one, other] = [seeds(last, first, "1/2", ""), seeds(last, first, "2/2", "")];
    assert.deepEqual([...one, ...other].sort((a, b) => a - b), seeds(last, first, "", ""));
    assert.ok(one.length > 0 && other.length > 0);
  }
});

test("seeds() is the one that is asked for, whatever the share", () => {
  assert.deepEqual(seeds(3, 1, "2/2", "17"), [17]);
});
