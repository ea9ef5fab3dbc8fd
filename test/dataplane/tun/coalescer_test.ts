import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  CHECKSUM_COMPLETE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNKNOWN,
  createPool,
} from "../../../src/dataplane/packet/packet_memory.ts";
import { Coalescer } from "../../../src/dataplane/tun/coalescer.ts";
import { Counters } from "../../../src/dataplane/tables/counters.ts";
import { VNET_LEN } from "../../../src/ports/devices.ts";
import { type Frame, MemoryTun } from "../../fakes/memory_tun.ts";
import { below, randomBytes, seeded } from "../../made/seeded.ts";
import * as fix from "../../made/plane.ts";
import { bytesOf, ipv4, MF, putWord, tcp, udp, word } from "../../made/packets.ts";
import {
  ACK,
  complete,
  cut,
  CWR,
  FIN,
  fixHeader,
  headersOf,
  long,
  PLAIN,
  PSH,
  putLong,
  type Shape,
  shapes,
  superframe,
  transportAt,
  vnetFields,
} from "../../made/superframes.ts";
import { cases } from "../../made/seeds.ts";

const MTU = 1400;
const GAP = 16;
const ENDS = {
  v4: ["10.42.2.9", "10.42.1.5"] as [string, string],
  v6: ["fd42:2::9", "fd42:1::5"] as [string, string],
};
const TCP4: Shape = { ...PLAIN, ends: ENDS.v4, payload: 2 * PLAIN.size };
const SHAPES: readonly Shape[] = [
  TCP4,
  { ...TCP4, v6: true, ends: ENDS.v6, size: 1300, payload: 2600 },
  { ...TCP4, udp: true },
  { ...TCP4, udp: true, v6: true, ends: ENDS.v6, size: 1300, payload: 2600 },
];

interface Setup {
  readonly tun: MemoryTun;
  readonly counters: Counters;
  readonly lost: [string, number][];
  readonly coalescer: Coalescer;
  /** Gives it packets that arrived together; what reached the host. */
  join(packets: readonly Uint8Array[], checksum?: number): Frame[];
}

const pool = createPool();

function setup(): Setup {
  const counters = new Counters();
  const lost: [string, number][] = [];
  const coalescer = new Coalescer(pool.bytes, counters, (offload, errno) => lost.push([offload, errno]));
  const tun = new MemoryTun(pool);
  coalescer.tun = tun;
  coalescer.mtu = MTU;
  coalescer.tso = coalescer.uso = true;
  const join = (packets: readonly Uint8Array[], checksum = CHECKSUM_COMPLETE) => {
    let at = GAP;
    for (const packet of packets) {
      pool.bytes.fill(0xa5, at - GAP, at);
      pool.bytes.set(packet, at);
      coalescer.add(at, packet.length, checksum);
      at += packet.length + GAP;
    }
    coalescer.flush();
    return tun.written.splice(0);
  };
  return { tun, counters, lost, coalescer, join };
}

/** How many packets each write stood for. */
function runs(frames: readonly Frame[]): number[] {
  return frames.map((frame) => cut(frame).length);
}

const changed = (packet: Uint8Array, change: (b: Uint8Array, transport: number) => void): Uint8Array => {
  const copy = packet.slice();
  change(copy, transportAt(copy));
  if (copy[0]! >> 4 === 4) fixHeader(copy);
  complete(copy);
  return copy;
};

