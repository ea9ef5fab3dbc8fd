import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Frame } from "../../fakes/memory_tun.ts";
import { below, randomBytes, seeded } from "../../made/seeded.ts";
import * as fix from "../../made/plane.ts";
import { naiveSum, putWord, word } from "../../made/packets.ts";
import {
  ACK,
  complete,
  cut,
  CWR,
  FIN,
  headersOf,
  long,
  PLAIN,
  PSH,
  type Shape,
  shapes,
  superframe,
  transportAt,
  vnetFields,
  vnetOf,
} from "../../made/superframes.ts";
import { cases } from "../../made/seeds.ts";

const HERE = { v4: "10.42.1.5", v6: "fd42:1::5" };
const PEERS = [
  { name: "data", slot: fix.DATA_SLOT, role: "own", head: 16 },
  { name: "vxlan", slot: fix.VXLAN_SLOT, role: "vxlan", head: 22 },
  { name: "flannel", slot: fix.FLANNEL_SLOT, role: "flannel", head: 0 },
] as const;

function endsTo(slot: number) {
  return {
    v4: [HERE.v4, `10.42.${slot + 2}.9`] as [string, string],
    v6: [HERE.v6, `fd42:${slot + 2}::9`] as [string, string],
  };
}

/** The inner packets of what left, their checksums complete: a partial one may hold anything. */
function leaves(f: fix.Fixture, peer: typeof PEERS[number], frame: Frame, expected: number): Uint8Array[] {
  f.tun.waiting.push(frame);
  f.dataPlane.pump("tun", 1000);
  assert.deepEqual(f.counts(), { sent: expected });
  return f.sockets[peer.role].sent.splice(0).map(({ bytes, to }) => {
    assert.equal(to, fix.ENDPOINTS[peer.slot]);
    const packet = bytes.slice(peer.head);
    if (peer.name === "data") {
      assert.equal(bytes[0], 0x15, "plain and partial");
      complete(packet);
    }
    return packet;
  });
}

for (const peer of PEERS) {
  test(`sendSuperframe() cuts any superframe as the model does: ${peer.name}`, () => {
    const f = fix.fixture();
    let frames = 0;
    fc.assert(
      fc.property(shapes(endsTo(peer.slot), { mtu: fix.MTU, plain: false }), (shape) => {
        const frame = superframe(shape);
        const got = leaves(f, peer, frame, ++frames);
        assert.deepEqual(got, cut(frame));
      }),
      cases(150, 3),
    );
  });
}

test("sendSuperframe() stamps each segment with a counter of its own", () => {
  const f = fix.fixture();
  f.tun.waiting.push(superframe(PLAIN), superframe(PLAIN));
  f.dataPlane.pump("tun", 1000);
  const { sent } = f.sockets.own;
  const count = Math.ceil(PLAIN.payload / PLAIN.size);
  assert.deepEqual(
    sent.map(({ bytes }) => long(bytes, 12)),
    Array.from({ length: 2 * count }, (_, i) => i),
  );
  assert.equal(f.counters.peer(fix.DATA_SLOT).txPackets, 2 * count);
});

test("sendSuperframe() lets ids and sequence numbers wrap", () => {
  const f = fix.fixture();
  const shape = { ...PLAIN, id: 0xfffe, sequence: 0xffffffff - 2000 };
  const segments = leaves(f, PEERS[0], superframe(shape), 1);
  assert.deepEqual(segments.slice(0, 4).map((packet) => word(packet, 4)), [0xfffe, 0xffff, 0, 1]);
  assert.deepEqual(segments.slice(0, 4).map((packet) => long(packet, 24)), [
    0xffffffff - 2000,
    0xffffffff - 652,
    695,
    695 + 1348,
  ]);
});

