/**
 * How often others are called: 20 datagrams a minute go to addresses that never answered, whatever records name, 20 a second
 * to the dead, and never so many at once that the handshakes under way push one another out.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import { MAX_PENDING, PENDING_MS } from "../../../src/control/handshake/pending.ts";
import { newOutlets } from "../../../src/control/outbox/outbox.ts";
import { CALLS_EACH, SILENT_PER_MINUTE } from "../../../src/control/links/pacing.ts";
import { PlainLinks } from "../../../src/control/links/plain_links.ts";
import { SealedLinks } from "../../../src/control/links/sealed_links.ts";
import { addressOf } from "../../../src/wire/address.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";
import { keysOf, sealedSetup } from "../../made/network_keys.ts";
import { ownNodeOf } from "../../made/own_node.ts";
import { identityOf } from "../../made/records.ts";

const OWN = ownNodeOf(identityOf(1));
const MINUTE = 60_000;

interface Sent {
  readonly at: number;
  readonly to: string;
}

/** What a node sends in `minutes`; `meanwhile` is called with each second. */
function sentIn(minutes: number, meanwhile: (links: PlainLinks, now: number) => void): Sent[] {
  const outlets = newOutlets();
  const links = new PlainLinks(OWN, new SeededRandom(1), outlets);
  const sent: Sent[] = [];
  for (let now = 0; now < minutes * MINUTE; now += 100) {
    if (now % 1000 === 0) meanwhile(links, now);
    links.tick(now);
    for (const a of outlets.actions.drain()) if (a.kind === "send") sent.push({ at: now, to: a.to });
  }
  return sent;
}

const names = (endpoints: string[], dead = false) => ({ endpoints, translated: [], dead });
const address = (n: number) => `203.${n >> 16 & 255}.${n >> 8 & 255}.${n & 255}:8473`;
const eight = (n: number) => Array.from({ length: CALLS_EACH }, (_, i) => address(CALLS_EACH * n + i));

test("A record that names other addresses each second brings 20 calls a minute, and those of its first addresses", () => {
  const minutes = 10;
  const sent = sentIn(minutes, (links, now) => links.table.want("node", names(eight(now / 1000)), now));
  assert.ok(sent.length >= CALLS_EACH, `${sent.length}`);
  assert.ok(sent.length <= CALLS_EACH + minutes * SILENT_PER_MINUTE, `${sent.length} in ${minutes} minutes`);
});

test("However many records name addresses that never answer, each is called at once, and all of them 20 times a minute then", () => {
  const records = 500;
  const sent = sentIn(12, (links, now) => {
    for (let i = 0; now === 0 && i < records; i++) links.table.want(`node ${i}`, names(eight(i)), 0);
  });
  const first = new Set(sent.filter(({ at }) => at < 2 * MINUTE).map(({ to }) => to));
  assert.ok(
    first.size > 0.9 * CALLS_EACH * records,
    `${first.size} of ${CALLS_EACH * records} called in two minutes`,
  );
  const later = sent.filter(({ at }) => at >= 2 * MINUTE).length;
  assert.ok(later <= 10 * SILENT_PER_MINUTE + 1, `${later} in the ten minutes after that`);
});

test("Ports of one address are called 64 times, and then 20 times a minute, however many records name them", () => {
  const victim = "203.0.113.1";
  const sent = sentIn(5, (links, now) => {
    for (let i = 0; now === 0 && i < 500; i++) {
      const ports = Array.from({ length: CALLS_EACH }, (_, n) => `${victim}:${1000 + CALLS_EACH * i + n}`);
      links.table.want(`node ${i}`, names(ports), 0);
    }
  });
  assert.ok(sent.every(({ to }) => addressOf(to) === victim));
  assert.ok(sent.length <= 64 + 5 * SILENT_PER_MINUTE, `${sent.length} in five minutes`);
});

test("Whoever forges datagrams from the addresses that a record names makes us call them no more often", () => {
  const minutes = 5;
  const sent = sentIn(minutes, (links, now) => {
    if (now === 0) links.table.want("node", names(eight(1)), 0);
    for (const endpoint of eight(1)) links.poke(endpoint, false, now);
  });
  assert.ok(sent.length <= CALLS_EACH + minutes * SILENT_PER_MINUTE, `${sent.length} in ${minutes} minutes`);
});

test("The dead get 20 datagrams a second together, however many addresses each of them had", () => {
  const sent = sentIn(4, (links, now) => {
    for (let i = 0; now === 0 && i < 200; i++) {
      links.table.want(`node ${i}`, names(eight(i), true), 0);
      for (const endpoint of eight(i)) links.remember(`node ${i}`, endpoint, 0);
    }
  });
  const later = sent.filter(({ at }) => at >= 2 * MINUTE).length / 120;
  assert.ok(later > 10 && later <= 20, `${later} a second`);
});

test("What answered once, or the user names, is called as often as ever beside many that never did", () => {
  const [known, named] = ["10.0.0.1:8473", "10.0.0.2:8473"];
  const sent = sentIn(10, (links, now) => {
    if (now > 0) return;
    for (let i = 0; i < 100; i++) links.table.want(`node ${i}`, names(eight(i)), 0);
    links.table.want("known", names([known]), 0);
    links.remember("known", known, 0);
    links.targets.name("seeds", "named", [named], 0);
  });
  for (const endpoint of [known, named]) {
    const calls = sent.filter(({ to }) => to === endpoint).length;
    assert.ok(calls > 10 * MINUTE / 5000, `${endpoint} was called ${calls} times`);
  }
});

test("Thousands of handshakes that are due at once are begun one after the other, and none pushes another out", () => {
  const outlets = newOutlets();
  const keys = keysOf("secret");
  const links = new SealedLinks(
    ownNodeOf(identityOf(1), { keys: [keys] }),
    sealedSetup(),
    new SeededRandom(1),
    outlets,
  );
  const nodes = 3000;
  for (let i = 0; i < nodes; i++) links.table.want(`node ${i}`, names([address(i)]), 0);
  const sent: Sent[] = [];
  for (let now = 0; now < MINUTE; now += 100) {
    links.tick(now);
    for (const a of outlets.actions.drain()) if (a.kind === "send") sent.push({ at: now, to: a.to });
  }
  assert.equal(new Set(sent.map(({ to }) => to)).size, nodes);
  for (let from = 0; from < MINUTE; from += 1000) {
    const waiting = sent.filter(({ at }) => at >= from && at < from + PENDING_MS).length;
    assert.ok(waiting < MAX_PENDING, `${waiting} under way`);
  }
});
