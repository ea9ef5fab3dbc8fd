/**
 * UdpBatches between real sockets: trains of equal datagrams in one send (UDP_SEGMENT) and one receive (UDP_GRO),
 * their limits, and what happens when the kernel wants none.
 */
import assert from "node:assert/strict";
import { packetAt, TUN_SLOTS } from "../../src/dataplane/packet/packet_memory.ts";
import { SLOT_LENGTH } from "../../src/ports/devices.ts";
import { openHostNetwork } from "../../src/sys/host_network.ts";
import { libc } from "../../src/sys/libc.ts";
import type { UdpBatches } from "../../src/sys/udp_batches.ts";
import { below, randomBytes, seeded } from "../made/seeded.ts";
import { liveTest, until, type Wires } from "./wires.ts";

const TRAINS = { gso: true, gro: true };
const EINVAL = 22;
const SOL_SOCKET = 1;
const SO_NO_CHECK = 11;
const random = seeded(64);

interface Train {
  readonly bytes: Uint8Array;
  readonly segment: number;
  readonly from: string;
}

/** Lays datagrams one behind the other into the pool; where each begins. */
class Writer {
  readonly #wires: Wires;
  #at = packetAt(TUN_SLOTS);

  constructor(wires: Wires) {
    this.#wires = wires;
  }