test("sendSuperframe() leaves FIN and PSH to the last segment, CWR to the first", () => {
  const f = fix.fixture();
  const segments = leaves(f, PEERS[1], {
    ...superframe({ ...PLAIN, ends: endsTo(fix.VXLAN_SLOT).v4, flags: ACK | FIN | PSH | CWR, payload: 5000 }),
  }, 1);
  assert.deepEqual(segments.map((packet) => packet[33]), [ACK | CWR, ACK, ACK, ACK | FIN | PSH]);
});

test("sendSuperframe() sends more datagrams than queue or header blocks hold, whole and in order", () => {
  const f = fix.fixture();
  f.sockets.vxlan.capacity = 100;
  const frames = Array.from(
    { length: 64 },
    (_, i) =>
      superframe({ ...PLAIN, ends: endsTo(fix.VXLAN_SLOT).v4, size: 50, payload: 3200 - i, seed: i, id: i }),
  );
  f.tun.waiting.push(...frames);
  while (f.dataPlane.pump("tun", 1000) > 0);
  assert.deepEqual(f.counts(), { sent: 64 });
  assert.deepEqual(f.sockets.vxlan.sent.map(({ bytes }) => bytes.slice(22)), frames.flatMap(cut));
});

test("a superframe beside fragments and single packets leaves in order when the queue is small", () => {
  const f = fix.fixture();
  f.sockets.own.capacity = 7;
  const small = { ...PLAIN, ends: endsTo(fix.SMALL_SLOT).v4, size: 500, payload: 9000 };
  const seed = seeded(5);
  const frames = Array.from({ length: 60 }, (_, i) => {
    const shape = { ...small, id: 100 * i, seed: i };
    if (i % 3 === 0) return superframe(shape);
    const packet = superframe({ ...shape, udp: true, payload: 300 + below(seed, 900), df: false }).packet;
    complete(packet);
    return { vnet: new Uint8Array(10), packet };
  });
  f.tun.waiting.push(...frames);
  while (f.dataPlane.pump("tun", 1000) > 0);
  assert.equal(f.counts()["sent"], 60);
  const got = f.sockets.own.sent.map(({ bytes }) => bytes.slice(16));
  const wanted = frames.flatMap((frame) => {
    if (vnetFields(frame.vnet).type !== 0) return cut(frame);
    return fragmentsOf(frame.packet, fix.SMALL_MTU);
  });
  assert.equal(got.length, wanted.length);
  got.forEach((packet, i) => {
    if (packet[9] === 6) complete(packet);
    assert.deepEqual(packet, wanted[i], `datagram ${i}`);
  });
});

function fragmentsOf(packet: Uint8Array, mtu: number): Uint8Array[] {
  if (packet.length <= mtu) return [packet];
  const step = (mtu - 20) & ~7;
  return Array.from({ length: Math.ceil((packet.length - 20) / step) }, (_, i) => {
    const from = 20 + i * step, to = Math.min(from + step, packet.length);
    const piece = Uint8Array.from([...packet.subarray(0, 20), ...packet.subarray(from, to)]);
    putWord(piece, 2, piece.length);
    putWord(piece, 6, (to < packet.length ? 0x2000 : 0) | (i * step / 8));
    putWord(piece, 10, 0);
    putWord(piece, 10, 0xffff - naiveSum(piece.subarray(0, 20)));
    return piece;
  });
}

test("a superframe with DF above the path's MTU gets the error that names the MTU", () => {
  for (const v6 of [false, true]) {
    for (const udp of [false, true]) {
      if (udp && !v6) continue;
      const f = fix.fixture();
      const ends = v6 ? endsTo(fix.SMALL_SLOT).v6 : endsTo(fix.SMALL_SLOT).v4;
      f.tun.waiting.push(superframe({ ...PLAIN, v6, udp, ends, size: 1000 }));
      f.dataPlane.pump("tun", 1000);
      assert.deepEqual(f.counts(), { "too-big": 1, "icmp-sent": 1 });
      assert.equal(f.sockets.own.sent.length, 0);
      const error = f.tun.written[0]!.packet;
      assert.deepEqual(
        v6 ? [error[40], long(error, 44)] : [error[20], error[21], word(error, 26)],
        v6 ? [2, fix.SMALL_MTU] : [3, 4, fix.SMALL_MTU],
      );
    }
  }
});

