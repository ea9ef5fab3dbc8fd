import assert from "node:assert/strict";
import { test } from "node:test";
import { libc } from "../../src/sys/libc.ts";
import { Turns } from "../../src/sys/scheduling.ts";

const SCHED_OTHER = 0;
const SCHED_IDLE = 5;

test("A thread waits for others' turns while it is patient, by the kernel's word", () => {
  const turns = new Turns();
  assert.equal(turns.patient, false);
  turns.patient = true;
  assert.equal(turns.patient, true);
  turns.patient = true;
  turns.patient = false;
  assert.equal(turns.patient, false);
  assert.equal(libc().sched_getscheduler(0), SCHED_OTHER);
});

test("A policy that somebody else chose stays", () => {
  const parameters = new Uint8Array(new ArrayBuffer(4));
  assert.equal(libc().sched_setscheduler(0, SCHED_IDLE, parameters), 0);
  try {
    const turns = new Turns();
    turns.patient = true;
    assert.equal(libc().sched_getscheduler(0), SCHED_IDLE);
    turns.patient = false;
    assert.equal(libc().sched_getscheduler(0), SCHED_IDLE);
  } finally {
    libc().sched_setscheduler(0, SCHED_OTHER, parameters);
  }
});
