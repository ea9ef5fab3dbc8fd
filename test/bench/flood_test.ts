import assert from "node:assert/strict";
import { test } from "node:test";
import {
  countCollections,
  type Flood,
  type FloodResult,
  growthPercent,
  timesKernel,
} from "../../bench/live/flood_figures.ts";
import { renderFlood } from "../../bench/live/flood_report.ts";
import { readOptions } from "../../bench/live/options.ts";

function result(name: string, retransmitsPerGb: number): FloodResult {
  const collections = { minor: 7, major: 1, minorIn10s: 2 };
  const memory = [{ seconds: 0, mb: 70 }, { seconds: 30, mb: 75 }, { seconds: 60, mb: 73.5 }];
  const host = { memory, growthPercent: 5, worker: collections, main: null };
  return {
    name,
    version: "1",
    mbit: 1000,
    bytes: 7.5e9,
    retransmits: retransmitsPerGb * 7.5,
    retransmitsPerGb,
    hosts: name === "kernel-vxlan" ? [] : [{ host: "a", ...host }, { host: "b", ...host }],
    foreignPercent: 0,
    stolenPercent: 0,
  };
}

function flood(...systems: FloodResult[]): Flood {
  const machine = { processors: 2, model: "m", kernel: "6", memoryGb: 8 };
  return { flood: 1, date: "2026-11-20T00:00:00Z", machine, minutes: 1, systems };
}

test("timesKernel() has no multiple of nothing, except nothing", () => {
  const [busy, quiet] = [result("kernel-vxlan", 20), result("kernel-vxlan", 0)];
  const [ours, none] = [result("ovltun-udp", 30), result("ovltun-udp", 0)];
  assert.equal(timesKernel(flood(busy, ours), ours), 1.5);
  assert.equal(timesKernel(flood(busy, none), none), 0);
  assert.equal(timesKernel(flood(quiet, none), none), 0);
  assert.equal(timesKernel(flood(quiet, ours), ours), null);
  assert.equal(timesKernel(flood(ours), ours), null);
});

test("growthPercent() compares the last sample with the first", () => {
  assert.equal(growthPercent([{ seconds: 0, mb: 80 }, { seconds: 30, mb: 100 }, { seconds: 60, mb: 84 }]), 5);
  assert.equal(growthPercent([{ seconds: 0, mb: 80 }]), 0);
  assert.equal(growthPercent([]), 0);
});

test("countCollections() takes one thread's within the time", () => {
  const all = [
    { at: 1, worker: true, minor: true },
    { at: 12, worker: true, minor: true },
    { at: 15, worker: true, minor: true },
    { at: 16, worker: true, minor: false },
    { at: 17, worker: false, minor: true },
    { at: 90, worker: true, minor: true },
  ];
  assert.deepEqual(countCollections(all, true, { from: 10, to: 80 }), { minor: 2, major: 1, minorIn10s: 2 });
  assert.deepEqual(countCollections(all, false, { from: 10, to: 80 }), { minor: 1, major: 0, minorIn10s: 1 });
});

test("renderFlood() shows the ratio, the growth and the samples", () => {
  const text = renderFlood(flood(result("kernel-vxlan", 20), result("ovltun-udp", 30)), true);
  assert.match(text, /\| ovltun-udp \| 1,000 \| 7.5 \| 30.00 \| 1.50 \|/);
  assert.match(text, /\| ovltun-udp, receiver \| 70.0 \| 75.0 \| 73.5 \| 5.0 \| 7 \| 2 \| 1 \| – \| – \|/);
  assert.match(text, /\| system \| 0 \| 30 \| 60 \|/);
  const silent = renderFlood(flood(result("kernel-vxlan", 0), result("ovltun-udp", 30)), true);
  assert.match(silent, /\| ovltun-udp \| 1,000 \| 7.5 \| 30.00 \| ∞ \|/);
});

test("readOptions() takes minutes of flood, and then fewer systems", () => {
  assert.equal(readOptions([]).flood, null);
  const { flood, systems } = readOptions(["--flood", "0.5"]);
  assert.equal(flood, 0.5);
  assert.deepEqual(systems, ["kernel-vxlan", "ovltun-udp"]);
  assert.deepEqual(readOptions(["--flood", "10", "--systems", "ovltun-vxlan"]).systems, ["ovltun-vxlan"]);
  for (const wrong of ["0", "-1", "x", "", "Infinity", "0.01"]) {
    assert.throws(() => readOptions([`--flood=${wrong}`]), RangeError, wrong);
  }
});
