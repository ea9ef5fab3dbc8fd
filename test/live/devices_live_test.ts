/**
 * The real devices under the data plane, without a daemon: a TUN queue whose other end is the kernel, and UDP
 * batches between real sockets. Everything is opened inside a network namespace and used from outside.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  CHECKSUM_COMPLETE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNKNOWN,
  packetAt,
  prepareVnet,
  TUN_SLOTS,
} from "../../src/dataplane/packet/packet_memory.ts";
import { Counters } from "../../src/dataplane/tables/counters.ts";
import { outboundBatch } from "../../src/dataplane/out/outbound.ts";
import { createPlane } from "../../src/dataplane/plane/plane.ts";
import { OWN_SLOT } from "../../src/dataplane/tables/route_table.ts";
import { BATCH, VNET_LEN } from "../../src/ports/devices.ts";
import { Epoll, EventFd } from "../../src/sys/epoll.ts";
import { SysError } from "../../src/ports/sys_error.ts";
import { openTun, type TunQueue } from "../../src/sys/tun.ts";
import { sendDatagram } from "../../src/sys/udp_socket.ts";
import { bytesOf, ipv4, naiveSum, sourceOf, type Sum, tcp, udp } from "../made/packets.ts";
import { randomBytes, seeded } from "../made/seeded.ts";
import { DEVICE, FAR, FAR6, HOST, HOST6, liveTest, receiveAll, until, WAIT_MS, type Wires } from "./wires.ts";
import { parsePrefix } from "../../src/wire/prefix.ts";

const random = seeded(1);

/** Gives the kernel a packet from the overlay; returns the errno. */
function write(wires: Wires, tun: TunQueue, packet: Uint8Array, checksum: number): number {
  const at = packetAt(TUN_SLOTS + 1);
  wires.pool.bytes.set(packet, at);
  assert.ok(prepareVnet(wires.pool.bytes, at, packet.length, 1400, checksum));
  assert.ok(tun.gather(at - VNET_LEN, VNET_LEN + packet.length));
  return tun.write();
}

/** The next packet of the kernel to the overlay that is `wanted`. */
function readPacket(wires: Wires, tun: TunQueue, wanted: (packet: Uint8Array) => boolean): Uint8Array {
  return until("a packet from the kernel", () => {
    const length = tun.read(TUN_SLOTS);
    const at = packetAt(TUN_SLOTS);
    const packet = wires.pool.bytes.slice(at, at + length);
    return length > 0 && wanted(packet) ? packet : null;
  });
}

/** InDestUnreachs of this thread's namespace: ICMP errors that passed the kernel's checks. */
function unreachablesReceived(): number {
  const lines = readFileSync("/proc/thread-self/net/snmp", "utf8").split("\n").filter((line) =>
    line.startsWith("Icmp:")
  );
  const column = lines[0]!.split(" ").indexOf("InDestUnreachs");
  return Number(lines[1]!.split(" ")[column]);
}

liveTest("the kernel answers an ICMP echo that was written to TUN", (wires) => {
  const tun = wires.tunUp();
  const body = randomBytes(random, 1300);
  const echo = bytesOf([8, 0, 0, 0, 1, 2, 3, 4], body);
  const sum = 0xffff - naiveSum(echo);
  echo.set([sum >> 8, sum & 255], 2);
  assert.equal(write(wires, tun, ipv4([FAR, HOST], 1, echo), CHECKSUM_COMPLETE), 0);
  const reply = readPacket(wires, tun, (packet) => packet[0] === 0x45 && packet[9] === 1);
  assert.equal(sourceOf(reply), HOST);
  assert.deepEqual([...reply.subarray(20, 22), ...reply.subarray(24, 28)], [0, 0, 1, 2, 3, 4]);
  assert.deepEqual(reply.slice(28), body);
});

liveTest(
  "the kernel takes UDP from TUN with a complete and a partial checksum, not with a wrong one",
  (wires) => {
    const tun = wires.tunUp();
    const socket = wires.batches(2000, "own");
    for (const ends of [[FAR, HOST], [FAR6, HOST6]] as [string, string][]) {
      const deliver = (payload: Uint8Array, kind: Sum, checksum: number) =>
        assert.equal(write(wires, tun, udp(ends, payload, kind), checksum), 0);
      const payloads = Array.from({ length: 5 }, (_, i) => randomBytes(random, 1001 + i));
      deliver(payloads[0]!, "complete", CHECKSUM_COMPLETE);
      deliver(payloads[1]!, "partial", CHECKSUM_UNKNOWN);
      deliver(payloads[2]!, "complete", CHECKSUM_UNKNOWN);
      deliver(randomBytes(random, 64), "wrong", CHECKSUM_COMPLETE);
      deliver(randomBytes(random, 64), "wrong", CHECKSUM_UNKNOWN);
      deliver(payloads[3]!, "wrong", CHECKSUM_PARTIAL);
      deliver(payloads[4]!, "complete", CHECKSUM_COMPLETE);
      const got = receiveAll(wires, socket, payloads.length);
      assert.deepEqual(got.map(({ bytes }) => bytes), payloads);
      const from = ends[0].includes(":") ? `[${FAR6}]:1000` : `${FAR}:1000`;
      assert.ok(got.every((datagram) => datagram.from === from));
    }
  },
);

