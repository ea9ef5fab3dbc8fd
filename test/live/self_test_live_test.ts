/**
 * The self-test over the real kernel: it passes here, it is quick, it leaves no trace, and without a loopback or with
 * a device that is down it says that nothing was tested.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { packetAt } from "../../src/dataplane/packet/packet_memory.ts";
import { READ_BACK_TO, testReadBack, testSuperframes, testTrains } from "../../src/dataplane/self_test.ts";
import { openHostNetwork } from "../../src/sys/host_network.ts";
import { LoopbackPair } from "../../src/sys/loopback_pair.ts";
import { limitTun, TunQueue } from "../../src/sys/tun.ts";
import { deviceUdp } from "../../src/sys/udp_socket.ts";
import { DEVICE, liveTest, type Wires } from "./wires.ts";

const BOTH = { gso: true, gro: true };
const SUPER = { tso: true, uso: true };
const PASSED = { outcome: "passed", failed: [] };
const NOT_TESTED = { outcome: "not tested", failed: [] };

function trains(wires: Wires, address: string) {
  return wires.in(() =>
    testTrains((offloads) => LoopbackPair.open(address, wires.pool, offloads), wires.pool, BOTH)
  );
}

function tellTime(began: number): void {
  console.log(`figure: self-test: ${(performance.now() - began).toFixed(1)} ms`);
}

function setLoopback(wires: Wires, up: boolean): void {
  wires.in(() => {
    const net = openHostNetwork();
    net.setInterface(net.interfaces().find((iface) => iface.loopback)!.index, { up });
    net.close();
  });
}

for (const address of ["127.0.0.1", "::1"]) {
  liveTest(`trains pass the self-test at ${address}`, (wires) => {
    trains(wires, address); // compiled and loaded
    const began = performance.now();
    assert.deepEqual(trains(wires, address), PASSED);
    tellTime(began);
  });
}

liveTest("without a loopback that is up nothing is tested", (wires) => {
  setLoopback(wires, false);
  for (const address of ["127.0.0.1", "::1"]) {
    const began = performance.now();
    assert.deepEqual(trains(wires, address), NOT_TESTED);
    tellTime(began);
  }
});

/** Counters of this thread's namespace that an answer of the kernel would move: ICMP, TCP, UDP, forwarding. */
function answers(wires: Wires): string[] {
  const text = wires.in(() =>
    readFileSync("/proc/thread-self/net/snmp", "utf8") + readFileSync("/proc/thread-self/net/snmp6", "utf8")
  );
  return text.split("\n").filter((line) => /OutMsgs|^Icmp: \d|^Tcp: \d|^Udp: \d|^Udp6|OutForw/.test(line));
}

for (const workers of [1, 3]) {
  liveTest(`superframes pass the self-test unnoticed: ${workers} queues`, (wires) => {
    const queues = wires.queuesUp(workers);
    wires.in(() => readFileSync("/proc/thread-self/net/snmp", "utf8"));
    while (queues.some((queue) => queue.read(0) > 0));
    const before = answers(wires);
    assert.deepEqual(testSuperframes(queues[0]!, wires.pool, SUPER), PASSED);
    const began = performance.now();
    assert.deepEqual(testSuperframes(queues.at(-1)!, wires.pool, SUPER), PASSED);
    tellTime(began);
    assert.deepEqual(answers(wires), before);
    for (const queue of queues) {
      const length = queue.read(0);
      const at = packetAt(0);
      // The kernel may ask for IPv6 routers, whatever we write.
      assert.ok(length === 0 || wires.pool.bytes[at]! >> 4 === 6, `${length} bytes came back`);
    }
  });
}

liveTest("a device that is down is not tested", (wires) => {
  const { queues } = wires.tun();
  assert.deepEqual(testSuperframes(new TunQueue(queues[0]!, wires.pool), wires.pool, SUPER), NOT_TESTED);
});

liveTest("limitTun() takes offloads off an open device", (wires) => {
  const tun = wires.tun(undefined, SUPER, 2);
  assert.deepEqual([tun.tso, tun.uso], [true, true]);
  const less = limitTun(tun, { tso: true, uso: false });
  assert.deepEqual([less.tso, less.uso, less.queues], [true, false, tun.queues]);
  assert.equal(limitTun(less, { tso: true, uso: false }), less);
});

for (const workers of [1, 3]) {
  liveTest(`a train sent through the device comes out of it as it was, ${workers} queues`, (wires) => {
    const queues = wires.queuesUp(workers);
    const socket = wires.in(() => deviceUdp(DEVICE))!;
    const sender = wires.over(socket, "own", { gso: true, gro: false });
    sender.setDestination(0, READ_BACK_TO);
    for (let round = 0; round < 5; round++) assert.equal(testReadBack(sender, queues, wires.pool), true);
    assert.deepEqual(wires.lost, []);
  });
}

liveTest("no socket is bound to a device that is not there", (wires) => {
  assert.equal(wires.in(() => deviceUdp("nosuch0")), null);
});
