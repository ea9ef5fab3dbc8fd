import assert from "node:assert/strict";
import { test } from "node:test";
import { SwallowedWatch } from "../../../src/daemon/reports/swallowed_sends.ts";
import type { NeighbourTable } from "../../../src/ports/host.ts";

/** A host whose counters the test sets. */
function watched() {
  const host = {
    unsent: 7,
    entries: 1000,
    fulls: 3,
    asked: 0,
    unsentDatagrams: () => host.unsent,
    neighbourTables: (): NeighbourTable[] => {
      host.asked++;
      const six: NeighbourTable = { family: 6, entries: 5, limit: 1024, fulls: 0 };
      return [{ family: 4, entries: host.entries, limit: 1024, fulls: host.fulls }, six];
    },
  };
  return { host, watch: new SwallowedWatch(host) };
}

test("a neighbour table that was full while datagrams were dropped is told with the remedy, for a minute", () => {
  const { host, watch } = watched();
  assert.deepEqual(watch.look(0), []);
  host.fulls = 9;
  assert.deepEqual(watch.look(5000), [], "others found it full; nothing of ours was dropped");
  host.unsent = 8;
  assert.deepEqual(watch.look(5001), [], "it is not read that often");
  const [sentence, ...others] = watch.look(10_000);
  assert.match(sentence!, /table of IPv4 neighbours is full \(1024 entries for all network namespaces/);
  assert.match(sentence!, /sysctl -w net\.ipv4\.neigh\.default\.gc_thresh3=4096/);
  assert.deepEqual(others, []);
  assert.equal(watch.look(69_999).length, 1);
  assert.deepEqual(watch.look(70_000), []);
});

test("datagrams that were dropped for want of room in a queue say nothing of neighbours", () => {
  const { host, watch } = watched();
  watch.look(0);
  for (let at = 5000; at < 60_000; at += 5000) {
    host.unsent += 1000;
    assert.deepEqual(watch.look(at), []);
  }
});

test("a table that was full at some time and is not any more is not the reason", () => {
  const { host, watch } = watched();
  watch.look(0);
  Object.assign(host, { fulls: 500, entries: 100, unsent: 8 });
  assert.deepEqual(watch.look(5000), []);
});

test("while nothing is dropped the tables are not asked about", () => {
  const { host, watch } = watched();
  for (let at = 0; at < 3_600_000; at += 1000) watch.look(at);
  assert.equal(host.asked, 1);
});