test("a TCP superframe without DF above the path's MTU is cut into smaller segments", () => {
  const f = fix.fixture();
  const shape: Shape = { ...PLAIN, ends: endsTo(fix.SMALL_SLOT).v4, df: false, size: 1000, payload: 10_001 };
  f.tun.waiting.push(superframe(shape));
  f.dataPlane.pump("tun", 1000);
  const got = f.sockets.own.sent.map(({ bytes }) => bytes.slice(16));
  got.forEach(complete);
  assert.deepEqual(got, cut(superframe({ ...shape, size: fix.SMALL_MTU - headersOf(shape).all })));
});

test("UDP superframes without DF above the path's MTU leave as fragments of their own datagrams", () => {
  const f = fix.fixture();
  const shape: Shape = {
    ...PLAIN,
    udp: true,
    ends: endsTo(fix.SMALL_SLOT).v4,
    df: false,
    size: 1000,
    payload: 10_001,
  };
  const frame = superframe(shape);
  f.tun.waiting.push(frame);
  f.dataPlane.pump("tun", 1000);
  assert.equal(f.counts()["sent"], 1);
  const got = f.sockets.own.sent.map(({ bytes }) => bytes.slice(16));
  assert.deepEqual(got, cut(frame).flatMap((datagram) => fragmentsOf(datagram, fix.SMALL_MTU)));
});

test("headers longer than a block are malformed", () => {
  const f = fix.fixture();
  const frame = superframe({ ...PLAIN, v6: true, ends: endsTo(fix.DATA_SLOT).v6, ipOptions: 40, size: 900 });
  f.tun.waiting.push(frame);
  f.dataPlane.pump("tun", 1000);
  assert.deepEqual(f.counts(), { malformed: 1 });
});

test("hostile vnet headers throw nothing, send nothing from outside the packet, and are counted once", () => {
  const f = fix.fixture();
  const seed = seeded(99);
  const samples = PEERS.flatMap(({ slot }) => {
    const { v4, v6 } = endsTo(slot);
    return [{ ends: v4 }, { ends: v4, udp: true }, { ends: v6, v6: true }, { ends: v6, v6: true, udp: true }]
      .map((some) => superframe({ ...PLAIN, payload: 3000, ...some }));
  });
  let total = 0;
  for (let round = 0; round < 300; round++) {
    for (let i = 0; i < 40; i++, total++) {
      const sample = samples[below(seed, samples.length)]!;
      const packet = sample.packet.slice();
      const kind = below(seed, 4);
      const vnet = kind === 0 ? randomBytes(seed, 10) : sample.vnet.slice();
      if (kind === 1) vnet[below(seed, 10)] = below(seed, 256);
      if (kind === 2) packet[transportAt(packet) + below(seed, 20)] = below(seed, 256);
      if (kind === 3) {
        vnet.set(vnetOf(1, [1, 4, 5, 0x81, 3][below(seed, 5)]!, 0, below(seed, 70), below(seed, 80), 16));
      }
      f.tun.waiting.push({ vnet, packet });
      f.dataPlane.pump("tun", round * 1000);
      assert.equal(f.counted(), total + 1);
      for (const { head, role } of PEERS) {
        for (const { bytes } of f.sockets[role].sent.splice(0)) {
          const inner = bytes.subarray(head);
          assert.ok(inner.length <= fix.MTU, `${inner.length} bytes`);
          assert.equal(inner[0], packet[0]);
        }
      }
      f.tun.written.length = 0;
    }
  }
  assert.ok(f.counts()["malformed"]! > 500 && f.counts()["sent"]! > 500, JSON.stringify(f.counts()));
});
