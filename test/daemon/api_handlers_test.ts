import { test } from "node:test";
import assert from "node:assert/strict";
import process from "node:process";
import { apiHandlers, type AtWork } from "../../src/daemon/api_handlers.ts";

const stop = () => Promise.resolve(null);

test("While no node is at work every question about it is answered with a sentence, and version and stop are answered", async () => {
  const handlers = apiHandlers(() => null, stop);
  for (const method of ["status", "peers", "leases", "routes"] as const) {
    assert.throws(() => handlers[method]!({}), /The daemon is starting; try again/, method);
  }
  for (const method of ["why", "resolve", "forget"] as const) {
    assert.throws(() => handlers[method]!({ node: "a" }), /The daemon is starting; try again/, method);
  }
  assert.throws(() => handlers.rotate!({}), /The daemon is starting; try again/);
  assert.equal((await handlers.version!({})).pid, process.pid);
  assert.deepEqual(await handlers.stop!({}), { pid: process.pid, release: null });
});

test("Parameters of the wrong kind are refused before the node is asked anything", () => {
  const node = {} as AtWork;
  const handlers = apiHandlers(() => node, stop);
  for (const secretFile of [7, "secret", {}, ["/secret"]]) {
    assert.throws(() => handlers.rotate!({ secretFile }), /"secretFile" must be a whole path or null/);
  }
});

test("stop passes on whether the lease is to be given back: only for `true`", async () => {
  const asked: boolean[] = [];
  const handlers = apiHandlers(() => null, (purge) => {
    asked.push(purge);
    return Promise.resolve(null);
  });
  for (const purge of [true, false, 1, "true", undefined]) await handlers.stop!({ purge });
  assert.deepEqual(asked, [true, false, false, false, false]);
});
