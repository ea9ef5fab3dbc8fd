import { test } from "node:test";
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Kept, recordText, type StoredOwn } from "../../../src/control/records/state.ts";
import { NetworkSecret } from "../../../src/crypto/network_secret.ts";
import {
  IDENTITY_FILE,
  PEERS_FILE,
  STATE_FILE,
  StateInUseError,
} from "../../../src/daemon/state/state_files.ts";
import { openState } from "../../../src/daemon/state/state_store.ts";
import { foundMesh } from "../../../src/control/mesh/mesh.ts";
import type { MeshConfig } from "../../../src/control/mesh/mesh_config.ts";
import { recordOf } from "../../made/records.ts";
import { settingsFor } from "../../made/settings.ts";
import { retried, saved, STATE_HOME } from "../../made/state_home.ts";
import { configureLog } from "../../../src/log/log.ts";
import { prefix } from "../../../src/wire/prefix.ts";

configureLog("error", "text"); // what is damaged is warned of, hundreds of times

const MESH = foundMesh(settingsFor("x", {})) as MeshConfig;

async function withDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "ovltun-store-"));
  try {
    await use(join(root, "state"));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function stateOf(nodeId: string, subnet: string | null, epoch: number): StoredOwn {
  const claim = subnet === null ? null : { subnet: prefix(subnet), stamp: 1, incarnation: 1 };
  const rest = { incarnation: 1, epoch };
  return { version: 1, nodeId, networkName: "test", name: "alpha", mesh: null, claim, ...rest };
}

function peer(n: number, endpoint: string | null = null): Kept {
  const { id, raw } = recordOf(n);
  return { kind: "peer", id, raw, endpoint };
}

/** Makes every replacement of the file fail, also for root; returns the undo. */
function refuseWrites(directory: string, file = STATE_FILE): () => void {
  const inTheWay = join(directory, `${file}.tmp`);
  mkdirSync(join(inTheWay, "x"), { recursive: true });
  return () => rmSync(inTheWay, { recursive: true });
}

test("openState() keeps identity, state and what is known of others from run to run", async () => {
  await withDirectory(async (directory) => {
    const first = openState(STATE_HOME, directory);
    assert.equal(first.stored, null);
    assert.equal(await saved(first, stateOf(first.identity.id, "10.42.7.0/24", 1), [peer(1)]), null);
    first.remember([peer(2), peer(1, "192.168.1.9:8473")], false);
    await first.settle();
    first.close();
    const second = openState(STATE_HOME, directory);
    assert.equal(second.identity.id, first.identity.id);
    assert.equal(second.stored?.claim?.subnet.text, "10.42.7.0/24");
    assert.deepEqual(
      second.stored?.peers.map(({ record, endpoint }) => [record, endpoint]).sort(),
      [
        [recordText(recordOf(1).raw), "192.168.1.9:8473"],
        [recordText(recordOf(2).raw), null],
      ].sort(),
    );
    second.remember([peer(3)], true);
    await second.settle();
    second.close();
    const third = openState(STATE_HOME, directory);
    assert.deepEqual(third.stored?.peers.map(({ record }) => record), [recordText(recordOf(3).raw)]);
    third.close();
    assert.equal(statSync(join(directory, STATE_FILE)).mode & 0o777, 0o600);
    assert.equal(statSync(join(directory, PEERS_FILE)).mode & 0o777, 0o600);
  });
});

test("openState() takes an identity back that nobody has heard of, and its directory", async () => {
  await withDirectory(async (directory) => {
    openState(STATE_HOME, directory).close();
    assert.ok(!existsSync(directory));
    await Promise.resolve();
  });
});

test("openState() refuses a directory in use and touches nothing in it", async () => {
  await withDirectory(async (directory) => {
    const holder = openState(STATE_HOME, directory);
    assert.throws(() => openState(STATE_HOME, directory), StateInUseError);
    assert.ok(existsSync(join(directory, IDENTITY_FILE)));
    holder.close();
    await Promise.resolve();
  });
});

test("openState() names the file it cannot use, and lets go of the directory", async () => {
  await withDirectory(async (directory) => {
    const first = openState(STATE_HOME, directory);
    await saved(first, stateOf(first.identity.id, null, 1));
    first.close();
    for (const text of ["{}", "", "\0".repeat(8192)]) {
      writeFileSync(join(directory, STATE_FILE), text);
      for (let i = 0; i < 2; i++) {
        assert.throws(
          () => openState(STATE_HOME, directory),
          /state": It is damaged.* \(restore it from a backup, or run ovltun down --purge/,
        );
      }
    }
    writeFileSync(join(directory, IDENTITY_FILE), "{}");
    chmodSync(join(directory, IDENTITY_FILE), 0o600);
    assert.throws(() => openState(STATE_HOME, directory), /identity\.json": The identity/);
  });
});

test("A state file cut at any length is the newest state, or the one before, or named as damaged", async () => {
  await withDirectory(async (directory) => {
    const store = openState(STATE_HOME, directory);
    for (const epoch of [1, 2, 3]) await saved(store, stateOf(store.identity.id, "10.42.7.0/24", epoch));
    store.close();
    const path = join(directory, STATE_FILE);
    const whole = readFileSync(path);
    const found = { 3: 0, 2: 0, damaged: 0 };
    for (let length = 0; length < whole.length; length += length % 4096 < 600 ? 23 : 499) {
      writeFileSync(path, whole.subarray(0, length));
      let epoch: 2 | 3 | "damaged" = "damaged";
      try {
        const again = openState(STATE_HOME, directory);
        epoch = again.stored!.epoch as 2 | 3;
        // And it goes on from there, with both slots.
        assert.equal(await saved(again, stateOf(again.identity.id, "10.42.7.0/24", 9)), null);
        again.close();
        assert.equal(readFileSync(path).length, whole.length);
        const last = openState(STATE_HOME, directory);
        assert.equal(last.stored!.epoch, 9);
        last.close();
      } catch (error) {
        assert.match(String(error), /is damaged/, `at ${length}`);
      }
      found[epoch]++;
    }
    assert.ok(found[3] > 0 && found.damaged > 0, JSON.stringify(found));
  });
});

test("A state whose newer slot was torn by a power loss is the one before, whatever is in its place", async () => {
  await withDirectory(async (directory) => {
    const store = openState(STATE_HOME, directory);
    for (const epoch of [1, 2]) await saved(store, stateOf(store.identity.id, null, epoch));
    store.close();
    const path = join(directory, STATE_FILE);
    const whole = readFileSync(path);
    for (let at = 4096; at < 4096 + 300; at += 11) {
      const torn = Buffer.from(whole);
      torn.fill(0, at, at + 512);
      writeFileSync(path, torn);
      const again = openState(STATE_HOME, directory);
      assert.equal(again.stored?.epoch, 1, `at ${at}`);
      again.close();
    }
  });
});

test("What is known of others is read up to where the file is cut, at any length, and goes on behind it", async () => {
  await withDirectory(async (directory) => {
    const store = openState(STATE_HOME, directory);
    const all = [peer(1), peer(2, "192.168.1.2:8473"), peer(3)];
    await saved(store, stateOf(store.identity.id, null, 1), all);
    store.close();
    const path = join(directory, PEERS_FILE);
    const whole = readFileSync(path);
    const ends = [...whole.entries()].filter(([, byte]) => byte === 10).map(([at]) => at).slice(1);
    for (let length = 0; length < whole.length; length += 41) {
      writeFileSync(path, whole);
      truncateSync(path, length);
      const again = openState(STATE_HOME, directory);
      assert.equal(again.stored!.peers.length, ends.filter((end) => end <= length).length, `at ${length}`);
      again.remember([peer(4)], false);
      await again.settle();
      again.close();
      const last = openState(STATE_HOME, directory);
      assert.equal(last.stored!.peers.at(-1)?.record, recordText(recordOf(4).raw), `at ${length}`);
      last.close();
    }
  });
});

test("A damaged line in the middle of the peers costs that one", async () => {
  await withDirectory(async (directory) => {
    const store = openState(STATE_HOME, directory);
    await saved(store, stateOf(store.identity.id, null, 1), [peer(1), peer(2), peer(3)]);
    store.close();
    const path = join(directory, PEERS_FILE);
    const bytes = readFileSync(path);
    bytes[Math.floor(bytes.length / 2)]! ^= 0x01;
    writeFileSync(path, bytes);
    const again = openState(STATE_HOME, directory);
    assert.equal(again.stored!.peers.length, 2);
    again.close();
  });
});

test("A write that fails is told, is said to nobody, and is done once it can be", async () => {
  await withDirectory(async (directory) => {
    const store = openState(STATE_HOME, directory);
    const { id } = store.identity;
    const stored: number[] = [];
    store.tell({ stored: (ticket) => stored.push(ticket), unremembered: () => {} });
    const allow = refuseWrites(directory);
    store.save({ ticket: 4, state: stateOf(id, "10.42.7.0/24", 2), keep: [] });
    await store.settle();
    assert.match(await retried(store) ?? "", /^Cannot write ".*state"/);
    store.save({ ticket: 5, state: stateOf(id, "10.42.8.0/24", 3), keep: [] });
    await store.settle();
    assert.deepEqual(stored, []);
    allow();
    assert.equal(await retried(store), null);
    assert.deepEqual(stored, [5], "the newest, once");
    store.close();
    const again = openState(STATE_HOME, directory);
    assert.equal(again.stored?.epoch, 3);
    again.close();
  });
});

test("No state is on disk without the secrets that were told before it", async () => {
  await withDirectory(async (directory) => {
    const store = openState(STATE_HOME, directory);
    const { id } = store.identity;
    const state = (subnet: string, epoch: number) => ({ ...stateOf(id, subnet, epoch), mesh: MESH });
    await saved(store, state("10.42.7.0/24", 1));
    const allow = refuseWrites(directory, "secret");
    const secret = NetworkSecret.create();
    store.writeSecrets([{ secret, generation: { seq: 0, issuer: "", dropOld: false }, used: true }]);
    assert.match(await saved(store, state("10.42.8.0/24", 2)) ?? "", /^Cannot write ".*secret"/);
    store.close();
    const between = openState(STATE_HOME, directory);
    assert.equal(between.stored?.epoch, 1);
    between.writeSecrets([{ secret, generation: { seq: 0, issuer: "", dropOld: false }, used: true }]);
    between.save({ ticket: 1, state: state("10.42.8.0/24", 2), keep: [] });
    allow();
    assert.equal(await retried(between), null);
    between.close();
    const again = openState(STATE_HOME, directory);
    assert.equal(again.stored?.claim?.subnet.text, "10.42.8.0/24");
    assert.ok(again.secret!.equals(secret));
    again.close();
  });
});

test("What is to be kept with a state is there before it", async () => {
  await withDirectory(async (directory) => {
    const store = openState(STATE_HOME, directory);
    const path = join(directory, PEERS_FILE);
    mkdirSync(path); // nothing can be appended to that
    assert.match(
      await saved(store, stateOf(store.identity.id, null, 1), [peer(1)]) ?? "",
      /^Cannot write ".*peers"/,
    );
    assert.ok(!existsSync(join(directory, STATE_FILE)));
    rmSync(path, { recursive: true });
    assert.equal(await retried(store), null);
    store.close();
    const again = openState(STATE_HOME, directory);
    assert.equal(again.stored?.peers.length, 1);
    again.close();
  });
});

test("A founder that could not write its first state leaves nothing, and takes no secret of a user away", async () => {
  for (const given of [false, true]) {
    await withDirectory(async (directory) => {
      mkdirSync(directory, { mode: 0o700 });
      const secret = NetworkSecret.create();
      if (given) writeFileSync(join(directory, "secret"), `${secret.text()}\n`, { mode: 0o600 });
      const store = openState(STATE_HOME, directory);
      store.keepSecret(given ? secret : NetworkSecret.create());
      const allow = refuseWrites(directory);
      const first = { ...stateOf(store.identity.id, "10.42.7.0/24", 1), mesh: MESH };
      assert.match(await saved(store, first) ?? "", /^Cannot write/);
      allow();
      store.close();
      assert.deepEqual(readdirSync(directory), given ? ["secret"] : []);
    });
  }
});

test("What is removed under a daemon is written again at retry(): identity, secret, state and lock", async () => {
  await withDirectory(async (directory) => {
    const store = openState(STATE_HOME, directory);
    const secret = NetworkSecret.create();
    store.keepSecret(secret);
    let lost = 0;
    store.tell({
      stored: () => {},
      unremembered: () => {
        lost++;
        store.remember([peer(1)], true); // as the control plane does
      },
    });
    const { id } = store.identity;
    await saved(store, { ...stateOf(id, "10.42.7.0/24", 1), mesh: { ...MESH, security: "sealed" } }, [
      peer(1),
    ]);
    const whole = readdirSync(directory).sort();
    for (const gone of [null, ...whole]) {
      if (gone === null) rmSync(directory, { recursive: true });
      else rmSync(join(directory, gone));
      assert.equal(await retried(store), null, `${gone}`);
      assert.deepEqual(
        readdirSync(directory).filter((name) => !name.endsWith(".bak")).sort(),
        whole,
        `${gone}`,
      );
      assert.equal(statSync(join(directory, IDENTITY_FILE)).mode & 0o777, 0o600);
      assert.throws(() => openState(STATE_HOME, directory), StateInUseError);
    }
    assert.equal(lost, 2, "with the directory, and alone");
    store.close();
    const again = openState(STATE_HOME, directory);
    assert.equal(again.identity.id, id);
    assert.equal(again.stored?.claim?.subnet.text, "10.42.7.0/24");
    assert.equal(again.stored?.peers.length, 1);
    assert.ok(again.secret!.equals(secret));
    again.close();
  });
});

test("retry() says what keeps the state from the disk, and writes into no directory of another identity", async () => {
  await withDirectory(async (directory) => {
    const store = openState(STATE_HOME, directory);
    await saved(store, stateOf(store.identity.id, "10.42.7.0/24", 1));
    rmSync(directory, { recursive: true });
    writeFileSync(directory, "a file in its place");
    assert.match(await retried(store) ?? "", /state directory .* is a file/);
    rmSync(directory);
    const other = openState(STATE_HOME, directory);
    await saved(other, stateOf(other.identity.id, "10.42.9.0/24", 1));
    assert.match(await retried(store) ?? "", /the identity there was replaced/);
    assert.match(
      await saved(store, stateOf(store.identity.id, "10.42.8.0/24", 2)) ?? "",
      /identity there was replaced/,
    );
    store.close();
    other.close();
    const kept = openState(STATE_HOME, directory);
    assert.equal(kept.stored?.claim?.subnet.text, "10.42.9.0/24");
    kept.close();
  });
});

test("openState() that fails leaves a directory as it was, with what others have in it", async () => {
  await withDirectory(async (directory) => {
    mkdirSync(directory);
    writeFileSync(join(directory, "notes"), "mine");
    writeFileSync(join(directory, "secret"), `${NetworkSecret.create().text()}\n`, { mode: 0o600 });
    openState(STATE_HOME, directory).close();
    assert.deepEqual(readdirSync(directory).sort(), ["notes", "secret"]);
    await Promise.resolve();
  });
});

test("startOver() leaves nothing of the mesh before, and the counters go on", async () => {
  await withDirectory(async (directory) => {
    const store = openState(STATE_HOME, directory);
    await saved(store, { ...stateOf(store.identity.id, "10.42.7.0/24", 1), mesh: MESH }, [peer(1)]);
    store.close();
    const second = openState(STATE_HOME, directory);
    second.startOver({ ...second.stored!, mesh: null, claim: null, peers: [], directives: [] });
    assert.equal(await saved(second, stateOf(second.identity.id, null, 7)), null);
    second.close();
    const third = openState(STATE_HOME, directory);
    assert.deepEqual([third.stored!.mesh, third.stored!.epoch, third.stored!.peers], [null, 7, []]);
    third.close();
  });
});
