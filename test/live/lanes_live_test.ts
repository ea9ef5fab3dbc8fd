/**
 * What several Workers build on, without daemons: the kernel brings a lane to its Worker's socket, trains of different
 * lanes do not mix, a flow stays on one queue of the device.
 */
import assert from "node:assert/strict";
import {
  CHECKSUM_COMPLETE,
  packetAt,
  prepareVnet,
  TUN_SLOTS,
} from "../../src/dataplane/packet/packet_memory.ts";
import { openTun, type TunQueue } from "../../src/sys/tun.ts";
import { openUdpGroup } from "../../src/sys/udp_group.ts";
import { openUdp, sendDatagram } from "../../src/sys/udp_socket.ts";
import type { UdpBatches } from "../../src/sys/udp_batches.ts";
import { DATA_LEN, DATA_PLAIN, encodeData } from "../../src/wire/data_header.ts";
import { udp } from "../made/packets.ts";
import { DEVICE, FAR, FAR6, HOST, HOST6, liveTest, until, type Wires } from "./wires.ts";
import { VNET_LEN } from "../../src/ports/devices.ts";

const PORT = 41473;
const TRAINS = { gso: true, gro: true };

function data(lane: number, length = 100): Uint8Array {
  const bytes = new Uint8Array(length).fill(lane);
  encodeData(bytes, 0, DATA_PLAIN, 0, 0x89abcd00 | lane, 7);
  return bytes;
}

/** What each socket has got, once there are `count` datagrams on all of them together. */
function collected(wires: Wires, sockets: readonly UdpBatches[], count: number): Uint8Array[][] {
  const all: Uint8Array[][] = sockets.map(() => []);
  let seen = 0;
  until(`${count} datagrams`, () => {
    sockets.forEach((socket, worker) => {
      const got = socket.receive();
      for (let i = 0; i < got; i++) {
        const at = socket.position(i), size = socket.segment(i);
        for (let from = 0; from < socket.length(i); from += size, seen++) {
          const end = Math.min(from + size, socket.length(i));
          all[worker]!.push(wires.pool.bytes.slice(at + from, at + end));
        }
      }
    });
    return seen >= count ? true : null;
  });
  assert.equal(seen, count);
  return all;
}

for (const to of [`127.0.0.1:${PORT}`, `[::1]:${PORT}`]) {
  for (const workers of [1, 2, 3, 4, 16]) {
    liveTest(
      `a lane comes to its worker, everything else to worker 0: ${workers} workers, ${to}`,
      (wires) => {
        const sockets = wires.group(PORT, workers, true, "own");
        // Several senders: the kernel's own hash would spread them.
        const senders = [41001, 41002, 41003].map((port) => wires.udp(port));
        const wanted: string[][] = sockets.map(() => []);
        let count = 0;
        const send = (bytes: Uint8Array, worker: number) => {
          for (const sender of senders) {
            assert.equal(sendDatagram(sender, bytes, to), 0);
            wanted[worker]!.push(`${bytes}`);
            count++;
          }
        };
        for (const lane of [0, 1, 2, 3, 4, 5, 15, 16, 127, 128, 254, 255]) send(data(lane), lane % workers);
        for (let type = 0; type < 256; type++) {
          const other = data(1, DATA_LEN);
          other[0] = type;
          send(other, type >> 4 === 1 ? 1 % workers : 0);
        }
        for (const length of [1, 7]) send(data(3).slice(0, length), 0); // cut before its lane
        const got = collected(wires, sockets, count);
        assert.deepEqual(
          got.map((all) => all.map((bytes) => `${bytes}`).sort()),
          wanted.map((all) => all.sort()),
        );
      },
    );
  }
}

liveTest(
  "trains keep to their lane and their order, sent by workers each from a port of its own",
  (wires) => {
    const receivers = wires.group(PORT, 3, true, "own", TRAINS);
    const senders = wires.group(PORT + 1, 4, true, "vxlan", TRAINS);
    senders.forEach((sender) => sender.setDestination(5, `127.0.0.1:${PORT}`));
    const wanted: number[][] = [[], [], []];
    for (let n = 0; n < 50; n++) {
      senders.forEach((sender, lane) => {
        for (let d = 0; d < 20; d++) {
          const at = packetAt(TUN_SLOTS + lane) + d * 1000;
          const bytes = data(lane, 1000);
          bytes[DATA_LEN] = n;
          bytes[DATA_LEN + 1] = d;
          wires.pool.bytes.set(bytes, at);
          assert.ok(sender.enqueue(5, at, 1000, 0, 0));
          wanted[lane % 3]!.push(lane * 65536 + n * 256 + d);
        }
        assert.equal(sender.flush(), 0);
      });
      const got = collected(wires, receivers, 80);
      got.forEach((all, worker) => {
        const seen = all.map((bytes) => bytes[7]! * 65536 + bytes[DATA_LEN]! * 256 + bytes[DATA_LEN + 1]!);
        assert.deepEqual(seen, wanted[worker]);
        wanted[worker] = [];
      });
    }
  },
);

