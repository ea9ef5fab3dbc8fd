import { test } from "node:test";
import assert from "node:assert/strict";
import { AGREED_INCOMPLETE_MS, AGREED_MS, Joiners } from "../../../src/control/mesh/joiners.ts";

/** Joiners that talk over these pairs of links as join_steps.ts lets them, and how many messages that took. */
class Talk {
  readonly all: Joiners[];
  readonly #ids: readonly string[];
  readonly #pairs: readonly (readonly [number, number])[];
  /** Those who say nothing any more. */
  readonly gone = new Set<string>();
  messages = 0;

  constructor(
    ids: readonly string[],
    pairs: readonly (readonly [number, number])[],
    complete = (_: string) => true,
  ) {
    this.#ids = ids;
    this.#pairs = pairs;
    this.all = ids.map((id) => new Joiners(id));
    this.all.forEach((joiner, i) => joiner.complete = complete(ids[i]!));
  }

  #neighbours(i: number): number[] {
    return this.#pairs.flatMap(([a, b]) => a === i ? [b] : b === i ? [a] : []);
  }

  #tell(from: number, to: number, now: number): void {
    const [by, listener] = [this.#ids[from]!, this.all[to]!];
    if (this.gone.has(by) || this.gone.has(this.#ids[to]!)) return;
    this.messages++;
    const listeners = listener.hear(by, this.all[from]!.wordTo(this.#ids[to]!, now), now);
    const way = this.#ids.indexOf(listener.way ?? "");
    if (listeners === "all") { for (const next of this.#neighbours(to)) this.#tell(to, next, now); }
    if (listeners === "way" && way >= 0) this.#tell(to, way, now);
    if (listeners === "speaker") this.#tell(to, from, now);
  }

  /** What 100 ms bring; returns who wants to found. */
  tick(now: number): string[] {
    this.all.forEach((joiner, i) => {
      const wave = joiner.tick(now);
      for (const to of this.#neighbours(i)) {
        if (wave || joiner.misses(this.#ids[to]!, now)) this.#tell(i, to, now);
      }
    });
    return this.all.filter((joiner, i) => !this.gone.has(this.#ids[i]!) && joiner.shouldFound(now))
      .map((joiner) => this.#ids[this.all.indexOf(joiner)]!);
  }

  run(until: number, from = 0): { readonly founders: string[]; readonly at: number } {
    for (let now = from; now <= until; now += 100) {
      const founders = this.tick(now);
      if (founders.length > 0) return { founders, at: now };
    }
    return { founders: [], at: until };
  }
}

const CHAIN = [[0, 1], [1, 2], [2, 3], [3, 4]] as const;

test("Nobody founds alone", () => {
  const alone = new Joiners("a");
  alone.complete = true;
  for (let now = 0; now < 60_000; now += 100) {
    alone.tick(now);
    assert.equal(alone.shouldFound(now), false);
  }
});

test("In a chain the smallest id founds, alone, a second after all agree, and knows how many they are", () => {
  const talk = new Talk(["d", "b", "e", "a", "c"], CHAIN);
  const { founders, at } = talk.run(10_000);
  assert.deepEqual(founders, ["a"]);
  assert.ok(at >= AGREED_MS && at <= AGREED_MS + 800, `${at}`);
  assert.deepEqual(talk.all.map(({ size }) => size), [4, 4, 4, 4, 4]);
});

test("In a ring, and where all have links with all, each counts once", () => {
  const ids = ["d", "b", "e", "a", "c"];
  const ring = [...CHAIN, [4, 0]] as const;
  const mesh = ids.flatMap((_, i) => ids.slice(i + 1).map((_, j) => [i, i + 1 + j] as const));
  for (const pairs of [ring, mesh]) {
    const talk = new Talk(ids, pairs);
    assert.deepEqual(talk.run(10_000).founders, ["a"]);
    assert.deepEqual(talk.all.map(({ size }) => size), [4, 4, 4, 4, 4]);
  }
});

test("While a seed of anybody is silent they wait longer", () => {
  const { founders, at } = new Talk(["a", "b"], [[0, 1]], (id) => id !== "b").run(10_000);
  assert.deepEqual(founders, ["a"]);
  assert.ok(at >= AGREED_INCOMPLETE_MS);
});

test("A joiner that is gone is forgotten, although others repeat what they heard of it", () => {
  const talk = new Talk(["b", "c", "a"], [[0, 1], [1, 2], [0, 2]]);
  talk.run(500);
  talk.gone.add("a");
  const { founders, at } = talk.run(20_000, 600);
  assert.deepEqual(founders, ["b"]);
  assert.ok(at >= 4000, `${at}`);
});

test("Nobody founds on old words: a silent joiner may have become a member", () => {
  const talk = new Talk(["a", "b"], [[0, 1]]);
  talk.run(200);
  talk.gone.add("b");
  assert.deepEqual(talk.run(20_000, 300).founders, []);
});

test("A leader that starts again goes on above the numbers it had", () => {
  const talk = new Talk(["a", "b", "c"], [[0, 1], [1, 2]], (id) => id !== "c");
  talk.run(3000);
  talk.all[0] = new Joiners("a");
  talk.all[0].complete = true;
  assert.deepEqual(talk.run(20_000, 3100).founders, ["a"]);
});

test("A number that nobody has counted is not taken, and one that others make up for a leader does not silence it", () => {
  const talk = new Talk(["a", "b", "c"], [[0, 1], [1, 2]]);
  const forged = {
    leader: "a",
    seq: 1_000_000,
    distance: 1,
    upward: true,
    agreed: 1,
    count: 1,
    complete: true,
    total: 1,
  };
  assert.equal(talk.all[1]!.hear("c", { ...forged, seq: 2 ** 48 - 1 }, 0), null);
  talk.all[1]!.hear("c", forged, 0);
  assert.deepEqual(talk.run(10_000, 100).founders, ["a"]);
});

/** A joiner that speaks of a leader that nobody is, and never founds. */
function lie(liar: Joiners, waves = (now: number) => Math.ceil(now / 200)): void {
  liar.wordTo = (_, now) => {
    const made = { leader: "0", seq: 1 + waves(now), distance: 1, upward: false, agreed: 0, count: 1 };
    return { ...made, complete: true, total: 2 ** 30 };
  };
  liar.shouldFound = () => false;
}

test("A leader that does not found for a minute is passed over by all, and the next one founds, alone", () => {
  const ids = ["d", "b", "e", "c", "f"];
  const mesh = ids.flatMap((_, i) => ids.slice(i + 1).map((_, j) => [i, i + 1 + j] as const));
  for (const pairs of [CHAIN, [...CHAIN, [4, 0]] as const, mesh]) {
    const talk = new Talk(ids, pairs);
    lie(talk.all[0]!);
    assert.deepEqual(talk.run(59_000).founders, [], "it could be that it founds");
    const { founders, at } = talk.run(200_000, 59_100);
    assert.deepEqual(founders, ["b"]);
    assert.ok(at <= 160_000, `${at}`);
  }
});

test("Numbers of a leader that come faster than waves are not all passed on", () => {
  const ids = ["d", "b", "e", "c", "f"];
  const talk = new Talk(ids, ids.slice(1).map((_, i) => [0, i + 1] as const));
  let seq = 0;
  lie(talk.all[1]!, () => seq++);
  for (let now = 0; now < 10_000; now += 100) talk.tick(now);
  assert.ok(talk.messages <= 2000, `${talk.messages}`);
});

test("A leader under which more and more join is not passed over", () => {
  const ids = Array.from({ length: 20 }, (_, i) => String.fromCharCode(97 + i));
  const talk = new Talk(ids, ids.slice(1).map((_, i) => [0, i + 1] as const), (id) => id !== "b");
  for (const id of ids.slice(2)) talk.gone.add(id);
  let now = 0;
  for (const id of ids.slice(2)) {
    talk.gone.delete(id);
    for (const end = now + 3900; now < end; now += 100) assert.deepEqual(talk.tick(now), []);
  }
  assert.deepEqual(talk.run(now + 10_000, now).founders, ["a"]);
});

test("A wave among a thousand joiners of one seed is two messages for each", () => {
  const ids = Array.from({ length: 1000 }, (_, i) => `${(i * 7919) % 1000}`.padStart(4, "0"));
  const talk = new Talk(ids, ids.slice(1).map((_, i) => [0, i + 1] as const));
  for (let now = 0; now < 1000; now += 100) talk.tick(now);
  const before = talk.messages;
  for (let now = 1000; now < 1400; now += 100) talk.tick(now); // a wave takes 400 ms among so many
  assert.ok(talk.messages - before <= 2.1 * ids.length, `${talk.messages - before}`);
});
