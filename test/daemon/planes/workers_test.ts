import assert from "node:assert/strict";
import { test } from "node:test";
import { tooManyWorkers, Workers } from "../../../src/daemon/planes/workers.ts";
import type { DataplaneEvent } from "../../../src/ports/planes.ts";
import { systemMachine } from "../../../src/machine/machine.ts";

const OFFLOADS = { tso: false, uso: false, gso: false, gro: false };

/** Real Workers, their events, and a way to wait for some. */
function started(count: number) {
  const events: DataplaneEvent[] = [];
  let look = () => {};
  const workers = new Workers(systemMachine, count, (event) => {
    events.push(event);
    look();
  });
  workers.start(OFFLOADS);
  const until = (found: () => boolean) =>
    new Promise<void>((resolve) => {
      look = () => found() ? resolve() : undefined;
      look();
    });
  const counted = (kind: DataplaneEvent["kind"]) => events.filter((event) => event.kind === kind).length;
  return { workers, events, until, count: counted };
}

for (const count of [1, 3]) {
  test(`${count} workers start, apply what they are told, and stop`, async () => {
    const w = started(count);
    await w.until(() => w.count("ready") === count);
    const epoch = w.workers.mailbox.post({ kind: "dropPeer", slot: 1 });
    while (w.workers.mailbox.appliedEpoch() < epoch) await new Promise((resolve) => setTimeout(resolve, 1));
    await w.workers.stop();
    assert.equal(w.events.length, count);
  });
}

test("workers that were never started stop", async () => {
  const events: DataplaneEvent[] = [];
  const workers = new Workers(systemMachine, 2, (event) => events.push(event));
  await workers.stop();
  assert.deepEqual(events, []);
});

test("a worker that fails says which it is", async () => {
  const w = started(2);
  await w.until(() => w.count("ready") === 2);
  // Descriptors for one of two: both must refuse.
  w.workers.mailbox.post({ kind: "attachTun", queues: [{ fd: 0, writeFd: 0 }], tso: false, uso: false });
  await w.until(() => w.count("failed") === 2);
  const messages = w.events.filter((event) => event.kind === "failed").map((event) => event.message).sort();
  assert.deepEqual(messages, [
    "worker 0 of 2: 1 descriptors for 2 workers",
    "worker 1 of 2: 1 descriptors for 2 workers",
  ]);
  await w.workers.stop();
});

test("tooManyWorkers() warns of more workers than processors", () => {
  assert.equal(tooManyWorkers(2, 2), null);
  assert.equal(tooManyWorkers(1, 1), null);
  assert.match(tooManyWorkers(3, 2)!, /--workers 3 on 2 processors.*use 2 or fewer/);
  assert.match(tooManyWorkers(2, 1)!, /on one processor.*use 1 or fewer/);
});
