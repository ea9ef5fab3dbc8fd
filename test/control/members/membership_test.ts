import { test } from "node:test";
import assert from "node:assert/strict";
import type { MembershipAction } from "../../../src/control/members/member.ts";
import { Membership } from "../../../src/control/members/membership.ts";
import { suspicionMs } from "../../../src/control/members/suspicion.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";

const US = "us";

function membership(ids: readonly string[], linked = (_: string) => true): Membership {
  const m = new Membership(US, new SeededRandom(1), { linked, heardAt: () => -Infinity });
  for (const id of ids) m.onRecord(id, 1, 0, 0);
  return m;
}

function run(m: Membership, from: number, to: number): (MembershipAction & { at: number })[] {
  const actions: (MembershipAction & { at: number })[] = [];
  for (let now = from; now < to; now += 100) for (const a of m.tick(now)) actions.push({ ...a, at: now });
  return actions;
}

test("One member is pinged each second, each of them once in a round", () => {
  const m = membership(["a", "b", "c"]);
  const targets: string[] = [];
  for (let now = 0; now < 3000; now += 100) {
    for (const action of m.tick(now)) {
      if (action.kind !== "ping") continue;
      targets.push(action.to);
      m.onPong(action.to, action.seq);
    }
  }
  assert.deepEqual(targets.sort(), ["a", "b", "c"]);
});

test("Silence: three direct pings, others asked, suspect after a second, dead within ten", () => {
  const m = membership(["a", "b"]);
  const actions: (MembershipAction & { at: number })[] = [];
  for (let now = 0; now < 12_000; now += 100) {
    for (const action of m.tick(now)) {
      actions.push({ ...action, at: now });
      if (action.kind === "ping" && action.to === "b") m.onPong("b", action.seq);
    }
  }
  const first = actions.find((a) => a.kind === "ping" && a.to === "a")!;
  const asked = actions.find((a) => a.kind === "ask")!;
  assert.ok(asked.kind === "ask" && asked.via === "b" && asked.target === "a" && asked.at - first.at === 500);
  const changes = actions.filter((a) => a.kind === "changed");
  assert.deepEqual(changes.map((c) => c.kind === "changed" && c.before), ["alive", "suspect"]);
  assert.equal(m.get("a")!.state, "dead");
  assert.ok(changes[1]!.at - first.at < 9000);
});

test("Only a greater incarnation brings a suspect or dead member back", () => {
  const m = membership(["a"], () => false);
  m.onStatement({ id: "a", incarnation: 1, state: 1 }, 0, 0);
  assert.equal(m.get("a")!.state, "suspect");
  m.onRecord("a", 1, 0, 0);
  assert.equal(m.get("a")!.state, "suspect");
  m.onStatement({ id: "a", incarnation: 1, state: 2 }, 0, 0);
  assert.equal(m.get("a")!.state, "dead");
  m.onStatement({ id: "a", incarnation: 1, state: 1 }, 0, 0);
  assert.equal(m.get("a")!.state, "dead");
  m.onRecord("a", 2, 0, 0);
  assert.equal(m.get("a")!.state, "alive");
  assert.deepEqual(m.onStatement({ id: "a", incarnation: 1, state: 2 }, 0, 0), []);
});

test("A goodbye is remembered and passed on, also when it comes late, until the node is alive again", () => {
  const m = membership(["a"]);
  m.onStatement({ id: "a", incarnation: 1, state: 2 }, 0, 0);
  assert.equal(m.get("a")!.stopped, false);
  const [changed] = m.onStatement({ id: "a", incarnation: 1, state: 2, stopped: true }, 0, 0);
  assert.ok(changed!.kind === "changed" && changed!.tell);
  assert.deepEqual(m.statement("a"), { id: "a", incarnation: 1, state: 2, stopped: true });
  assert.deepEqual(m.onStatement({ id: "a", incarnation: 1, state: 2, stopped: true }, 0, 0), []);
  m.onRecord("a", 2, 0, 0);
  assert.deepEqual([m.get("a")!.state, m.get("a")!.stopped], ["alive", false]);
});

test("What others say of a node that we hear changes nothing: it is told and probed", () => {
  const heardAt = 1000;
  const m = new Membership(US, new SeededRandom(1), { linked: () => true, heardAt: () => heardAt });
  m.onRecord("a", 1, 0, 0);
  for (const state of [1, 2] as const) {
    const said = { id: "a", incarnation: 1, state };
    const [told] = m.onStatement(said, 0, heardAt + 3000);
    assert.deepEqual(told, { kind: "tell", to: "a", statement: said });
    assert.equal(m.get("a")!.state, "alive");
  }
  const goodbye = { id: "a", incarnation: 1, state: 2, stopped: true } as const;
  assert.equal(m.onStatement(goodbye, 0, heardAt + 100, "x")[0]!.kind, "tell");
  assert.equal(m.get("a")!.state, "alive");
  assert.equal(m.onStatement(goodbye, 0, heardAt + 100)[0]!.kind, "changed", "it says so itself");
  assert.deepEqual([m.get("a")!.state, m.get("a")!.stopped], ["dead", true]);
});

