import assert from "node:assert/strict";
import { test } from "node:test";
import { cloneMessage } from "../../../src/control/clones/clones.ts";
import type { ChaosHost } from "../../../src/lab/chaos/chaos_host.ts";
import { Clones } from "../../../src/lab/chaos/clones.ts";
import { Timeline } from "../../../src/lab/chaos/timeline.ts";

/** A host whose copy ends with these words, or runs. */
function hostWith(words: string | null): ChaosHost {
  let running = true;
  const host = {
    name: "gamma",
    startCloneOf() {},
    takeCloneEnd() {
      if (words === null || !running) return null;
      running = false;
      return { end: "exit code 2", log: words };
    },
    killClone() {
      const ran = running;
      running = false;
      return ran;
    },
  };
  return host as unknown as ChaosHost;
}

/** What the timeline says of a copy of alpha on gamma that has ended, or not, after six seconds. */
function told(words: string | null, starvedAt = -Infinity, endAt = 7000): Timeline {
  const timeline = new Timeline(0, () => {});
  const clones = new Clones(timeline, () => starvedAt);
  const host = hostWith(words);
  clones.start(host, { name: "alpha" } as ChaosHost, [], 1000);
  clones.end(host, endAt);
  clones.end(host, 9000);
  return timeline;
}

test("a copy that ends and says that it is one, or may be one, is refused as it should be", () => {
  for (const certain of [true, false]) {
    const timeline = told(`… error ${cloneMessage("The host at 10.99.0.1:8473", certain)}`);
    assert.deepEqual(timeline.violations, []);
    assert.deepEqual(timeline.entries.map(({ what }) => what), ["clone", "refused"]);
  }
});

test("a copy that ends for another reason, or does not end, is a violation", () => {
  assert.match(told("Cannot open /dev/net/tun").violations[0]!, /ended after 6\.0 s without saying/);
  assert.deepEqual(told(null).violations, ["A copy of alpha has run on gamma for 6.0 s beside the original"]);
  assert.deepEqual(told(null, 2000).violations, [], "unless hosts were kept from running");
  assert.deepEqual(told(null, -Infinity, 1000).violations, [], "or the lab itself was");
});
