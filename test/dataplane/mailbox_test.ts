import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mailboxMemory, MailboxReader, MailboxToAll, MailboxWriter } from "../../src/dataplane/mailbox.ts";
import type { DataplaneMessage, InstallSession, Tunnel } from "../../src/ports/planes.ts";

const TUNNEL: Tunnel = {
  encapsulation: "data",
  endpoint: "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
  ownPort: "[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
  mtu: 1440,
  sendIndex: 0xffffffff,
  receiveIndex: 0x80000000,
  vni: 0,
  mac: "",
};

interface Ends {
  readonly memory: SharedArrayBuffer;
  readonly writer: MailboxWriter;
  readonly reader: MailboxReader;
  readonly woken: () => number;
  drain(): DataplaneMessage[];
}

function mailbox(): Ends {
  const memory = mailboxMemory();
  let woken = 0;
  const writer = new MailboxWriter(memory, () => woken++);
  const reader = new MailboxReader(memory);
  return {
    memory,
    writer,
    reader,
    woken: () => woken,
    drain: () => {
      const taken: DataplaneMessage[] = [];
      reader.drain((message) => taken.push(message));
      return taken;
    },
  };
}

const setPeer = (slot: number, mtu = 1440): DataplaneMessage => ({
  kind: "setPeer",
  slot,
  tunnel: { ...TUNNEL, mtu },
});

/** Posts for peers from `first` on until one does not fit; returns the slot after the last. */
function fill(m: Ends, first = 0): number {
  let slot = first;
  do m.writer.post(setPeer(slot++)); while (m.writer.retry() === 0);
  return slot;
}

test("drain() gives every kind of message as it was posted, in order", () => {
  const m = mailbox();
  const messages: DataplaneMessage[] = [
    { kind: "attachSocket", role: "own", family: 6, sockets: [{ fd: 11, sendFd: 12 }] },
    { kind: "attachTun", queues: [{ fd: 13, writeFd: 14 }], tso: true, uso: false },
    {
      kind: "setOwn",
      own: {
        networks: ["10.42.0.0/16"],
        subnets: ["10.42.1.0/24"],
        address: "10.42.1.0",
        mac: "02:00:00:00:00:01",
        mtu: 1440,
      },
    },
    setPeer(4095),
    { kind: "addRoute", prefix: "10.42.2.0/24", slot: 4095 },
    { kind: "dropRoute", prefix: "10.42.2.0/24" },
    { kind: "dropPeer", slot: 4095 },
    { kind: "detachTun" },
    { kind: "releaseMemory" },
    { kind: "stop" },
  ];
  assert.deepEqual(messages.map((message) => m.writer.post(message)), messages.map((_, i) => i + 1));
  assert.equal(m.woken(), messages.length);
  assert.equal(m.writer.appliedEpoch(), 0);
  assert.deepEqual(m.drain(), messages);
  assert.equal(m.writer.appliedEpoch(), messages.length);
  assert.deepEqual(m.drain(), []);
});

test("appliedEpoch() counts a message only after apply returned", () => {
  const m = mailbox();
  m.writer.post(setPeer(1));
  m.writer.post(setPeer(2));
  const seen: number[] = [];
  m.reader.drain(() => seen.push(m.writer.appliedEpoch()));
  assert.deepEqual(seen, [0, 1]);
  assert.equal(m.writer.appliedEpoch(), 2);
});

test("messages survive the end of the ring many times over", () => {
  const m = mailbox();
  for (let round = 0; round < 400; round++) {
    const posted = Array.from({ length: 37 }, (_, i) => setPeer(i, round));
    for (const message of posted) m.writer.post(message);
    assert.equal(m.writer.retry(), 0);
    assert.deepEqual(m.drain(), posted);
  }
  assert.equal(m.writer.appliedEpoch(), 400 * 37);
});

test("the bytes of the ring are wiped once they were read", () => {
  const m = mailbox();
  fill(m);
  const ring = new Uint8Array(m.memory, 16);
  assert.ok(ring.some((byte) => byte !== 0));
  m.drain();
  assert.ok(ring.every((byte) => byte === 0));
});

