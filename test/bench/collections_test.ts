/** What Bun and Deno print about their collections, as they print it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CollectionLog, mostWithin } from "../../bench/live/collections.ts";

const MAIN = "0x26437800118", WORKER = "0x2643b880118";

/** Bun 1.4.5, a compiled daemon with its Worker; shortened where "…" stands. */
const BUN = [
  `[GC<${MAIN}>: starting 0.022233ms]`,
  `[GC<${WORKER}>: starting 0.023134ms]`,
  "2026-11-20T19:18:41.423Z warn  This mesh is plain: nothing is encrypted or authenticated",
  "Requesting GC because bytes allocated this cycle: 25214317 exceed bytes allowed: 8388608 normal bytes: 1161796 oversized bytes: 24052521 last oversized: 65552",
  `[GC<${WORKER}>: START M 25035kb => EdenCollection, a=0kb hf=0.000 mu=0.600 … => 47446kb, p=0.898214ms (max 0.898214), cycle 0.888449ms END]`,
  "GC END!",
  `[GC<${WORKER}>: epilogue 0.016514ms]`,
  `[GC<${MAIN}>: START M 8004kb => EdenCollection, a=0kb hf=0.000 mu=0.600 … p=0.966696ms (max 0.966696)...]`,
  `[GC<${MAIN}>: M a=7kb hf=0.002 mu=0.599 v=2367kb … => 5467kb, p=2.296319ms (max 2.296319), cycle 10.162658ms END]`,
  `[GC<${MAIN}>: START M 7967kb => FullCollection, a=0kb hf=0.000 mu=0.600 … cycle 4.242759ms END]`,
];

test("CollectionLog tells Bun's Worker from its main thread by which heap was made first", () => {
  const log = new CollectionLog(100);
  assert.equal(log.speaks, false);
  for (const [i, line] of BUN.entries()) log.add(line, i);
  assert.equal(log.speaks, true);
  assert.deepEqual(log.collections, [
    { at: 4, worker: true, minor: true },
    { at: 7, worker: false, minor: true },
    { at: 9, worker: false, minor: false },
  ]);
});

test("CollectionLog reads a collection whose line begins within another thread's", () => {
  const log = new CollectionLog(0);
  for (const line of BUN.slice(0, 2)) log.add(line, 0);
  log.add(`[GC<${MAIN}>: [GC<${WORKER}>: START M 25035kb => EdenCollection, a=0kb`, 3);
  assert.deepEqual(log.collections, [{ at: 3, worker: true, minor: true }]);
});

test("CollectionLog passes over what is no line of a heap", () => {
  const log = new CollectionLog(0);
  for (const line of ["", "GC END!", "START M 8004kb => EdenCollection", "[GC<nothing>: starting"]) {
    log.add(line, 0);
  }
  assert.equal(log.speaks, false);
  assert.deepEqual(log.collections, []);
});

/** Deno 2.9.6, a program whose Worker is collected first. */
const DENO = [
  "[7413:0x7f2d08060000]       43 ms: Scavenge 4.0 (4.8) -> 3.4 (5.2) MB, pooled: 0.0 MB, 0.86 / 0.00 ms (average mu = 1.000, current mu = 1.000) allocation failure; ",
  "[7413:0x563d36d8f000]       95 ms: Scavenge 3.4 (4.4) -> 3.0 (5.2) MB, pooled: 0.0 MB, 8.96 / 0.00 ms (average mu = 1.000, current mu = 1.000) allocation failure; ",
  "[7413:0x7f2d08060000]       55 ms: Scavenge 4.0 (5.8) -> 3.7 (6.2) MB, pooled: 0.0 MB, 12.18 / 0.00 ms (average mu = 1.000, current mu = 1.000) allocation failure; ",
  "[7413:0x563d36d8f000]     2500 ms: Mark-Compact (reduce) 9.9 (12.4) -> 9.0 (13.8) MB, pooled: 0.0 MB, 4.85 / 0.00 ms",
];

test("CollectionLog tells V8's heaps by their age, and when by what the line says", () => {
  const log = new CollectionLog(100);
  for (const line of DENO) log.add(line, 900);
  assert.deepEqual(log.collections, [
    { at: 100.043, worker: true, minor: true },
    { at: 100.095, worker: false, minor: true },
    { at: 100.055, worker: true, minor: true },
    { at: 102.5, worker: false, minor: false },
  ]);
});

test("mostWithin() counts the fullest window", () => {
  assert.equal(mostWithin([], 10), 0);
  assert.equal(mostWithin([5], 10), 1);
  assert.equal(mostWithin([0, 10, 20, 30], 10), 1);
  assert.equal(mostWithin([30, 0, 9.9, 20], 10), 2);
  assert.equal(mostWithin([1, 2, 3, 50, 51, 52, 53, 54], 10), 5);
});
