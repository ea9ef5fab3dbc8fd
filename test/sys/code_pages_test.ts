import assert from "node:assert/strict";
import { readFileSync, readlinkSync } from "node:fs";
import { test } from "node:test";
import { releaseCodePages } from "../../src/sys/code_pages.ts";

/** Kilobytes of the executable's code that are resident. */
function residentCode(): number {
  const executable = readlinkSync("/proc/self/exe");
  let ours = false;
  let sum = 0;
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    if (/^[0-9a-f]+-/.test(line)) ours = line.includes(" r-xp ") && line.endsWith(executable);
    else if (ours && line.startsWith("Rss:")) sum += parseInt(line.slice(4));
  }
  return sum;
}

test("what only the start needed of the runtime's code is given back, and what runs goes on", () => {
  const before = residentCode();
  assert.ok(releaseCodePages() > before * 1024 / 2, "the mapping has been found");
  const after = residentCode();
  assert.ok(after < 0.8 * before, `${before} kB before, ${after} after`);
  assert.equal([3, 1, 2].toSorted().join(), "1,2,3");
});
