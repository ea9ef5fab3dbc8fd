import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { neighbourRoom } from "../../src/lab/neighbour_room.ts";

test("a lab makes room for each pair of its hosts in the neighbour table, and puts back what was", () => {
  const folder = mkdtempSync(join(tmpdir(), "ovltun-neigh-"));
  const read = () =>
    ["gc_thresh2", "gc_thresh3"].map((name) => Number(readFileSync(join(folder, name), "utf8")));
  try {
    writeFileSync(join(folder, "gc_thresh2"), "512\n");
    writeFileSync(join(folder, "gc_thresh3"), "1024\n");
    const room = neighbourRoom(50, folder);
    assert.deepEqual(read(), [6024, 6024]);
    room.close();
    assert.deepEqual(read(), [512, 1024]);
    writeFileSync(join(folder, "gc_thresh3"), "100000\n");
    const larger = neighbourRoom(50, folder);
    assert.deepEqual(read(), [6024, 100_000], "what is large enough stays");
    larger.close();
    assert.deepEqual(read(), [512, 100_000]);
    neighbourRoom(50, join(folder, "missing")).close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