liveTest("workers but the first send from ports of their own", (wires) => {
  const receiver = wires.batches(41002, "vxlan");
  const ports = wires.group(PORT, 3, true, "own").map((sender) => {
    sender.setDestination(0, "127.0.0.1:41002");
    wires.pool.bytes.set(data(0), packetAt(TUN_SLOTS));
    assert.ok(sender.enqueue(0, packetAt(TUN_SLOTS), 100, 0, 0));
    assert.equal(sender.flush(), 0);
    until("the datagram", () => receiver.receive() === 1 ? true : null);
    return Number(receiver.source(0).split(":")[1]);
  });
  assert.equal(ports[0], PORT);
  assert.equal(new Set(ports).size, 3);
});

liveTest("a port that is taken is refused, shared or not, and nothing stays behind", (wires) => {
  const taken = /EADDRINUSE.*choose another --port/;
  wires.group(PORT, 2, true, "own");
  assert.throws(() => wires.in(() => openUdpGroup(PORT, "--port", 2, true)), taken);
  assert.throws(() => wires.in(() => openUdp(PORT)), taken);
  wires.udp(PORT + 1);
  assert.throws(() => wires.in(() => openUdpGroup(PORT + 1, "--port", 4, true)), taken);
});

liveTest("without lanes the kernel keeps a sender on one socket and spreads senders", (wires) => {
  const sockets = wires.group(PORT, 4, false, "vxlan");
  const senders = Array.from({ length: 32 }, (_, i) => wires.udp(42000 + i));
  for (let n = 0; n < 3; n++) {
    senders.forEach((sender, i) =>
      assert.equal(sendDatagram(sender, new Uint8Array([i]), `127.0.0.1:${PORT}`), 0)
    );
  }
  const got = collected(wires, sockets, 96).map((all) => all.map((bytes) => bytes[0]!));
  const used = got.filter((all) => all.length > 0).length;
  assert.ok(used >= 2, `${used} sockets of 4 got something`);
  for (let i = 0; i < 32; i++) assert.equal(got.filter((all) => all.includes(i)).length, 1, `sender ${i}`);
});

/** Ports and numbers of the UDP packets that the host sent, queue by queue, once there are `count`. */
function drain(
  wires: Wires,
  queues: readonly TunQueue[],
  count: number,
): { queue: number; port: number; n: number }[] {
  const seen: { queue: number; port: number; n: number }[] = [];
  const b = wires.pool.bytes;
  return until(`${count} packets`, () => {
    queues.forEach((queue, index) => {
      for (let length = queue.read(TUN_SLOTS); length > 0; length = queue.read(TUN_SLOTS)) {
        const at = packetAt(TUN_SLOTS);
        const [ip, protocol] = b[at]! >> 4 === 4 ? [20, b[at + 9]] : [40, b[at + 6]];
        if (protocol !== 17) continue;
        seen.push({ queue: index, port: b[at + ip]! * 256 + b[at + ip + 1]!, n: b[at + ip + 8]! });
      }
    });
    return seen.length >= count ? seen : null;
  });
}

for (const [name, far, ends] of [["IPv4", FAR, [FAR, HOST]], ["IPv6", `[${FAR6}]`, [FAR6, HOST6]]] as const) {
  liveTest(`a flow stays on one queue of the device, wherever its answers are written: ${name}`, (wires) => {
    const queues = wires.queuesUp(4);
    const sockets = Array.from({ length: 24 }, (_, i) => wires.udp(43000 + i));
    const home = new Map<number, number>();
    for (let n = 0; n < 6; n++) {
      for (const socket of sockets) {
        assert.equal(sendDatagram(socket, new Uint8Array([n, 1, 2, 3]), `${far}:9`), 0);
      }
      const seen = drain(wires, queues, 24);
      assert.equal(seen.length, 24, `round ${n}`);
      for (const { queue, port } of seen) {
        assert.equal(queue, home.get(port) ?? queue, `port ${port} in round ${n}`);
        home.set(port, queue);
      }
    }
    assert.ok(new Set(home.values()).size > 1, "flows spread over the queues");
    // The kernel of itself would let the flow follow its answer.
    const moved = 43005, target = (home.get(moved)! + 1) % 4;
    const answer = udp(ends as unknown as [string, string], new Uint8Array(20), "complete");
    const ip = name === "IPv4" ? 20 : 40;
    assert.ok(answer.length > ip);
    const at = packetAt(TUN_SLOTS + 1);
    wires.pool.bytes.set(withPorts(answer, ip, 9, moved), at);
    assert.ok(prepareVnet(wires.pool.bytes, at, answer.length, 1400, CHECKSUM_COMPLETE));
    assert.ok(queues[target]!.gather(at - VNET_LEN, VNET_LEN + answer.length));
    assert.equal(queues[target]!.write(), 0);
    for (const socket of sockets) assert.equal(sendDatagram(socket, new Uint8Array([9]), `${far}:9`), 0);
    for (const { queue, port } of drain(wires, queues, 24)) {
      assert.equal(queue, home.get(port), `port ${port}`);
    }
  });
}

/** Other ports; the checksum may be wrong then, and the queue is chosen before anybody looks at it. */
function withPorts(packet: Uint8Array, ip: number, from: number, to: number): Uint8Array {
  packet.set([from >> 8, from & 255, to >> 8, to & 255], ip);
  return packet;
}

liveTest(
  "a device of several queues is refused when there is one of its name",
  (wires) => {
    const { queues } = wires.tun(DEVICE, undefined, 3);
    assert.equal(queues.length, 3);
    for (const workers of [1, 2]) {
      assert.throws(() => wires.in(() => openTun(DEVICE, undefined, undefined, workers)), /EBUSY/);
    }
  },
);
