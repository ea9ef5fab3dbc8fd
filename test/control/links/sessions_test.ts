import { test } from "node:test";
import assert from "node:assert/strict";
import { type NewSession, ReceiverIndices } from "../../../src/control/handshake/pending.ts";
import { newOutlets } from "../../../src/control/outbox/outbox.ts";
import type { NodeRecord } from "../../../src/control/records/record.ts";
import { LinkTable } from "../../../src/control/links/link_table.ts";
import { Sessions } from "../../../src/control/links/sessions.ts";
import { Targets } from "../../../src/control/links/targets.ts";
import { MAX_PEERS } from "../../../src/ports/devices.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";

const HOME = "10.0.0.1:8473";

function fixture() {
  const { actions } = newOutlets();
  const random = new SeededRandom(1);
  const indices = new ReceiverIndices(random);
  const targets = new Targets(random);
  const links = new LinkTable(targets, random);
  const sessions = new Sessions(indices, links, targets, actions);
  const made = (initiator: boolean, id = "peer", life: string | null = null): NewSession => ({
    peer: { id, bootNonce: "of its record" } as NodeRecord,
    life,
    endpoint: HOME,
    asked: null,
    askedAt: null,
    receiveIndex: indices.take()!,
    sendIndex: 0x100,
    suite: "aes-256-gcm",
    sendKey: new Uint8Array(32),
    receiveKey: new Uint8Array(32),
    initiator,
    member: true,
    keyId: 1,
    seen: null,
  });
  const dropped = () => actions.drain().flatMap((a) => a.kind === "dropSession" ? [a.receiveIndex] : []);
  return { sessions, links, made, dropped, actions };
}

test("Whoever began speaks at once; whoever answered once the session was used", () => {
  const { sessions, made, actions } = fixture();
  const [ours, theirs] = [made(true), made(false)];
  const confirmed = () => actions.drain().filter(({ kind }) => kind === "confirmSession").length;
  sessions.add(ours, 0);
  assert.equal(sessions.current("peer")!.receiveIndex, ours.receiveIndex);
  sessions.add(theirs, 10);
  assert.equal(sessions.current("peer")!.receiveIndex, ours.receiveIndex);
  sessions.confirm(theirs.receiveIndex, 20);
  assert.equal(confirmed(), 1);
  sessions.confirm(theirs.receiveIndex, 30);
  assert.equal(confirmed(), 0, "no news");
  assert.equal(sessions.current("peer")!.receiveIndex, theirs.receiveIndex);
});

test("A session is due by 120 s for whoever began it, by 140 s for the other, and again until it is renewed", () => {
  const { sessions, made } = fixture();
  const ours = { ...made(true, "a"), receiveIndex: 0 };
  sessions.add(ours, 0);
  const answered = { ...made(false, "b"), receiveIndex: 12_000 << 8 };
  sessions.add(answered, 0);
  sessions.confirm(answered.receiveIndex, 0);
  const due = (now: number) => sessions.due(now).map((s) => s.peer);
  assert.deepEqual(due(119_999), []);
  assert.deepEqual(due(120_000), ["a"]);
  assert.deepEqual(due(124_000), []);
  assert.deepEqual(due(125_000), ["a"]);
  assert.deepEqual(due(140_000), ["a", "b"]);
  sessions.add(made(true, "a"), 141_000);
  assert.deepEqual(due(150_000), ["b"]);
});

test("Sessions that were made together are renewed in the course of twelve seconds, as many at once as is asked for", () => {
  const { sessions, made } = fixture();
  for (let i = 0; i < 1200; i++) sessions.add(made(true, `${i}`), 0);
  let most = 0, all = 0;
  for (let now = 100_000; now <= 120_000; now += 100) {
    const due = sessions.due(now).length;
    [most, all] = [Math.max(most, due), all + due];
    if (now === 107_900) assert.equal(all, 0);
  }
  assert.ok(all >= 1200);
  assert.ok(most < 60, `${most} in one tick`);
  const late = fixture();
  for (let i = 0; i < 1200; i++) late.sessions.add(late.made(true, `${i}`), 0);
  assert.equal(late.sessions.due(130_000, 100).length, 100, "after the host has slept");
  assert.equal(late.sessions.due(130_100, 2000).length, 1100, "the others are still due");
});

test("No session is older than 180 s, and whose last one ends is told", () => {
  const { sessions, made, dropped } = fixture();
  const [first, second] = [made(true), made(true)];
  sessions.add(first, 0);
  sessions.add(second, 100_000);
  assert.deepEqual(sessions.expire(179_999), []);
  assert.deepEqual(dropped(), []);
  assert.deepEqual(sessions.expire(180_000), []);
  assert.deepEqual(dropped(), [first.receiveIndex]);
  assert.deepEqual(sessions.expire(280_000), ["peer"]);
  assert.deepEqual(dropped(), [second.receiveIndex]);
  assert.equal(sessions.byIndex(second.receiveIndex), undefined);
});

