import assert from "node:assert/strict";
import { test } from "node:test";
import { Cleanups, lastWords } from "../../src/daemon/end.ts";
import { prefix } from "../../src/wire/prefix.ts";

test("lastWords() speaks of a lease only where there is one to give back", () => {
  assert.equal(lastWords("release", prefix("10.42.7.0/24")), "Releasing the lease");
  assert.equal(lastWords("release", null), "Stopping");
  assert.equal(lastWords("leave", prefix("10.42.7.0/24")), "Stopping");
});

test("Cleanups does all steps in reverse order, whatever fails, and waits for none once it is to hurry", async () => {
  const done: string[] = [];
  const cleanups = new Cleanups();
  cleanups.add(() => void done.push("first made"));
  cleanups.add(() => new Promise(() => done.push("hangs")));
  cleanups.add(() => {
    done.push("fails");
    throw new Error("x");
  });
  const run = cleanups.run();
  cleanups.hurry();
  await run;
  assert.deepEqual(done, ["fails", "hangs", "first made"]);
});
