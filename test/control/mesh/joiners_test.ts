import { test } from "node:test";
import assert from "node:assert/strict";
import { AGREED_INCOMPLETE_MS, AGREED_MS, Joiners } from "../../../src/control/mesh/joiners.ts";

/** Lets joiners talk over these pairs every 100 ms; returns who wants to found, and when. */
function talk(
  ids: readonly string[],
  pairs: readonly (readonly [number, number])[],
  complete: (id: string) => boolean,
  until: number,
): { readonly id: string; readonly at: number }[] {
  const all = ids.map((id) => new Joiners(id));
  const founders: { id: string; at: number }[] = [];
  for (let now = 0; now <= until; now += 100) {
    for (const [i, j] of pairs) {
      all[j]!.merge(all[i]!.entries(complete(ids[i]!), now), now);
      all[i]!.merge(all[j]!.entries(complete(ids[j]!), now), now);
    }
    for (const [i, joiner] of all.entries()) {
      if (joiner.shouldFound(complete(ids[i]!), now)) founders.push({ id: ids[i]!, at: now });
    }
    if (founders.length > 0) return founders;
  }
  return founders;
}

test("Nobody founds alone", () => {
  const alone = new Joiners("a");
  for (let now = 0; now < 60_000; now += 100) assert.equal(alone.shouldFound(true, now), false);
});

test("In a chain the smallest id founds, alone, a second after all agree", () => {
  const founders = talk(["d", "b", "e", "a", "c"], [[0, 1], [1, 2], [2, 3], [3, 4]], () => true, 10_000);
  assert.deepEqual(founders.map((f) => f.id), ["a"]);
  assert.ok(founders[0]!.at >= AGREED_MS && founders[0]!.at <= AGREED_MS + 800);
});

test("While a seed of anybody is silent they wait longer", () => {
  const founders = talk(["a", "b"], [[0, 1]], (id) => id !== "b", 10_000);
  assert.deepEqual(founders.map((f) => f.id), ["a"]);
  assert.ok(founders[0]!.at >= AGREED_INCOMPLETE_MS);
});

test("A joiner that is gone is forgotten, although others repeat what they heard of it", () => {
  const [a, b, gone] = [new Joiners("b"), new Joiners("c"), new Joiners("a")];
  a.merge(gone.entries(true, 0), 0);
  let founded = false;
  for (let now = 0; now < 12_000 && !founded; now += 100) {
    b.merge(a.entries(true, now), now);
    a.merge(b.entries(true, now), now);
    founded = a.shouldFound(true, now);
    assert.equal(b.shouldFound(true, now), false);
  }
  assert.ok(founded);
});

test("Nobody founds on old words: a silent joiner may have become a member", () => {
  const [a, b] = [new Joiners("a"), new Joiners("b")];
  a.merge(b.entries(true, 0), 0);
  b.merge(a.entries(true, 0), 0);
  a.merge(b.entries(true, 100), 100);
  for (let now = 200; now < 10_000; now += 100) {
    if (now > 1100) assert.equal(a.shouldFound(true, now), false);
    else a.shouldFound(true, now);
  }
});

test("What others say of a joiner, with whatever number, does not silence its own words", () => {
  const [a, b] = [new Joiners("a"), new Joiners("b")];
  const forged = { id: "b", seq: 2 ** 48 - 1, age: 0, complete: true, view: "0123456789abcdef" };
  let founded = false;
  for (let now = 0; now < 5000 && !founded; now += 100) {
    a.merge([forged], now, "c");
    b.merge(a.entries(true, now), now, "a");
    a.merge(b.entries(true, now), now, "b");
    founded = a.shouldFound(true, now);
    a.merge([forged], now, "c");
  }
  assert.ok(founded);
});

test("What a third joiner says of one that speaks for itself, with the greatest count there is, silences nobody", () => {
  const [a, b] = [new Joiners("a"), new Joiners("b")];
  let foundedAt = -1;
  for (let now = 0; now < 10_000 && foundedAt < 0; now += 100) {
    a.merge(b.entries(true, now), now, "b");
    b.merge(a.entries(true, now), now, "a");
    // `c` says of `b` that it knows another set of joiners, so that nobody ever agrees.
    const forged = { id: "b", seq: 2 ** 48 - 1, age: 0, complete: false, view: "0".repeat(16) };
    a.merge([forged], now + 50, "c");
    if (a.shouldFound(true, now + 60)) foundedAt = now;
  }
  assert.ok(foundedAt >= 0 && foundedAt <= AGREED_MS + 500, `${foundedAt}`);
});