test("A session ends when it is due to the last bit of the time, however the numbers round", () => {
  for (let i = 0; i < 50; i++) {
    const { sessions, made } = fixture();
    const at = 1000.3 + i * 0.7; // for some of them (at + 180,000) − at is less than 180,000
    sessions.add(made(true), at);
    assert.equal(sessions.current("peer") === null, false);
    assert.deepEqual(sessions.expire(at + 180_000), ["peer"], `made at ${at}`);
  }
});

test("What nobody uses pushes nothing out: one unconfirmed session a peer, for 20 s", () => {
  const { sessions, made, dropped } = fixture();
  const ours = made(true);
  sessions.add(ours, 0);
  const replays = Array.from({ length: 10 }, () => made(false));
  for (const replay of replays) sessions.add(replay, 100);
  assert.deepEqual(dropped(), replays.slice(0, -1).map((s) => s.receiveIndex));
  assert.equal(sessions.current("peer")!.receiveIndex, ours.receiveIndex);
  sessions.expire(20_100);
  assert.deepEqual(dropped(), [replays.at(-1)!.receiveIndex]);
});

test("A peer has at most three sessions: the oldest goes", () => {
  const { sessions, made, dropped } = fixture();
  const four = Array.from({ length: 4 }, () => made(true));
  for (const session of four) sessions.add(session, 0);
  assert.deepEqual(dropped(), [four[0]!.receiveIndex]);
});

test("There are sessions with MAX_PEERS peers and no more", () => {
  const { sessions, links, made } = fixture();
  for (let i = 0; i < MAX_PEERS; i++) assert.notEqual(sessions.add(made(true, `${i}`), 0), null);
  assert.equal(sessions.add(made(true, "one more"), 0), null);
  links.move(links.get("7")!, null);
  links.sweep(60_000);
  assert.equal(sessions.add(made(true, "one more"), 60_000), null, "its sessions are still there");
  sessions.dropPeer("7");
  assert.notEqual(sessions.add(made(true, "one more"), 60_000), null);
});

test("A clone is another life that began a session while the one that is heard was there already", () => {
  const { sessions, made } = fixture();
  const add = (life: string | null, now: number, initiator = true) => {
    const session = made(initiator, "peer", life);
    sessions.add(session, now);
    return sessions.byIndex(session.receiveIndex)!;
  };
  const first = add("a", 0);
  assert.equal(sessions.cloneOf(first), null, "alone");
  const second = add("b", 2000);
  assert.equal(sessions.cloneOf(first), second);
  assert.equal(sessions.cloneOf(second), null, "as after any restart");
  const again = add("a", 9000);
  assert.equal(sessions.cloneOf(second), again, "a former life is back");
  assert.equal(sessions.cloneOf(again), second);
  assert.equal(sessions.ofLife("peer", "a"), again);
  assert.equal(sessions.ofLife("peer", "c"), null);
});

test("No clone is who did not say which life it is of, or has not shown that it lives", () => {
  const { sessions, made } = fixture();
  const add = (life: string | null, initiator: boolean) => {
    const session = made(initiator, "peer", life);
    sessions.add(session, 1000);
    return sessions.byIndex(session.receiveIndex)!;
  };
  sessions.add(made(true, "peer", "a"), 0);
  const unknown = add(null, true);
  const unused = add("b", false);
  assert.equal(sessions.cloneOf(sessions.ofLife("peer", "a")!), null);
  assert.equal(sessions.cloneOf(unknown), null);
  sessions.confirm(unused.receiveIndex, 1000);
  assert.equal(sessions.cloneOf(sessions.ofLife("peer", "a")!), unused);
});

test("A link is up at once where we began, where we answered once the session is used, and no news when it is renewed", () => {
  const { sessions, links, made } = fixture();
  const up = (id: string) => [{ kind: "up", link: links.get(id)! }];
  assert.deepEqual(sessions.add(made(true, "a"), 0), up("a"));
  assert.deepEqual(sessions.add(made(true, "a"), 10), [], "renewed");
  const answered = made(false, "b");
  assert.deepEqual(sessions.add(answered, 20), []);
  assert.equal(links.isUp("b"), false);
  assert.deepEqual([sessions.justMade(HOME, 519), sessions.justMade(HOME, 520)], [true, false]);
  assert.deepEqual(sessions.confirm(answered.receiveIndex, 30), up("b"));
  assert.deepEqual([sessions.justMade(HOME, 30), links.get("b")!.life], [false, "of its record"]);
  const restarted = made(true, "b", "another life");
  assert.deepEqual(sessions.add(restarted, 40), up("b"));
  assert.deepEqual(sessions.roamed("b", HOME, 50), []);
  assert.deepEqual(sessions.roamed("b", "10.0.0.2:8473", 60), up("b"));
});
