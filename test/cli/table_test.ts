import { test } from "node:test";
import assert from "node:assert/strict";
import { PLAIN } from "../../src/cli/output.ts";
import { formatBytes, formatDuration, formatRtt, renderTable } from "../../src/cli/table.ts";

const COLUMNS = [
  { title: "NAME", value: (row: [string, number | null]) => row[0] },
  { title: "N", value: (row: [string, number | null]) => row[1], right: true },
];

test("renderTable() aligns, escapes and leaves no trailing blanks", () => {
  const text = renderTable(COLUMNS, [["alpha", 1], ["b\x1b\n", 1000], ["", null]], PLAIN);
  const expected = ["NAME             N", "alpha            1", "b\\u{1b}\\u{a}  1000", "-                -"];
  assert.deepEqual(text.split("\n"), expected);
  assert.equal(renderTable(COLUMNS, [], { ...PLAIN, colours: true }), "\x1b[1mNAME  N\x1b[0m");
});

test("formatBytes(), formatDuration() and formatRtt() read well", () => {
  assert.deepEqual([0, 999, 1000, 999_949, 999_950, 1.5e9].map(formatBytes), [
    "0 B",
    "999 B",
    "1.0 kB",
    "999.9 kB",
    "1.0 MB",
    "1.5 GB",
  ]);
  assert.deepEqual([0.4, 59, 60, 3661, 90000].map(formatDuration), [
    "0 s",
    "59 s",
    "1 min 0 s",
    "1 h 1 min",
    "1 d 1 h",
  ]);
  assert.deepEqual([null, 0.414, 12.34, 250.6].map(formatRtt), ["-", "0.41 ms", "12.3 ms", "251 ms"]);
});
