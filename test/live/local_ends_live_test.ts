/**
 * The source and the local address of datagrams on real sockets: what they were sent to is told, what they leave from is
 * obeyed, singly and in trains, over IPv4 and IPv6; an address that is gone costs nothing.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { packetAt } from "../../src/dataplane/packet/packet_memory.ts";
import { libc } from "../../src/sys/libc.ts";
import { AF_INET } from "../../src/sys/sockaddr.ts";
import { takeZeroChecksums } from "../../src/sys/udp_group.ts";
import { bindUdp, type OpenedSocket, sendDatagram, setInt } from "../../src/sys/udp_socket.ts";
import { liveTest, settled, until, type Wires } from "./wires.ts";
import { IP_PKTINFO, IPPROTO_IP } from "../../src/sys/linux.ts";

const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
/** Without checksums the kernel takes no trains: EINVAL, as old kernels say it. */
const SO_NO_CHECK = 11;
const SOL_UDP = 17;
const UDP_NO_CHECK6_TX = 101;
const ENDS = {
  IPv4: { main: "127.0.0.1", second: "10.7.0.7", bits: 32, at: (a: string, port: number) => `${a}:${port}` },
  IPv6: { main: "::1", second: "fd07::7", bits: 128, at: (a: string, port: number) => `[${a}]:${port}` },
};

function sh(wires: Wires, script: string): void {
  wires.in(() => execFileSync("sh", ["-ec", script]));
}

/** An IPv6 address is of no use before the kernel has decided about it. */
function addAddress(wires: Wires, address: string): void {
  sh(wires, `ip link set lo up; ip address add ${address} dev lo`);
  until(`${address} to settle`, () => wires.in(settled) ? true : null);
}

