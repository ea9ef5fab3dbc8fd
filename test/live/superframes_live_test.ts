/**
 * Our cutting and joining beside the kernel's own: a superframe is written to one TUN device, the kernel forwards
 * it to another, which carries superframes or does not.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import fc from "fast-check";
import { CHECKSUM_COMPLETE, packetAt, TUN_SLOTS } from "../../src/dataplane/packet/packet_memory.ts";
import { type TunOffloads, VNET_LEN } from "../../src/ports/devices.ts";
import { openHostNetwork } from "../../src/sys/host_network.ts";
import { TunQueue } from "../../src/sys/tun.ts";
import * as fix from "../made/plane.ts";
import { cut, headersOf, PLAIN, type Shape, shapes, superframe, vnetFields } from "../made/superframes.ts";
import type { Frame } from "../fakes/memory_tun.ts";
import { liveTest, until, type Wires } from "./wires.ts";
import { prefix } from "../../src/wire/prefix.ts";

const SLOT = fix.VXLAN_SLOT;
const ENDS = {
  v4: ["10.42.1.5", `10.42.${SLOT + 2}.9`] as [string, string],
  v6: ["fd42:1::5", `fd42:${SLOT + 2}::9`] as [string, string],
};
const MTU = 1400;
const NONE: TunOffloads = { tso: false, uso: false };
const ALL: TunOffloads = { tso: true, uso: true };

/** Two devices, packets for 10.42.3.0/24 and fd42:3::/64 forwarded from the first to the second. */
function router(wires: Wires, offloads: TunOffloads): { from: TunQueue; to: TunQueue } {
  const opened = [wires.tun("from0"), wires.tun("to0", offloads)] as const;
  wires.in(() => {
    const net = openHostNetwork();
    opened.forEach(({ name }, i) => {
      const { index: iface } = net.interfaces().find((candidate) => candidate.name === name)!;
      net.setInterface(iface, { up: true, mtu: MTU });
      const common = {
        type: "unicast",
        gateway: null,
        iface,
        metric: 0,
        protocol: 4,
        table: 254,
        source: null,
        onlink: false,
        scope: 253,
      } as const;
      const lease = i === 0 ? 1 : SLOT + 2;
      net.addRoute({ ...common, destination: prefix(`10.42.${lease}.0/24`) });
      net.addRoute({ ...common, destination: prefix(`fd42:${lease}::/64`), scope: 0, metric: 1024 });
    });
    net.close();
    writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
    writeFileSync("/proc/sys/net/ipv6/conf/all/forwarding", "1");
  });
  return {
    from: new TunQueue(opened[0].queues[0]!, wires.pool),
    to: new TunQueue(opened[1].queues[0]!, wires.pool),
  };
}

/** What comes out at the far device for a superframe written to the near one. */
function forward(wires: Wires, { from, to }: ReturnType<typeof router>, shape: Shape): Frame[] {
  const frame = superframe(shape);
  const { all } = headersOf(shape);
  const at = packetAt(TUN_SLOTS);
  wires.pool.bytes.set(frame.vnet, at - VNET_LEN);
  wires.pool.bytes.set(frame.packet, at);
  assert.ok(from.gather(at - VNET_LEN, VNET_LEN + frame.packet.length));
  assert.equal(from.write(), 0, JSON.stringify(vnetFields(frame.vnet)));
  const got: Frame[] = [];
  let payload = 0;
  until(`${shape.payload} bytes of payload`, () => {
    for (let length = to.read(TUN_SLOTS); length > 0; length = to.read(TUN_SLOTS)) {
      const packet = wires.pool.bytes.slice(at, at + length);
      // Router solicitations and the like are the kernel's own.
      if (![6, 17, 60].includes(packet[packet[0]! >> 4 === 4 ? 9 : 6]!)) continue;
      got.push({ vnet: wires.pool.bytes.slice(at - VNET_LEN, at), packet });
      payload += packet.length - all;
    }
    return payload >= shape.payload ? got : null;
  });
  return got;
}

/**
 * What the kernel forwards. Behind extension headers it takes the first byte of the sequence number for the TCP
 * header's length when it compares segments with the MTU (6.18: ip6_rcv sets the transport header before them).
 */
function forwardable(shape: Shape): Shape {
  const mask = shape.v6 && shape.ipOptions > 0 ? 0x4fffffff : 0xffffffff;
  return { ...shape, ttl: Math.max(shape.ttl, 2), sequence: (shape.sequence & mask) >>> 0 };
}

