import assert from "node:assert/strict";
import { test } from "node:test";
import { chaosSchedule, type ChaosStep, MAX_SIDES } from "../../../src/lab/chaos/schedule.ts";
import { hostNames } from "../../../src/lab/topology.ts";

const SEEDS = Array.from({ length: 60 }, (_, i) => i + 1);
const SECONDS = 60;

test("chaosSchedule() is a function of the seed", () => {
  const hosts = hostNames(8);
  assert.deepEqual(chaosSchedule(hosts, SECONDS, 7), chaosSchedule(hosts, SECONDS, 7));
  assert.notDeepEqual(chaosSchedule(hosts, SECONDS, 7), chaosSchedule(hosts, SECONDS, 8));
});

test("chaosSchedule() stays within its time, in order, and undoes everything it did", () => {
  for (const count of [2, 3, 5, 8, 20]) {
    for (const seed of SEEDS) {
      const steps = chaosSchedule(hostNames(count), SECONDS, seed);
      const wrong = new Map<string, string>();
      const broken: string[] = [];
      let split = false;
      let lossy = false;
      let last = 0;
      for (const step of steps) {
        assert.ok(step.at >= last && step.at <= SECONDS * 1000, `seed ${seed}: ${step.kind} at ${step.at}`);
        last = step.at;
        if (step.kind === "split" || step.kind === "heal") {
          assert.equal(split, step.kind === "heal", `seed ${seed}: ${step.kind} at ${step.at}`);
          split = step.kind === "split";
        } else if (step.kind === "cut" || step.kind === "mend") {
          const cut = `${step.from} > ${step.to}`;
          if (step.kind === "cut") broken.push(cut);
          else assert.equal(broken.splice(broken.indexOf(cut), 1)[0], cut);
        } else if (step.kind === "loss" || step.kind === "clear") {
          assert.equal(lossy, step.kind === "clear", `seed ${seed}: ${step.kind} at ${step.at}`);
          lossy = step.kind === "loss";
        } else if (step.kind !== "copy") {
          assert.ok(
            follows(step, wrong),
            `seed ${seed}, ${count} hosts: ${step.host} ${step.kind} at ${step.at}`,
          );
        }
      }
      assert.deepEqual([split, lossy, broken], [false, false, []]);
      assert.deepEqual([...wrong], []);
    }
  }
});

/** Whether the step may follow what is wrong with its host now. */
function follows(step: ChaosStep & { host: string }, wrong: Map<string, string>): boolean {
  const undoes: Record<string, readonly string[]> = {
    start: ["kill", "leave", "clone", "fill kill"],
    restore: ["kill"],
    resume: ["pause"],
    empty: ["fill"],
  };
  const now = wrong.get(step.host);
  const needs = undoes[step.kind];
  // A full disk outlasts a kill and a start.
  if (now === "fill" && step.kind === "kill") return wrong.set(step.host, "fill kill") === wrong;
  if (now === "fill kill" && step.kind === "start") return wrong.set(step.host, "fill") === wrong;
  if (needs === undefined) {
    wrong.set(step.host, step.kind);
    return now === undefined;
  }
  wrong.delete(step.host);
  return now !== undefined && needs.includes(now);
}

test("chaosSchedule() splits into sides that are all hosts, each once", () => {
  const hosts = hostNames(8);
  const sizes = new Set<number>();
  for (const seed of SEEDS) {
    for (const step of chaosSchedule(hosts, SECONDS, seed)) {
      if (step.kind !== "split") continue;
      sizes.add(step.sides.length);
      assert.deepEqual(step.sides.flat().sort(), [...hosts].sort());
      assert.ok(step.sides.every((side) => side.length > 0));
    }
  }
  assert.deepEqual([...sizes].sort(), [2, MAX_SIDES]);
});

test("chaosSchedule() does every kind of thing, and on both sides of a split hosts join anew", () => {
  const kinds = new Set<string>();
  let both = 0;
  for (const seed of SEEDS) {
    let sides: readonly (readonly string[])[] = [];
    let left = new Set<number>();
    for (const step of chaosSchedule(hostNames(8), SECONDS, seed)) {
      kinds.add(step.kind);
      if (step.kind === "split") [sides, left] = [step.sides, new Set()];
      if (step.kind === "leave") left.add(sides.findIndex((side) => side.includes(step.host)));
      if (step.kind === "heal" && left.size > 1) both++;
    }
  }
  const all = [
    "clear",
    "clone",
    "copy",
    "cut",
    "empty",
    "fill",
    "heal",
    "kill",
    "leave",
    "loss",
    "mend",
    "pause",
    "restore",
    "resume",
    "split",
    "start",
  ];
  assert.deepEqual([...kinds].sort(), all);
  assert.ok(both > SEEDS.length, `${both} splits in ${SEEDS.length} runs`);
});

test("chaosSchedule() copies an identity only while all can reach the original", () => {
  let clones = 0;
  for (const seed of SEEDS) {
    // BOUNDED: by the steps of a run
    const open = new Map<string, string>();
    for (const step of chaosSchedule(hostNames(8), SECONDS, seed)) {
      if (step.kind === "clone") {
        clones++;
        open.set(step.host, step.of);
      } else if (step.kind === "start") open.delete(step.host);
      else if (open.size > 0) {
        const touched = "host" in step
          ? [...open.values()].includes(step.host) && step.kind !== "copy"
          : false;
        assert.equal(touched, false, `seed ${seed}: ${step.kind} of an original at ${step.at}`);
        assert.ok(!["split", "cut", "loss"].includes(step.kind), `seed ${seed}: ${step.kind} at ${step.at}`);
      }
    }
  }
  assert.ok(clones > SEEDS.length / 3, `${clones} copies in ${SEEDS.length} runs`);
});

test("chaosSchedule() breaks ways in one direction: of one host, or between the sides of a split", () => {
  const shapes = new Set<string>();
  let between = 0;
  for (const seed of SEEDS) {
    let sides: readonly (readonly string[])[] = [];
    for (const step of chaosSchedule(hostNames(8), SECONDS, seed)) {
      if (step.kind === "split") sides = step.sides;
      if (step.kind !== "cut") continue;
      assert.equal(step.from.some((host) => step.to.includes(host)), false);
      const { from, to } = step;
      if (sides.some((side) => side.join() === to.join()) && from.length + to.length === 8) between++;
      else shapes.add(`${from.length} > ${to.length}`);
    }
  }
  assert.deepEqual([...shapes].sort(), ["1 > 1", "1 > 7", "7 > 1"]);
  assert.ok(between > SEEDS.length / 2, `${between} splits in ${SEEDS.length} runs healed in halves`);
});