for (const [name, { main, second, bits, at }] of Object.entries(ENDS)) {
  liveTest(`datagrams leave from the address they are to leave from, also in trains: ${name}`, (wires) => {
    addAddress(wires, `${second}/${bits}`);
    const sender = wires.batches(41001, "own", { gso: true, gro: false });
    const receiver = wires.batches(41002, "vxlan", { gso: false, gro: true });
    sender.setDestination(7, at(main, 41002));
    sender.setDestination(8, at(second, 41002));
    const sources = (count: number, slots: number[]) => {
      const seen = new Map<string, number>();
      let bytes = 0;
      slots.forEach((slot, i) => assert.ok(sender.enqueue(slot, packetAt(i), 100, 0, 0)));
      assert.equal(sender.flush(), 0);
      until(`${count} datagrams`, () => {
        for (let n = receiver.receive(), i = 0; i < n; i++) {
          const key = `${receiver.source(i)} ${receiver.local(i)}`;
          seen.set(key, (seen.get(key) ?? 0) + receiver.length(i) / 100);
          bytes += receiver.length(i);
        }
        return bytes === count * 100 ? true : null;
      });
      return Object.fromEntries(seen);
    };
    const from = (a: string, to: string, n: number) => ({ [`${at(a, 41001)} ${to}`]: n });
    assert.deepEqual(sources(1, [7]), from(main, main, 1));
    sender.setLocal(7, { address: second, pinned: true });
    assert.deepEqual(sources(1, [7]), from(second, main, 1), "one");
    assert.deepEqual(sources(5, [7, 7, 7, 7, 7]), from(second, main, 5), "a train");
    assert.deepEqual(sources(4, [8, 7, 7, 8]), { ...from(second, second, 2), ...from(second, main, 2) });
    sender.setLocal(7, { address: second, pinned: false });
    assert.deepEqual(sources(3, [7, 7, 7]), from(main, main, 3), "the kernel's choice again");
    sender.setLocal(7, { address: second, pinned: true });
    sender.setDestination(8, at(main, 41002));
    sh(wires, `ip address del ${second}/${bits} dev lo`);
    assert.deepEqual(sources(6, [8, 7, 7, 8, 7, 8]), from(main, main, 6), "gone, and nothing is lost");
    assert.equal(sender.sourceGoneFor(), 7);
    assert.equal(sender.sourceGoneFor(), -1);
    assert.equal(sender.refusal(), null);
  });

  liveTest(`a source that is not what the kernel refuses stays: ${name}`, (wires) => {
    const far = bits === 32 ? "10.9.0.1" : "fd09::1";
    addAddress(wires, `${second}/${bits}`);
    const opened = wires.udp(41007);
    const sender = wires.over(opened, "own", { gso: true, gro: false });
    const receiving = wires.udp(41008);
    takeZeroChecksums({ family: receiving.family, sockets: [{ fd: receiving.fd, sendFd: receiving.fd }] });
    const receiver = wires.over(receiving, "vxlan");
    sender.setDestination(7, at(far, 41008));
    sender.setLocal(7, { address: second, pinned: true });
    const send = (count: number) => {
      for (let i = 0; i < count; i++) assert.ok(sender.enqueue(7, packetAt(i), 100, 0, 0));
      return sender.flush();
    };
    const sources = (count: number) => {
      const seen: string[] = [];
      until(`${count} datagrams`, () => {
        for (let n = receiver.receive(), i = 0; i < n; i++) seen.push(receiver.source(i));
        return seen.length === count ? true : null;
      });
      return [...new Set(seen)];
    };
    assert.equal(send(5), 5, "no way there");
    assert.equal(sender.sourceGoneFor(), -1);
    addAddress(wires, `${far}/${bits}`);
    assert.equal(send(5), 0);
    assert.deepEqual(sources(5), [at(second, 41007)], "the way is back");
    setInt(opened.fd, SOL_SOCKET, SO_NO_CHECK, 1);
    setInt(opened.fd, SOL_UDP, UDP_NO_CHECK6_TX, 1);
    assert.equal(send(5), 0, "a train that the kernel does not take");
    assert.deepEqual(sources(5), [at(second, 41007)]);
    assert.equal(wires.lost.length, 1);
    assert.equal(sender.sourceGoneFor(), -1);
    // Gone for a moment: the next datagram that comes to it brings it back.
    const call = () => {
      wires.in(() => assert.equal(sendDatagram(receiving, new Uint8Array(50), at(second, 41007), far), 0));
      until("a call", () => sender.receive() === 1 ? true : null);
      return sender.isUnmoved(0, 7);
    };
    assert.equal(call(), true);
    sh(wires, `ip address del ${second}/${bits} dev lo`);
    assert.equal(send(1), 0);
    assert.equal(sender.sourceGoneFor(), 7);
    assert.notDeepEqual(sources(1), [at(second, 41007)]);
    addAddress(wires, `${second}/${bits}`);
    assert.equal(call(), false);
    sender.follow(7, 0);
    assert.equal(call(), true);
    assert.equal(send(1), 0);
    assert.deepEqual(sources(1), [at(second, 41007)]);
  });

  liveTest(
    `an answer follows what it answers, and a datagram of the control plane does: ${name}`,
    (wires) => {
      addAddress(wires, `${second}/${bits}`);
      const asking = wires.udp(41003);
      const asker = wires.over(asking, "own");
      const answering = wires.batches(41004, "vxlan");
      const receive = (socket: typeof asker) =>
        until("a datagram", () => socket.receive() === 1 ? true : null);
      wires.in(() => assert.equal(sendDatagram(asking, new Uint8Array(50), at(second, 41004), main), 0));
      receive(answering);
      assert.equal(answering.source(0), at(main, 41003));
      assert.equal(answering.isUnmoved(0, 3), false);
      answering.follow(3, 0);
      assert.equal(answering.isUnmoved(0, 3), true);
      answering.enqueue(3, packetAt(0), 40, 0, 0);
      assert.equal(answering.flush(), 0);
      receive(asker);
      assert.equal(asker.source(0), at(second, 41004));
      // Longer than a small path takes, from an address that is gone: it leaves all the same.
      sh(wires, `ip address del ${second}/${bits} dev lo`);
      wires.in(() => assert.equal(sendDatagram(asking, new Uint8Array(1232), at(main, 41004), second), 0));
      receive(answering);
      assert.equal(answering.length(0), 1232);
      assert.equal(answering.source(0), at(main, 41003));
    },
  );
}

liveTest("a socket of a kernel without IPv6 tells and obeys the same", (wires) => {
  const { second } = ENDS.IPv4;
  addAddress(wires, `${second}/32`);
  const socket4 = (port: number): OpenedSocket => {
    const fd = wires.in(() => libc().socket(AF_INET, SOCK_DGRAM, 0));
    setInt(fd, IPPROTO_IP, IP_PKTINFO, 1);
    wires.in(() => bindUdp({ fd, family: 4 }, port, "--port"));
    wires.closeLater(fd);
    return { fd, family: 4 };
  };
  const opened = socket4(41005);
  const [asker, answering] = [wires.over(opened, "own"), wires.over(socket4(41006), "vxlan")];
  const receive = (socket: typeof asker) => until("a datagram", () => socket.receive() === 1 ? true : null);
  assert.equal(sendDatagram(opened, new Uint8Array(1200), `${second}:41006`, "127.0.0.1"), 0);
  receive(answering);
  assert.deepEqual([answering.source(0), answering.local(0)], ["127.0.0.1:41005", second]);
  answering.follow(3, 0);
  answering.enqueue(3, packetAt(0), 40, 0, 0);
  assert.equal(answering.flush(), 0);
  receive(asker);
  assert.deepEqual([asker.source(0), asker.local(0)], [`${second}:41006`, "127.0.0.1"]);
  assert.equal(asker.isFrom(0, 5, true), false);
});
