/** Who has a run directory, also when it was emptied or taken away under its daemon. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  isServedRunDir,
  RunDir,
  RunDirInUseError,
  takeLeftRunDir,
} from "../../../src/daemon/state/run_dir.ts";
import { systemLocks } from "../../../src/machine/locks.ts";

test("a run directory is served as long as a daemon has it, whatever is left of it", () => {
  const parent = mkdtempSync(join(tmpdir(), "ovltun-run-"));
  const path = join(parent, "run");
  try {
    assert.equal(isServedRunDir(systemLocks, path), false);
    assert.equal(takeLeftRunDir(systemLocks, path), null);
    assert.equal(existsSync(path), false, "asking makes nothing");
    const held = new RunDir(systemLocks, path);
    assert.equal(isServedRunDir(systemLocks, path), true);
    assert.throws(() => new RunDir(systemLocks, path), RunDirInUseError);
    rmSync(path, { recursive: true });
    assert.equal(isServedRunDir(systemLocks, path), true);
    assert.throws(() => takeLeftRunDir(systemLocks, path), RunDirInUseError);
    assert.match(held.check()!, /was emptied/);
    assert.equal(held.check(), null);
    held.close();
    assert.equal(isServedRunDir(systemLocks, path), false);
    assert.equal(existsSync(path), false);
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
});
