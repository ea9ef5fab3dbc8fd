import { test } from "node:test";
import assert from "node:assert/strict";
import { Core } from "../../../src/control/node/core.ts";
import type { PersistAction } from "../../../src/control/outbox/events.ts";
import type { StoredState } from "../../../src/control/records/state.ts";
import { compareVersions } from "../../../src/control/records/store.ts";
import { prefix } from "../../../src/wire/prefix.ts";
import { VERSION_LIMIT } from "../../../src/wire/untrusted.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";
import { sealedSetup } from "../../made/network_keys.ts";
import { identityOf } from "../../made/records.ts";
import { MESH, settingsFor } from "../../made/settings.ts";

function coreOf(security: "plain" | "sealed"): Core {
  const settings = settingsFor("a", { plain: security === "plain" });
  const sealed = security === "sealed" ? sealedSetup() : null;
  return new Core({ settings, identity: identityOf(1), random: new SeededRandom(1), now: 0, sealed });
}

/** What it wants written at the end of an event. */
function asked(core: Core): PersistAction | null {
  core.ownState.flush();
  const persists = core.actions.drain().filter((action) => action.kind === "persist");
  assert.ok(persists.length <= 1, "one at a time");
  return persists[0] ?? null;
}

/** The same, and it is on disk. */
function written(core: Core): PersistAction | null {
  const persist = asked(core);
  if (persist !== null) core.ownState.stored(persist.ticket);
  return persist;
}

/** A member that has founded, with its record told. */
function member(core = coreOf("plain")): Core {
  core.own.incarnateAbove(0);
  core.ownState.found({ mesh: MESH, why: "test" });
  written(core);
  core.life.found(MESH);
  core.ownState.rewrite("epoch");
  written(core);
  return core;
}

function told(core: Core) {
  const { incarnation, epoch, claims } = core.store.get(core.identity.id)!;
  return { incarnation, epoch, subnet: claims[0]?.subnet.text ?? null };
}

const CLAIM = { subnet: prefix("10.42.7.0/24"), stamp: 1, incarnation: 1 };

test("No counter of an initiation is used before the disk has a greater one, and none is used twice", () => {
  const core = coreOf("sealed");
  const used = new Set<number>();
  let onDisk = 0, writes = 0;
  for (let n = 0; n < 2500; n++) {
    const write = written(core);
    if (write !== null) {
      onDisk = write.state.initiations!;
      writes++;
    }
    const counter = core.ownState.nextInitiation()!;
    assert.ok(counter < onDisk && !used.has(counter));
    used.add(counter);
  }
  assert.ok(writes <= 6, `${writes} writes`);
  const restarted = coreOf("sealed");
  restarted.ownState.restore({ incarnation: 1, epoch: 1, initiations: onDisk } as StoredState);
  assert.equal(restarted.ownState.nextInitiation(), null, "not before the disk has a greater one");
  written(restarted);
  assert.equal(used.has(restarted.ownState.nextInitiation()!), false);
});

test("Counters that the disk refused are not used, however often they are asked for", () => {
  const core = coreOf("sealed");
  const first = asked(core)!;
  for (let n = 0; n < 2000; n++) {
    assert.equal(core.ownState.mayInitiate, false);
    assert.equal(core.ownState.nextInitiation(), null);
    assert.equal(asked(core), null, "one write at a time");
  }
  core.ownState.stored(first.ticket);
  assert.equal(core.ownState.nextInitiation(), 0);
});

test("A claim is in no record that could be told before it is on disk, and a refutation does not wait for it", () => {
  const core = member();
  const before = told(core);
  core.own.claim = CLAIM;
  core.ownState.rewrite("epoch");
  const write = asked(core)!;
  assert.equal(write.state.claim?.subnet.text, "10.42.7.0/24");
  assert.deepEqual(told(core), before);
  assert.equal(core.ownState.claimSaid, false);
  assert.equal(core.ownState.sayable.claim, null, "nor in a handshake");
  core.ownState.rewrite({ above: before.incarnation });
  assert.deepEqual(told(core), { incarnation: before.incarnation + 1, epoch: 0, subnet: null });
  const refuted = told(core);
  core.ownState.stored(write.ticket);
  assert.equal(told(core).subnet, "10.42.7.0/24");
  assert.ok(compareVersions(told(core), refuted) > 0, "another content has another version");
  assert.ok(core.ownState.claimSaid);
});

test("Refutations and news of endpoints are told at once, and seldom written", () => {
  const core = member();
  let writes = 0;
  let onDisk = { incarnation: 0, epoch: 0 };
  for (let n = 0; n < 2000; n++) {
    if (n % 2 === 0) core.ownState.rewrite("epoch");
    else core.ownState.rewrite({ above: core.own.incarnation });
    const write = written(core);
    if (write !== null) {
      writes++;
      onDisk = write.state.reserved!;
    }
    assert.equal(told(core).incarnation, core.own.incarnation);
    if (writes > 0) assert.ok(compareVersions(told(core), onDisk) <= 0, "and never above what the disk has");
  }
  assert.ok(writes <= 10, `${writes} writes for 2000 versions`);
});

test("While the disk takes nothing, versions go on as far as it covers them, and a restart is above them", () => {
  const core = member();
  const { reserved } = (core.ownState.persist(), written(core)!.state);
  let told256 = 0;
  for (let n = 0; n < 1000; n++) {
    core.ownState.rewrite({ above: core.own.incarnation });
    asked(core);
    assert.ok(compareVersions(told(core), reserved!) <= 0);
    told256 = told(core).incarnation;
  }
  assert.equal(told256, reserved!.incarnation);
  const again = coreOf("plain");
  again.ownState.restore({ incarnation: 1, epoch: 1, reserved, mesh: MESH, claim: null } as StoredState);
  assert.ok(again.own.incarnation > told256);
});

test("Where there is no greater incarnation any more, epochs are reserved", () => {
  const core = member();
  const last = VERSION_LIMIT - 1;
  core.ownState.rewrite({ above: last - 1 });
  const { reserved } = written(core)!.state;
  assert.deepEqual([reserved!.incarnation, core.own.incarnation], [last, last]);
  assert.equal(told(core).incarnation, last);
  const again = coreOf("plain");
  again.ownState.restore({ incarnation: last, epoch: 1, reserved, mesh: MESH, claim: null } as StoredState);
  assert.ok(again.own.epoch > reserved!.epoch && again.own.incarnation === last);
});

test("A mesh that this node founds is on disk before it is there", () => {
  const core = coreOf("plain");
  core.own.incarnateAbove(0);
  core.ownState.found({ mesh: MESH, why: "test" });
  const write = asked(core)!;
  assert.equal(write.state.mesh, MESH);
  assert.equal(core.life.mesh, null);
  assert.equal(core.ownState.stored(write.ticket - 1), null, "not by an older write");
  assert.equal(core.ownState.stored(write.ticket)?.founded?.mesh, MESH);
});

test("The state of a node that is no member yet has neither mesh nor claim, and counts initiations in sealed meshes alone", () => {
  const core = coreOf("plain");
  assert.equal(asked(core), null, "nothing has to be remembered of it");
  core.ownState.persist();
  const { state } = asked(core)!;
  assert.deepEqual([state.mesh, state.claim, "initiations" in state], [null, null, false]);
});
