import { test } from "node:test";
import assert from "node:assert/strict";
import { newOutlets } from "../../../src/control/outbox/outlets.ts";

test("drain() gives the actions in order, once, and one reconcile at the end", () => {
  const { actions } = newOutlets();
  actions.push({ kind: "reconcile" });
  actions.log("info", "one");
  actions.push({ kind: "reconcile" });
  actions.log("info", "two");
  assert.deepEqual(actions.drain().map((a) => a.kind === "log" ? a.message : a.kind), [
    "one",
    "two",
    "reconcile",
  ]);
  assert.deepEqual(actions.drain(), []);
});

test("send() leaves from the address that the present datagram came to, and from no other for anybody else", () => {
  const { actions, called } = newOutlets();
  called.hears("192.0.2.1:8473", "198.51.100.7");
  actions.send("192.0.2.1:8473", new Uint8Array(1));
  actions.send("192.0.2.2:8473", new Uint8Array(1));
  called.hears();
  actions.send("192.0.2.1:8473", new Uint8Array(1));
  const locals = actions.drain().map((a) => a.kind === "send" && a.by === undefined ? a.local : null);
  assert.deepEqual(locals, ["198.51.100.7", undefined, undefined]);
});
