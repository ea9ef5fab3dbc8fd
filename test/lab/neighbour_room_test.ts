import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { giveNeighboursBack, isNeighbourNote, neighbourRoom } from "../../src/lab/neighbour_room.ts";

interface Table {
  readonly folder: string;
  read(): number[];
  notes(): string[];
  /** What a lab of this process is given; those of `running` are there as well. */
  lab(pid: number): Parameters<typeof giveNeighboursBack>[0] & object;
  readonly running: Set<number>;
}

function withTable(run: (table: Table) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "ovltun-neigh-"));
  const running = new Set<number>();
  try {
    writeFileSync(join(folder, "gc_thresh2"), "512\n");
    writeFileSync(join(folder, "gc_thresh3"), "1024\n");
    run({
      folder,
      running,
      read: () =>
        ["gc_thresh2", "gc_thresh3"].map((name) => Number(readFileSync(join(folder, name), "utf8"))),
      notes: () => readdirSync(folder).filter(isNeighbourNote),
      lab: (pid) => ({ directory: folder, notes: folder, pid, isAlive: (other) => running.has(other) }),
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a lab makes room for each pair of its hosts in the neighbour table, and puts back what was", () => {
  withTable(({ folder, read, notes, lab }) => {
    const room = neighbourRoom(50, lab(1));
    assert.deepEqual(read(), [6024, 6024]);
    room.close();
    assert.deepEqual([read(), notes()], [[512, 1024], []]);
    writeFileSync(join(folder, "gc_thresh3"), "100000\n");
    const larger = neighbourRoom(50, lab(1));
    assert.deepEqual(read(), [6024, 100_000], "what is large enough stays");
    larger.close();
    assert.deepEqual(read(), [512, 100_000]);
    neighbourRoom(50, { ...lab(1), directory: join(folder, "missing") }).close();
    neighbourRoom(50, { ...lab(1), notes: join(folder, "missing") }).close();
    assert.deepEqual(read(), [512, 100_000], "nothing is changed that could not be put back");
  });
});

test("a small lab leaves the neighbour table alone", () => {
  withTable(({ read, notes, lab }) => {
    neighbourRoom(12, lab(1));
    assert.deepEqual([read(), notes()], [[512, 1024], []]);
  });
});

test("of labs that overlap the last one puts back what the first one found, whichever ends first", () => {
  for (const [sizes, order] of [[[50, 90], [0, 1]], [[50, 90], [1, 0]], [[90, 50], [0, 1]]] as const) {
    withTable(({ read, notes, lab, running }) => {
      const labs = sizes.map((hosts, i) => (running.add(10 + i), neighbourRoom(hosts, lab(10 + i))));
      const room = 1024 + 2 * 90 * 90;
      assert.deepEqual(read(), [room, room]);
      labs[order[0]]!.close();
      running.delete(10 + order[0]);
      assert.deepEqual(read(), [room, room], "the other one still needs it");
      labs[order[1]]!.close();
      assert.deepEqual([read(), notes()], [[512, 1024], []]);
    });
  }
});

test("what a killed lab left in the neighbour table is put back by the next, not under one that runs", () => {
  withTable(({ read, notes, lab, running }) => {
    neighbourRoom(50, lab(10));
    running.add(11);
    const other = neighbourRoom(50, lab(11));
    giveNeighboursBack(lab(12));
    assert.deepEqual(read(), [6024, 6024]);
    other.close();
    assert.deepEqual([read(), notes()], [[512, 1024], []]);
    giveNeighboursBack(lab(12));
  });
});

test("a note that somebody else made up changes nothing else", () => {
  withTable(({ folder, read, lab }) => {
    const other = join(folder, "other"), note = join(folder, "ovltun-lab-1-neighbours");
    writeFileSync(other, "as it was");
    writeFileSync(note, `other 7\n../${folder}/other 7\ngc_thresh3 many\ngc_thresh2 77`);
    giveNeighboursBack(lab(12));
    assert.deepEqual(read(), [77, 1024]);
    assert.equal(readFileSync(other, "utf8"), "as it was");
    symlinkSync(other, note);
    giveNeighboursBack(lab(12));
    assert.deepEqual(read(), [77, 1024]);
  });
});
