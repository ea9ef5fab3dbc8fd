/**
 * No packet goes round: what was received is never sent on, and what comes out of the device for our own lease goes
 * nowhere, whatever the tables of two nodes say of each other.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { seeded } from "../made/seeded.ts";
import * as fix from "../made/plane.ts";
import { randomBytes } from "../made/seeded.ts";
import { bytesOf, tcp, udp } from "../made/packets.ts";
import { hex } from "../made/seeded.ts";
import * as pair from "../made/sealed_pair.ts";

const random = seeded(31);
const NOWHERE = "10.42.77.0/24";

for (const kind of ["udp", "tcp"] as const) {
  test(`two nodes that each take the other for the holder of a subnet pass a packet once: sealed ${kind}`, () => {
    const { a, b } = pair.sealedPair();
    for (const end of [a, b]) {
      end.dataPlane.apply({ kind: "addRoute", prefix: NOWHERE, slot: pair.SLOT[end.name] });
    }
    const make = kind === "udp" ? udp : tcp;
    a.tun.waiting.push(make(["10.42.1.5", "10.42.77.9"], randomBytes(random, 40)));
    let passed = 0;
    for (let round = 0; round < 10; round++) {
      for (const [from, to] of [[a, b], [b, a]] as const) {
        from.dataPlane.pump("tun", 1000);
        const datagrams = from.socket.sent.splice(0).map(({ bytes }) => bytes);
        passed += datagrams.length;
        pair.arrive(to, datagrams);
        // As a kernel would that has no better route than the network's: what it got comes out of the device again.
        to.tun.waiting.push(...to.tun.written.splice(0).map(({ packet }) => packet));
      }
    }
    assert.equal(passed, 1);
    assert.equal(b.counts()["not-for-us"], 1);
  });
}

test("a packet for our own lease that comes out of the device is dropped and counted, and its sender told", () => {
  const f = fix.fixture();
  for (const source of ["10.42.1.5", "10.42.2.9"]) {
    const packet = udp([source, "10.42.1.200"], randomBytes(random, 20));
    assert.deepEqual(fix.sendOut(f, packet), { "no-route": 1, "icmp-sent": 1 });
  }
  assert.equal(Object.values(f.sockets).reduce((sum, { sent }) => sum + sent.length, 0), 0);
});

test("what a peer sent is never sent on: not to another peer, a VTEP or a flannel node, not by a detour through TUN", () => {
  const f = fix.fixture();
  for (const holder of ["10.42.2.1", "10.42.3.1", "10.42.4.1", "10.42.5.1"]) {
    const packet = udp(["10.42.2.9", holder], randomBytes(random, 20));
    const datagram = bytesOf(hex("11 000000 f1e2d300 0000000000000001"), packet);
    assert.deepEqual(fix.takeIn(f, "own", datagram, fix.ENDPOINTS[0]), { "not-for-us": 1 });
    assert.deepEqual(fix.sendOut(f, packet), { "not-ours": 1, "icmp-sent": 1 });
  }
  assert.equal(Object.values(f.sockets).reduce((sum, { sent }) => sum + sent.length, 0), 0);
});
