import { ConfigError } from "../../../src/config/config.ts";
import { test } from "node:test";
import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { openState } from "../../../src/daemon/state/state_store.ts";
import { readJsonFile, writeJsonFile } from "../../../src/daemon/state/durable_file.ts";
import {
  lockStateDir,
  makeStateDir,
  removeStateDir,
  STATE_FILE,
} from "../../../src/daemon/state/state_files.ts";
import { STATE_HOME } from "../../made/state_home.ts";
import { systemLocks } from "../../../src/machine/locks.ts";

function withDirectory(use: (directory: string) => void): void {
  const root = mkdtempSync(join(tmpdir(), "ovltun-state-"));
  try {
    const directory = join(root, "lib", "ovltun");
    makeStateDir(directory);
    use(directory);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

test("makeStateDir() makes a directory for its owner only and refuses a file", () => {
  withDirectory((directory) => {
    assert.equal(statSync(directory).mode & 0o777, 0o700);
    makeStateDir(directory);
    writeFileSync(join(directory, "f"), "");
    assert.throws(() => makeStateDir(join(directory, "f")), /is a file/);
    assert.throws(() => makeStateDir(join(directory, "f", "g")), /--state-dir/);
  });
});

test("writeJsonFile() and readJsonFile() round trip and keep the previous copy", () => {
  withDirectory((directory) => {
    const path = join(directory, STATE_FILE);
    assert.deepEqual(readJsonFile(path), { value: null, warning: null });
    for (const n of [1, 2, 3]) writeJsonFile(path, { n });
    assert.deepEqual(readJsonFile(path), { value: { n: 3 }, warning: null });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(directory).sort(), [STATE_FILE, `${STATE_FILE}.bak`]);
    writeJsonFile(path, {}, 0o644);
    assert.equal(statSync(path).mode & 0o777, 0o644);
  });
});

test("readJsonFile() falls back to the previous copy at every truncation, and says so", () => {
  withDirectory((directory) => {
    const path = join(directory, STATE_FILE);
    writeJsonFile(path, { n: 1 });
    writeJsonFile(path, { n: 2, list: ["a", "b"] });
    const whole = readFileSync(path, "utf8").trimEnd();
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(path, whole.slice(0, length));
      const read = readJsonFile(path);
      assert.deepEqual(read.value, { n: 1 });
      assert.match(read.warning!, /is damaged; using ".*state\.bak"/);
    }
    rmSync(`${path}.bak`);
    assert.throws(() => readJsonFile(path), /is damaged .* ovltun down --purge --state-dir/);
  });
});

test("readJsonFile() refuses a secret that others may read", () => {
  withDirectory((directory) => {
    const path = join(directory, "identity.json");
    writeJsonFile(path, {}, 0o644);
    assert.throws(
      () => readJsonFile(path, { secret: true }),
      (error: Error) =>
        error instanceof ConfigError && /\(mode 0644\); run: chmod 600 .*identity\.json$/.test(error.message),
    );
    writeJsonFile(path, {}, 0o600);
    assert.deepEqual(readJsonFile(path, { secret: true }).value, {});
  });
});

test("lockStateDir() admits one holder at a time", () => {
  withDirectory((directory) => {
    const lock = lockStateDir(systemLocks, directory);
    assert.throws(
      () => lockStateDir(systemLocks, directory),
      new RegExp(`Another ovltun \\(pid ${process.pid}\\) is using the state`),
    );
    lock.release();
    lock.release();
    lockStateDir(systemLocks, directory).release();
  });
});

test("removeStateDir() removes our files and nothing else", () => {
  withDirectory((directory) => {
    lockStateDir(systemLocks, directory).release();
    writeJsonFile(join(directory, STATE_FILE), {});
    writeJsonFile(join(directory, STATE_FILE), {});
    writeFileSync(join(directory, "notes"), "");
    assert.match(removeStateDir(directory).lines.at(-1)!, /Left the directory .* contains other files/);
    assert.deepEqual(readdirSync(directory), ["notes"]);
    rmSync(join(directory, "notes"));
    assert.deepEqual(removeStateDir(directory), { lines: [], foreign: false });
    assert.ok(existsSync(directory), "an empty directory that never was ours");
    lockStateDir(systemLocks, directory).release();
    assert.match(removeStateDir(directory).lines.at(-1)!, /Removed the directory/);
    assert.ok(!existsSync(directory));
    assert.deepEqual(removeStateDir(directory), { lines: [], foreign: false });
    mkdirSync(directory);
  });
});

test("What a power loss or a full disk left of a first start keeps nobody from the next one", () => {
  let whole = "";
  withDirectory((directory) => {
    const state = openState(STATE_HOME, directory);
    whole = readFileSync(join(directory, "identity.json"), "utf8");
    state.close();
  });
  const leftovers: Record<string, string>[] = [
    { "identity.json.tmp": "" },
    { "identity.json.tmp": "\0".repeat(252), lock: "" },
    { "identity.json.tmp": whole, lock: "\0".repeat(12) },
    { "identity.json.tmp": "", "state.tmp": "", "secret.tmp": "", "join.json.tmp": "" },
  ];
  for (const files of leftovers) {
    for (const purge of [false, true]) {
      withDirectory((directory) => {
        for (const [name, text] of Object.entries(files)) {
          writeFileSync(join(directory, name), text, { mode: 0o600 });
        }
        if (purge) {
          assert.equal(removeStateDir(directory).foreign, false);
          return assert.ok(!existsSync(directory), "all of it was ours");
        }
        const state = openState(STATE_HOME, directory);
        assert.ok(existsSync(join(directory, "identity.json")));
        assert.ok(!existsSync(join(directory, "identity.json.tmp")));
        state.close();
      });
    }
  }
});

test("A write that fails leaves nothing behind", () => {
  withDirectory((directory) => {
    const path = join(directory, "identity.json");
    mkdirSync(join(path, "in the way"), { recursive: true });
    assert.throws(() => writeJsonFile(path, {}), /Cannot write/);
    assert.deepEqual(readdirSync(directory), ["identity.json"]);
  });
});

const FOREIGN: Readonly<Record<string, string>> = {
  "state": '{"version":3,"terraform_version":"1.9"}',
  "identity.json": '{"version":1,"id":"me"}',
  secret: "correct horse battery staple of another program\n",
  lock: "4711\n",
  "state.bak": "{}",
  "state.tmp": "{}",
  peers: "alice\nbob\n",
  "secret.bak": "",
};

test("Files of others that have our names are neither removed, nor written over, nor locked", () => {
  for (const [name, text] of Object.entries(FOREIGN)) {
    withDirectory((directory) => {
      const path = join(directory, name);
      writeFileSync(path, text, { mode: 0o600 });
      assert.throws(() => openState(STATE_HOME, directory), (error: Error) => {
        assert.ok(error instanceof ConfigError, String(error));
        assert.ok(error.message.includes(`${path}" is not an ovltun file`), error.message);
        return true;
      });
      const { lines, foreign } = removeStateDir(directory);
      assert.deepEqual([lines, foreign], [[`Left ${JSON.stringify(path)}: it is not an ovltun file`], true]);
      assert.deepEqual(readdirSync(directory), [name]);
      assert.equal(readFileSync(path, "utf8"), text);
    });
  }
});
