import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemDisk } from "../../src/machine/disk.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

async function withDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "ovltun-disk-"));
  try {
    await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

test("What is written is there, for its owner only", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "f");
    await systemDisk.replace(path, [bytes("0123"), bytes("4567")]);
    await systemDisk.overwrite(path, 4, bytes("ab"));
    await systemDisk.append(path, bytes("!"));
    assert.equal(readFileSync(path, "utf8"), "0123ab67!");
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.ok(!existsSync(`${path}.tmp`));
    const [there, missing] = await systemDisk.look([path, join(path, "x")]);
    assert.match(there!, /^\d+:\d+$/);
    assert.equal(missing, null);
    await systemDisk.append(join(directory, "g"), bytes("new"));
    assert.equal(statSync(join(directory, "g")).mode & 0o777, 0o600);
    await systemDisk.remove(path);
    await systemDisk.remove(path);
    assert.ok(!existsSync(path));
  });
});

test("What fails rejects with its code, and leaves the old file and no other", async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, "f");
    await assert.rejects(systemDisk.overwrite(path, 0, bytes("x")), { code: "ENOENT" });
    writeFileSync(path, "old");
    const cut = function* () {
      yield bytes("half");
      throw new Error("cut");
    };
    await assert.rejects(systemDisk.replace(path, cut()), /cut/);
    assert.equal(readFileSync(path, "utf8"), "old");
    assert.ok(!existsSync(`${path}.tmp`));
    mkdirSync(join(directory, "d"));
    await assert.rejects(systemDisk.append(join(directory, "d"), bytes("x")), { code: "EISDIR" });
  });
});

test("A write that the kernel does not let go on holds nobody up but who waits for it", async () => {
  await withDirectory(async (directory) => {
    // open(2) of a FIFO for writing waits for a reader, as a disk that stands still does.
    const path = join(directory, "fifo");
    execFileSync("mkfifo", [path]);
    let done = false;
    const write = systemDisk.append(path, bytes("x")).then(() => done = true, () => done = true);
    // As long as it takes for twenty turns: a write on this thread would let none pass.
    for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok(!done);
    // Other files are written meanwhile.
    await systemDisk.replace(join(directory, "g"), [bytes("y")]);
    assert.equal(readFileSync(join(directory, "g"), "utf8"), "y");
    const reader = openSync(path, 0o4000 /* O_RDONLY | O_NONBLOCK */);
    await write;
    closeSync(reader);
  });
});