  /** Queues a datagram in two pieces, at least one byte of it the head. */
  enqueue(sender: UdpBatches, slot: number, bytes: Uint8Array, head = Math.min(36, bytes.length)): boolean {
    const body = this.#at + 5000;
    this.#wires.pool.bytes.set(bytes.subarray(0, head), this.#at);
    this.#wires.pool.bytes.set(bytes.subarray(head), body);
    const queued = sender.enqueue(slot, this.#at, head, body, bytes.length - head);
    this.#at = body + bytes.length + 64;
    assert.ok(this.#at < 60 * SLOT_LENGTH, "the test has memory enough");
    return queued;
  }
}

function receiveTrains(wires: Wires, socket: UdpBatches, datagrams: number): Train[] {
  const trains: Train[] = [];
  let count = 0;
  until(`${datagrams} datagrams, ${count} so far`, () => {
    const got = socket.receive();
    for (let i = 0; i < got; i++) {
      const at = socket.position(i);
      const train = {
        bytes: wires.pool.bytes.slice(at, at + socket.length(i)),
        segment: socket.segment(i),
        from: socket.source(i),
      };
      trains.push(train);
      count += split(train).length;
    }
    return count >= datagrams ? trains : null;
  });
  assert.equal(socket.receive(), 0, "nothing more than was sent");
  return trains;
}

function split({ bytes, segment }: Train): Uint8Array[] {
  if (bytes.length === 0) return [bytes];
  return Array.from(
    { length: Math.ceil(bytes.length / segment) },
    (_, i) => bytes.slice(i * segment, (i + 1) * segment),
  );
}

const sizes = (trains: readonly Train[]) => trains.map((train) => split(train).length);
const many = (count: number, size: number) => Array.from({ length: count }, () => randomBytes(random, size));

for (
  const [name, to, from] of [
    ["IPv4", "127.0.0.1:41002", "127.0.0.1:41001"],
    ["IPv6", "[::1]:41002", "[::1]:41001"],
  ] as const
) {
  liveTest(`equal datagrams travel as trains of at most 64, the last one short: ${name}`, (wires) => {
    const sender = wires.batches(41001, "own", TRAINS), receiver = wires.batches(41002, "vxlan", TRAINS);
    sender.setDestination(7, to);
    for (
      const [count, size, last, wanted] of [
        [1, 700, 700, [1]],
        [2, 700, 1, [2]],
        [64, 300, 300, [64]],
        [65, 300, 300, [64, 1]],
        [200, 200, 199, [64, 64, 64, 8]],
        [130, 1, 1, [64, 64, 2]],
      ] as const
    ) {
      const datagrams = [...many(count - 1, size), ...many(1, last)];
      const writer = new Writer(wires);
      for (const bytes of datagrams) assert.ok(writer.enqueue(sender, 7, bytes));
      assert.equal(sender.flush(), 0);
      const trains = receiveTrains(wires, receiver, count);
      assert.deepEqual(trains.flatMap(split), datagrams);
      assert.deepEqual(sizes(trains), wanted);
      for (const train of trains) {
        assert.equal(train.from, from);
        if (split(train).length > 1) assert.equal(train.segment, size);
      }
    }
    assert.deepEqual(wires.lost, []);
  });

  liveTest(`a train stays below 64 KiB: ${name}`, (wires) => {
    const sender = wires.batches(41001, "own", TRAINS), receiver = wires.batches(41002, "vxlan", TRAINS);
    sender.setDestination(7, to);
    for (const [size, count] of [[1456, 100], [9000, 20], [32_500, 4], [32_501, 4], [65_000, 3]] as const) {
      const datagrams = many(count, size);
      const writer = new Writer(wires);
      for (const bytes of datagrams) assert.ok(writer.enqueue(sender, 7, bytes));
      assert.equal(sender.flush(), 0);
      const trains = receiveTrains(wires, receiver, count);
      assert.deepEqual(trains.flatMap(split), datagrams);
      const most = Math.floor(65_000 / size);
      assert.deepEqual(
        sizes(trains).slice(0, -1).every((length) => length === most),
        true,
        `${sizes(trains)}`,
      );
    }
    assert.deepEqual(wires.lost, []);
  });
}

liveTest("a batch for many peers in many sizes arrives whole, in order for each peer", (wires) => {
  const sender = wires.batches(41001, "own", TRAINS);
  const receivers = [wires.batches(41002, "vxlan", TRAINS), wires.batches(41003, "flannel", TRAINS)];
  sender.setDestination(0, "127.0.0.1:41002");
  sender.setDestination(1, "[::1]:41003");
  for (let round = 0; round < 60; round++) {
    const wanted: Uint8Array[][] = [[], []];
    const writer = new Writer(wires);
    let left = 300;
    while (left > 0) {
      const slot = below(random, 2), size = [1, 100, 1400, 1401][below(random, 4)]!;
      for (let n = 1 + below(random, 90); n > 0 && left > 0; n--, left--) {
        const bytes = randomBytes(random, below(random, 12) === 0 ? 1 + below(random, 1500) : size);
        if (!writer.enqueue(sender, slot, bytes, Math.min(bytes.length, 1 + below(random, 60)))) {
          assert.equal(sender.flush(), 0);
          assert.ok(writer.enqueue(sender, slot, bytes));
        }
        wanted[slot]!.push(bytes);
      }
    }
    assert.equal(sender.flush(), 0);
    receivers.forEach((receiver, slot) => {
      const trains = receiveTrains(wires, receiver, wanted[slot]!.length);
      assert.deepEqual(trains.flatMap(split), wanted[slot]);
    });
  }
});

liveTest("a socket that asked for no trains gets their datagrams one by one", (wires) => {
  const sender = wires.batches(41001, "own", TRAINS), receiver = wires.batches(41002, "vxlan");
  sender.setDestination(0, "127.0.0.1:41002");
  const datagrams = [...many(39, 800), ...many(1, 5)];
  const writer = new Writer(wires);
  for (const bytes of datagrams) assert.ok(writer.enqueue(sender, 0, bytes));
  assert.equal(sender.flush(), 0);
  const trains = receiveTrains(wires, receiver, 40);
  assert.deepEqual(sizes(trains), Array(40).fill(1));
  assert.deepEqual(trains.map(({ bytes }) => bytes), datagrams);
});

liveTest("without gso every datagram is a send of its own", (wires) => {
  const sender = wires.batches(41001, "own"), receiver = wires.batches(41002, "vxlan", TRAINS);
  sender.setDestination(0, "127.0.0.1:41002");
  const datagrams = many(40, 800);
  const writer = new Writer(wires);
  for (const bytes of datagrams) assert.ok(writer.enqueue(sender, 0, bytes));
  assert.equal(sender.flush(), 0);
  assert.deepEqual(receiveTrains(wires, receiver, 40).flatMap(split), datagrams);
});

liveTest(
  "when the kernel refuses trains they leave as single datagrams, none lost, none doubled",
  (wires) => {
    const socket = wires.udp(41001);
    const sender = wires.over(socket, "own", TRAINS), receiver = wires.batches(41002, "vxlan");
    sender.setDestination(0, "127.0.0.1:41002");
    sender.setDestination(1, "192.0.2.1:41002"); // no route in this namespace
    // Linux takes no train from a socket that sends without checksums: EINVAL.
    const on = new Uint8Array(new ArrayBuffer(4));
    on[0] = 1;
    assert.equal(libc().setsockopt(socket.fd, SOL_SOCKET, SO_NO_CHECK, on, 4), 0);
    for (let round = 0; round < 3; round++) {
      const writer = new Writer(wires);
      const groups = [many(1, 50), many(100, 300), many(3, 20), many(70, 1200), many(1, 50)];
      for (const bytes of groups.flat()) {
        if (writer.enqueue(sender, 0, bytes)) continue;
        assert.ok(round > 0, "trains need less room in the queue");
        assert.equal(sender.flush(), 0);
        assert.ok(writer.enqueue(sender, 0, bytes));
      }
      assert.equal(sender.flush(), 0);
      const received = receiveTrains(wires, receiver, groups.flat().length).flatMap(split);
      assert.deepEqual(received, groups.flat());
      // A train for nobody in between is counted, datagram by datagram.
      const more = new Writer(wires);
      const [first, second] = [many(5, 60), many(5, 61)];
      for (const bytes of first) assert.ok(more.enqueue(sender, 0, bytes));
      for (const bytes of many(7, 60)) assert.ok(more.enqueue(sender, 1, bytes));
      for (const bytes of second) assert.ok(more.enqueue(sender, 0, bytes));
      assert.equal(sender.flush(), 7);
      assert.deepEqual(receiveTrains(wires, receiver, 10).flatMap(split), [...first, ...second]);
    }
    assert.deepEqual(wires.lost, [EINVAL], "told once");
  },
);

liveTest("a train to nowhere is counted and holds up nothing", (wires) => {
  const sender = wires.batches(41001, "own", TRAINS), receiver = wires.batches(41002, "vxlan", TRAINS);
  sender.setDestination(0, "127.0.0.1:41002");
  sender.setDestination(1, "192.0.2.1:41002");
  const writer = new Writer(wires);
  const wanted = [many(10, 500), many(20, 90)];
  for (const bytes of wanted[0]!) assert.ok(writer.enqueue(sender, 0, bytes));
  for (const bytes of many(30, 500)) assert.ok(writer.enqueue(sender, 1, bytes));
  for (const bytes of wanted[1]!) assert.ok(writer.enqueue(sender, 0, bytes));
  assert.equal(sender.flush(), 30);
  assert.deepEqual(receiveTrains(wires, receiver, 30).flatMap(split), wanted.flat());
  assert.deepEqual(wires.lost, []);
});

liveTest("a path that takes no such datagrams costs the others no trains", (wires) => {
  const sender = wires.batches(41001, "own", TRAINS), receiver = wires.batches(41002, "vxlan", TRAINS);
  wires.in(() => {
    const net = openHostNetwork();
    net.setInterface(net.interfaces().find(({ loopback }) => loopback)!.index, { mtu: 1500 });
    net.close();
  });
  sender.setDestination(0, "127.0.0.1:41002");
  const writer = new Writer(wires);
  const fitting = many(20, 1400);
  for (const bytes of fitting) assert.ok(writer.enqueue(sender, 0, bytes));
  for (const bytes of many(20, 1473)) assert.ok(writer.enqueue(sender, 0, bytes));
  assert.equal(sender.flush(), 20);
  assert.equal(sender.tooLongFor(), 0);
  assert.equal(sender.tooLongFor(), -1);
  const trains = receiveTrains(wires, receiver, 20);
  assert.deepEqual(trains.flatMap(split), fitting);
  assert.deepEqual(sizes(trains), [20]);
  assert.deepEqual(wires.lost, []);
});
