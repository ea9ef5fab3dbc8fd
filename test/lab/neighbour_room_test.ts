import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isNeighbourNote, neighbourRoom, restoreNeighbours } from "../../src/lab/neighbour_room.ts";

function withTable(run: (folder: string, read: () => number[], note: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "ovltun-neigh-"));
  const read = () =>
    ["gc_thresh2", "gc_thresh3"].map((name) => Number(readFileSync(join(folder, name), "utf8")));
  try {
    writeFileSync(join(folder, "gc_thresh2"), "512\n");
    writeFileSync(join(folder, "gc_thresh3"), "1024\n");
    run(folder, read, join(folder, "ovltun-lab-1-neighbours"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a lab makes room for each pair of its hosts in the neighbour table, and puts back what was", () => {
  withTable((directory, read, note) => {
    const room = neighbourRoom(50, { directory, note });
    assert.deepEqual(read(), [6024, 6024]);
    room.close();
    assert.deepEqual(read(), [512, 1024]);
    assert.equal(existsSync(note), false);
    writeFileSync(join(directory, "gc_thresh3"), "100000\n");
    const larger = neighbourRoom(50, { directory, note });
    assert.deepEqual(read(), [6024, 100_000], "what is large enough stays");
    larger.close();
    assert.deepEqual(read(), [512, 100_000]);
    neighbourRoom(50, { directory: join(directory, "missing"), note }).close();
  });
});

test("a small lab leaves the neighbour table alone", () => {
  withTable((directory, read, note) => {
    neighbourRoom(12, { directory, note });
    assert.deepEqual(read(), [512, 1024]);
    assert.equal(existsSync(note), false);
  });
});

test("what a killed lab left in the neighbour table is put back by its note", () => {
  withTable((directory, read, note) => {
    neighbourRoom(50, { directory, note });
    assert.equal(isNeighbourNote(note), true);
    restoreNeighbours(note, directory);
    assert.deepEqual(read(), [512, 1024]);
    restoreNeighbours(note, directory);
  });
});

test("a note that somebody else made up changes nothing else", () => {
  withTable((directory, read, note) => {
    const other = join(directory, "other");
    writeFileSync(other, "as it was");
    writeFileSync(note, `other 7\n../${directory}/other 7\ngc_thresh3 many\ngc_thresh2 77`);
    restoreNeighbours(note, directory);
    assert.deepEqual(read(), [77, 1024]);
    assert.equal(readFileSync(other, "utf8"), "as it was");
    symlinkSync(other, note);
    restoreNeighbours(note, directory);
    assert.deepEqual(read(), [77, 1024]);
  });
});
