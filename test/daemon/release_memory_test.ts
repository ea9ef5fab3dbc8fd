/** When a daemon gives memory back. */

import { test } from "node:test";
import assert from "node:assert/strict";
import { releaserOf } from "../../src/daemon/daemon.ts";

test("Memory is given back after the start, and once a large mesh has been joined, by all threads", () => {
  const feed = { size: 3 };
  const done: string[] = [];
  const release = releaserOf(
    {
      feed,
      workers: { mailbox: { post: ({ kind }: { kind: string }) => done.push(kind) } },
      machine: { surroundings: { releaseMemory: () => done.push("main") } },
    } as unknown as Parameters<typeof releaserOf>[0],
  );
  const doneAt = (size: number) => {
    feed.size = size;
    done.length = 0;
    release();
    return done.length;
  };
  assert.equal(doneAt(3), 2);
  assert.deepEqual(done, ["releaseMemory", "main"]);
  assert.deepEqual([doneAt(200), doneAt(200)], [0, 0], "few have come");
  assert.deepEqual([doneAt(2000), doneAt(5000)], [0, 0], "they still come");
  assert.equal(doneAt(5000), 2);
  assert.deepEqual([doneAt(5000), doneAt(5010), doneAt(5010)], [0, 0, 0], "once");
});
