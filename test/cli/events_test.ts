import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, HungUpError, NoDaemonError } from "../../src/api/client.ts";
import type { Changes } from "../../src/api/states.ts";
import { eventLine, follow } from "../../src/cli/events.ts";

const changes = (cursor: string, snapshot = false): Changes => ({ cursor, snapshot, events: [] });

/** Follows through these answers, and says what was asked, shown and told until they are over. */
async function through(answers: readonly (Changes | Error)[]) {
  const asked: (string | null)[] = [], shown: string[] = [], told: string[] = [];
  let waits = 0;
  const over = new Error("over");
  const following = follow({
    ask: (cursor) => {
      const answer = answers[asked.length];
      asked.push(cursor);
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer!);
    },
    show: ({ cursor }) => void shown.push(cursor),
    tell: (sentence) => void told.push(sentence),
    wait: () => ++waits && asked.length === answers.length ? Promise.reject(over) : Promise.resolve(),
  });
  const end = await following.catch((error: unknown) => error);
  return { asked, shown, told, waits, end, over };
}

test("events goes on over a restart, also while the daemon that starts refuses to answer yet", async () => {
  const { asked, shown, told, waits, end, over } = await through([
    changes("a.0", true),
    changes("a.3"),
    new HungUpError("/run/ovltun/sock"),
    new NoDaemonError("/run/ovltun/sock"),
    new ApiError("The daemon is starting; try again"),
    changes("b.0", true),
    new ApiError("Too many connections; try again"),
    changes("b.1"),
    new NoDaemonError("/run/ovltun/sock"),
  ]);
  assert.equal(end, over);
  assert.deepEqual(asked, [null, "a.0", "a.3", "a.3", "a.3", "a.3", "b.0", "b.0", "b.1"]);
  assert.deepEqual(shown, ["a.0", "a.3", "b.0", "b.1"]);
  assert.deepEqual(told.map((sentence) => sentence.replace(/^.*; /, "… ")), [
    "… waiting for it",
    "The daemon is back: everything it knows follows",
    "… waiting for it",
    "The daemon is back",
    "… waiting for it",
  ]);
  assert.equal(waits, 5);
});

test("events ends with the sentence where there is no daemon at the beginning, or one that refuses", async () => {
  for (const error of [new NoDaemonError("/run/ovltun/sock"), new ApiError("Unknown method")]) {
    const { asked, told, end } = await through([error]);
    assert.deepEqual([asked.length, told, end], [1, [], error]);
  }
});

test("a line about a lease of both families names both subnets", () => {
  const lease = {
    event: "lease",
    at: "2026-01-31T09:30:00.000Z",
    name: "beta",
    nodeId: "b".repeat(64),
  } as const;
  const is = { state: "held", before: null, reserved: false, own: false } as const;
  const line = eventLine({ ...lease, ...is, subnet: "10.42.9.0/24", subnet6: "fd42:1:2:9::/64" });
  assert.match(line, / 10\.42\.9\.0\/24 and fd42:1:2:9::\/64 of beta \(bbbbbbbb\): held$/);
});
