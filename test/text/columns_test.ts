import { test } from "node:test";
import assert from "node:assert/strict";
import { PLAIN } from "../../src/text/escape.ts";
import { renderTable, wrap } from "../../src/text/columns.ts";
import { formatBytes, formatDuration, formatRtt } from "../../src/text/quantity.ts";

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

test("renderTable() gives up spare columns on a narrow screen, says which, and tells each sentence once below", () => {
  const columns = [
    { title: "NAME", value: (row: string[]) => row[0]! },
    { title: "ADDRESS", value: (row: string[]) => row[1]!, spare: 1 },
    { title: "WHY", value: (row: string[]) => row[2]!, notes: (row: string[]) => row[0] !== "delta" },
  ];
  const rows = [
    ["alpha", "10.0.0.1", "no answer"],
    ["beta", "10.0.0.2", "no answer"],
    ["gamma", "10.0.0.3", ""],
    ["delta", "10.0.0.4", "all is well"],
  ];
  const lines = (width: number) => renderTable(columns, rows, { ...PLAIN, width }).split("\n");
  assert.equal(lines(28)[1], "alpha  10.0.0.1  no answer");
  assert.deepEqual(lines(27).slice(4), ["delta  10.0.0.4", "", "alpha, beta: no answer"]);
  assert.deepEqual(lines(12).slice(0, 2), ["NAME", "alpha"]);
  assert.match(lines(12).join(" "), /columns:\s+ADDRESS;/);
});

test("wrap() breaks at blanks, indents, keeps what fits and words that never do", () => {
  assert.equal(wrap("  yes  tunnel", 80), "  yes  tunnel");
  assert.equal(wrap("mesh   one two three", 14, "       "), "mesh   one two\n       three");
  assert.equal(wrap("  aaaaaaaaaa bb", 5), "  aaaaaaaaaa\nbb");
});