test("post() to a full ring loses nothing and keeps the newest of each subject", () => {
  const m = mailbox();
  const slots = fill(m);
  for (let mtu = 1; mtu <= 50; mtu++) m.writer.post(setPeer(slots - 1, mtu));
  m.writer.post({ kind: "addRoute", prefix: "10.1.0.0/24", slot: 5 });
  m.writer.post({ kind: "dropRoute", prefix: "10.1.0.0/24" });
  const last = m.writer.post({ kind: "dropPeer", slot: 0 });
  assert.equal(m.writer.retry(), 3);
  const first = m.drain();
  assert.equal(first.length, slots - 1);
  assert.ok(m.writer.appliedEpoch() < last);
  const before = m.woken();
  assert.equal(m.writer.retry(), 0);
  assert.equal(m.woken(), before + 1, "the Worker is woken for what waited");
  assert.equal(m.writer.retry(), 0);
  assert.equal(m.woken(), before + 1, "and for nothing else");
  assert.deepEqual(m.drain(), [
    setPeer(slots - 1, 50),
    { kind: "dropRoute", prefix: "10.1.0.0/24" },
    { kind: "dropPeer", slot: 0 },
  ]);
  assert.equal(m.writer.appliedEpoch(), last);
});

test("post() does not overtake what waits, even when it would fit", () => {
  const m = mailbox();
  const slots = fill(m);
  const small: DataplaneMessage = { kind: "dropPeer", slot: 9999 };
  m.writer.post(small);
  assert.ok(m.writer.retry() > 0);
  const all = m.drain();
  m.writer.retry();
  all.push(...m.drain());
  assert.deepEqual(all.slice(-2), [setPeer(slots - 1), small]);
});

test("any mix of sizes, posts and drains leaves the reader with the newest of each subject", () => {
  const step = fc.oneof(
    { weight: 1, arbitrary: fc.constant(null) },
    {
      weight: 6,
      arbitrary: fc.record({ subject: fc.nat(9) }),
    },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const m = mailbox();
      const newest = new Map<string, number>();
      const got = new Map<string, number>();
      const order: number[] = [];
      const take = () =>
        m.drain().forEach((message) => {
          assert.ok(message.kind === "addRoute");
          got.set(message.prefix.slice(0, 1), message.slot);
          order.push(message.slot);
        });
      let posted = 0;
      for (const s of steps) {
        if (s === null) take();
        else {
          // The length of the text is part of the subject, so one subject has one length.
          const prefix = `${s.subject}`.padEnd(1 + (s.subject * 4409) % 40_000, "x");
          posted = m.writer.post({ kind: "addRoute", prefix, slot: posted });
          newest.set(`${s.subject}`, posted - 1);
        }
      }
      do take(); while (m.writer.retry() > 0);
      take();
      assert.deepEqual([...got].sort(), [...newest].sort());
      assert.deepEqual(order, [...order].sort((p, q) => p - q), "in order of posting");
      assert.equal(m.writer.appliedEpoch(), posted);
      assert.ok(new Uint8Array(m.memory, 16).every((byte) => byte === 0));
    }),
    { seed: 42, numRuns: 150 },
  );
});

test("MailboxToAll: every worker gets every message, and the slowest says how far they are", () => {
  const ends = [mailbox(), mailbox(), mailbox()];
  const all = new MailboxToAll(ends.map(({ writer }) => writer));
  const seen: DataplaneMessage[][] = ends.map(() => []);
  const drain = (i: number) => ends[i]!.reader.drain((message) => seen[i]!.push(message));
  assert.equal(all.post(setPeer(1)), 1);
  assert.equal(all.post({ kind: "dropPeer", slot: 1 }), 2);
  assert.deepEqual(ends.map((end) => end.woken()), [2, 2, 2]);
  assert.equal(all.appliedEpoch(), 0);
  drain(0);
  drain(2);
  assert.equal(all.appliedEpoch(), 0);
  drain(1);
  assert.equal(all.appliedEpoch(), 2);
  assert.deepEqual(seen, [seen[0], seen[0], seen[0]]);
  assert.equal(seen[0]!.length, 2);
});

