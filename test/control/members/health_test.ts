import { test } from "node:test";
import assert from "node:assert/strict";
import { LocalHealth } from "../../../src/control/members/health.ts";
import type { MembershipAction } from "../../../src/control/members/member.ts";
import { Membership } from "../../../src/control/members/membership.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";

/** A member that was pinged, and has not answered yet, at 900 ms of the probe's thousand. */
function probing(ids = ["a", "b", "c", "d"]): { m: Membership; at: number } {
  const m = new Membership("us", new SeededRandom(1), { linked: () => true, heardAt: () => -Infinity });
  for (const id of ids) m.onRecord(id, 1, 0, 0);
  for (let now = 0; now <= 900; now += 100) m.tick(now);
  return { m, at: 900 };
}

const suspects = (m: Membership) => [...m.all()].filter(({ state }) => state !== "alive").map(({ id }) => id);
const changes = (actions: MembershipAction[]) =>
  actions.flatMap((a) => a.kind === "changed" ? [a.member.id] : []);

test("A tick that comes three seconds late calls nobody silent: the time does not count, and what waits is read first", () => {
  const { m, at } = probing();
  assert.deepEqual(changes(m.tick(at + 3100)), []);
  assert.deepEqual(changes(m.tick(at + 3200)), []);
  assert.deepEqual(suspects(m), []);
  const { m: onTime } = probing();
  assert.equal(changes(onTime.tick(at + 100)).length, 1, "without that it is suspect");
});

test("While what comes has waited for two seconds, nobody is silent who may have answered since", () => {
  const { m, at } = probing();
  for (let now = at + 100; now < at + 2000; now += 100) {
    m.health.reads(now - 2000, now);
    assert.deepEqual(changes(m.tick(now)), []);
  }
});

test("A suspect hears of it first", () => {
  const { m, at } = probing();
  const actions = m.tick(at + 100);
  const told = actions.find((a) => a.kind === "tell");
  assert.ok(told?.kind === "tell" && told.to === told.statement.id && told.statement.state === 1);
});

test("A suspicion that others share ends soon; that of one node alone lasts three times as long", () => {
  const ends = (confirmations: number) => {
    const { m, at } = probing();
    m.tick(at + 100);
    const [suspect] = suspects(m);
    for (let i = 0; i < confirmations; i++) {
      m.onStatement({ id: suspect!, incarnation: 1, state: 1 }, 0, at + 100, `other ${i}`);
      m.onStatement({ id: suspect!, incarnation: 1, state: 1 }, 0, at + 100, `other ${i}`);
    }
    for (let now = at + 200;; now += 100) {
      // Others answer, so that we are well.
      for (const a of m.tick(now)) if (a.kind === "ping" && a.to !== suspect) m.onPong(a.to, a.seq);
      if (m.get(suspect!)!.state === "dead") return now;
    }
  };
  const [alone, one, three] = [ends(0), ends(1), ends(3)];
  assert.ok(three < one && one < alone, `${three}, ${one}, ${alone}`);
  assert.ok(Math.abs((alone - 1000) / (three - 1000) - 3) < 0.2, `${three}, ${alone}`);
});

test("Caution grows with what is our own fault, up to nine times, and goes with probes that are answered", () => {
  const health = new LocalHealth();
  for (let now = 0; now < 20; now++) health.probed(false);
  assert.equal(health.caution, 2, "the silence of others may be theirs");
  for (let i = 1; i < 20; i++) health.ticks(i * 1000);
  assert.equal(health.caution, 9);
  health.probed(true);
  assert.equal(health.caution, 8);
  for (let i = 0; i < 20; i++) health.probed(true);
  assert.equal(health.caution, 1);
  health.refutes();
  assert.equal(health.caution, 2);
});
