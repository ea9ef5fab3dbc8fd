import { test } from "node:test";
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NetworkSecret } from "../../../src/crypto/network_secret.ts";
import {
  readSecretFile,
  readSecretText,
  readStoredSecret,
  readStoredSecrets,
  secretsText,
  secretText,
} from "../../../src/daemon/state/secret_files.ts";
import {
  lockStateDir,
  removeStateDir,
  SECRET_FILE,
  STATE_FILE,
} from "../../../src/daemon/state/state_files.ts";
import { openState } from "../../../src/daemon/state/state_store.ts";
import { readOwn } from "../../../src/control/records/state.ts";
import { readSlots } from "../../../src/daemon/state/durable_file.ts";
import { systemLocks } from "../../../src/machine/locks.ts";
import { MESH } from "../../made/settings.ts";
import { retried, saved, STATE_HOME } from "../../made/state_home.ts";

async function withDirectory(use: (directory: string) => void | Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "ovltun-secret-"));
  try {
    await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** As a daemon does. */
function keep(directory: string, text: string): Promise<void> {
  return STATE_HOME.disk.replace(join(directory, SECRET_FILE), [new TextEncoder().encode(text)]);
}

test("readSecretFile() reads what secret new printed, and a passphrase", async () => {
  await withDirectory((directory) => {
    const path = join(directory, "s");
    const secret = NetworkSecret.create();
    writeFileSync(path, `${secret.text()}\n`, { mode: 0o600 });
    assert.ok(readSecretFile(path, "home").secret.equals(secret));
    writeFileSync(path, "correct horse battery staple\n");
    const phrase = readSecretFile(path, "home");
    assert.ok(phrase.secret.equals(NetworkSecret.parse("correct horse battery staple", "home")));
    assert.equal(phrase.from, `--secret-file ${JSON.stringify(path)}`);
  });
});

test("readSecretFile() refuses a file that others may read, whichever bit lets them", async () => {
  await withDirectory((directory) => {
    const path = join(directory, "s");
    writeFileSync(path, NetworkSecret.create().text());
    for (const mode of [0o640, 0o604, 0o620, 0o610, 0o601]) {
      chmodSync(path, mode);
      const words = new RegExp(
        `other users can read it \\(mode 0${mode.toString(8)}\\); run: chmod 600 ${path}$`,
      );
      assert.throws(() => readSecretFile(path, "home"), words);
    }
    for (const mode of [0o600, 0o400]) {
      chmodSync(path, mode);
      readSecretFile(path, "home");
    }
  });
});

test("readSecretFile() says what is wrong with a file, and never what is in it", async () => {
  await withDirectory((directory) => {
    const path = join(directory, "s");
    assert.throws(
      () => readSecretFile(path, "home"),
      /no such file \(generate one with ovltun secret new\)/,
    );
    assert.throws(() => readSecretFile(directory, "home"), /is a directory/);
    const wrong: readonly (readonly [string, RegExp])[] = [
      ["hunter2-hunter", /too short/],
      [NetworkSecret.create().text().slice(0, 50), /mistyped/],
      ["x1".repeat(5000), /too long to be the network secret/],
    ];
    for (const [text, message] of wrong) {
      writeFileSync(path, text, { mode: 0o600 });
      assert.throws(() => readSecretFile(path, "home"), (error: Error) => {
        assert.match(error.message, message);
        return !error.message.includes(text.slice(0, 12));
      });
    }
    assert.equal(readSecretText(join(directory, "none"), "a token"), null);
  });
});

test("secretText() and readStoredSecret() keep a secret for its owner only, with no copy beside it", async () => {
  await withDirectory(async (directory) => {
    assert.equal(readStoredSecret(directory), null);
    const [one, two] = [NetworkSecret.create(), NetworkSecret.create()];
    for (const secret of [one, two]) await keep(directory, secretText(secret));
    const path = join(directory, SECRET_FILE);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.ok(!existsSync(`${path}.bak`), "a rotated secret stays nowhere");
    assert.ok(readStoredSecret(directory)!.equals(two));
    writeFileSync(path, "short");
    assert.throws(() => readStoredSecret(directory), /Cannot use ".*secret": The passphrase is too short/);
    chmodSync(path, 0o644);
    assert.throws(() => readStoredSecret(directory), /chmod 600/);
    lockStateDir(systemLocks, directory).release();
    assert.match(removeStateDir(directory).lines.join("\n"), /Removed ".*secret"/);
    assert.ok(!existsSync(path));
  });
});

test("openState() keeps a secret once the state has a mesh, and before that state is written", async () => {
  await withDirectory(async (root) => {
    const directory = join(root, "state");
    const secret = NetworkSecret.create();
    const store = openState(STATE_HOME, directory);
    assert.equal(store.secret, null);
    store.keepSecret(secret);
    const base = {
      version: 1,
      nodeId: store.identity.id,
      networkName: "home",
      name: "alpha",
      incarnation: 1,
    } as const;
    assert.equal(await saved(store, { ...base, mesh: null, claim: null, epoch: 1 }), null);
    assert.ok(!existsSync(join(directory, SECRET_FILE)), "a mistyped secret leaves nothing behind");
    mkdirSync(join(directory, `${SECRET_FILE}.tmp`, "x"), { recursive: true });
    const problem = await saved(store, { ...base, mesh: MESH, claim: null, epoch: 2 });
    assert.match(problem ?? "", /Cannot write ".*secret"/);
    const { found } = readSlots(readFileSync(join(directory, STATE_FILE)));
    assert.equal(readOwn(found!.json).epoch, 1, "no mesh on disk without its secret");
    rmSync(join(directory, `${SECRET_FILE}.tmp`), { recursive: true });
    assert.equal(await retried(store), null);
    store.close();
    const again = openState(STATE_HOME, directory);
    assert.ok(again.secret!.equals(secret));
    assert.equal(again.stored!.epoch, 2);
    again.close();
  });
});

test("Several secrets are kept while they change, the newest first, for their owner only", async () => {
  await withDirectory(async (directory) => {
    const root = (n: number) => new Uint8Array(32).fill(n);
    const id = new Uint8Array(16).fill(5);
    const old = { secret: NetworkSecret.of(root(1)), used: true };
    const fresh = { secret: NetworkSecret.of(root(2), id), used: false };
    const text = secretsText([
      { ...fresh, generation: { seq: 1, issuer: "0123456789abcdef", dropOld: true } },
      { ...old, generation: { seq: 0, issuer: "", dropOld: false } },
    ]);
    await keep(directory, text);
    const path = join(directory, SECRET_FILE);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const read = readStoredSecrets(directory);
    assert.deepEqual(read.map(({ generation, used }) => [generation, used]), [
      [{ seq: 1, issuer: "0123456789abcdef", dropOld: true }, false],
      [{ seq: 0, issuer: "", dropOld: false }, true],
    ]);
    assert.ok(read[0]!.secret.equals(fresh.secret));
    assert.deepEqual(read[0]!.secret.keys("home").networkId, id, "the network id outlives the rotation");
    assert.ok(readStoredSecret(directory)!.equals(fresh.secret), "what a token tells");
    writeFileSync(path, `${readFileSync(path, "utf8")}nonsense\n`, { mode: 0o600 });
    assert.throws(
      () => readStoredSecrets(directory),
      /Cannot use ".*secret": It contains a line that is not a secret/,
    );
  });
});
