import assert from "node:assert/strict";
import { test } from "node:test";
import * as fix from "../made/plane.ts";
import { DATA_LEN, DATA_PLAIN, encodeData } from "../../src/wire/data_header.ts";
import { encodeProbe, PROBE_LEN } from "../../src/wire/datagram.ts";
import { bytesOf, udp } from "../made/packets.ts";

const OUT = udp(["10.42.1.5", "10.42.2.9"], new Uint8Array(9));

test("attached descriptors are watched as what they are, and TUN no more once detached", () => {
  const f = fix.fixture();
  assert.deepEqual([...f.watched], [[0, "own"], [1, "vxlan"], [2, "flannel"], [3, "tun"]]);
  f.dataPlane.apply({ kind: "detachTun" });
  assert.deepEqual([...f.watched.keys()], [0, 1, 2]);
  f.dataPlane.apply({ kind: "detachTun" });
  f.tun.waiting.push(OUT);
  assert.equal(f.dataPlane.pump("tun", 1), 0);
});

test("a socket attached after its peers knows their endpoints", () => {
  const f = fix.fixture();
  f.dataPlane.apply({ kind: "attachSocket", role: "own", family: 4, sockets: [{ fd: 0, sendFd: 0 }] });
  f.tun.waiting.push(OUT);
  f.dataPlane.pump("tun", 1);
  assert.equal(f.sockets.own.sent[0]!.to, fix.ENDPOINTS[0]);
});

test("an IPv6 endpoint on an IPv4 socket is a refused send", () => {
  const f = fix.fixture();
  f.dataPlane.apply({ kind: "attachSocket", role: "own", family: 4, sockets: [{ fd: 0, sendFd: 0 }] });
  const tunnel = {
    encapsulation: "data" as const,
    endpoint: "[fd00::2]:8473",
    ownPort: "[fd00::2]:8473",
    mtu: 1400,
    sendIndex: 1,
    receiveIndex: 256,
    vni: 0,
    mac: "",
  };
  f.dataPlane.apply({ kind: "setPeer", slot: fix.DATA_SLOT, tunnel });
  assert.deepEqual(fix.sendOut(f, OUT), { sent: 1, "send-failed": 1 });
});

test("setOwn takes back the subnets that it no longer names", () => {
  const f = fix.fixture();
  const own = {
    networks: ["10.42.0.0/16"],
    subnets: ["10.42.8.0/24"],
    address: "10.42.8.0",
    mac: fix.OWN_MAC,
    mtu: 1400,
  };
  f.dataPlane.apply({ kind: "setOwn", own });
  assert.deepEqual(fix.sendOut(f, OUT), { "not-ours": 1, "icmp-sent": 1 });
  assert.deepEqual(fix.sendOut(f, udp(["10.42.8.1", "10.42.2.9"], new Uint8Array(9))), { sent: 1 });
});

test("dropRoute ends what addRoute began", () => {
  const f = fix.fixture();
  f.dataPlane.apply({ kind: "dropRoute", prefix: "10.42.2.0/24" });
  assert.deepEqual(fix.sendOut(f, OUT), { "no-route": 1, "icmp-sent": 1 });
  f.dataPlane.apply({ kind: "dropRoute", prefix: "10.42.2.0/24" });
  f.dataPlane.apply({ kind: "addRoute", prefix: "10.42.2.9/32", slot: fix.FLANNEL_SLOT });
  fix.sendOut(f, OUT);
  assert.deepEqual(f.sockets.flannel.sent[0]!.bytes, OUT);
});

test("apply() throws TypeError for a route that is no prefix, and stops when told", () => {
  const f = fix.fixture();
  assert.throws(() => f.dataPlane.apply({ kind: "addRoute", prefix: "10.42.2.1/24", slot: 0 }), TypeError);
  assert.equal(f.dataPlane.stopped, false);
  f.dataPlane.apply({ kind: "stop" });
  assert.equal(f.dataPlane.stopped, true);
});

const IN = udp(["10.42.2.9", "10.42.1.5"], new Uint8Array(9).fill(7));

/** IN as data for lane 0. */
function arriving(): Uint8Array {
  const header = new Uint8Array(DATA_LEN);
  encodeData(header, 0, DATA_PLAIN, 0, fix.RECEIVE_INDEX, 1);
  return bytesOf(header, IN);
}

/** A probe of peer 0, which is answered. */
function question(): Uint8Array {
  const probe = new Uint8Array(PROBE_LEN);
  encodeProbe(probe, 0, fix.RECEIVE_INDEX, 1, 2, 3);
  return probe;
}

test("while a batch from TUN waits for room, datagrams come in and the batch stays as it was read", () => {
  const f = fix.fixture();
  const own = f.sockets.own;
  const flush = own.flush.bind(own);
  const meanwhile: boolean[] = [];
  own.flush = () => {
    own.flush = () => 0; // as of a socket whose batch is leaving
    for (let i = 0; i < 3; i++) {
      for (let n = 0; n < 64; n++) own.arrive(arriving(), fix.ENDPOINTS[0]);
      meanwhile.push(f.dataPlane.pumpMeanwhile("own", 2));
    }
    own.flush = flush;
    return flush();
  };
  const packets = Array.from(
    { length: 64 },
    (_, i) => udp(["10.42.1.5", "10.42.2.9"], new Uint8Array(100).fill(i)),
  );
  f.tun.waiting.push(...packets);
  assert.equal(f.dataPlane.pump("tun", 1), 64);
  assert.deepEqual(meanwhile, [true, true, true]);
  assert.equal(f.counts()["delivered"], 192);
  assert.deepEqual(own.sent.map(({ bytes }) => bytes.slice(DATA_LEN)), packets);
});

test("nothing is received in between while an answer waits for room, or nothing waits", () => {
  const f = fix.fixture();
  assert.equal(f.dataPlane.pumpMeanwhile(null, 1), false);
  const own = f.sockets.own;
  const meanwhile: boolean[] = [];
  const flush = own.flush.bind(own);
  own.flush = () => {
    if (meanwhile.length === 1) own.arrive(question(), fix.ENDPOINTS[0]);
    meanwhile.push(f.dataPlane.pumpMeanwhile(meanwhile.length === 0 ? null : "own", 2));
    return flush();
  };
  own.arrive(question(), fix.ENDPOINTS[0]);
  f.dataPlane.pump("own", 1);
  assert.deepEqual(meanwhile, [false]);
  f.tun.waiting.push(OUT);
  f.dataPlane.pump("tun", 1);
  assert.deepEqual(
    meanwhile,
    [false, false, true],
    "the batch waits, the answers of what came meanwhile do not",
  );
});