liveTest("the kernel takes TCP superframes from TUN as one packet with a segment size", (wires) => {
  const tun = wires.tunUp();
  for (const ends of [[FAR, HOST], [FAR6, HOST6]] as [string, string][]) {
    for (const kind of ["partial", "complete"] as const) {
      const packet = tcp(ends, randomBytes(random, 40_000), kind);
      assert.equal(write(wires, tun, packet, CHECKSUM_UNKNOWN), 0);
      const ip = ends[0].includes(":") ? 40 : 20;
      // Nobody listens on port 80: the kernel resets what passed its checks.
      const reset = readPacket(wires, tun, (answer) => answer[ip === 40 ? 6 : 9] === 6);
      assert.equal(sourceOf(reset), ends[1]);
      assert.equal(reset[ip + 13]! & 4, 4);
    }
  }
});

liveTest(
  "a packet of the host for an unknown lease gets an ICMP error that the host's socket believes",
  (wires) => {
    const plane = createPlane({ counters: new Counters(), handUp: () => {} });
    plane.tun = wires.tunUp(plane.pool);
    plane.routes.set("10.42.1.0/24", parsePrefix("10.42.1.0/24")!, OWN_SLOT);
    const unreachable = () => wires.in(unreachablesReceived);
    const before = unreachable();
    const socket = wires.udp(2000);
    assert.equal(sendDatagram(socket, new Uint8Array(100), `${FAR}:9`), 0);
    until(
      "the packet in TUN",
      () => outboundBatch(plane) > 0 && plane.counters.drops()["no-route"] > 0 ? true : null,
    );
    assert.equal(plane.counters.events()["icmp-sent"], 1);
    assert.equal(
      until("the error", () => unreachable() > before ? unreachable() - before : null),
      1,
    );
  },
);

liveTest("64 datagrams of many sizes cross from socket to socket in one batch, IPv4 and IPv6", (wires) => {
  const sender = wires.batches(41001, "own");
  const receiver = wires.batches(41002, "vxlan");
  receiver.setDestination(9, "127.0.0.1:41001");
  receiver.setDestination(10, "[::1]:41001");
  receiver.setDestination(11, "127.0.0.1:41003");
  const ends = [["127.0.0.1:41002", "127.0.0.1:41001", 65_507], [
    "[::1]:41002",
    "[::1]:41001",
    65_487,
  ]] as const;
  for (const [to, from, longest] of ends) {
    sender.setDestination(4095, to);
    const sizes = Array.from({ length: BATCH }, (_, i) => [0, 1, longest, 1400, longest - 1, 17 * i][i % 6]!);
    const datagrams = sizes.map((size) => randomBytes(random, size));
    datagrams.forEach((bytes, i) => {
      wires.pool.bytes.set(bytes, packetAt(TUN_SLOTS + i));
      assert.ok(sender.enqueue(4095, packetAt(TUN_SLOTS + i), bytes.length, 0, 0));
    });
    assert.equal(sender.enqueue(4095, packetAt(TUN_SLOTS), 1, 0, 0), false, "the queue is full");
    assert.equal(sender.flush(), 0);
    until("the whole batch", () => receiver.receive() === BATCH ? true : null);
    datagrams.forEach((bytes, i) => {
      const at = receiver.position(i);
      assert.deepEqual(wires.pool.bytes.slice(at, at + receiver.length(i)), bytes, `datagram ${i}`);
      assert.equal(receiver.source(i), from);
      const v4 = to.startsWith("127");
      assert.equal(receiver.isFrom(i, 9, true), v4);
      assert.equal(receiver.isFrom(i, 10, true), !v4);
      assert.equal(receiver.isFrom(i, 11, true), false, "another port");
      assert.equal(receiver.isFrom(i, 11, false), v4, "another port, not asked for");
    });
    assert.equal(receiver.receive(), 0);
  }
});

liveTest("refused sends are counted and do not hold up the rest of the batch", (wires) => {
  const sender = wires.batches(41001, "own");
  const receiver = wires.batches(41002, "vxlan");
  sender.setDestination(0, "127.0.0.1:41002");
  sender.setDestination(1, "192.0.2.1:41002"); // no route in this namespace
  const at = packetAt(TUN_SLOTS);
  const queue: [number, number][] = [[1, 10], [0, 10], [0, 65_508], [0, 20], [2, 10], [0, 30], [1, 10]];
  for (const [slot, length] of queue) assert.ok(sender.enqueue(slot, at, length, 0, 0));
  assert.equal(sender.flush(), 4);
  assert.equal(sender.flush(), 0);
  assert.deepEqual(receiveAll(wires, receiver, 3).map(({ bytes }) => bytes.length), [10, 20, 30]);
});

