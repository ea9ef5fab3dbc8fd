import { test } from "node:test";
import assert from "node:assert/strict";
import { CloneSigns, judge } from "../../../src/control/clones/clones.ts";

const LOW = "0000000000000001", HIGH = "0000000000000002";

test("The older of two hosts with one identity stays; of the same age, or untold, the greater boot nonce", () => {
  const at = (age: number | null, bootNonce: string) => ({ age, bootNonce });
  assert.deepEqual(judge(at(5, HIGH), at(86_400, LOW), 0), { weEnd: true, certain: true });
  assert.deepEqual(judge(at(86_400, LOW), at(5, HIGH), 0), { weEnd: false, certain: true });
  assert.deepEqual(judge(at(15, HIGH), at(5, LOW), 0), { weEnd: false, certain: false });
  assert.deepEqual(judge(at(15, LOW), at(5, HIGH), 0), { weEnd: true, certain: false });
  assert.deepEqual(judge(at(86_400, LOW), at(null, HIGH), 0), { weEnd: true, certain: false });
});

test("Never do both end, and in the end one does, whatever the ages and the delays", () => {
  for (let apart = 0; apart < 40; apart += 0.25) {
    for (const delay of [0, 0.05, 0.9]) {
      for (const [a, b] of [[LOW, HIGH], [HIGH, LOW]] as const) {
        const ends = (disputed: number) => {
          const younger = 7.4, older = younger + apart;
          const told = (age: number) => Math.floor(age);
          const one = judge(
            { age: older + delay, bootNonce: a },
            { age: told(younger), bootNonce: b },
            disputed,
          );
          const two = judge(
            { age: younger + delay, bootNonce: b },
            { age: told(older), bootNonce: a },
            disputed,
          );
          return Number(one.weEnd) + Number(two.weEnd);
        };
        assert.ok(ends(0) <= 1, `${apart} ${delay}`);
        assert.equal(ends(0) || ends(20_000), 1, `${apart} ${delay}`);
      }
    }
  }
});

test("CloneSigns counts a sign of the other of the two, and of the same one only after 5 minutes", () => {
  const signs = new CloneSigns();
  const minute = 60_000;
  assert.equal(signs.note("c", LOW, 0), 5 * minute);
  assert.equal(signs.note("c", LOW, minute), null);
  assert.equal(signs.note("d", LOW, minute), 6 * minute, "of each node by itself");
  assert.equal(signs.note("c", HIGH, minute), 6 * minute);
  assert.equal(signs.note("c", HIGH, 5 * minute), null);
  assert.equal(signs.note("c", HIGH, 6 * minute), 11 * minute);
});
