import { test } from "node:test";
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Config, ConfigError } from "../../../src/config/config.ts";
import { foundMesh } from "../../../src/control/mesh/mesh.ts";
import type { MeshConfig } from "../../../src/control/mesh/mesh_config.ts";
import type { StoredState } from "../../../src/control/records/state.ts";
import { NetworkSecret } from "../../../src/crypto/network_secret.ts";
import { cannotWrite } from "../../../src/daemon/state/durable_file.ts";
import { JOIN_FILE } from "../../../src/daemon/state/state_files.ts";
import { openState } from "../../../src/daemon/state/state_store.ts";
import {
  beginRun,
  readUnfinishedJoin,
  rememberRefusedJoin,
  type UnfinishedJoin,
  writeUnfinishedJoin,
} from "../../../src/daemon/state/unfinished_join.ts";
import { settingsFor } from "../../made/settings.ts";
import { retried, saved, STATE_HOME } from "../../made/state_home.ts";
import { prefix } from "../../../src/wire/prefix.ts";

const A = NetworkSecret.create();
const B = NetworkSecret.create();
const PIN = "ab".repeat(32);
const SEALED: UnfinishedJoin = {
  networkName: "ovltun",
  peers: ["alpha.example:8473"],
  pinnedNode: PIN,
  secret: A,
};
const PLAIN: UnfinishedJoin = {
  networkName: "ovltun",
  peers: ["10.99.0.1:8473"],
  pinnedNode: null,
  secret: null,
};
const MESH = foundMesh(settingsFor("x", { plain: false })) as MeshConfig;

function config(change: Partial<Config> = {}): Config {
  const plainly = {
    peers: [],
    found: false,
    plain: false,
    networkName: "ovltun",
    pinnedNode: null,
    port: 8473,
  };
  return { ...plainly, stateDir: "/state", ...change } as unknown as Config;
}

function stored(change: Partial<StoredState> = {}): StoredState {
  return {
    version: 1,
    nodeId: PIN,
    networkName: "ovltun",
    name: "alpha",
    mesh: MESH,
    claim: null,
    incarnation: 7,
    epoch: 3,
    peers: [],
    directives: [],
    ...change,
  };
}

const begin = (change: Parameters<typeof beginRun>[0] | object) =>
  beginRun({ config: config(), given: null, stored: null, secret: null, join: null, ...change });
const of = (secret: NetworkSecret) => ({ secret, from: "the token" });

function refused(change: object, message: RegExp): void {
  assert.throws(() => begin(change), (error: Error) => {
    assert.ok(error instanceof ConfigError);
    assert.match(error.message, message);
    return !error.message.includes(A.text());
  });
}

test("A plain `up` goes on with the join that is not finished", () => {
  const sealed = begin({ join: SEALED });
  assert.deepEqual([sealed.resumed, sealed.config.peers, sealed.config.pinnedNode], [
    true,
    SEALED.peers,
    PIN,
  ]);
  assert.equal(sealed.given?.secret, A);
  assert.equal(sealed.remember, null);
  const plain = begin({ join: PLAIN, config: config({ plain: true }) });
  assert.deepEqual([plain.resumed, plain.config.peers, plain.given], [true, PLAIN.peers, null]);
  const same = begin({ join: SEALED, given: { secret: NetworkSecret.of(A.bytes()), from: "--secret-file" } });
  assert.equal(same.resumed, true);
});

test("What it says against that join is refused by name, with the ways out", () => {
  const ways =
    /A join started on this host, to .*ovltun up --found; .* ovltun join; .* ovltun down --purge --state-dir \/state$/;
  refused({ join: SEALED, config: config({ plain: true }) }, /that mesh is sealed: leave --plain out/);
  refused({ join: PLAIN }, /that mesh is plain: add --plain/);
  refused({ join: PLAIN }, ways);
  refused(
    { join: SEALED, given: { secret: B, from: "OVLTUN_SECRET" } },
    /its secret is not that of OVLTUN_SECRET/,
  );
  refused(
    { join: SEALED, config: config({ networkName: "work" }) },
    /in the network "ovltun"; leave --network-name out/,
  );
});

test("A join that had learned the mesh goes on in it, by the newest secret on disk", () => {
  const begun = begin({ join: SEALED, stored: stored(), secret: B });
  assert.deepEqual([begun.resumed, begun.given, begun.secret, begun.stored?.mesh], [true, null, B, MESH]);
  assert.deepEqual(begun.config.peers, SEALED.peers);
});

