import { test } from "node:test";
import assert from "node:assert/strict";
import {
  type Action,
  type Effects,
  performActions,
  type SessionEffects,
} from "../../../src/control/outbox/events.ts";
import { sessionAction } from "../../made/sessions.ts";

const say = (receiveIndex: number): Action => ({
  kind: "sendSealed",
  receiveIndex,
  to: "10.0.0.1:8473",
  bytes: Uint8Array.of(7),
});
const MOVED = { kind: "leaseChanged", from: "10.42.7.0/24", to: null, why: "released" } as const;
const RECONCILE = { kind: "reconcile" } as const;

/** Effects that note what was called; index 0x100 is of a session. */
function noted(change: Partial<Effects> = {}) {
  const calls: string[] = [];
  const note = (name: string) => (...said: unknown[]) => void calls.push([name, ...said].join(" "));
  const sessions: SessionEffects = {
    install: ({ sendKey, receiveKey }) => note("install")(sendKey[0], receiveKey[0]),
    confirm: note("confirm"),
    drop: (_, index) => note("drop")(index),
    seal: (index, bytes) => index === 0x100 ? Uint8Array.of(0x10, ...bytes) : null,
    setGate: note("gate"),
  };
  const effects: Effects = {
    sessions,
    send: ({ to, bytes, by }) => note("send")(to, bytes, by ?? "freely"),
    saveState: ({ ticket }) => note("save")(ticket),
    remember: note("remember"),
    saveSecrets: note("secrets"),
    resolve: note("resolve"),
    reconcile: (soon) => note("reconcile")(...(soon ? ["soon"] : [])),
    leaseChanged: ({ to }) => note("lease")(to),
    log: note("log"),
    refuse: note("refuse"),
    released: note("released"),
    ...change,
  };
  return { calls, effects };
}

test("performActions() performs in order, and tells of a lease once everything else is done", () => {
  const { calls, effects } = noted();
  const log = { kind: "log", level: "info", message: "Hello", fields: {} } as const;
  const used = { kind: "confirmSession", receiveIndex: 4 } as const;
  performActions([MOVED, { kind: "dropSession", id: "b", receiveIndex: 3 }, used, log, RECONCILE], effects);
  assert.deepEqual(calls, ["drop 3", "confirm 4", "log info Hello [object Object]", "reconcile", "lease "]);
});

test("performActions() waits for no disk: what comes after a state is done while it is written", () => {
  const { calls, effects } = noted();
  const persist = { kind: "persist", ticket: 7, state: {}, keep: [] } as unknown as Action;
  performActions([persist, say(0x100), { kind: "remember", kept: [], whole: true }], effects);
  assert.deepEqual(calls, ["save 7", "send 10.0.0.1:8473 16,7 freely", "remember  true"]);
});

test("performActions() seals what is said on a session, and says nothing on one that is gone", () => {
  const { calls, effects } = noted();
  performActions([say(0x100), { ...say(0x100), probe: true } as Action, say(0x200)], effects);
  assert.deepEqual(calls, ["send 10.0.0.1:8473 16,7 freely", "send 10.0.0.1:8473 16,7 own"]);
});

test("performActions() wipes the keys of a session, in a plain mesh, too", () => {
  for (const plain of [false, true]) {
    const { calls, effects } = noted(plain ? { sessions: null } : {});
    const session = sessionAction();
    performActions([session, { kind: "dropSession", id: "b", receiveIndex: 1 }, say(0x100)], effects);
    assert.deepEqual(calls.slice(0, 2), plain ? [] : ["install 1 2", "drop 1"]);
    assert.deepEqual([session.sendKey, session.receiveKey], [new Uint8Array(32), new Uint8Array(32)]);
  }
});

test("performActions() writes other secrets before the gate opens to them", () => {
  const { calls, effects } = noted();
  performActions([{ kind: "secrets", secrets: [], keys: [] }], effects);
  assert.deepEqual(calls.map((call) => call.trim()), ["secrets", "gate"]);
});
