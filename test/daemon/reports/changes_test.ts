import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChangeEvent } from "../../../src/api/states.ts";
import type { Path } from "../../../src/control/paths/path_choice.ts";
import { NOTHING } from "../../../src/control/paths/paths.ts";
import type { LeaseView, NodeView, PeerView } from "../../../src/control/paths/view.ts";
import { ChangeLog } from "../../../src/daemon/reports/changes.ts";
import { prefix } from "../../../src/wire/prefix.ts";
import { ManualClock } from "../../fakes/manual_clock.ts";

const OWN = "a".repeat(64), PEER = "b".repeat(64);
const TUNNEL: Path = { path: "tunnel", to: "192.168.1.11:8473", why: "as asked", mtu: 1440 };

interface Is {
  readonly peer?: PeerView["state"] | null;
  readonly path?: Path;
  readonly own?: NodeView["own"]["leaseState"];
  readonly subnet?: string;
}

function known({ peer = "alive", path = TUNNEL, own = "confirmed", subnet = "10.42.9.0/24" }: Is) {
  const leases: Partial<LeaseView>[] = [
    { subnet: prefix("10.42.7.0/24"), nodeId: OWN, name: "alpha", state: own, reserved: false },
  ];
  if (peer !== null) {
    leases.push({ subnet: prefix(subnet), nodeId: PEER, name: "beta", state: peer, reserved: false });
  }
  const peers = peer === null ? [] : [{ id: PEER, name: "beta", state: peer, stopped: false }];
  const view = { own: { id: OWN, leaseState: own }, peers, leases } as unknown as NodeView;
  const paths = new Map(peer === null ? [] : [[PEER, path]]);
  return [view, { ...NOTHING, paths }] as const;
}

/** A log, its clock, and the timers that are running. */
function followed() {
  const clock = new ManualClock();
  const running = new Set<() => void>();
  const timers = {
    after: (_: number, act: () => void) => {
      running.add(act);
      return () => void running.delete(act);
    },
    every: () => () => {},
  };
  const log = new ChangeLog("run", { clock, timers });
  return { log, clock, running };
}

const words = (events: readonly ChangeEvent[]) =>
  events.map((e) => {
    const value = e.event === "path" ? e.path : e.state;
    return `${e.event} ${e.name} ${value}${e.before === null ? "" : ` was ${e.before}`}`;
  });

test("a reader is told all that is, then what changes, in order and once", async () => {
  const { log } = followed();
  const first = await log.read(null, () => known({}));
  assert.equal(first.snapshot, true);
  assert.deepEqual(words(first.events), [
    "lease alpha confirmed",
    "lease beta held",
    "peer beta alive",
    "path beta tunnel",
  ]);
  const next = log.read(first.cursor, () => known({}));
  log.look(...known({})); // nothing new: the reader goes on waiting
  log.look(...known({ peer: "suspect" }));
  const second = await next;
  assert.deepEqual([second.snapshot, words(second.events)], [false, ["peer beta suspect was alive"]]);
  log.look(...known({ peer: "dead", path: { path: "none", why: "dead", mtu: 0 } }));
  log.look(...known({ peer: null }));
  const third = await log.read(second.cursor, () => known({}));
  assert.deepEqual(words(third.events), [
    "peer beta dead was suspect",
    "path beta none was tunnel",
    "lease beta gone was held",
    "peer beta gone was dead",
  ]);
});

test("a lease that moves, and the states of our own, are told; what a path is made of is, its reasons are not", async () => {
  const { log } = followed();
  const { cursor } = await log.read(null, () => known({ own: "probation" }));
  log.look(...known({ own: "confirmed" }));
  log.look(...known({ own: "yielding", path: { ...TUNNEL, why: "for another reason" } }));
  log.look(...known({ subnet: "10.42.3.0/24", path: { ...TUNNEL, mtu: 1380 } }));
  const { events } = await log.read(cursor, () => known({}));
  assert.deepEqual(words(events), [
    "lease alpha confirmed was probation",
    "lease alpha yielding was confirmed",
    "lease beta gone was held",
    "lease alpha confirmed was yielding",
    "lease beta held",
    "path beta tunnel was tunnel",
  ]);
});

test("without news a reader is answered with none when its time is over; nothing is kept while nobody follows", async () => {
  const { log, clock, running } = followed();
  log.look(...known({ peer: "dead" }));
  const { cursor } = await log.read(null, () => known({}));
  const waiting = log.read(cursor, () => known({}));
  assert.equal(running.size, 1);
  for (const act of [...running]) act();
  assert.deepEqual(await waiting, { cursor, snapshot: false, events: [] });
  assert.equal(running.size, 0);
  clock.advanceTo(clock.now() + 60_001);
  log.look(...known({ peer: "dead" }));
  const back = await log.read(cursor, () => known({ peer: "dead" }));
  assert.equal(back.snapshot, true, "it was away for too long");
  assert.ok(words(back.events).includes("peer beta dead"));
});