/** The superframe behind one more router. */
function aged(shape: Shape): Shape {
  return { ...shape, ttl: shape.ttl - 1 };
}

/** The inner packets that our data plane sends over VXLAN for a frame. */
function ourSegments(f: fix.Fixture, frame: Frame): Uint8Array[] {
  f.tun.waiting.push(frame);
  f.dataPlane.pump("tun", 1000);
  return f.sockets.vxlan.sent.splice(0).map(({ bytes }) => bytes.slice(22));
}

liveTest("segments of ours are those of the kernel, byte for byte", (wires) => {
  const devices = router(wires, NONE);
  const f = fix.fixture();
  fc.assert(
    fc.property(shapes(ENDS, { mtu: MTU, plain: false }), (drawn) => {
      const shape = forwardable(drawn);
      const wanted = cut(superframe(aged(shape)));
      const kernels = forward(wires, devices, shape).map(({ packet }) => packet);
      assert.deepEqual(kernels, wanted);
      assert.deepEqual(ourSegments(f, superframe(aged(shape))), kernels);
    }),
    { numRuns: 150, seed: 77 },
  );
});

liveTest("what the kernel cut is joined again to what it was", (wires) => {
  const devices = router(wires, NONE);
  const f = fix.fixture();
  const { coalescer, b } = f.dataPlane.plane;
  fc.assert(
    fc.property(shapes(ENDS, { mtu: MTU, plain: true }), (drawn) => {
      const shape = forwardable(drawn);
      const whole = superframe(aged(shape));
      const segments = forward(wires, devices, shape);
      let at = 16;
      for (const { packet } of segments) {
        b.set(packet, at);
        coalescer.add(at, packet.length, CHECKSUM_COMPLETE);
        at += packet.length + 16;
      }
      coalescer.flush();
      assert.deepEqual(f.tun.written.splice(0), [whole]);
    }),
    { numRuns: 100, seed: 78 },
  );
});

liveTest(
  "superframes that the kernel forwards whole are cut like its own, whatever their vnet header says",
  (wires) => {
    const devices = router(wires, ALL);
    const f = fix.fixture();
    let whole = 0, all = 0;
    fc.assert(
      fc.property(shapes(ENDS, { mtu: MTU, plain: false }), (drawn) => {
        const shape = forwardable(drawn);
        const wanted = cut(superframe(aged(shape)));
        const frames = forward(wires, devices, shape);
        all++;
        if (frames.length === 1) whole++;
        assert.deepEqual(frames.flatMap((frame) => ourSegments(f, frame)), wanted);
      }),
      { numRuns: 150, seed: 79, endOnFailure: true },
    );
    assert.ok(whole > all / 2, `${whole} of ${all} came whole`);
  },
);

liveTest("the kernel hands our superframes on to a socket as the datagrams they stand for", (wires) => {
  const tun = wires.tunUp();
  const socket = wires.batches(2000, "own");
  const trains = wires.batches(2001, "vxlan", { gso: true, gro: true });
  for (const v6 of [false, true]) {
    for (const [port, receiver] of [[2000, socket], [2001, trains]] as const) {
      const ends: [string, string] = v6 ? ["fd42:2::9", "fd42:1::1"] : ["10.42.2.9", "10.42.1.0"];
      const shape: Shape = { ...PLAIN, udp: true, v6, ends, ports: [9, port], size: 1000, payload: 12_345 };
      const frame = superframe(shape);
      const at = packetAt(TUN_SLOTS);
      wires.pool.bytes.set(frame.vnet, at - VNET_LEN);
      wires.pool.bytes.set(frame.packet, at);
      tun.gather(at - VNET_LEN, VNET_LEN + frame.packet.length);
      assert.equal(tun.write(), 0);
      const wanted = cut(frame).map((packet) => packet.slice(v6 ? 48 : 28));
      const got: Uint8Array[] = [];
      until("the datagrams", () => {
        const count = receiver.receive();
        for (let i = 0; i < count; i++) {
          const from = receiver.position(i), end = from + receiver.length(i);
          for (let p = from; p < end; p += receiver.segment(i)) {
            got.push(wires.pool.bytes.slice(p, Math.min(p + receiver.segment(i), end)));
          }
        }
        return got.length >= wanted.length ? got : null;
      });
      assert.deepEqual(got, wanted);
    }
  }
});
