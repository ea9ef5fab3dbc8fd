import assert from "node:assert/strict";
import { test } from "node:test";
import { Greatest } from "../../src/bounds/greatest.ts";

interface Item {
  readonly key: string;
  readonly value: number;
}

/** The same from a list. */
class Naive {
  items: Item[] = [];

  set(item: Item, max: number): void {
    this.items = [...this.items.filter(({ key }) => key !== item.key), item];
    if (this.items.length > max) this.items.splice(this.items.indexOf(leastOf(this.items)), 1);
  }
}

const compare = (a: Item, b: Item) => a.value - b.value || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
const leastOf = (items: readonly Item[]) => items.reduce((a, b) => compare(a, b) <= 0 ? a : b);
const sorted = (items: Iterable<Item>) => [...items].sort(compare);

test("The least goes, also when what a key says last is less than what it said before", () => {
  const greatest = new Greatest<Item>(8, compare, ({ key }) => key);
  const naive = new Naive();
  let seed = 1;
  const below = (limit: number) => (seed = (seed * 48_271) % 2_147_483_647) % limit;
  for (let n = 0; n < 5000; n++) {
    const key = `${below(12)}`;
    if (below(8) === 0) {
      assert.equal(greatest.delete(key), naive.items.some((one) => one.key === key));
      naive.items = naive.items.filter((one) => one.key !== key);
    } else {
      const item = { key, value: below(100) };
      greatest.set(item);
      naive.set(item, 8);
    }
    assert.deepEqual(sorted(greatest.values()), sorted(naive.items), `after ${n + 1}`);
    for (const item of naive.items) assert.equal(greatest.get(item.key), item);
  }
});
