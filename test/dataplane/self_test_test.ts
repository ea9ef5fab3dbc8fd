/** The self-test against kernels that do what they say, and such that do not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { packetAt } from "../../src/dataplane/packet/packet_memory.ts";
import {
  type OpenPair,
  READ_BACK_TO,
  testReadBack,
  testSuperframes,
  testTrains,
  type TrainPair,
} from "../../src/dataplane/self_test.ts";
import { BATCH, type PacketPool, SLOT_LENGTH } from "../../src/ports/devices.ts";
import { MemorySocket } from "../fakes/memory_socket.ts";
import { type Frame, MemoryTun } from "../fakes/memory_tun.ts";
import { bytesOf, ipv4, naiveSum, udp } from "../made/packets.ts";

const memory = new ArrayBuffer((1 + BATCH) * SLOT_LENGTH);
const pool: PacketPool = { memory, bytes: new Uint8Array(memory), slots: 1 + BATCH };
const BOTH = { gso: true, gro: true };
const FROM = "127.0.0.1:1000";
const TO = "127.0.0.1:2000";

/** What a kernel does to the datagrams of one flush; `offloads` is what the pair was opened with. */
type Kernel = (datagrams: Uint8Array[], offloads: { gso: boolean; gro: boolean }) => Uint8Array[];

interface Faults {
  readonly kernel?: Kernel;
  readonly refuses?: boolean;
  readonly noGro?: boolean;
  readonly stranger?: boolean;
  readonly opened?: { gso: boolean; gro: boolean }[];
}

/** Pairs over memory: what was sent arrives at the first wait, as trains where they are taken. */
function pairs(faults: Faults = {}): OpenPair {
  return (offloads): TrainPair => {
    faults.opened?.push(offloads);
    const sender = new MemorySocket(pool, 1), receiver = new MemorySocket(pool, 1);
    sender.setDestination(0, TO);
    receiver.setDestination(0, FROM);
    return {
      sender,
      receiver,
      takesTrains: faults.noGro !== true,
      refused: () => faults.refuses === true && offloads.gso,
      wait: () => {
        if (faults.stranger) receiver.arrive(new Uint8Array(77), "127.0.0.1:3000");
        const datagrams = sender.sent.splice(0).map(({ bytes }) => bytes);
        const left = faults.kernel?.(datagrams, offloads) ?? datagrams;
        if (offloads.gso && offloads.gro && left.length > 0) {
          receiver.arrive(Uint8Array.from(left.flatMap((bytes) => [...bytes])), FROM, left[0]!.length);
        } else for (const bytes of left) receiver.arrive(bytes, FROM);
      },
      close: () => {},
    };
  };
}

const damaged: Kernel = (datagrams) =>
  datagrams.map((bytes, i) => i === 3 ? bytes.with(500, bytes[500]! ^ 1) : bytes);
const onlyWith = (which: "gso" | "gro", kernel: Kernel): Kernel => (datagrams, offloads) =>
  offloads[which] ? kernel(datagrams, offloads) : datagrams;

test("testTrains() passes where trains arrive as they left, also beside strangers", () => {
  for (const stranger of [false, true]) {
    const opened: { gso: boolean; gro: boolean }[] = [];
    assert.deepEqual(testTrains(pairs({ stranger, opened }), pool, BOTH), { outcome: "passed", failed: [] });
    assert.deepEqual(opened, [{ gso: false, gro: false }, { gso: true, gro: false }, {
      gso: true,
      gro: true,
    }]);
  }
});

test("testTrains() names what fails: trains out, trains in, and goes on with what is left", () => {
  const swapped: Kernel = ([a, b, ...rest]) => [b!, a!, ...rest];
  const short: Kernel = (datagrams) => datagrams.slice(0, -1);
  const doubled: Kernel = (datagrams) => [...datagrams, datagrams.at(-1)!];
  const cut: Kernel = (datagrams) => datagrams.map((bytes) => bytes.slice(0, -1));
  for (const kernel of [damaged, swapped, short, doubled, cut, () => []]) {
    const opened: { gso: boolean; gro: boolean }[] = [];
    assert.deepEqual(testTrains(pairs({ kernel: onlyWith("gso", kernel), opened }), pool, BOTH), {
      outcome: "failed",
      failed: ["gso"],
    });
    assert.deepEqual(opened.at(-1), { gso: false, gro: true });
    assert.deepEqual(testTrains(pairs({ kernel: onlyWith("gro", kernel) }), pool, BOTH), {
      outcome: "failed",
      failed: ["gro"],
    });
  }
});

