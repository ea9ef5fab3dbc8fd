import assert from "node:assert/strict";
import { test } from "node:test";
import { ContactWatch } from "../../../src/lab/chaos/contact.ts";

test("a healing is over when all its pairs have answered: the first and the last count", () => {
  const watch = new ContactWatch();
  watch.healed([["a", "b"], ["a", "c"], ["a", "d"]], 1000);
  watch.answered("c", "a", 1500);
  watch.answered("a", "c", 1700);
  watch.answered("b", "c", 1800); // never apart
  assert.deepEqual(watch.take(), []);
  watch.answered("a", "b", 3000);
  watch.disturb("d", null);
  assert.deepEqual(watch.take(), [{ firstMs: 500, allMs: 2000, pairs: 2, last: ["a", "b"], excused: false }]);
  assert.deepEqual(watch.take(), []);
});

test("a healing says nothing when something happened to all its pairs", () => {
  const watch = new ContactWatch();
  watch.healed([["a", "b"]], 0);
  watch.disturb("b", "a");
  assert.deepEqual(watch.take(), []);
  watch.healed([], 0);
  assert.deepEqual(watch.take(), []);
});

test("pairs that do not come back are told once", () => {
  const watch = new ContactWatch();
  watch.healed([["a", "b"], ["c", "d"]], 1000);
  watch.answered("a", "b", 2000);
  assert.deepEqual(watch.late(5000, 6000), []);
  assert.deepEqual(watch.late(5000, 6001), [{ pair: ["c", "d"], ms: 5001 }]);
  assert.deepEqual(watch.late(5000, 9000), []);
  assert.deepEqual(watch.take(), [{
    firstMs: 1000,
    allMs: 1000,
    pairs: 1,
    last: ["a", "b"],
    excused: false,
  }]);
});

test("hosts that are kept from running take their time, and are told apart", () => {
  const watch = new ContactWatch();
  watch.healed([["a", "b"], ["c", "d"]], 0);
  watch.excuse("b");
  assert.deepEqual(watch.late(5000, 9000), [{ pair: ["c", "d"], ms: 9000 }]);
  watch.answered("a", "b", 14_000);
  assert.deepEqual(watch.take(), [{
    firstMs: 14_000,
    allMs: 14_000,
    pairs: 1,
    last: ["a", "b"],
    excused: true,
  }]);
});
