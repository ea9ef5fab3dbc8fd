import { test } from "node:test";
import assert from "node:assert/strict";
import { Life } from "../../../src/control/mesh/life.ts";
import { meshHash } from "../../../src/control/mesh/mesh.ts";
import { MESH } from "../../made/settings.ts";

const ON_DISK = { incarnation: 3, epoch: 4 };

type Transition = [name: string, (life: Life) => void];
const TRANSITIONS: Transition[] = [
  ["learn", (life) => life.learn(MESH, 0)],
  ["unlearn", (life) => life.unlearn()],
  ["found", (life) => life.found(MESH)],
  ["restore", (life) => life.restore(MESH, ON_DISK)],
  ["leaseRestored", (life) => life.leaseRestored()],
  ["synchronised", (life) => life.synchronised()],
  ["speak", (life) => life.speak()],
];

/** What a node answers for itself: mesh, member, mayClaim, mayTell. */
function answers(life: Life): string {
  return [life.mesh !== null, life.member, life.mayClaim, life.mayTell].map(Number).join("");
}

function lifeAfter(...names: string[]): Life {
  const life = new Life();
  for (const name of names) TRANSITIONS.find(([one]) => one === name)![1](life);
  return life;
}

test("Each way into the mesh goes through the states that are drawn, one thing more in each", () => {
  assert.equal(answers(lifeAfter()), "0000");
  assert.equal(answers(lifeAfter("learn")), "1000");
  assert.equal(answers(lifeAfter("learn", "synchronised")), "1111");
  assert.equal(answers(lifeAfter("found")), "1111");
  assert.equal(answers(lifeAfter("restore")), "1100");
  assert.equal(answers(lifeAfter("restore", "leaseRestored")), "1110");
  assert.equal(answers(lifeAfter("restore", "speak")), "1111");
  assert.equal(answers(lifeAfter("restore", "leaseRestored", "speak")), "1111");
});

test("No order of transitions leads to a node that may tell and not claim, or is a member of no mesh", () => {
  const possible = new Set(["0000", "1000", "1100", "1110", "1111"]);
  const walk = (names: string[]): void => {
    assert.ok(possible.has(answers(lifeAfter(...names))), names.join(" "));
    if (names.length < 4) { for (const [name] of TRANSITIONS) walk([...names, name]); }
  };
  walk([]);
});

test("Nothing but a transition that is drawn from a state changes it", () => {
  const drawn: Record<string, string[]> = {
    "": ["learn", "found", "restore"],
    "learn": ["unlearn", "synchronised"],
    "restore": ["leaseRestored", "speak"],
    "restore leaseRestored": ["speak"],
    "found": [],
  };
  for (const [way, moves] of Object.entries(drawn)) {
    const names = way.split(" ").filter(Boolean);
    for (const [name] of TRANSITIONS) {
      const changed = answers(lifeAfter(...names)) !== answers(lifeAfter(...names, name));
      assert.equal(changed, moves.includes(name), `${way} → ${name}`);
    }
  }
});

test("A configuration whose teller is gone is offered for founding, and its hash is borne no more", () => {
  const life = lifeAfter("learn");
  assert.equal(life.meshHash, meshHash(MESH));
  assert.equal(life.learnedAt, 0);
  assert.equal(life.offered, null);
  life.unlearn();
  assert.deepEqual([life.mesh, life.meshHash, life.learnedAt], [null, null, null]);
  assert.equal(life.offered, MESH);
});

test("What the disk had of our record counts until we speak", () => {
  const life = lifeAfter("restore");
  assert.deepEqual(life.onDisk, ON_DISK);
  life.leaseRestored();
  life.supersede({ incarnation: 3, epoch: 9 });
  assert.deepEqual(life.onDisk, { incarnation: 3, epoch: 9 });
  life.speak();
  assert.equal(life.onDisk, null);
  life.supersede(ON_DISK);
  assert.equal(life.onDisk, null);
});

test("What has ended still tells what it was", () => {
  const life = lifeAfter("found");
  life.end();
  assert.equal(life.ended, true);
  assert.equal(answers(life), "1111");
});