test("testTrains(): a train that was refused has failed, though its datagrams arrived singly", () => {
  assert.deepEqual(testTrains(pairs({ refuses: true }), pool, BOTH), { outcome: "failed", failed: ["gso"] });
});

test("testTrains(): a kernel without trains on receive fails them", () => {
  assert.deepEqual(testTrains(pairs({ noGro: true }), pool, BOTH), { outcome: "failed", failed: ["gro"] });
});

test("testTrains() says nothing of offloads where nothing arrives at all, or nothing is wanted", () => {
  const untested = { outcome: "not tested", failed: [] };
  assert.deepEqual(testTrains(() => null, pool, BOTH), untested);
  assert.deepEqual(testTrains(pairs({ kernel: () => [] }), pool, BOTH), untested);
  assert.deepEqual(testTrains(pairs({ kernel: damaged }), pool, BOTH), untested);
  const opened: { gso: boolean; gro: boolean }[] = [];
  assert.deepEqual(testTrains(pairs({ opened }), pool, { gso: false, gro: false }), untested);
  assert.deepEqual(opened, []);
});

test("testTrains() ends although strangers never do", () => {
  const faults: Faults = { kernel: onlyWith("gso", () => []), stranger: true };
  assert.deepEqual(testTrains(pairs(faults), pool, BOTH), { outcome: "failed", failed: ["gso"] });
});

test("testTrains() leaves alone what is switched off", () => {
  const broken = onlyWith("gso", damaged);
  const only = { gso: false, gro: true };
  assert.deepEqual(testTrains(pairs({ kernel: broken }), pool, only), { outcome: "passed", failed: [] });
});

/** A device that refuses what `refuses` says, by the gso_type of the frame. */
class PickyTun extends MemoryTun {
  readonly frames: Frame[] = [];
  readonly #refuses: (gsoType: number, version: number) => boolean;

  constructor(refuses: (gsoType: number, version: number) => boolean) {
    super(pool);
    this.#refuses = refuses;
  }

  override write(): number {
    super.write();
    const frame = this.written.pop()!;
    this.frames.push(frame);
    return this.#refuses(frame.vnet[1]!, frame.packet[0]! >> 4) ? 22 : 0;
  }
}

const NONE = 0, TCP4 = 1, TCP6 = 4, UDP = 5;
const SUPER = { tso: true, uso: true };

test("testSuperframes() writes a packet, TCP and UDP superframes of both families, and nothing else", () => {
  const tun = new PickyTun(() => false);
  assert.deepEqual(testSuperframes(tun, pool, SUPER), { outcome: "passed", failed: [] });
  assert.deepEqual(tun.frames.map(({ vnet, packet }) => [vnet[1], packet[0]! >> 4, packet.length]), [
    [NONE, 4, 1028],
    [TCP4, 4, 3040],
    [TCP6, 6, 3060],
    [UDP, 4, 3028],
    [UDP, 6, 3048],
  ]);
  for (const { packet } of tun.frames) {
    // Nobody may take it for a packet: the checksum is wrong, and loopback is on no other device.
    if (packet[0]! >> 4 === 4) {
      assert.notEqual(naiveSum(packet.subarray(0, 20)), 0xffff);
      assert.deepEqual([...packet.subarray(12, 20)], [127, 0, 0, 1, 127, 0, 0, 1]);
    } else assert.deepEqual([...packet.subarray(8, 40)], [...LOOPBACK, ...LOOPBACK]);
  }
});
const LOOPBACK = [...Array<number>(15).fill(0), 1];

test("testSuperframes() names what the kernel refuses in either family", () => {
  for (
    const [types, version, failed] of [
      [[TCP4], 4, ["tso"]],
      [[TCP6], 6, ["tso"]],
      [[UDP], 4, ["uso"]],
      [[UDP], 6, ["uso"]],
      [[TCP4, TCP6, UDP], 0, ["tso", "uso"]],
    ] as [number[], number, string[]][]
  ) {
    const tun = new PickyTun((type, v) => types.includes(type) && (version === 0 || v === version));
    assert.deepEqual(testSuperframes(tun, pool, SUPER), { outcome: "failed", failed });
  }
});