test("--found founds, without anything of the join's", () => {
  const begun = begin({ join: SEALED, config: config({ found: true }), stored: stored(), secret: A });
  assert.deepEqual([begun.resumed, begun.remember, begun.secret, begun.stored?.mesh], [
    false,
    null,
    null,
    null,
  ]);
  assert.equal(begun.stored?.incarnation, 7, "its record stays newer than before");
});

test("Another join takes its place; more peers alone go to the same one", () => {
  const other = begin({
    join: SEALED,
    config: config({ peers: ["192.0.2.1:9000"], pinnedNode: "cd".repeat(32) }),
    given: of(B),
    stored: stored(),
    secret: A,
  });
  assert.deepEqual([other.stored?.mesh, other.secret, other.given?.secret], [null, null, B]);
  assert.deepEqual(other.remember, {
    networkName: "ovltun",
    peers: ["192.0.2.1:9000"],
    pinnedNode: "cd".repeat(32),
  });
  const again = begin({
    join: SEALED,
    config: config({ peers: SEALED.peers, pinnedNode: PIN }),
    given: of(NetworkSecret.of(A.bytes())),
    stored: stored(),
    secret: A,
  });
  assert.equal(again.stored?.mesh, MESH);
  const more = begin({ join: SEALED, config: config({ peers: ["beta"] }) });
  assert.deepEqual(more.config.peers, ["beta:8473", "alpha.example:8473"]);
  assert.deepEqual([more.given?.secret, more.config.pinnedNode], [A, PIN]);
  const plain = begin({
    join: SEALED,
    config: config({ peers: ["beta"], plain: true }),
    stored: stored(),
    secret: A,
  });
  assert.deepEqual([plain.stored?.mesh, plain.secret], [null, null]);
});

test("Every start with peers is remembered with their ports, and none of a member or a founder", () => {
  const peers = ["alpha", "10.99.0.1", "10.99.0.2:9000", "fd00::1", "[fd00::2]", "[fd00::3]:9000"];
  assert.deepEqual(begin({ config: config({ peers, plain: true, port: 7000 }) }).remember?.peers, [
    "alpha:7000",
    "10.99.0.1:7000",
    "10.99.0.2:9000",
    "[fd00::1]:7000",
    "[fd00::2]:7000",
    "[fd00::3]:9000",
  ]);
  assert.equal(begin({}).remember, null);
  assert.equal(begin({ config: config({ peers, found: true }) }).remember, null);
  const claim = { subnet: prefix("10.42.7.0/24"), stamp: 1, incarnation: 1 };
  for (const join of [null, SEALED]) {
    const member = begin({ config: config({ peers }), join, stored: stored({ claim }), secret: B });
    assert.deepEqual([member.remember, member.resumed, member.stored?.claim], [null, false, claim]);
  }
});