test("who was away for more changes than are kept, or followed another run, is told all that is", async () => {
  const { log } = followed();
  const { cursor } = await log.read(null, () => known({}));
  for (let n = 0; n < 1025; n++) log.look(...known({ peer: n % 2 === 0 ? "suspect" : "alive" }));
  assert.equal((await log.read(cursor, () => known({}))).snapshot, true);
  for (const other of ["other.3", "run", "run.x", "run.-1", "run.99999", "", "run.1.5"]) {
    assert.equal((await log.read(other, () => known({}))).snapshot, true, other);
  }
});

test("a reader who waits while more changes at once than is kept is told all that is", async () => {
  const { log } = followed();
  const { cursor } = await log.read(null, () => known({}));
  const [view, wanted] = known({});
  const peers = Array.from({ length: 1100 }, (_, n) => ({ ...view.peers[0]!, id: `${n}`.padStart(64, "0") }));
  const crowd = [{ ...view, peers }, wanted] as const;
  const waiting = log.read(cursor, () => crowd);
  log.look(...crowd);
  const told = await waiting;
  const ids = new Set(told.events.flatMap((e) => e.event === "peer" ? [e.id] : []));
  assert.deepEqual([told.snapshot, ids.size], [true, 1100]);
  const next = log.read(told.cursor, () => crowd);
  log.look({ ...view, peers: peers.slice(1) }, wanted);
  assert.deepEqual(words((await next).events), ["peer beta gone was alive"]);
});

test("a reader that hangs up leaves its place at once", async () => {
  const { log, running } = followed();
  const { cursor } = await log.read(null, () => known({}));
  const waiting = Array.from({ length: 16 }, () => {
    const gone = new AbortController();
    return { gone, answer: log.read(cursor, () => known({}), gone.signal) };
  });
  for (const { gone } of waiting) gone.abort();
  for (const { answer } of waiting) assert.deepEqual((await answer).events, []);
  assert.equal(running.size, 0, "no timer is left");
  assert.deepEqual((await log.read(cursor, () => known({}), AbortSignal.abort())).events, []);
  const next = log.read(cursor, () => known({}));
  log.look(...known({ peer: "suspect" }));
  assert.equal((await next).events.length, 1);
});

test("another IPv6 half alone is a change of the lease", async () => {
  const { log } = followed();
  const six = (second: string) => {
    const [view, wanted] = known({});
    const leases = view.leases.map((one) => ({ ...one, second: prefix(second) }));
    return [{ ...view, leases }, wanted] as const;
  };
  const { cursor } = await log.read(null, () => six("fd42::/64"));
  log.look(...six("fd42:0:0:1::/64"));
  const { events } = await log.read(cursor, () => six("fd42:0:0:1::/64"));
  assert.deepEqual(
    events.map((e) => e.event === "lease" ? e.subnet6 : null),
    Array(2).fill("fd42:0:0:1::/64"),
  );
});

test("a reservation that is made, is for another node, or is lifted is told", async () => {
  const { log } = followed();
  const kept = (...names: readonly string[]) => {
    const [view, wanted] = known({});
    const reservations = names.map((name) => ({
      subnet: prefix("10.42.200.0/24"),
      nodeId: name.padEnd(64, "0"),
      name,
      by: "alpha",
      moves: false,
      state: "free",
    } as const));
    return [{ ...view, reservations }, wanted] as const;
  };
  const { cursor } = await log.read(null, () => kept());
  for (const now of [kept("beta"), kept("beta"), kept("gamma"), kept()]) log.look(...now);
  assert.deepEqual(words((await log.read(cursor, () => kept())).events), [
    "reservation beta reserved",
    "reservation gamma reserved was beta",
    "reservation gamma lifted was gamma",
  ]);
});

test("seventeen readers are one too many, and the seventeenth is told so", async () => {
  const { log, running } = followed();
  const { cursor } = await log.read(null, () => known({}));
  const waiting = Array.from({ length: 16 }, () => log.read(cursor, () => known({})));
  await assert.rejects(log.read(cursor, () => known({})), /16 readers follow the events of this daemon/);
  for (const act of [...running]) act();
  await Promise.all(waiting);
  assert.equal(running.size, 0);
});