test("testSuperframes() says nothing where the device takes no packet at all, or nothing is wanted", () => {
  const untested = { outcome: "not tested", failed: [] };
  assert.deepEqual(testSuperframes(new PickyTun(() => true), pool, SUPER), untested);
  const tun = new PickyTun(() => false);
  assert.deepEqual(testSuperframes(tun, pool, { tso: false, uso: false }), untested);
  assert.equal(tun.frames.length, 0);
  testSuperframes(tun, pool, { tso: false, uso: true });
  assert.deepEqual(tun.frames.map(({ vnet }) => vnet[1]), [NONE, UDP, UDP]);
});

test("the self-test stays within its slots", () => {
  pool.bytes.fill(0xa5);
  testTrains(pairs(), pool, BOTH);
  testSuperframes(new PickyTun(() => false), pool, SUPER);
  assert.ok(pool.bytes.subarray(0, packetAt(0) - 10).every((byte) => byte === 0xa5));
});

const NET = "192.0.2.9";

/** A host that gives what is sent through the device to its queues, as `make` says. */
function host(make: (payloads: readonly Uint8Array[]) => (Uint8Array | Frame)[], queues = 2) {
  const tuns = Array.from({ length: queues }, () => new MemoryTun(pool));
  class Sender extends MemorySocket {
    override flush(): number {
      const refused = super.flush();
      tuns.at(-1)!.waiting.push(...make(this.sent.splice(0).map(({ bytes }) => bytes)));
      return refused;
    }
  }
  const sender = new Sender(pool, 1);
  sender.setDestination(0, READ_BACK_TO);
  return { sender, tuns };
}

/** The payloads as one superframe of `size` a datagram. */
function superframe(payloads: readonly Uint8Array[], size: number): Frame {
  const vnet = new Uint8Array(10);
  vnet.set([1, UDP, 28, 0, size & 255, size >> 8, 20, 0, 6, 0]);
  return { vnet, packet: udp(["10.42.1.0", NET], bytesOf(...payloads), "partial", 9) };
}

const single = (payload: Uint8Array) => udp(["10.42.1.0", NET], payload, "complete", 9);
const noise = [
  new Uint8Array(3),
  ipv4(["10.42.1.0", NET], 1, new Uint8Array(30)),
  udp(["10.42.1.0", "10.42.2.9"], new Uint8Array(500)),
];

test("testReadBack() takes one right superframe or right single datagrams, among others' packets", () => {
  for (
    const make of [
      (sent: readonly Uint8Array[]) => [superframe(sent, 500)],
      (sent: readonly Uint8Array[]) => sent.map(single),
      (sent: readonly Uint8Array[]) => [...noise, superframe(sent, 500), ...noise],
    ]
  ) {
    const { sender, tuns } = host(make);
    assert.equal(testReadBack(sender, tuns, pool), true);
  }
});

test("testReadBack() sees mangled superframes, and knows when nothing came", () => {
  const flip = (bytes: Uint8Array) => bytes.with(77, bytes[77]! ^ 4);
  for (
    const make of [
      (sent: readonly Uint8Array[]) => [superframe(sent, 499)],
      (sent: readonly Uint8Array[]) => [superframe(sent.slice(1), 500)],
      (sent: readonly Uint8Array[]) => [superframe([...sent, sent[0]!], 500)],
      (sent: readonly Uint8Array[]) => [superframe([sent[0]!, flip(sent[1]!), sent[2]!], 500)],
      (sent: readonly Uint8Array[]) => [superframe([sent[1]!, sent[0]!, sent[2]!], 500)],
      (sent: readonly Uint8Array[]) => [single(bytesOf(...sent))],
    ]
  ) {
    const { sender, tuns } = host(make);
    assert.equal(testReadBack(sender, tuns, pool), false);
  }
  const silent = host(() => noise);
  assert.equal(testReadBack(silent.sender, silent.tuns, pool), null);
  const refused = host((sent) => [superframe(sent, 500)]);
  refused.sender.refuseNext = 3;
  assert.equal(testReadBack(refused.sender, refused.tuns, pool), null);
});