liveTest("an IPv6 endpoint on an IPv4 socket is refused and never this host", (wires) => {
  // openUdp falls back to IPv4 where the kernel has no IPv6; here the family alone says so.
  const receiver = wires.batches(41002, "vxlan");
  const { fd } = wires.udp(41001);
  const sender = wires.over({ fd, family: 4 }, "own");
  sender.setDestination(0, "127.0.0.1:41002");
  sender.setDestination(0, "[2001:db8::1]:41002");
  assert.ok(sender.enqueue(0, packetAt(TUN_SLOTS), 10, 0, 0));
  assert.equal(sender.flush(), 1);
  assert.equal(receiver.receive(), 0);
});

liveTest("datagrams that the receive buffer had no room for are counted", (wires) => {
  const sender = wires.batches(41001, "own");
  const receiver = wires.batches(41002, "vxlan");
  sender.setDestination(0, "127.0.0.1:41002");
  let sent = 0;
  for (let round = 0; round < 8; round++) {
    for (let i = 0; i < BATCH; i++) sent += sender.enqueue(0, packetAt(TUN_SLOTS), 60_000, 0, 0) ? 1 : 0;
    assert.equal(sender.flush(), 0);
  }
  let received = 0;
  for (let got = receiver.receive(); got > 0; got = receiver.receive()) received += got;
  assert.ok(received < sent);
  // The next datagram carries the count.
  sender.enqueue(0, packetAt(TUN_SLOTS), 1, 0, 0);
  sender.flush();
  received += receiveAll(wires, receiver, 1).length;
  assert.equal(receiver.overflows(), sent + 1 - received);
});

liveTest("sendDatagram() sends from the port of the socket, and says why it could not", (wires) => {
  const socket = wires.udp(41001);
  const receiver = wires.batches(41002, "vxlan");
  for (const host of ["127.0.0.1", "[::1]"]) {
    assert.equal(sendDatagram(socket, Uint8Array.of(1, 2, 3), `${host}:41002`), 0);
    assert.deepEqual(receiveAll(wires, receiver, 1), [{
      bytes: Uint8Array.of(1, 2, 3),
      from: `${host}:41001`,
    }]);
  }
  assert.equal(sendDatagram(socket, new Uint8Array(1), "192.0.2.1:1"), 101); // ENETUNREACH
  assert.equal(sendDatagram(socket, new Uint8Array(65_508), "127.0.0.1:1"), 90); // EMSGSIZE
});

liveTest("epoll tells which descriptor is readable, until it is removed", (wires) => {
  const socket = wires.udp(41002);
  const receiver = wires.over(socket, "own");
  const epoll = new Epoll();
  const wake = new EventFd();
  epoll.add(socket.fd);
  epoll.add(wake.fd);
  const ready = (timeout: number) =>
    Array.from({ length: epoll.wait(timeout) }, (_, i) => epoll.ready(i)).sort((a, b) => a - b);
  assert.deepEqual(ready(0), []);
  wake.signal();
  wake.signal();
  assert.deepEqual(ready(WAIT_MS), [wake.fd]);
  assert.equal(sendDatagram(socket, Uint8Array.of(7), "127.0.0.1:41002"), 0);
  assert.deepEqual(ready(WAIT_MS), [socket.fd, wake.fd].sort((a, b) => a - b));
  wake.clear();
  assert.deepEqual(ready(WAIT_MS), [socket.fd]);
  assert.equal(receiver.receive(), 1);
  assert.deepEqual(ready(0), []);
  epoll.remove(wake.fd);
  wake.signal();
  assert.deepEqual(ready(0), []);
  assert.throws(() => epoll.remove(wake.fd), SysError);
  wake.close();
  epoll.close();
});

liveTest("a UDP port in use is an error that names the port and the way out", (wires) => {
  wires.udp(41001);
  assert.throws(() => wires.udp(41001), {
    name: "SysError",
    code: "EADDRINUSE",
    message:
      "Cannot listen on UDP port 41001: EADDRINUSE, Address already in use (another program is using it; " +
      "stop it or choose another --port)",
  });
});

liveTest("a device name in use is an error that names the device and the way out", (wires) => {
  assert.equal(wires.tun().name, DEVICE);
  assert.throws(() => wires.tun(), {
    name: "SysError",
    code: "EBUSY",
    message: `Cannot create the device "${DEVICE}": EBUSY, Device or resource busy (device ` +
      `"${DEVICE}" already exists; stop what is using it, delete it, or choose another --device)`,
  });
  assert.throws(() => wires.tun("lo"), { code: "EBUSY", message: /device "lo" already exists/ });
  assert.throws(() => wires.in(() => openTun("x", undefined, "/dev/net/nothing")), {
    code: "ENOENT",
    message: /modprobe tun/,
  });
});