for (const shape of SHAPES) {
  const name = `${shape.udp ? "UDP" : "TCP"} over IPv${shape.v6 ? 6 : 4}`;
  const frame = superframe(shape);
  const [first, second] = cut(frame) as [Uint8Array, Uint8Array];

  test(`neighbours of a flow become one superframe: ${name}`, () => {
    const s = setup();
    assert.deepEqual(s.join([first, second]), [frame]);
    assert.equal(s.counters.events().delivered, 2);
  });

  test(`a packet alone is written as it came: ${name}`, () => {
    const s = setup();
    assert.deepEqual(s.join([first]), [{ vnet: new Uint8Array(VNET_LEN), packet: first }]);
  });

  const differ: Record<string, (b: Uint8Array, transport: number) => void> = {
    "source port": (b, t) => b[t]!++,
    "destination port": (b, t) => b[t + 3]!++,
    "source address": (b) => b[b[0]! >> 4 === 4 ? 15 : 23]!++,
    "destination address": (b) => b[b[0]! >> 4 === 4 ? 19 : 39]!++,
    "type of service, an ECN mark included": (b) => shape.v6 ? b[1]! ^= 0x10 : b[1]! ^= 1,
    "hop limit": (b) => b[shape.v6 ? 7 : 8]!--,
    ...(shape.v6 ? { "flow label": (b: Uint8Array) => b[3]!++ } : {
      "DF": (b: Uint8Array) => b[6]! ^= 0x40,
      "a fragment": (b: Uint8Array) => b[6]! |= 0x20,
      "the reserved flag": (b: Uint8Array) => b[6]! |= 0x80,
    }),
    ...(shape.udp ? {} : {
      "acknowledgment": (b: Uint8Array, t: number) => b[t + 11]!++,
      "window": (b: Uint8Array, t: number) => b[t + 15]!++,
      "an option": (b: Uint8Array, t: number) => b[t + 25]!++,
      "AE": (b: Uint8Array, t: number) => b[t + 12]! ^= 1,
      "FIN": (b: Uint8Array, t: number) => b[t + 13]! |= FIN,
      "CWR": (b: Uint8Array, t: number) => b[t + 13]! |= CWR,
      "SYN": (b: Uint8Array, t: number) => b[t + 13]! |= 2,
      "RST": (b: Uint8Array, t: number) => b[t + 13]! |= 4,
      "URG": (b: Uint8Array, t: number) => b[t + 13]! |= 0x20,
      "ECE": (b: Uint8Array, t: number) => b[t + 13]! |= 0x40,
      "no ACK": (b: Uint8Array, t: number) => b[t + 13]! &= ~ACK,
      "a hole": (b: Uint8Array, t: number) => putLong(b, t + 4, long(b, t + 4) + 1),
      "the same again": (b: Uint8Array, t: number) => putLong(b, t + 4, shape.sequence),
    }),
  };
  for (const [what, change] of Object.entries(differ)) {
    test(`packets that differ stay apart, ${name}: ${what}`, () => {
      const other = changed(second, change);
      assert.deepEqual(setup().join([first, other]).map(({ packet }) => packet), [first, other]);
      // The other way round: nothing is joined to the odd one either.
      if (!["a hole", "the same again"].includes(what)) {
        const odd = changed(first, change);
        assert.deepEqual(setup().join([odd, second]).map(({ packet }) => packet), [odd, second]);
      }
    });
  }

  test(`a short packet closes the run, a longer one begins another: ${name}`, () => {
    const { size } = shape;
    const long = cut(superframe({ ...shape, size, payload: 3 * size }));
    const shortened = cut(superframe({ ...shape, size, payload: 2 * size - 7 }))[1]!;
    const s = setup();
    assert.deepEqual(runs(s.join([long[0]!, shortened, long[2]!])), [2, 1]);
    const growing = cut(superframe({ ...shape, size: size - 1, payload: 2 * size - 2 }))[0]!;
    assert.deepEqual(runs(s.join([growing, second])), [1, 1]);
  });

  test(`a wrong checksum stays a packet of its own, wherever it is: ${name}`, () => {
    const packets = cut(superframe({ ...shape, payload: 5 * shape.size }));
    for (let bad = 0; bad < packets.length; bad++) {
      for (const place of [headersOf(shape).all + 100, transportAt(first) + (shape.udp ? 7 : 17)]) {
        for (const kind of [CHECKSUM_COMPLETE, CHECKSUM_UNKNOWN]) {
          const some = packets.map((packet) => packet.slice());
          some[bad]![place]! ^= 0x40;
          const frames = setup().join(some, kind);
          const single = frames.filter(({ packet }) => packet.length === some[bad]!.length)
            .filter(({ packet }) => packet.every((byte, i) => byte === some[bad]![i]));
          assert.equal(single.length, 1, `packet ${bad}`);
          assert.equal(single[0]!.vnet[0], 0, "nothing is promised about it");
          const rest = frames.filter((frame) => frame !== single[0]);
          assert.deepEqual(rest.flatMap(cut), packets.filter((_, i) => i !== bad));
        }
      }
    }
  });

  test(`a partial checksum is completed by what the kernel does, joined or alone: ${name}`, () => {
    const packets = cut(superframe({ ...shape, payload: 3 * shape.size - 1 }));
    for (const count of [1, 2, 3]) {
      for (const [kind, field] of [[CHECKSUM_PARTIAL, 0xbeef], [CHECKSUM_UNKNOWN, -1]] as const) {
        const some = packets.slice(0, count).map((packet) => {
          const copy = packet.slice();
          const at = transportAt(copy) + (shape.udp ? 6 : 16);
          if (field >= 0) putWord(copy, at, field);
          else {
            const size = copy.length - headersOf(shape).all;
            const partial = superframe({ ...shape, size, payload: size }).packet;
            putWord(copy, at, word(partial, at));
          }
          return copy;
        });
        const frames = setup().join(some, kind);
        assert.equal(frames.length, 1);
        assert.deepEqual(frames.flatMap(cut), packets.slice(0, count));
      }
    }
  });

  test(`a run ends at 64 packets and at 65,535 bytes: ${name}`, () => {
    const { all } = headersOf(shape);
    const many = cut(superframe({ ...shape, size: 10, payload: 1300 }));
    assert.deepEqual(runs(setup().join(many)), [64, 64, 2]);
    const size = 1348 - 300;
    const big = [0, 1].flatMap((half) => {
      const payload = 60 * size;
      return cut(superframe({
        ...shape,
        size,
        payload,
        id: shape.id + 60 * half,
        sequence: shape.sequence + half * payload,
      }));
    });
    const frames = setup().join(big);
    const most = Math.min(64, Math.floor((65_535 - all) / size));
    assert.deepEqual(runs(frames), [most, 120 - most]);
    assert.deepEqual(frames.flatMap(cut), big);
  });

  test(`superframes the kernel refuses are written packet by packet, and no more are tried: ${name}`, () => {
    const s = setup();
    const packets = cut(superframe({ ...shape, payload: 3 * shape.size - 5 }));
    const write = s.tun.write.bind(s.tun);
    const errnos = [22];
    s.tun.write = () => {
      const errno = errnos.shift();
      if (errno === undefined) return write();
      s.tun.writeErrno = errno;
      write();
      s.tun.writeErrno = 0;
      return errno;
    };
    for (let round = 0; round < 2; round++) {
      const frames = s.join(packets);
      assert.equal(frames.length, 3);
      assert.ok(frames.every(({ vnet }) => vnet[1] === 0));
      assert.deepEqual(frames.flatMap(cut), packets);
    }
    assert.deepEqual(s.lost, [[shape.udp ? "uso" : "tso", 22]]);
    assert.deepEqual(s.counters.events().delivered, 6);
  });

  test(`without the offload packets are written one by one: ${name}`, () => {
    const s = setup();
    if (shape.udp) s.coalescer.uso = false;
    else s.coalescer.tso = false;
    assert.deepEqual(runs(s.join([first, second])), [1, 1]);
  });
}

