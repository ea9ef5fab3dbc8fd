import assert from "node:assert/strict";
import { test } from "node:test";
import { OffloadState } from "../../../src/daemon/planes/offloads.ts";
import { tooManyWorkers, type WorkerEvent, Workers } from "../../../src/daemon/planes/workers.ts";
import { systemMachine } from "../../../src/machine/machine.ts";

const OFFLOADS = { tso: false, uso: false, gso: false, gro: false };

/** Real Workers, what they hand up, and a way to wait until some have failed. */
function made(count: number) {
  const events: WorkerEvent[] = [];
  const failures: string[] = [];
  let look = () => {};
  const onFailed = (sentence: string): void => {
    failures.push(sentence);
    look();
  };
  const workers = new Workers(systemMachine, { count, offloads: new OffloadState(OFFLOADS), onFailed });
  workers.onEvent = (event) => events.push(event);
  const failed = (many: number) =>
    new Promise<void>((resolve) => {
      look = () => failures.length === many ? resolve() : undefined;
      look();
    });
  return { workers, events, failures, failed };
}

for (const count of [1, 3]) {
  test(`${count} workers start, apply what they are told, and stop`, async () => {
    const { workers, events, failures } = made(count);
    workers.start();
    await workers.ready;
    const epoch = workers.mailbox.post({ kind: "dropPeer", slot: 1 });
    while (workers.mailbox.appliedEpoch() < epoch) await new Promise((resolve) => setTimeout(resolve, 1));
    await workers.stop();
    assert.deepEqual([events, failures], [[], []]);
  });
}

test("workers that were never started stop", async () => {
  const { workers, events, failures } = made(2);
  await workers.stop();
  assert.deepEqual([events, failures], [[], []]);
});

test("a worker that fails says which it is", async () => {
  const { workers, failures, failed } = made(2);
  workers.start();
  await workers.ready;
  // Descriptors for one of two: both must refuse.
  workers.mailbox.post({ kind: "attachTun", queues: [{ fd: 0, writeFd: 0 }], tso: false, uso: false });
  await failed(2);
  assert.deepEqual(failures.sort(), [
    "The data plane failed: worker 0 of 2: 1 descriptors for 2 workers",
    "The data plane failed: worker 1 of 2: 1 descriptors for 2 workers",
  ]);
  await workers.stop();
});

test("tooManyWorkers() warns of more workers than processors", () => {
  assert.equal(tooManyWorkers(2, 2), null);
  assert.equal(tooManyWorkers(1, 1), null);
  assert.match(tooManyWorkers(3, 2)!, /--workers 3 on 2 processors.*use 2 or fewer/);
  assert.match(tooManyWorkers(2, 1)!, /on one processor.*use 1 or fewer/);
});
