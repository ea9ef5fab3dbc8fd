import { test } from "node:test";
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StoredState } from "../../../src/control/records/state.ts";
import { NetworkSecret } from "../../../src/crypto/network_secret.ts";
import { IDENTITY_FILE, STATE_FILE, StateInUseError } from "../../../src/daemon/state/state_files.ts";
import { openState } from "../../../src/daemon/state/state_store.ts";
import { foundMesh } from "../../../src/control/mesh/mesh.ts";
import type { MeshConfig } from "../../../src/control/mesh/mesh_config.ts";
import { settingsFor } from "../../made/settings.ts";
import { systemLocks } from "../../../src/machine/locks.ts";
import { prefix } from "../../../src/wire/prefix.ts";

const MESH = foundMesh(settingsFor("x", {})) as MeshConfig;

function withDirectory(use: (directory: string) => void): void {
  const root = mkdtempSync(join(tmpdir(), "ovltun-store-"));
  try {
    use(join(root, "state"));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function stateOf(nodeId: string, subnet: string | null, epoch: number): StoredState {
  const claim = subnet === null ? null : { subnet: prefix(subnet), stamp: 1, incarnation: 1 };
  const rest = { incarnation: 1, epoch, peers: [], gone: [], directives: [] };
  return { version: 1, nodeId, networkName: "test", name: "alpha", mesh: null, claim, ...rest };
}

/** Makes every write of the file fail, as a full disk does, also for root; returns the undo. */
function refuseWrites(directory: string, file = STATE_FILE): () => void {
  const inTheWay = join(directory, `${file}.tmp`);
  mkdirSync(join(inTheWay, "x"), { recursive: true });
  return () => rmSync(inTheWay, { recursive: true });
}

test("openState() keeps identity and state from run to run", () => {
  withDirectory((directory) => {
    const first = openState(systemLocks, directory);
    assert.equal(first.stored, null);
    first.save(stateOf(first.identity.id, "10.42.7.0/24", 1));
    first.close();
    const second = openState(systemLocks, directory);
    assert.equal(second.identity.id, first.identity.id);
    assert.equal(second.stored?.claim?.subnet.text, "10.42.7.0/24");
    second.close();
  });
});

test("openState() takes an identity back that nobody has heard of, and its directory", () => {
  withDirectory((directory) => {
    openState(systemLocks, directory).close();
    assert.ok(!existsSync(directory));
  });
});

test("openState() refuses a directory in use and touches nothing in it", () => {
  withDirectory((directory) => {
    const holder = openState(systemLocks, directory);
    assert.throws(() => openState(systemLocks, directory), StateInUseError);
    assert.ok(existsSync(join(directory, IDENTITY_FILE)));
    holder.close();
  });
});

test("openState() names the file it cannot use, and lets go of the directory", () => {
  withDirectory((directory) => {
    const first = openState(systemLocks, directory);
    first.save(stateOf(first.identity.id, null, 1));
    first.close();
    writeFileSync(join(directory, STATE_FILE), "{}");
    for (let i = 0; i < 2; i++) {
      assert.throws(() => openState(systemLocks, directory), /state\.json": The stored lease/);
    }
    writeFileSync(join(directory, IDENTITY_FILE), "{}");
    chmodSync(join(directory, IDENTITY_FILE), 0o600);
    assert.throws(() => openState(systemLocks, directory), /identity\.json": The identity/);
  });
});

test("save() refuses a first claim it cannot write; what else it cannot write waits for retry()", () => {
  withDirectory((directory) => {
    const store = openState(systemLocks, directory);
    const { id } = store.identity;
    store.save(stateOf(id, "10.42.7.0/24", 1));
    const allow = refuseWrites(directory);
    store.save(stateOf(id, "10.42.7.0/24", 2));
    assert.match(store.retry() ?? "", /^Cannot write ".*state\.json"/);
    assert.throws(() => store.save(stateOf(id, "10.42.8.0/24", 3)), /^Error: Cannot write/);
    store.save(stateOf(id, "10.42.7.0/24", 4));
    allow();
    assert.equal(store.retry(), null);
    store.close();
    const again = openState(systemLocks, directory);
    assert.equal(again.stored?.epoch, 4);
    again.close();
  });
});

test("A member whose disk is full goes on: with another claim, and with secrets that it was told", () => {
  withDirectory((directory) => {
    const store = openState(systemLocks, directory);
    const { id } = store.identity;
    const state = (subnet: string, epoch: number) => ({ ...stateOf(id, subnet, epoch), mesh: MESH });
    store.save(state("10.42.7.0/24", 1));
    const allow = [refuseWrites(directory), refuseWrites(directory, "secret")];
    const secret = NetworkSecret.create();
    store.writeSecrets([{ secret, generation: { seq: 0, issuer: "", dropOld: false }, used: true }]);
    assert.match(store.retry() ?? "", /^Cannot write ".*secret"/);
    allow[1]!();
    store.save(state("10.42.8.0/24", 2));
    assert.match(store.retry() ?? "", /^Cannot write ".*state\.json"/);
    allow[0]!();
    assert.equal(store.retry(), null);
    store.close();
    const again = openState(systemLocks, directory);
    assert.equal(again.stored?.claim?.subnet.text, "10.42.8.0/24");
    assert.ok(again.secret!.equals(secret));
    again.close();
  });
});

test("A founder that could not write its first state leaves nothing, and takes no secret of a user away", () => {
  for (const given of [false, true]) {
    withDirectory((directory) => {
      mkdirSync(directory, { mode: 0o700 });
      const secret = NetworkSecret.create();
      if (given) writeFileSync(join(directory, "secret"), `${secret.text()}\n`, { mode: 0o600 });
      const store = openState(systemLocks, directory);
      store.keepSecret(given ? secret : NetworkSecret.create());
      const allow = refuseWrites(directory);
      const first = { ...stateOf(store.identity.id, "10.42.7.0/24", 1), mesh: MESH };
      assert.throws(() => store.save(first), /^Error: Cannot write/);
      allow();
      store.close();
      assert.deepEqual(readdirSync(directory), given ? ["secret"] : []);
    });
  }
});

test("What is removed under a daemon is written again at retry(): identity, secret, state and lock", () => {
  withDirectory((directory) => {
    const store = openState(systemLocks, directory);
    const secret = NetworkSecret.create();
    store.keepSecret(secret);
    const { id } = store.identity;
    const mesh = {
      network: prefix("10.42.0.0/16"),
      subnetLen: 24,
      subnetMin: "10.42.1.0",
      subnetMax: "10.42.255.0",
      backend: "udp",
      vni: 1,
      vxlanPort: 8472,
      security: "sealed",
    } as const;
    store.save({ ...stateOf(id, "10.42.7.0/24", 1), mesh });
    const whole = readdirSync(directory).sort();
    for (const gone of [null, ...whole]) {
      if (gone === null) rmSync(directory, { recursive: true });
      else rmSync(join(directory, gone));
      assert.equal(store.retry(), null);
      assert.deepEqual(
        readdirSync(directory).filter((name) => !name.endsWith(".bak")).sort(),
        whole,
        `${gone}`,
      );
      assert.equal(statSync(join(directory, IDENTITY_FILE)).mode & 0o777, 0o600);
      assert.throws(() => openState(systemLocks, directory), StateInUseError);
    }
    store.close();
    const again = openState(systemLocks, directory);
    assert.equal(again.identity.id, id);
    assert.equal(again.stored?.claim?.subnet.text, "10.42.7.0/24");
    assert.ok(again.secret!.equals(secret));
    again.close();
  });
});

test("retry() says what keeps the state from the disk, and writes into no directory of another identity", () => {
  withDirectory((directory) => {
    const store = openState(systemLocks, directory);
    store.save(stateOf(store.identity.id, "10.42.7.0/24", 1));
    rmSync(directory, { recursive: true });
    writeFileSync(directory, "a file in its place");
    assert.match(store.retry() ?? "", /state directory .* is a file/);
    rmSync(directory);
    const other = openState(systemLocks, directory);
    other.save(stateOf(other.identity.id, "10.42.9.0/24", 1));
    assert.match(store.retry() ?? "", /the identity there was replaced/);
    assert.throws(
      () => store.save(stateOf(store.identity.id, "10.42.8.0/24", 2)),
      /identity there was replaced/,
    );
    store.close();
    other.close();
    const kept = openState(systemLocks, directory);
    assert.equal(kept.stored?.claim?.subnet.text, "10.42.9.0/24");
    kept.close();
  });
});

test("openState() that fails leaves a directory as it was, with what others have in it", () => {
  withDirectory((directory) => {
    mkdirSync(directory);
    writeFileSync(join(directory, "notes"), "mine");
    writeFileSync(join(directory, "secret"), `${NetworkSecret.create().text()}\n`, { mode: 0o600 });
    openState(systemLocks, directory).close();
    assert.deepEqual(readdirSync(directory).sort(), ["notes", "secret"]);
  });
});