test("without DF only neighbouring ids are joined, the counter wrapping; with DF any", () => {
  for (const udp of [false, true]) {
    const shape = { ...TCP4, udp, df: false, id: 0xffff };
    const [first, second] = cut(superframe(shape)) as [Uint8Array, Uint8Array];
    assert.deepEqual(runs(setup().join([first, second])), [2]);
    for (const id of [0xffff, 1, 0xfffe]) {
      const other = changed(second, (b) => putWord(b, 4, id));
      assert.deepEqual(setup().join([first, other]).map(({ packet }) => packet), [first, other]);
    }
    const free = cut(superframe({ ...shape, df: true })).map((packet) =>
      changed(packet, (b) => putWord(b, 4, 0))
    );
    assert.deepEqual(runs(setup().join(free)), [2]);
  }
});

test("PSH closes a run and is kept", () => {
  const packets = cut(superframe({ ...TCP4, payload: 6 * TCP4.size }));
  const pushed = packets.map((packet, i) =>
    i === 2 || i === 3 ? changed(packet, (b, t) => b[t + 13]! |= PSH) : packet
  );
  const frames = setup().join(pushed);
  assert.deepEqual(runs(frames), [3, 1, 2]);
  assert.deepEqual(frames.flatMap(cut), pushed);
});

