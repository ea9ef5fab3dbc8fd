/**
 * How often addresses that never answered are called: a node that names many is called no more often than one with few.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import { newOutlets } from "../../../src/control/outbox/outbox.ts";
import { PlainLinks } from "../../../src/control/links/plain_links.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";
import { ownNodeOf } from "../../made/own_node.ts";
import { identityOf } from "../../made/records.ts";

const OWN = ownNodeOf(identityOf(1));

/** Hellos to a node with so many addresses, of which none answers, from the first to the tenth minute. */
function hellosTo(addresses: number, dead: boolean): number {
  const outlets = newOutlets();
  const links = new PlainLinks(OWN, new SeededRandom(1), outlets);
  const endpoints = Array.from({ length: addresses }, (_, i) => `203.0.113.${i + 1}:8473`);
  links.table.want("node", { endpoints, translated: [], dead }, 0);
  let sent = 0;
  for (let now = 0; now < 600_000; now += 100) {
    links.tick(now);
    const hellos = outlets.actions.drain().filter((action) => action.kind === "send").length;
    if (now >= 60_000) sent += hellos;
  }
  return sent;
}

test("Eight addresses of a node that never answered are called no more often together than three", () => {
  for (const dead of [false, true]) {
    const [three, eight] = [hellosTo(3, dead), hellosTo(8, dead)];
    assert.ok(three > 100, `${three}`);
    assert.ok(eight <= 1.1 * three, `${eight} where three addresses get ${three}`);
  }
});