test("MailboxToAll: a worker that lags holds up its own messages only, and loses none", () => {
  const ends = [mailbox(), mailbox()];
  const all = new MailboxToAll(ends.map(({ writer }) => writer));
  const slots: number[][] = [[], []];
  const drain = (i: number) =>
    ends[i]!.reader.drain((message) => slots[i]!.push((message as { slot: number }).slot));
  let last = 0;
  for (let slot = 0; slot < 4000; slot++) {
    last = all.post(setPeer(slot));
    drain(0);
  }
  assert.equal(all.retry() > 0, true);
  assert.equal(slots[0]!.length, 4000);
  while (all.retry() > 0) drain(1);
  drain(1);
  assert.deepEqual(slots[1], slots[0]);
  assert.equal(all.appliedEpoch(), last);
});

function session(receiveIndex: number): InstallSession {
  return {
    kind: "installSession",
    slot: 3,
    receiveIndex,
    sendIndex: 0xfedcba00,
    suite: "aes-256-gcm",
    sendKey: Uint8Array.from({ length: 32 }, (_, i) => i + 1),
    receiveKey: Uint8Array.from({ length: 32 }, (_, i) => 200 - i),
    confirmed: false,
  };
}

/** What arrives, copied while it may be read. */
function drainSessions(m: Ends): { copies: unknown[]; lent: Uint8Array[] } {
  const copies: unknown[] = [], lent: Uint8Array[] = [];
  m.reader.drain((message) => {
    if (message.kind !== "installSession") return;
    copies.push({ ...message, sendKey: message.sendKey.slice(), receiveKey: message.receiveKey.slice() });
    lent.push(message.sendKey, message.receiveKey);
  });
  return { copies, lent };
}

test("session keys arrive whole and leave nothing behind: neither in the ring nor in the decoded message", () => {
  const m = mailbox();
  m.writer.post(session(0x80000100));
  const { copies, lent } = drainSessions(m);
  assert.deepEqual(JSON.stringify(copies), JSON.stringify([session(0x80000100)]));
  assert.equal(lent.length, 2);
  assert.ok(lent.every((key) => key.every((byte) => byte === 0)));
  assert.ok(new Uint8Array(m.memory, 16).every((byte) => byte === 0));
});

test("keys are wiped even when applying the message fails", () => {
  const m = mailbox();
  m.writer.post(session(0x100));
  let key: Uint8Array | undefined;
  assert.throws(() =>
    m.reader.drain((message) => {
      if (message.kind === "installSession") key = message.sendKey;
      throw new Error("no");
    })
  );
  assert.ok(key!.every((byte) => byte === 0));
});

test("a session that waits for room has keys of its own: the poster may wipe his", () => {
  const m = mailbox();
  fill(m);
  const message = session(0x100);
  m.writer.post(message);
  message.sendKey.fill(0);
  message.receiveKey.fill(0);
  assert.ok(m.writer.retry() > 0);
  m.drain();
  assert.equal(m.writer.retry(), 0);
  assert.deepEqual(JSON.stringify(drainSessions(m).copies), JSON.stringify([session(0x100)]));
});

test("a dropPeer that waits stays although the slot has a new holder: sessions go with it", () => {
  const m = mailbox();
  const slots = fill(m);
  const drop: DataplaneMessage = { kind: "dropPeer", slot: 1 };
  m.writer.post(drop);
  m.writer.post(setPeer(1, 99));
  m.drain();
  m.writer.retry();
  assert.deepEqual(m.drain(), [setPeer(slots - 1), drop, setPeer(1, 99)]);
});

test("keys for the gate that wait for room are copies, and wiped when newer ones take their place", () => {
  const m = mailbox();
  fill(m);
  const keys = [1, 2].map((byte) => new Uint8Array(32).fill(byte));
  for (const key of keys) {
    m.writer.post({ kind: "setGate", macKeys: [key] });
    key.fill(0);
  }
  const arrived: number[] = [];
  const drain = () =>
    m.reader.drain((message) => {
      if (message.kind === "setGate") arrived.push(...message.macKeys.map((key) => key[0]!));
    });
  drain();
  assert.equal(m.writer.retry(), 0);
  drain();
  assert.deepEqual(arrived, [2]);
});