test("packets of different TCP header lengths stay apart", () => {
  const [first] = cut(superframe(TCP4)) as [Uint8Array];
  const next = cut(
    superframe({ ...TCP4, tcpOptions: 5, sequence: TCP4.sequence + TCP4.size, size: 1000 }),
  )[0]!;
  assert.deepEqual(runs(setup().join([first, next])), [1, 1]);
});

test("UDP without a checksum is never joined nor given one", () => {
  const packets = cut(superframe({ ...TCP4, udp: true, payload: 4 * TCP4.size }));
  packets.forEach((packet) => putWord(packet, 26, 0));
  for (const kind of [CHECKSUM_COMPLETE, CHECKSUM_UNKNOWN]) {
    const frames = setup().join(packets, kind);
    assert.deepEqual(frames, packets.map((packet) => ({ vnet: new Uint8Array(VNET_LEN), packet })));
  }
});

test("what has no payload, IP options, or UDP lengths that disagree is not joined", () => {
  const acks = [tcp(ENDS.v4, new Uint8Array(0)), tcp(ENDS.v4, new Uint8Array(0))];
  assert.deepEqual(runs(setup().join(acks)), [1, 1]);
  const empty = [udp(ENDS.v4, new Uint8Array(0)), udp(ENDS.v4, new Uint8Array(0))];
  assert.deepEqual(runs(setup().join(empty)), [1, 1]);
  const optioned = cut(superframe({ ...TCP4, ipOptions: 1, size: 1000, payload: 2000 }));
  assert.deepEqual(runs(setup().join(optioned)), [1, 1]);
  const longer = cut(superframe({ ...TCP4, udp: true })).map((packet) =>
    changed(packet, (b) => putWord(b, 24, word(b, 24) - 4))
  );
  assert.deepEqual(runs(setup().join(longer)), [1, 1]);
});

test("what cannot be parsed closes every run and is written behind them", () => {
  const oddOnes = [
    ipv4(ENDS.v4, 1, randomBytes(seeded(4), 60)),
    ipv4(ENDS.v4, 17, randomBytes(seeded(4), 60), { fragment: MF }),
    ipv4(ENDS.v4, 6, randomBytes(seeded(4), 10)),
    superframe({ ...SHAPES[1]!, ipOptions: 1, size: 100, payload: 100 }).packet,
  ];
  for (const odd of oddOnes) {
    const one = cut(superframe({ ...TCP4, payload: 4 * TCP4.size }));
    const two = cut(superframe({ ...TCP4, ports: [7, 7], payload: 4 * TCP4.size }));
    const order = [one[0]!, two[0]!, one[1]!, two[1]!, odd, one[2]!, two[2]!, one[3]!, two[3]!];
    const frames = setup().join(order);
    assert.deepEqual(runs(frames).length, 5);
    assert.deepEqual(frames.flatMap(cut), [
      ...one.slice(0, 2),
      ...two.slice(0, 2),
      odd,
      ...one.slice(2),
      ...two.slice(2),
    ]);
  }
});