async function withDirectory(use: (directory: string) => void | Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "ovltun-join-"));
  try {
    await use(join(root, "state"));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

test("An unfinished join outlives its run in a file for its owner, until there is a claim", async () => {
  await withDirectory(async (directory) => {
    const first = openState(STATE_HOME, directory);
    const { id } = first.identity;
    assert.equal(first.join, null);
    first.rememberJoin(SEALED);
    first.close();
    assert.equal(statSync(join(directory, JOIN_FILE)).mode & 0o777, 0o600);
    const second = openState(STATE_HOME, directory);
    assert.equal(second.identity.id, id);
    assert.deepEqual({ ...second.join, secret: null }, { ...SEALED, secret: null });
    assert.ok(second.join!.secret!.equals(A));
    await saved(second, stored({ nodeId: id }));
    assert.ok(existsSync(join(directory, JOIN_FILE)), "a mesh that was learned is no claim");
    second.rememberJoin(PLAIN);
    assert.doesNotMatch(
      readFileSync(join(directory, JOIN_FILE), "utf8"),
      /ovs1/,
      "the other's secret is gone",
    );
    assert.ok(!existsSync(join(directory, `${JOIN_FILE}.bak`)), "and no copy of it stays");
    const claim = { subnet: prefix("10.42.7.0/24"), stamp: 1, incarnation: 1 };
    await saved(second, stored({ nodeId: id, claim }));
    assert.ok(!existsSync(join(directory, JOIN_FILE)));
    second.close();
    const third = openState(STATE_HOME, directory);
    assert.equal(third.join, null);
    third.close();
  });
});

test("A file of a join that cannot be used is refused, whoever wrote it: nobody founds in its place", async () => {
  await withDirectory((directory) => {
    const state = openState(STATE_HOME, directory);
    state.rememberJoin(PLAIN);
    state.close();
    const path = join(directory, JOIN_FILE);
    const good = JSON.parse(readFileSync(path, "utf8"));
    const bad = [
      {},
      [],
      { ...good, version: 2 },
      { ...good, peers: [] },
      { ...good, peers: ["a b"] },
      { ...good, peers: "x" },
      { ...good, pinnedNode: "zz" },
      { ...good, secret: "ovs1short" },
      { ...good, secret: 7 },
      { ...good, networkName: "a b" },
    ];
    for (const value of bad) {
      writeFileSync(path, JSON.stringify(value));
      assert.throws(
        () => readUnfinishedJoin(directory),
        /join\.json", the record of an unfinished join.*down --purge/,
      );
      assert.throws(() => openState(STATE_HOME, directory), /join\.json"/);
    }
    writeFileSync(path, "{");
    assert.throws(() => readUnfinishedJoin(directory), /is damaged/);
    writeUnfinishedJoin(directory, SEALED);
    chmodSync(path, 0o644);
    assert.throws(() => readUnfinishedJoin(directory), /other users can read it/);
  });
});

test("A join whose file is taken away under the run is remembered again, and not once it is finished", async () => {
  await withDirectory(async (directory) => {
    const state = openState(STATE_HOME, directory);
    state.rememberJoin(SEALED);
    const path = join(directory, JOIN_FILE);
    rmSync(path);
    assert.equal(await retried(state), null);
    assert.ok(readUnfinishedJoin(directory)!.secret!.equals(A));
    rmSync(directory, { recursive: true });
    assert.equal(await retried(state), null);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const claim = { subnet: prefix("10.42.7.0/24"), stamp: 1, incarnation: 1 };
    assert.equal(await saved(state, stored({ nodeId: state.identity.id, claim })), null);
    assert.ok(!existsSync(path));
    state.close();
  });
});

test("A join that is on disk already is not written again, so that a start needs no room for it", async () => {
  await withDirectory((directory) => {
    const path = join(directory, JOIN_FILE);
    const remembered = (begun: UnfinishedJoin) => {
      const state = openState(STATE_HOME, directory);
      state.rememberJoin(begun);
      state.close();
      return statSync(path).ino;
    };
    const file = remembered(SEALED);
    assert.equal(remembered(SEALED), file);
    assert.notEqual(remembered({ ...SEALED, peers: ["other:1"] }), file);
  });
});

test("A write that a full disk refuses says what to do", () => {
  const cause = Object.assign(new Error("write"), { code: "ENOSPC" });
  assert.equal(
    cannotWrite("/x/y", cause).message,
    `Cannot write "/x/y": ENOSPC (the disk is full: free some space)`,
  );
});

test("A join that was refused for its token is not gone on with, and nobody founds in its place", async () => {
  const expired: UnfinishedJoin = { ...SEALED, secret: null, refused: "The token expired at 2026-06-01" };
  refused(
    { join: expired },
    /started on this host, to alpha.*: The token expired at 2026-06-01\. .*ovltun up --found/,
  );
  refused({ join: expired, config: config({ plain: true }) }, /The token expired/);
  assert.equal(begin({ join: expired, config: config({ found: true }) }).resumed, false);
  const anew = begin({
    join: expired,
    config: config({ peers: SEALED.peers, pinnedNode: PIN }),
    given: of(A),
  });
  assert.deepEqual([anew.given?.secret, anew.remember?.peers], [A, SEALED.peers]);
  await withDirectory((directory) => {
    const state = openState(STATE_HOME, directory);
    rememberRefusedJoin(state, expired);
    state.close();
    const next = openState(STATE_HOME, directory);
    assert.equal(next.join?.refused, expired.refused);
    rememberRefusedJoin(next, { ...expired, peers: ["other:1"] });
    next.rememberJoin(SEALED);
    next.close();
    const last = openState(STATE_HOME, directory);
    assert.deepEqual(last.join?.peers, SEALED.peers);
    rememberRefusedJoin(last, expired);
    last.close();
    assert.equal(readUnfinishedJoin(directory)?.refused, undefined, "what can be gone on with stays");
  });
});

test("up --peers that was refused for want of a secret goes on once there is one, and nobody founds in its place", () => {
  const wanting: UnfinishedJoin = { ...PLAIN, refused: "Joining a sealed mesh needs its secret" };
  refused(
    { join: wanting },
    /started on this host, to 10\.99\.0\.1:8473, .*needs its secret\. .*ovltun up --found/,
  );
  for (const words of [{ given: of(A) }, { config: config({ plain: true }) }]) {
    const begun = begin({ join: wanting, ...words });
    assert.deepEqual([begun.config.peers, begun.remember?.peers, begun.resumed], [
      PLAIN.peers,
      PLAIN.peers,
      true,
    ]);
  }
});
