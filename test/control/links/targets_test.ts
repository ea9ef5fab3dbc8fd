/**
 * The table of endpoints: found by what they are looked for by, and looked at when their time has come, not by a walk over
 * all of them.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import { newOutlets } from "../../../src/control/outbox/outbox.ts";
import { PlainLinks } from "../../../src/control/links/plain_links.ts";
import { Targets } from "../../../src/control/links/targets.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";
import { ownNodeOf } from "../../made/own_node.ts";
import { identityOf } from "../../made/records.ts";

const OWN = ownNodeOf(identityOf(1));
const A = "10.0.0.1:8473";
const B = "10.0.0.2:8473";
const C = "10.0.0.3:8473";
const PACE = { steady: false, minMs: 0, maxMs: 5000, punches: null };

const endpointsOf = (targets: Iterable<{ readonly endpoint: string }>) => [...targets].map((t) => t.endpoint);

function linksTo(nodes: number, addresses: number) {
  const outlets = newOutlets();
  const links = new PlainLinks(OWN, new SeededRandom(1), outlets);
  for (let i = 0; i < nodes; i++) {
    const endpoints = Array.from({ length: addresses }, (_, n) => `10.${n}.${i >> 8}.${i & 255}:8473`);
    links.table.want(`node ${i}`, { endpoints, translated: [], dead: false }, 0);
  }
  const asked = () => outlets.actions.drain().flatMap((a) => a.kind === "send" ? [a.to] : []);
  return { links, asked };
}

test("Every address of every node is tried, of thousands of nodes", () => {
  const nodes = 4096;
  const { links, asked } = linksTo(nodes, 3);
  const tried = new Set<string>();
  for (let now = 0; now <= 600_000 && tried.size < 3 * nodes; now += 1000) {
    links.tick(now);
    for (const to of asked()) tried.add(to);
  }
  assert.equal(tried.size, 3 * nodes);
});

test("due() gives each target once when its time has come, and again only after something has changed", () => {
  const targets = new Targets(new SeededRandom(1));
  targets.name("nodes", "a", [A, B], 0);
  assert.deepEqual(endpointsOf(targets.due(0)), [A, B]);
  assert.deepEqual(endpointsOf(targets.due(100_000)), []);
  const target = targets.get(A)!;
  targets.tried(target, PACE, 100_000);
  assert.deepEqual(endpointsOf(targets.due(100_300)), []);
  assert.deepEqual(endpointsOf(targets.due(100_700)), [A]);
  targets.tried(target, PACE, 100_700);
  targets.restart(target, 100_800); // before it would be due
  assert.deepEqual(endpointsOf(targets.due(100_800)), [A]);
  assert.deepEqual(endpointsOf(targets.due(200_000)), []);
  targets.lookAgain(target, 300_000);
  assert.deepEqual(endpointsOf(targets.due(299_999)), []);
  assert.deepEqual(endpointsOf(targets.due(300_000)), [A]);
});

test("A target that is gone is not due any more, and neither is its nonce under way", () => {
  const targets = new Targets(new SeededRandom(1));
  targets.name("nodes", "a", [A], 0);
  const nonce = targets.freshNonce(targets.get(A)!, 0);
  assert.equal(targets.asked(nonce, 0)?.endpoint, A);
  targets.name("nodes", "a", [], 0);
  targets.sweep(1);
  assert.equal(targets.get(A), undefined);
  assert.deepEqual(targets.due(10_000), []);
  assert.equal(targets.asked(nonce, 1), undefined);
  assert.equal(targets.sentWith(nonce), undefined);
});

test("A nonce is found without its target, is good once, and for ten seconds", () => {
  const targets = new Targets(new SeededRandom(1));
  targets.name("nodes", "a", [A, B], 0);
  const target = targets.get(B)!;
  const nonces = [0, 1, 2, 3, 4].map((now) => targets.freshNonce(target, now));
  assert.equal(targets.asked(nonces[0]!, 5), undefined, "four of a target are kept");
  assert.equal(targets.asked(nonces[1]!, 5), target);
  assert.equal(targets.asked(nonces[1]!, 10_001), undefined);
  assert.equal(targets.redeem(targets.get(A)!, nonces[4]!, 5), false, "it was sent elsewhere");
  assert.equal(targets.redeem(target, nonces[4]!, 5), true);
  assert.equal(targets.redeem(target, nonces[4]!, 5), false);
});

test("Targets are found by who names them and by who answered there, whatever has become of them meanwhile", () => {
  let usable = (_: string) => true;
  const targets = new Targets(new SeededRandom(1), (endpoint) => usable(endpoint));
  targets.name("nodes", "a", [A, B], 0);
  targets.name("nodes", "b", [B], 0);
  targets.name("seeds", "host-c", [C], 0);
  assert.deepEqual(endpointsOf(targets.namedBy("nodes", "a")), [A, B]);
  targets.answered(targets.get(B)!, "a");
  targets.answered(targets.get(C)!, "a");
  assert.deepEqual(endpointsOf(targets.answeredBy("a")), [B, C]);
  targets.answered(targets.get(B)!, "b");
  assert.deepEqual(endpointsOf(targets.answeredBy("a")), [C]);
  usable = (endpoint) => endpoint !== B;
  targets.forsake(0);
  assert.deepEqual(endpointsOf(targets.namedBy("nodes", "a")), [A]);
  assert.deepEqual(endpointsOf(targets.answeredBy("b")), []);
  targets.name("nodes", "b", [], 0); // while it is set aside
  usable = () => true;
  targets.forsake(0);
  assert.deepEqual(endpointsOf(targets.namedBy("nodes", "a")), [A, B]);
  assert.deepEqual([...targets.get(B)!.nodes], ["a"]);
});

test("A seed whose node has a link is left alone until the link is down, and asked at once then", () => {
  const { links, asked } = linksTo(0, 0);
  links.targets.name("seeds", "host-a", [A], 0);
  links.tick(0);
  assert.deepEqual(asked(), [A]);
  links.targets.answered(links.targets.get(A)!, "a");
  links.table.move(links.table.obtain("a", true, 100)!, A);
  for (let now = 100; now < 60_000; now += 100) links.tick(now);
  assert.deepEqual(asked(), []);
  links.down("a", 60_000);
  links.tick(60_000);
  assert.deepEqual(asked(), [A]);
});