test("sixteen interleaved flows are joined at once; the seventeenth closes the oldest", () => {
  const flows = (count: number) =>
    Array.from(
      { length: count },
      (_, i) => cut(superframe({ ...TCP4, ports: [i, 9], size: 100, payload: 400 })),
    );
  const interleaved = (list: Uint8Array[][]) => [0, 1, 2, 3].flatMap((k) => list.map((flow) => flow[k]!));
  assert.deepEqual(runs(setup().join(interleaved(flows(16)))), Array(16).fill(4));
  const seventeen = flows(17);
  const frames = setup().join(interleaved(seventeen));
  assert.equal(frames.flatMap(cut).length, 68);
  for (const flow of seventeen) {
    const port = word(flow[0]!, 20);
    assert.deepEqual(frames.flatMap(cut).filter((packet) => word(packet, 20) === port), flow);
  }
  assert.deepEqual(frames.map(({ packet }) => word(packet, 20)).slice(0, 2), [0, 1], "oldest first");
});

test("a packet above the MTU is no part of a run: it came as a superframe of its own", () => {
  const s = setup();
  const [first] = cut(superframe(TCP4)) as [Uint8Array];
  const great = superframe({ ...TCP4, sequence: TCP4.sequence + TCP4.size, payload: 9000 }).packet;
  const frames = s.join([first, great], CHECKSUM_UNKNOWN);
  assert.equal(frames.length, 2);
  assert.deepEqual(vnetFields(frames[1]!.vnet), {
    flags: 1,
    type: 1,
    hdrLen: 52,
    size: MTU - 52,
    start: 20,
    offset: 16,
  });
});

/** With DF the id says nothing (RFC 6864) and may come out another. */
function idless(packet: Uint8Array): Uint8Array {
  if (packet[0]! >> 4 !== 4 || (packet[6]! & 0x40) === 0) return packet;
  const copy = packet.slice();
  putWord(copy, 4, 0);
  fixHeader(copy);
  return copy;
}

/** A crowd of packets of some flows in an order that keeps each flow's own, with accidents. */
const crowd = fc.record({
  shapes: fc.array(
    fc.oneof(
      { weight: 19, arbitrary: shapes(ENDS, { mtu: MTU, plain: true }) },
      { weight: 1, arbitrary: shapes(ENDS, { mtu: MTU, plain: false }) },
    ),
    { minLength: 1, maxLength: 20 },
  ),
  seed: fc.integer({ min: 0, max: 0xffff }),
  kind: fc.constantFrom(CHECKSUM_COMPLETE, CHECKSUM_UNKNOWN),
});

test("whatever arrives in whatever order: every packet is written once, unchanged, in its flow's order", () => {
  let frames = 0, packets = 0;
  fc.assert(
    fc.property(crowd, ({ shapes: list, seed, kind }) => {
      const random = seeded(seed);
      // A flow of its own by its source port, at most 40 packets of it.
      const flows = list.map((shape, i) =>
        cut(superframe({ ...shape, ports: [i, 5], payload: Math.min(shape.payload, 40 * shape.size) }))
      );
      const order: Uint8Array[] = [];
      const queues = flows.map((flow) => flow.slice());
      while (queues.some((queue) => queue.length > 0)) {
        const queue = queues[below(random, queues.length)]!;
        for (let n = 1 + below(random, 8); n > 0 && queue.length > 0; n--) order.push(queue.shift()!);
      }
      for (let n = below(random, 4); n > 0; n--) {
        // Damage, repetition, exchange.
        const i = below(random, order.length), j = below(random, order.length);
        const what = below(random, 3);
        if (what === 0) order[i] = order[i]!.with(order[i]!.length - 1, below(random, 256));
        else if (what === 1) order.splice(i, 0, order[j]!);
        else [order[i], order[j]] = [order[j]!, order[i]!];
      }
      while (order.reduce((sum, packet) => sum + packet.length + GAP, 0) > pool.bytes.length - 100) {
        order.pop();
      }
      const got = setup().join(order, kind);
      frames += got.length;
      packets += order.length;
      const written = got.flatMap(cut);
      assert.equal(written.length, order.length);
      const flowOf = (packet: Uint8Array) => {
        const at = transportAt(packet);
        return `${packet[0]! >> 4} ${packet[0]! >> 4 === 4 ? packet[9] : packet[6]} ${word(packet, at)}`;
      };
      const byFlow = (all: readonly Uint8Array[]) => {
        const map = new Map<string, Uint8Array[]>();
        for (const packet of all) {
          map.set(flowOf(packet), [...(map.get(flowOf(packet)) ?? []), packet]);
        }
        return map;
      };
      const wanted = byFlow(order.map(idless)), reached = byFlow(written.map(idless));
      for (const [flow, sequence] of wanted) assert.deepEqual(reached.get(flow), sequence, flow);
    }),
    cases(100, 11),
  );
  assert.ok(frames < packets / 2, `${packets} packets in ${frames} writes`);
});

