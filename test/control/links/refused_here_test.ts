/**
 * What a host refuses to send: told where there is no other way, and found out without a walk over all peers for each.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import { newOutlets } from "../../../src/control/outbox/outbox.ts";
import { PlainLinks } from "../../../src/control/links/plain_links.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";
import { ownNodeOf } from "../../made/own_node.ts";
import { identityOf } from "../../made/records.ts";

const OWN = ownNodeOf(identityOf(1));
const NO_ROUTE = { why: "ENETUNREACH: no route", avoidable: true };

function linksTo(peers: number): PlainLinks {
  const links = new PlainLinks(OWN, new SeededRandom(1), newOutlets());
  for (let i = 1; i <= peers; i++) {
    const endpoints = [`[2001:db8::${i.toString(16)}]:8473`, `10.1.${i >> 8}.${i & 255}:8473`];
    links.table.want(`node ${i}`, { endpoints, translated: [], dead: false }, 0);
    links.targets.noteRefusal(endpoints[0]!, NO_ROUTE);
  }
  return links;
}

test("refusedHere() tells a missing route only where no other way is left, and what the firewall refuses always", () => {
  const links = linksTo(3);
  assert.deepEqual(links.refusedHere.sentences(), []);
  links.targets.noteRefusal("10.1.0.2:8473", NO_ROUTE);
  assert.deepEqual(links.refusedHere.sentences(), [
    `Cannot send to [2001:db8::2]:8473: ${NO_ROUTE.why}`,
    `Cannot send to 10.1.0.2:8473: ${NO_ROUTE.why}`,
  ]);
  links.targets.noteRefusal("10.1.0.2:8473", null);
  links.targets.noteRefusal("10.1.0.3:8473", { why: "EPERM: the firewall", avoidable: false });
  assert.deepEqual(links.refusedHere.sentences(), [
    `Cannot send to [2001:db8::3]:8473: ${NO_ROUTE.why}`,
    "Cannot send to 10.1.0.3:8473: EPERM: the firewall",
  ]);
});

test("refusedHere() of a seed tells a missing route only where none of its addresses is left", () => {
  const links = linksTo(0);
  links.targets.name("seeds", "home.example", ["[2001:db8::1]:8473", "10.1.0.1:8473"], 0);
  links.targets.noteRefusal("[2001:db8::1]:8473", NO_ROUTE);
  assert.deepEqual(links.refusedHere.sentences(), []);
  links.targets.noteRefusal("10.1.0.1:8473", NO_ROUTE);
  assert.equal(links.refusedHere.sentences().length, 2);
});

test("refusedHere() looks at each target about once, where a host without IPv6 has many peers with it", () => {
  const peers = 500;
  const links = linksTo(peers);
  const get = links.targets.get.bind(links.targets);
  let seen = 0;
  links.targets.get = (endpoint) => {
    seen++;
    return get(endpoint);
  };
  assert.deepEqual(links.refusedHere.sentences(), []);
  assert.ok(seen <= 4 * peers, `${seen} looks at ${2 * peers} targets`);
});

test("refusedHere() looks at so many targets and no more each time, and finds the one that matters among thousands", () => {
  const links = linksTo(4000);
  links.targets.noteRefusal("10.1.15.160:8473", NO_ROUTE); // of node 4000
  const get = links.targets.get.bind(links.targets);
  let seen = 0, most = 0, found = 0;
  links.targets.get = (endpoint) => {
    seen++;
    return get(endpoint);
  };
  for (let n = 1; n <= 20; n++) {
    seen = 0;
    const told = links.refusedHere.sentences();
    most = Math.max(most, seen);
    if (told.length === 2 && found === 0) found = n;
    if (found > 0) assert.equal(told.length, 2, "and goes on telling it");
  }
  assert.ok(most <= 256 * 6, `${most} looks`);
  assert.ok(found > 0 && found <= 17, `${found}`);
  links.targets.noteRefusal("10.1.15.160:8473", null);
  assert.deepEqual(links.refusedHere.sentences(), []);
});
