/**
 * A send buffer without room (a slow link): nothing that was queued is lost, doubled or reordered, and the wait ends.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { packetAt, TUN_SLOTS } from "../../src/dataplane/packet/packet_memory.ts";
import { waitForRoom } from "../../src/sys/room.ts";
import { UdpBatches } from "../../src/sys/udp_batches.ts";
import { type OpenedSocket, sendDatagram, setInt } from "../../src/sys/udp_socket.ts";
import { socketSlots } from "../../src/dataplane/packet/packet_memory.ts";
import { randomBytes, seeded } from "../made/seeded.ts";
import { liveTest, until, type Wires } from "./wires.ts";

const SOL_SOCKET = 1, SO_SNDBUF = 7;
const random = seeded(14);

function tc(wires: Wires, words: string): void {
  wires.in(() => execFileSync("/bin/sh", ["-ec", `PATH=$PATH:/usr/sbin:/sbin; tc qdisc ${words}`]));
}

/**
 * A loopback with a gate: while that is shut, two packets pass and then next to none (a kilobyte in eight seconds), so
 * that a send buffer is full after what it holds, however fast or busy the machine.
 */
function shutLoopback(wires: Wires): void {
  wires.in(() => execFileSync("/bin/sh", ["-ec", "PATH=$PATH:/usr/sbin:/sbin; ip link set lo mtu 1500"]));
  tc(wires, "add dev lo root tbf rate 1kbit burst 3k limit 20mb");
}

/** The same for trains, which need a greater burst: 70 kB pass, then a kilobyte a second, until `open`. */
class Gate {
  readonly #wires: Wires;
  readonly #poker: OpenedSocket;

  constructor(wires: Wires) {
    this.#wires = wires;
    this.#poker = wires.udp(41003);
    tc(wires, "add dev lo root tbf rate 8kbit burst 70k limit 20mb");
  }

  open(): void {
    tc(this.#wires, "change dev lo root tbf rate 10gbit burst 1m limit 20mb");
    // Whether or not the change of the rate wakes the queue, a packet does.
    sendDatagram(this.#poker, new Uint8Array(1), "127.0.0.1:9");
  }

  shut(): void {
    tc(this.#wires, "change dev lo root tbf rate 8kbit burst 70k limit 20mb");
  }
}

for (const gso of [true, false]) {
  liveTest(
    `a full send buffer holds datagrams back and loses none: ${gso ? "trains" : "singly"}`,
    (wires) => {
      const gate = new Gate(wires);
      const receiver = wires.batches(41002, "vxlan", { gso: false, gro: true });
      const socket = wires.udp(41001);
      setInt(socket.fd, SOL_SOCKET, SO_SNDBUF, 100_000);
      const got: number[] = [];
      const take = () => {
        const trains = receiver.receive();
        for (let i = 0; i < trains; i++) {
          const at = receiver.position(i);
          for (let from = 0; from < receiver.length(i); from += receiver.segment(i)) {
            got.push(wires.pool.bytes[at + from]! * 256 + wires.pool.bytes[at + from + 1]!);
          }
        }
        return trains;
      };
      let waits = 0;
      const sender: UdpBatches = new UdpBatches(
        socket,
        wires.pool,
        socketSlots("own"),
        {
          gso,
          gro: false,
          onLost: () => assert.fail("no train was refused"),
          onFull: (fd) => {
            waits++;
            // What answers meanwhile finds no room either, and nothing is sent twice.
            assert.equal(sender.enqueue(0, packetAt(TUN_SLOTS), 100, 0, 0), false);
            assert.equal(sender.flush(), 0);
            assert.equal(waitForRoom(fd, [], 1).writable, false);
            gate.open();
            until("room in the buffer", () => {
              take();
              return waitForRoom(fd, [], 50).writable ? true : null;
            });
            gate.shut();
            return true;
          },
        },
      );
      sender.setDestination(0, "127.0.0.1:41002");
      let sent = 0;
      for (let batch = 0; batch < 20; batch++) {
        for (let i = 0, at = packetAt(TUN_SLOTS); i < 60; i++, at += 1200) {
          wires.pool.bytes.set(randomBytes(random, 1200), at);
          wires.pool.bytes.set([sent >> 8, sent & 255], at);
          assert.ok(sender.enqueue(0, at, 1200, 0, 0));
          sent++;
        }
        assert.equal(sender.flush(), 0, "nothing was refused");
      }
      gate.open();
      until("all that was sent", () => take() === 0 && got.length >= sent ? true : null);
      assert.deepEqual(got, Array.from({ length: sent }, (_, i) => i));
      // 1.4 MB; between two waits no more passes than what the gate and the buffer hold, 70 and 200 kB.
      assert.ok(waits > 3, `waited ${waits} times`);
    },
  );
}

liveTest("who gives up waiting is asked once a batch; the rest is refused and counted", (wires) => {
  shutLoopback(wires);
  const socket = wires.udp(41001);
  setInt(socket.fd, SOL_SOCKET, SO_SNDBUF, 20_000);
  let asked = 0;
  const giveUp = () => {
    asked++;
    return false;
  };
  const offloads = { gso: false, gro: false };
  const sender = new UdpBatches(socket, wires.pool, socketSlots("own"), { ...offloads, onFull: giveUp });
  sender.setDestination(0, "127.0.0.1:41002");
  for (let batch = 1; batch <= 3; batch++) {
    for (let i = 0; i < 60; i++) assert.ok(sender.enqueue(0, packetAt(TUN_SLOTS), 1400, 0, 0));
    const refused = sender.flush();
    assert.ok(refused > 0 && refused < 60 || batch > 1, `${refused} refused`);
    assert.equal(asked, batch);
  }
});

liveTest(
  "waitForRoom() tells who is readable, who is writable, and returns when its time is over",
  (wires) => {
    const [a, b] = [wires.udp(41001), wires.udp(41002)];
    assert.deepEqual(waitForRoom(a.fd, [a.fd, b.fd], 1000), { writable: true, readable: [] });
    const sender = wires.over(a, "own");
    sender.setDestination(0, "127.0.0.1:41002");
    assert.ok(sender.enqueue(0, packetAt(TUN_SLOTS), 10, 0, 0));
    assert.equal(sender.flush(), 0);
    assert.deepEqual(waitForRoom(a.fd, [a.fd, b.fd], 1000), { writable: true, readable: [b.fd] });
    shutLoopback(wires);
    setInt(a.fd, SOL_SOCKET, SO_SNDBUF, 5_000);
    const full = new UdpBatches(
      a,
      wires.pool,
      socketSlots("own"),
      { gso: false, gro: false, onFull: () => false },
    );
    full.setDestination(0, "127.0.0.1:41002");
    for (let i = 0; i < 200; i++) {
      assert.ok(full.enqueue(0, packetAt(TUN_SLOTS), 1400, 0, 0));
      full.flush();
    }
    const began = performance.now();
    assert.deepEqual(waitForRoom(a.fd, [], 5), { writable: false, readable: [] });
    assert.ok(performance.now() - began >= 4);
  },
);