// ------------------------------------------------------------------------------- segment, then coalesce

/** The fixture from the other side: it holds the lease of `slot`, and that slot's peer holds 10.42.1.0/24. */
function farSide(slot: number): fix.Fixture {
  const f = fix.fixture();
  for (const prefix of [`10.42.${slot + 2}.0/24`, `fd42:${slot + 2}::/64`]) {
    f.dataPlane.apply({ kind: "dropRoute", prefix });
  }
  const subnets = [`10.42.${slot + 2}.0/24`, `fd42:${slot + 2}::/64`];
  f.dataPlane.apply({
    kind: "setOwn",
    own: {
      networks: ["10.42.0.0/16"],
      subnets,
      address: `10.42.${slot + 2}.0`,
      mac: fix.VTEP_MAC,
      mtu: fix.MTU,
    },
  });
  for (const prefix of ["10.42.1.0/24", "fd42:1::/64"]) {
    f.dataPlane.apply({ kind: "addRoute", prefix, slot });
  }
  if (slot === fix.DATA_SLOT) {
    f.dataPlane.apply({
      kind: "setPeer",
      slot,
      tunnel: {
        encapsulation: "data",
        endpoint: fix.ENDPOINTS[slot],
        ownPort: fix.ENDPOINTS[slot],
        mtu: fix.MTU,
        sendIndex: 1,
        receiveIndex: fix.SEND_INDEX,
        vni: 0,
        mac: "",
      },
    });
  }
  return f;
}

for (
  const [slot, role] of [
    [fix.DATA_SLOT, "own"],
    [fix.VXLAN_SLOT, "vxlan"],
    [fix.FLANNEL_SLOT, "flannel"],
  ] as const
) {
  test(`segmenting and then joining is the identity: ${role}`, () => {
    const near = fix.fixture(), far = farSide(slot);
    const ends = {
      v4: ["10.42.1.5", `10.42.${slot + 2}.9`] as [string, string],
      v6: ["fd42:1::5", `fd42:${slot + 2}::9`] as [string, string],
    };
    fc.assert(
      fc.property(shapes(ends, { mtu: fix.MTU, plain: true }), (shape) => {
        const frame = superframe(shape);
        near.tun.waiting.push(frame);
        near.dataPlane.pump("tun", 1000);
        const sent = near.sockets[role].sent.splice(0).map(({ bytes }) => bytes);
        // As the kernel's GRO hands them over: one train. Flannel's come one by one.
        const segment = sent[0]!.length;
        for (let i = 0; i < sent.length;) {
          let train = sent[i++]!;
          while (role !== "flannel" && i < sent.length && train.length + sent[i]!.length <= 65_507) {
            train = bytesOf(train, sent[i++]!);
          }
          far.sockets[role].arrive(train, fix.ENDPOINTS[slot], Math.min(segment, train.length));
        }
        far.dataPlane.pump(role, 1000);
        assert.deepEqual(far.tun.written.splice(0), [frame]);
        assert.equal(far.tun.written.length, 0);
      }),
      cases(150, 29),
    );
    assert.deepEqual(Object.keys(far.counts()), ["delivered"]);
  });
}
