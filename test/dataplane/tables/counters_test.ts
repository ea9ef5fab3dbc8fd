import assert from "node:assert/strict";
import { test } from "node:test";
import * as counters from "../../../src/dataplane/tables/counters.ts";
import { MAX_PEERS } from "../../../src/ports/devices.ts";

test("every verdict has the name of its own constant", () => {
  const c = new counters.Counters();
  const constants = Object.entries(counters).filter(([, value]) =>
    typeof value === "number" && value >= 0
  ) as [
    string,
    number,
  ][];
  const names = { ...c.events(), ...c.drops() };
  assert.equal(constants.length, Object.keys(names).length);
  for (const [, verdict] of constants) c.add(verdict, verdict + 1);
  const counted = { ...c.events(), ...c.drops() } as Record<string, number>;
  for (const [name, verdict] of constants) {
    assert.equal(counted[name.toLowerCase().replaceAll("_", "-")], verdict + 1, name);
    assert.equal(c.get(verdict), verdict + 1);
  }
});

test("a second reader over the same memory sees what is counted", () => {
  const writer = new counters.Counters();
  const reader = new counters.Counters(writer.memory);
  writer.add(counters.SENT);
  writer.add(counters.SENT, 2);
  writer.set(counters.RECEIVE_OVERFLOW, 9);
  assert.equal(reader.get(counters.SENT), 3);
  assert.equal(reader.drops()["receive-overflow"], 9);
});

test("traffic is counted for each peer alone, up to the last slot", () => {
  const c = new counters.Counters();
  const last = MAX_PEERS - 1;
  c.sentTo(last, 1400, 1);
  c.receivedFrom(last, 2 ** 40);
  c.receivedFrom(last, 1);
  c.sentTo(0, 5, 1);
  assert.deepEqual(c.peer(last), { txPackets: 1, txBytes: 1400, rxPackets: 2, rxBytes: 2 ** 40 + 1 });
  assert.deepEqual(c.peer(0), { txPackets: 1, txBytes: 5, rxPackets: 0, rxBytes: 0 });
  assert.deepEqual(c.peer(1), { txPackets: 0, txBytes: 0, rxPackets: 0, rxBytes: 0 });
  c.resetPeer(last);
  assert.deepEqual(c.peer(last), c.peer(1));
  assert.equal(c.peer(0).txBytes, 5);
  assert.equal(c.get(counters.REPLAY), 0);
});

test("CounterSum adds up what several workers counted", () => {
  const [a, b, c] = [new counters.Counters(), new counters.Counters(), new counters.Counters()];
  const sum = new counters.CounterSum([a, b, c]);
  a.add(counters.SENT, 3);
  c.add(counters.SENT, 4);
  b.add(counters.WRONG_LANE);
  a.set(counters.RECEIVE_OVERFLOW, 10);
  c.set(counters.RECEIVE_OVERFLOW, 5);
  a.sentTo(7, 100, 1);
  b.sentTo(7, 50, 1);
  c.receivedFrom(7, 2 ** 40);
  assert.equal(sum.events()["sent"], 7);
  assert.equal(sum.drops()["wrong-lane"], 1);
  assert.equal(sum.drops()["receive-overflow"], 15);
  assert.deepEqual(sum.peer(7), { txPackets: 2, txBytes: 150, rxPackets: 1, rxBytes: 2 ** 40 });
  assert.deepEqual(
    Object.keys({ ...sum.events(), ...sum.drops() }),
    Object.keys({ ...a.events(), ...a.drops() }),
  );
  for (const one of [a, b, c]) one.resetPeer(7);
  assert.equal(sum.peer(7).txBytes, 0);
});
