/** Tables that others could fill: never more than they may hold, and the right entry goes. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { BoundedMap, BoundedSet } from "../../src/bounds/bounded_map.ts";
import { below, seeded } from "../made/seeded.ts";

test("BoundedMap drops the entry that was added first when it is full", () => {
  const map = new BoundedMap<string, number>(2);
  map.set("a", 1).set("b", 2).set("c", 3);
  assert.deepEqual([...map], [["b", 2], ["c", 3]]);
});

test("BoundedMap.set() leaves an entry in its place, renew() makes it the last to go", () => {
  const map = new BoundedMap<string, number>(2).set("a", 1).set("b", 2);
  map.set("a", 3).set("c", 4);
  assert.deepEqual([...map], [["b", 2], ["c", 4]]);
  map.renew("b", 5).set("d", 6);
  assert.deepEqual([...map], [["b", 5], ["d", 6]]);
});

test("BoundedSet does the same without values", () => {
  const set = new BoundedSet<number>(2).add(1).add(2).add(1).add(3);
  assert.deepEqual([...set], [2, 3]);
  assert.deepEqual([...set.renew(2).add(4)], [2, 4]);
});

test("BoundedMap agrees with an array of its entries, whatever is done to it", () => {
  const random = seeded(11);
  const map = new BoundedMap<number, number>(5);
  let model: [number, number][] = [];
  for (let round = 0; round < 2000; round++) {
    const key = below(random, 9);
    const at = model.findIndex(([known]) => known === key);
    const without = model.filter(([known]) => known !== key);
    switch (below(random, 3)) {
      case 0:
        map.delete(key);
        model = without;
        break;
      case 1:
        map.renew(key, round);
        model = [...without, [key, round]];
        break;
      default:
        map.set(key, round);
        if (at < 0) model = [...model, [key, round]];
        else model[at] = [key, round];
    }
    model = model.slice(-5);
    assert.deepEqual([...map], model);
  }
});