test("A linked node not heard just now is suspect when others call it dead, and dead without an answer", () => {
  for (const answers of [true, false]) {
    const m = new Membership(US, new SeededRandom(1), { linked: () => true, heardAt: () => 0 });
    m.onRecord("a", 1, 0, 0);
    const actions = m.onStatement({ id: "a", incarnation: 1, state: 2 }, 0, 10_000);
    assert.deepEqual(actions.map((a) => a.kind), ["changed", "ping"]);
    assert.equal(m.get("a")!.state, "suspect");
    const ping = actions[1]!;
    if (answers && ping.kind === "ping") m.onPong("a", ping.seq);
    m.tick(11_000);
    assert.equal(m.get("a")!.state, answers ? "suspect" : "dead");
  }
});

test("A linked node not heard just now was stopped when others say so and it does not answer", () => {
  for (const answers of [true, false]) {
    const m = new Membership(US, new SeededRandom(1), { linked: () => true, heardAt: () => 0 });
    m.onRecord("a", 1, 0, 0);
    const goodbye = { id: "a", incarnation: 1, state: 2, stopped: true } as const;
    const ping = m.onStatement(goodbye, 0, 10_000, "x")[1]!;
    assert.deepEqual([m.get("a")!.state, m.get("a")!.stopped], ["suspect", false]);
    if (answers && ping.kind === "ping") m.onPong("a", ping.seq);
    m.tick(11_000);
    assert.deepEqual([m.get("a")!.state, m.get("a")!.stopped], [answers ? "suspect" : "dead", !answers]);
  }
});

test("We refute what is said of our present incarnation, and ignore what is said of a former or a later one", () => {
  const m = membership([]);
  assert.deepEqual(m.onStatement({ id: US, incarnation: 4, state: 1 }, 4, 0), [{ kind: "refute", above: 4 }]);
  assert.deepEqual(m.onStatement({ id: US, incarnation: 3, state: 2 }, 4, 0), []);
  assert.deepEqual(m.onStatement({ id: US, incarnation: 2 ** 48 - 1, state: 2 }, 4, 0), []);
});

test("A remembered member is dead by hearsay until its link comes up, and nobody is told", () => {
  const m = new Membership(US, new SeededRandom(1), { linked: () => true, heardAt: () => -Infinity });
  m.remember("a", 0);
  assert.equal(m.get("a")!.state, "dead");
  assert.equal(m.statement("a"), null);
  const actions = m.onLink("a", 7, 10);
  assert.ok(actions[0]!.kind === "changed" && !actions[0]!.tell);
  assert.deepEqual(m.statement("a"), { id: "a", incarnation: 7, state: 0 });
});

test("A ping for somebody else is passed on, and its answer passed back", () => {
  const m = membership(["a", "b"]);
  const [ping] = m.onPingRequest("a", "b", 99, 0);
  assert.ok(ping!.kind === "ping" && ping!.to === "b");
  assert.deepEqual(m.onPong("b", ping!.kind === "ping" ? ping!.seq : 0), [{
    kind: "pong",
    to: "a",
    seq: 99,
  }]);
});

test("A member just heard of is not probed before a link to it may be there", () => {
  const m = membership(["a"], () => false);
  assert.deepEqual(run(m, 0, 2900), []);
});

test("suspicionMs() grows with the mesh, and shrinks with what others confirm as far as there are others", () => {
  const settled = [1, 2, 3, 10, 100, 1000, 4096].map((members) =>
    suspicionMs({ members, able: members - 1, confirmations: Math.min(3, members - 1) })
  );
  assert.deepEqual(settled, [...settled].sort((a, b) => a - b));
  assert.ok(settled[0]! >= 2000 && settled.every((ms) => ms < 5000), `${settled}`);
  const after = (confirmations: number) => suspicionMs({ members: 100, able: 99, confirmations });
  assert.ok(after(0) > after(1) && after(1) > after(2) && after(2) > after(3));
  assert.equal(after(0), 3 * after(3));
  assert.equal(
    suspicionMs({ members: 100, able: 0, confirmations: 0 }),
    after(3),
    "nobody is there who could",
  );
});
