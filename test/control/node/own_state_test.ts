import { test } from "node:test";
import assert from "node:assert/strict";
import { Core } from "../../../src/control/node/core.ts";
import type { StoredState } from "../../../src/control/records/state.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";
import { sealedSetup } from "../../made/network_keys.ts";
import { identityOf } from "../../made/records.ts";
import { settingsFor } from "../../made/settings.ts";

function coreOf(security: "plain" | "sealed"): Core {
  const settings = settingsFor("a", { plain: security === "plain" });
  const sealed = security === "sealed" ? sealedSetup() : null;
  return new Core({ settings, identity: identityOf(1), random: new SeededRandom(1), now: 0, sealed });
}

function statesOf(core: Core): StoredState[] {
  return core.actions.drain().flatMap((action) => action.kind === "persist" ? [action.state] : []);
}

test("No counter of an initiation is used before the disk has a greater one, and none is used twice", () => {
  const core = coreOf("sealed");
  const used = new Set<number>();
  let onDisk = 0, writes = 0;
  for (let n = 0; n < 2500; n++) {
    const counter = core.ownState.nextInitiation();
    for (const { initiations } of statesOf(core)) {
      onDisk = initiations!;
      writes++;
    }
    assert.ok(counter < onDisk && !used.has(counter));
    used.add(counter);
  }
  assert.equal(writes, 3);

  const restarted = coreOf("sealed");
  restarted.ownState.restoreInitiations(onDisk);
  assert.equal(used.has(restarted.ownState.nextInitiation()), false);
});

test("persist() keeps neither mesh nor claim of a node that is no member yet, and counts initiations in sealed meshes alone", () => {
  const core = coreOf("plain");
  core.ownState.stale = true;
  core.ownState.persist();
  const [state] = statesOf(core);
  assert.deepEqual([state!.mesh, state!.claim, "initiations" in state!], [null, null, false]);
  assert.equal(core.ownState.stale, false);
});
