import assert from "node:assert/strict";
import { test } from "node:test";
import { BATCH, type SocketRole } from "../../../src/ports/devices.ts";
import type { DataplaneEvent } from "../../../src/ports/planes.ts";
import { below, hex, randomBytes, seeded } from "../../made/seeded.ts";
import * as fix from "../../made/plane.ts";
import {
  bytesOf,
  destinationOf,
  ipv4,
  naiveSum,
  pseudoSum,
  putWord,
  sourceOf,
  TCP,
  tcp,
  udp,
  word,
} from "../../made/packets.ts";
import { cut, PLAIN, single, superframe } from "../../made/superframes.ts";

const random = seeded(4711);
const HERE = "10.42.1.5";
const FROM_DATA: [string, string] = ["10.42.2.9", HERE];
const FROM_VXLAN: [string, string] = ["10.42.3.9", HERE];
const FROM_FLANNEL: [string, string] = ["10.42.4.9", HERE];
const [DATA_PEER, VXLAN_PEER, FLANNEL_PEER] = fix.ENDPOINTS;
/** VXLAN senders choose their source port by flow. */
const VXLAN_FLOW = "192.168.1.3:51234";
const STRANGER = "192.168.1.66:8473";
const NO_OFFLOAD = new Uint8Array(10);

/** A data datagram: plain, for the index that we gave the first peer, unless said otherwise. */
function data(packet: Uint8Array, head = "11 000000 f1e2d307 0000000000000001"): Uint8Array {
  return bytesOf(hex(head), packet);
}

function vxlan(
  packet: Uint8Array,
  head = "08 000000 000001 00",
  macs = "02000a2a0100 02000a2a0300",
): Uint8Array {
  return bytesOf(hex(head), hex(macs), packet[0]! >> 4 === 4 ? [8, 0] : [0x86, 0xdd], packet);
}

function arp(target: string, sender = "10.42.3.0", destination = "ffffffffffff"): Uint8Array {
  const ip = (text: string) => text.split(".").map(Number);
  const frame = hex(`08 ffffff 000001 ff ${destination} 02000a2a0300 0806`);
  const body = hex("0001 0800 06 04 0001 02000a2a0300");
  return bytesOf(frame, body, ip(sender), new Uint8Array(6), ip(target));
}

const PROBE = bytesOf(
  hex("30 01 00 07 f1e2d300 0102030405060708 1112131415161718"),
  new Uint8Array(8).fill(9),
);

test("inboundData() delivers the packet and counts it for its peer", () => {
  const f = fix.fixture();
  const packet = udp(FROM_DATA, randomBytes(random, 99));
  assert.deepEqual(fix.takeIn(f, "own", data(packet), DATA_PEER), { delivered: 1 });
  assert.deepEqual(f.tun.written, [{ vnet: NO_OFFLOAD, packet }]);
  const { rxPackets, rxBytes } = f.counters.peer(fix.DATA_SLOT);
  assert.deepEqual([rxPackets, rxBytes], [1, packet.length]);
  const six = tcp(["fd42:2::9", "fd42:1::5"], randomBytes(random, 99));
  assert.deepEqual(fix.takeIn(f, "own", data(six), DATA_PEER), { delivered: 1 });
  assert.deepEqual(f.tun.written[1]!.packet, six);
});

test("inboundData() cuts off the bytes behind the packet", () => {
  const f = fix.fixture();
  for (
    const packet of [udp(FROM_DATA, new Uint8Array(5)), udp(["fd42:2::9", "fd42:1::5"], new Uint8Array(5))]
  ) {
    assert.deepEqual(fix.takeIn(f, "own", data(bytesOf(packet, randomBytes(random, 40))), DATA_PEER), {
      delivered: 1,
    });
    assert.deepEqual(f.tun.written.pop()!.packet, packet);
  }
});

test("inboundData() finishes nothing but says so where the sender left the checksum partial", () => {
  const f = fix.fixture();
  const packet = tcp(FROM_DATA, randomBytes(random, 99), "wrong");
  assert.deepEqual(fix.takeIn(f, "own", data(packet, "15 000000 f1e2d300 0000000000000001"), DATA_PEER), {
    delivered: 1,
  });
  const { vnet, packet: got } = f.tun.written[0]!;
  assert.deepEqual(vnet, hex("01 00 0000 0000 1400 1000"));
  assert.equal(word(got, 36), pseudoSum(packet, TCP));
});

test("inboundData() drops a source outside the lease of its peer", () => {
  const f = fix.fixture();
  for (const source of ["10.42.3.1", "10.42.99.1", "192.168.1.2", HERE]) {
    assert.deepEqual(fix.takeIn(f, "own", data(udp([source, HERE], new Uint8Array(4))), DATA_PEER), {
      spoofed: 1,
    });
  }
  const six = udp(["fd42:3::1", "fd42:1::5"], new Uint8Array(4));
  assert.deepEqual(fix.takeIn(f, "own", data(six), DATA_PEER), { spoofed: 1 });
  assert.equal(f.tun.written.length, 0);
});

test("inboundData() drops what is not for us, multicast included", () => {
  const f = fix.fixture();
  for (const to of ["10.42.3.1", "10.42.2.1", "8.8.8.8", "224.0.0.1"]) {
    assert.deepEqual(fix.takeIn(f, "own", data(udp(["10.42.2.9", to], new Uint8Array(4))), DATA_PEER), {
      "not-for-us": 1,
    });
  }
});

test("inboundData() reports an index nobody holds, at most 20 times a second", () => {
  const f = fix.fixture();
  const lost = data(udp(FROM_DATA, new Uint8Array(4)), "11 000000 00000100 0000000000000001");
  for (let i = 0; i < 50; i++) {
    assert.deepEqual(fix.takeIn(f, "own", lost, STRANGER, 5000), { "no-session": 1 });
  }
  assert.deepEqual(f.events, Array.from({ length: 20 }, () => ({ kind: "unknownIndex", from: STRANGER })));
});

test("inboundData() takes an index only from its peer's endpoint, port included", () => {
  const f = fix.fixture();
  const packet = data(udp(FROM_DATA, new Uint8Array(4)), "11 000000 f1e2d300 0000000000000001");
  for (const from of [STRANGER, "192.168.1.2:8474", "[::1]:8473", fix.ENDPOINTS[3]]) {
    assert.deepEqual(fix.takeIn(f, "own", packet, from), { "wrong-endpoint": 1 });
  }
  // The peer moved, by a hello that the control plane judged.
  const tunnel = {
    encapsulation: "data" as const,
    endpoint: STRANGER,
    ownPort: STRANGER,
    mtu: 1400,
    sendIndex: 1,
    receiveIndex: fix.RECEIVE_INDEX,
    vni: 0,
    mac: "",
  };
  f.dataPlane.apply({ kind: "setPeer", slot: fix.DATA_SLOT, tunnel });
  assert.deepEqual(fix.takeIn(f, "own", packet, STRANGER), { delivered: 1 });
  f.dataPlane.apply({ kind: "dropPeer", slot: fix.DATA_SLOT });
  assert.deepEqual(fix.takeIn(f, "own", packet, STRANGER), { "no-session": 1 });
});

test("inboundData() drops sealed data, Ethernet frames and other networks", () => {
  const f = fix.fixture();
  const packet = udp(FROM_DATA, new Uint8Array(4));
  const heads = [
    ["10 000000 f1e2d300 0000000000000001", "no-session"],
    ["14 000000 f1e2d300 0000000000000001", "no-session"],
    ["19 000000 f1e2d300 0000000000000001", "wrong-vni"],
    ["11 000001 f1e2d300 0000000000000001", "wrong-vni"],
  ] as const;
  for (const [head, verdict] of heads) {
    assert.deepEqual(fix.takeIn(f, "own", data(packet, head), DATA_PEER), { [verdict]: 1 }, head);
  }
});

test("a TUN that refuses or is missing is counted", () => {
  const f = fix.fixture();
  f.tun.writeErrno = 5;
  const datagram = data(udp(FROM_DATA, new Uint8Array(4)));
  assert.deepEqual(fix.takeIn(f, "own", datagram, DATA_PEER), { "tun-write-failed": 1 });
  f.dataPlane.apply({ kind: "detachTun" });
  assert.deepEqual(fix.takeIn(f, "own", datagram, DATA_PEER), { "tun-write-failed": 1 });
  assert.equal(f.counters.peer(fix.DATA_SLOT).rxPackets, 2, "what came in is counted, whatever became of it");
});

test("inboundProbe() answers in place with the sender's index, never longer than the question", () => {
  const f = fix.fixture();
  for (const padding of [0, 1, 1400]) {
    assert.deepEqual(fix.takeIn(f, "own", bytesOf(PROBE, new Uint8Array(padding)), DATA_PEER), {
      "probe-answered": 1,
    });
    const { to, bytes } = f.sockets.own.sent.pop()!;
    assert.equal(to, DATA_PEER);
    assert.deepEqual(bytes, hex("30 01 01 00 89abcd00 0102030405060708 1112131415161718 0000000000000000"));
  }
  assert.deepEqual(f.events, []);
});

test("inboundProbe() answers nobody but the peer", () => {
  const f = fix.fixture();
  assert.deepEqual(fix.takeIn(f, "own", PROBE, STRANGER), { "wrong-endpoint": 1 });
  const unknown = PROBE.slice();
  unknown[4] = 0;
  assert.deepEqual(fix.takeIn(f, "own", unknown, DATA_PEER), { "no-session": 1 });
  const version = PROBE.slice();
  version[1] = 2;
  assert.deepEqual(fix.takeIn(f, "own", version, DATA_PEER), { malformed: 1 });
  assert.equal(f.sockets.own.sent.length, 0);
});

test("a whole batch of probes is answered, each with its own nonce; refused answers are counted", () => {
  const f = fix.fixture();
  for (let i = 0; i < BATCH; i++) {
    const probe = PROBE.slice();
    probe[15] = i;
    f.sockets.own.arrive(probe, DATA_PEER);
  }
  f.sockets.own.refuseNext = 3;
  assert.equal(f.dataPlane.pump("own", 1000), BATCH);
  assert.deepEqual(f.counts(), { "probe-answered": BATCH, "send-failed": 3 });
  assert.deepEqual(
    f.sockets.own.sent.map(({ bytes }) => bytes[15]),
    Array.from({ length: BATCH - 3 }, (_, i) => i + 3),
  );
});

test("every probe of a train is answered, also when the queue is shorter than the train", () => {
  const f = fix.fixture();
  f.sockets.own.capacity = 10;
  const probes = Array.from({ length: 60 }, (_, i) => {
    const probe = PROBE.slice();
    probe[8] = i;
    return probe;
  });
  f.sockets.own.arrive(bytesOf(...probes), DATA_PEER, PROBE.length);
  f.dataPlane.pump("own", 1000);
  assert.deepEqual(f.counts(), { "probe-answered": 60 });
  assert.deepEqual(f.sockets.own.sent.map(({ bytes }) => bytes[8]), probes.map((probe) => probe[8]));
});

test("a train of data, probes and gossip is taken apart datagram by datagram, the last one short", () => {
  const f = fix.fixture();
  const packet = udp(FROM_DATA, randomBytes(random, 100));
  const whole = data(packet);
  const probe = bytesOf(PROBE, new Uint8Array(whole.length - PROBE.length));
  const gossip = bytesOf([0x21], new Uint8Array(whole.length - 1));
  f.sockets.own.arrive(bytesOf(whole, probe, gossip, whole, [0x21, 7]), DATA_PEER, whole.length);
  f.dataPlane.pump("own", 1000);
  assert.deepEqual(f.counts(), { delivered: 2, "probe-answered": 1, "handed-up": 2 });
  assert.equal(f.sockets.own.sent.length, 1);
  const handed = f.events.map((event) => event.kind === "datagram" ? event.bytes : null);
  assert.deepEqual(handed, [gossip, Uint8Array.of(0x21, 7)]);
});

test("inboundVxlan() takes an inner UDP superframe for what it is, not for a train", () => {
  for (const v6 of [false, true]) {
    const f = fix.fixture();
    const ends: [string, string] = v6 ? ["fd42:3::9", "fd42:1::5"] : FROM_VXLAN;
    const frame = superframe({ ...PLAIN, udp: true, v6, ends, size: 1000, payload: 10_500 });
    const bytes = vxlan(frame.packet);
    f.sockets.vxlan.arrive(bytes, VXLAN_FLOW, 1000); // the kernel names the size of the inner datagrams
    const train = bytesOf(
      vxlan(udp(FROM_VXLAN, new Uint8Array(50))),
      vxlan(udp(FROM_VXLAN, new Uint8Array(50))),
    );
    f.sockets.vxlan.arrive(train, VXLAN_FLOW, train.length / 2);
    f.dataPlane.pump("vxlan", 1000);
    assert.deepEqual(f.tun.written[0], frame);
    assert.equal(f.counts().delivered, 3);
  }
});

test("hello, gossip, handshakes and answered probes are handed up as copies", () => {
  const f = fix.fixture();
  const answer = PROBE.slice();
  answer[2] = 1;
  const datagrams = [0x01, 0x02, 0x03, 0x20, 0x21].map((type) => bytesOf([type], randomBytes(random, 50)));
  datagrams.push(answer, Uint8Array.of(0x03));
  for (const bytes of datagrams) {
    assert.deepEqual(fix.takeIn(f, "own", bytes, "[fd00::66]:9000", 1234), { "handed-up": 1 });
  }
  f.dataPlane.plane.b.fill(0);
  const expected = datagrams.map((bytes): DataplaneEvent => ({
    kind: "datagram",
    bytes,
    from: "[fd00::66]:9000",
    at: 1234,
  }));
  assert.deepEqual(f.events, expected);
});

test("a flood of control datagrams reaches the control plane only as its rate allows", () => {
  const f = fix.fixture();
  const flood = (now: number) => {
    const before = f.events.length;
    for (let i = 0; i < 3000; i++) f.sockets.own.arrive(Uint8Array.of(0x21, i), STRANGER);
    while (f.dataPlane.pump("own", now) > 0);
    return f.events.length - before;
  };
  assert.equal(flood(10_000), 1000);
  assert.equal(flood(10_100), 400);
  assert.deepEqual(f.counts(), { "handed-up": 1400, "control-overload": 4600 });
});

test("every other first byte is counted as unknown, an empty datagram as malformed", () => {
  const f = fix.fixture();
  const known = [1, 2, 3, 0x20, 0x21, 0x30];
  for (let type = 0; type < 256; type++) {
    if (known.includes(type) || (type & 0xf0) === 0x10) continue;
    assert.deepEqual(fix.takeIn(f, "own", bytesOf([type], new Uint8Array(40)), DATA_PEER), {
      "unknown-type": 1,
    }, `${type}`);
  }
  for (const role of ["own", "vxlan", "flannel"] as const) {
    assert.deepEqual(fix.takeIn(f, role, new Uint8Array(0), DATA_PEER), { malformed: 1 });
  }
});

test("receive overflows of all sockets are shown as their sum", () => {
  const f = fix.fixture();
  f.sockets.own.overflowed = 5;
  f.sockets.vxlan.overflowed = 7;
  assert.deepEqual(fix.takeIn(f, "own", Uint8Array.of(0xff), STRANGER), {
    "unknown-type": 1,
    "receive-overflow": 12,
  });
});

test("inboundVxlan() delivers a frame for our MAC, whatever its source port", () => {
  const f = fix.fixture();
  const packet = udp(FROM_VXLAN, randomBytes(random, 50));
  assert.deepEqual(fix.takeIn(f, "vxlan", vxlan(packet), VXLAN_FLOW), { delivered: 1 });
  const six = tcp(["fd42:3::9", "fd42:1::5"], randomBytes(random, 50));
  assert.deepEqual(fix.takeIn(f, "vxlan", vxlan(six, "ff ffffff 000001 ff"), VXLAN_PEER), { delivered: 1 });
  assert.deepEqual(f.tun.written, [{ vnet: NO_OFFLOAD, packet }, { vnet: NO_OFFLOAD, packet: six }]);
});

test("inboundVxlan() cuts off the padding of short frames", () => {
  const f = fix.fixture();
  const packet = udp(FROM_VXLAN, new Uint8Array(1));
  const padded = bytesOf(packet, new Uint8Array(46 - packet.length));
  assert.deepEqual(fix.takeIn(f, "vxlan", vxlan(padded), VXLAN_FLOW), { delivered: 1 });
  assert.deepEqual(f.tun.written[0]!.packet, packet);
});

test("inboundVxlan() hands a superframe with a partial checksum to the kernel as segments", () => {
  const f = fix.fixture();
  const packet = tcp(FROM_VXLAN, randomBytes(random, 35_000), "partial");
  assert.deepEqual(fix.takeIn(f, "vxlan", vxlan(packet), VXLAN_FLOW), { delivered: 1 });
  assert.deepEqual(f.tun.written[0]!.vnet, hex("01 01 3400 4405 1400 1000")); // 52, 1348, 20, 16
  assert.equal(f.counters.peer(fix.VXLAN_SLOT).rxBytes, packet.length);
  const wrong = tcp(FROM_VXLAN, randomBytes(random, 35_000), "wrong");
  assert.deepEqual(fix.takeIn(f, "vxlan", vxlan(wrong), VXLAN_FLOW), { "bad-checksum": 1 });
});

test("inboundVxlan() drops another VNI, other MACs, other EtherTypes, a missing I flag", () => {
  const f = fix.fixture();
  const packet = udp(FROM_VXLAN, new Uint8Array(30));
  const cases: [Uint8Array, string][] = [
    [vxlan(packet, "08 000000 000002 00"), "wrong-vni"],
    [vxlan(packet, "08 000000 010001 00"), "wrong-vni"],
    [vxlan(packet, undefined, "02000a2a0101 02000a2a0300"), "not-for-us"],
    [vxlan(packet, undefined, "ffffffffffff 02000a2a0300"), "multicast"],
    [vxlan(packet, undefined, "01005e000001 02000a2a0300"), "multicast"],
    [vxlan(packet, "00 000000 000001 00"), "malformed"],
  ];
  const tagged = vxlan(packet);
  putWord(tagged, 20, 0x8100);
  cases.push([tagged, "malformed"]);
  for (const [datagram, verdict] of cases) {
    assert.deepEqual(fix.takeIn(f, "vxlan", datagram, VXLAN_FLOW), { [verdict]: 1 });
  }
});

test("inboundVxlan() drops a spoofed outer or inner address", () => {
  const f = fix.fixture();
  const packet = udp(FROM_VXLAN, new Uint8Array(30));
  assert.deepEqual(fix.takeIn(f, "vxlan", vxlan(packet), "192.168.1.66:8472"), { spoofed: 1 });
  for (const source of ["10.42.2.9", "10.42.4.9", "10.42.99.9", HERE]) {
    assert.deepEqual(fix.takeIn(f, "vxlan", vxlan(udp([source, HERE], new Uint8Array(3))), VXLAN_FLOW), {
      spoofed: 1,
    });
  }
  // A peer of the data header does not get in by VXLAN, from its own address either.
  assert.deepEqual(fix.takeIn(f, "vxlan", vxlan(udp(FROM_DATA, new Uint8Array(3))), "192.168.1.2:8472"), {
    spoofed: 1,
  });
  const elsewhere = udp(["10.42.3.9", "10.42.2.1"], new Uint8Array(3));
  assert.deepEqual(fix.takeIn(f, "vxlan", vxlan(elsewhere), VXLAN_FLOW), { "not-for-us": 1 });
});

test("inboundVxlan() answers ARP for every address of our lease", () => {
  const f = fix.fixture();
  for (
    const [target, destination] of [["10.42.1.0", "ffffffffffff"], ["10.42.1.77", "02000a2a0100"]] as const
  ) {
    const question = arp(target, "10.42.3.0", destination);
    assert.deepEqual(fix.takeIn(f, "vxlan", question, VXLAN_FLOW), { "arp-answered": 1 });
    const { to, bytes } = f.sockets.vxlan.sent.pop()!;
    assert.equal(to, VXLAN_PEER);
    const ip = target.split(".").map(Number);
    assert.deepEqual(
      bytes,
      bytesOf(
        hex("08 000000 000001 00 02000a2a0300 02000a2a0100 0806 0001 0800 06 04 0002 02000a2a0100"),
        ip,
        hex("02000a2a0300 0a2a0300"),
      ),
    );
    assert.equal(bytes.length, question.length);
  }
  const padded = bytesOf(arp("10.42.1.0"), new Uint8Array(18));
  assert.deepEqual(fix.takeIn(f, "vxlan", padded, VXLAN_FLOW), { "arp-answered": 1 });
});

test("inboundVxlan() answers ARP only to a known VTEP about our own addresses", () => {
  const f = fix.fixture();
  assert.deepEqual(fix.takeIn(f, "vxlan", arp("10.42.1.0"), "192.168.1.66:8472"), { spoofed: 1 });
  assert.deepEqual(fix.takeIn(f, "vxlan", arp("10.42.1.0", "10.42.2.0"), "192.168.1.2:8472"), { spoofed: 1 });
  assert.deepEqual(fix.takeIn(f, "vxlan", arp("10.42.1.0", "10.42.1.0"), VXLAN_FLOW), { spoofed: 1 });
  assert.deepEqual(fix.takeIn(f, "vxlan", arp("10.42.1.0", "0.0.0.0"), VXLAN_FLOW), { spoofed: 1 });
  for (const target of ["10.42.3.1", "10.42.2.0", "10.42.99.0", "8.8.8.8"]) {
    assert.deepEqual(fix.takeIn(f, "vxlan", arp(target), VXLAN_FLOW), { "not-for-us": 1 });
  }
  const vni = arp("10.42.1.0");
  vni[6] = 2;
  assert.deepEqual(fix.takeIn(f, "vxlan", vni, VXLAN_FLOW), { "wrong-vni": 1 });
  const reply = arp("10.42.1.0");
  reply[29] = 2;
  assert.deepEqual(fix.takeIn(f, "vxlan", reply, VXLAN_FLOW), { malformed: 1 });
  assert.equal(f.sockets.vxlan.sent.length, 0);
});

test("inboundFlannel() delivers the bare packet of the peer at that address", () => {
  const f = fix.fixture();
  const packet = udp(FROM_FLANNEL, randomBytes(random, 40));
  assert.deepEqual(fix.takeIn(f, "flannel", packet, FLANNEL_PEER), { delivered: 1 });
  assert.deepEqual(fix.takeIn(f, "flannel", bytesOf(packet, [0, 0]), "192.168.1.4:40000"), { delivered: 1 });
  assert.deepEqual(f.tun.written, [{ vnet: NO_OFFLOAD, packet }, { vnet: NO_OFFLOAD, packet }]);
  assert.deepEqual(fix.takeIn(f, "flannel", packet, STRANGER), { spoofed: 1 });
  assert.deepEqual(fix.takeIn(f, "flannel", udp(FROM_VXLAN, new Uint8Array(3)), "192.168.1.3:8285"), {
    spoofed: 1,
  });
  assert.deepEqual(fix.takeIn(f, "flannel", udp([HERE, HERE], new Uint8Array(3)), FLANNEL_PEER), {
    spoofed: 1,
  });
  assert.deepEqual(
    fix.takeIn(f, "flannel", udp(["10.42.4.1", "10.42.2.1"], new Uint8Array(3)), FLANNEL_PEER),
    {
      "not-for-us": 1,
    },
  );
});

interface Sample {
  readonly role: SocketRole;
  readonly from: string;
  readonly bytes: Uint8Array;
  readonly verdict: string;
}

const SAMPLES: readonly Sample[] = [
  {
    role: "own",
    from: DATA_PEER,
    bytes: data(udp(FROM_DATA, randomBytes(random, 30))),
    verdict: "delivered",
  },
  {
    role: "own",
    from: DATA_PEER,
    bytes: data(
      tcp(["fd42:2::9", "fd42:1::5"], randomBytes(random, 30)),
      "15 000000 f1e2d300 0000000000000002",
    ),
    verdict: "delivered",
  },
  { role: "own", from: DATA_PEER, bytes: PROBE, verdict: "probe-answered" },
  {
    role: "vxlan",
    from: VXLAN_FLOW,
    bytes: vxlan(udp(FROM_VXLAN, randomBytes(random, 30))),
    verdict: "delivered",
  },
  {
    role: "vxlan",
    from: VXLAN_FLOW,
    bytes: vxlan(tcp(["fd42:3::9", "fd42:1::5"], randomBytes(random, 30), "partial")),
    verdict: "delivered",
  },
  { role: "vxlan", from: VXLAN_FLOW, bytes: arp("10.42.1.0"), verdict: "arp-answered" },
  {
    role: "flannel",
    from: FLANNEL_PEER,
    bytes: udp(FROM_FLANNEL, randomBytes(random, 30)),
    verdict: "delivered",
  },
];

test("every kind of datagram cut at any length is malformed, also where an older one lies behind it", () => {
  const f = fix.fixture();
  for (const { role, from, bytes, verdict } of SAMPLES) {
    for (let length = 0; length < bytes.length; length++) {
      assert.deepEqual(fix.takeIn(f, role, bytes, from), { [verdict]: 1 });
      assert.deepEqual(
        fix.takeIn(f, role, bytes.slice(0, length), from),
        { malformed: 1 },
        `${role}, ${length} bytes`,
      );
    }
  }
});

for (const role of ["own", "vxlan", "flannel"] as const) {
  test(`20,000 random and mutated datagrams on the ${role} port throw nothing and are counted once each`, () => {
    const f = fix.fixture();
    const seed = seeded(1000 + role.length);
    const samples = SAMPLES.filter((sample) => sample.role === role);
    if (role === "vxlan") {
      // A superframe, so that damaged ones are met.
      samples.push({
        role,
        from: VXLAN_FLOW,
        bytes: vxlan(tcp(FROM_VXLAN, randomBytes(seed, 1500))),
        verdict: "",
      });
    }
    const sources = [STRANGER, VXLAN_PEER, "[fd00::1]:1"];
    let total = 0, answers = 0;
    for (let round = 0; round < 320; round++) {
      for (let i = 0; i < BATCH; i++, total++) {
        const sample = samples[below(seed, samples.length)]!;
        let bytes: Uint8Array = sample.bytes.slice();
        const kind = below(seed, 8);
        if (kind === 0) bytes = randomBytes(seed, below(seed, 120));
        else if (kind === 1) bytes = bytes.slice(0, below(seed, bytes.length));
        else if (kind === 2) bytes = bytesOf(bytes, randomBytes(seed, below(seed, 50)));
        if (kind > 1) {
          for (let n = below(seed, 4); n > 0; n--) {
            bytes[below(seed, Math.min(100, bytes.length))] = below(seed, 256);
          }
        }
        f.sockets[role].arrive(bytes, below(seed, 5) === 0 ? sources[below(seed, 3)]! : sample.from);
      }
      f.tun.writeErrno = round % 10 === 9 ? 22 : 0;
      assert.equal(f.dataPlane.pump(role, round * 50), BATCH);
      assert.equal(f.counted(), total);
      for (const { vnet, packet } of f.tun.written.splice(0)) {
        const lease = role === "own" ? 2 : role === "vxlan" ? 3 : 4;
        assert.match(
          sourceOf(packet),
          new RegExp(`^(10\\.42\\.${lease}\\.|fd42:${lease}::|fd42:${lease}:0:0:)`),
        );
        assert.match(destinationOf(packet), /^(10\.42\.1\.|fd42:1::|fd42:1:0:0:)/);
        if (vnet[1] !== 0) assert.ok(vnet[4]! + 256 * vnet[5]! < fix.MTU);
      }
      for (const { slot, bytes } of f.sockets[role].sent.splice(0)) {
        answers++;
        assert.equal(slot, role === "own" ? fix.DATA_SLOT : fix.VXLAN_SLOT);
        assert.equal(bytes.length, role === "own" ? PROBE.length : 50);
      }
    }
    assert.ok(total >= 20_000);
    assert.ok(f.counts()["delivered"]! > 1000 && f.counts()["malformed"]! > 1000);
    assert.equal(answers > 0, role !== "flannel");
    assert.equal(f.tun.written.length, 0);
  });
}

test("a fragment is delivered without touching its bytes", () => {
  const f = fix.fixture();
  const packet = ipv4(FROM_VXLAN, 17, randomBytes(random, 800), { fragment: 0x2000 });
  assert.deepEqual(fix.takeIn(f, "vxlan", vxlan(packet), VXLAN_FLOW), { delivered: 1 });
  assert.deepEqual(f.tun.written, [{ vnet: NO_OFFLOAD, packet }]);
  assert.equal(naiveSum(packet.subarray(0, 20)), 0xffff);
});

test("a peer cannot go on with the flow of another behind a packet of its own", () => {
  const f = fix.fixture();
  // Its index as a vnet header would overwrite it: then the header of what went to TUN looks as it came.
  const tunnel = { endpoint: fix.ENDPOINTS[3], ownPort: fix.ENDPOINTS[3], mtu: fix.MTU, vni: 0, mac: "" };
  f.dataPlane.apply({
    kind: "setPeer",
    slot: fix.SMALL_SLOT,
    tunnel: { ...tunnel, encapsulation: "data", sendIndex: 0x500, receiveIndex: 0x00050000 },
  });
  const shape = { ...PLAIN, ends: ["10.42.2.9", "10.42.1.5"] as [string, string], payload: 2 * PLAIN.size };
  const [first, second] = cut(superframe(shape));
  // From the fourth peer: a SYN of its own, as long as the others, then the other peer's next segment.
  const own = single({ ...PLAIN, ends: ["10.42.5.9", "10.42.1.5"], payload: PLAIN.size, flags: 0x12 });
  f.sockets.own.arrive(bytesOf(hex("11 000000 f1e2d300 0000000000000001"), first!), fix.ENDPOINTS[0]);
  const head = hex("11 000000 00050000 0000000000000001");
  const train = bytesOf(head, own, head, second!);
  f.sockets.own.arrive(train, fix.ENDPOINTS[3], train.length / 2);
  f.dataPlane.pump("own", 1000);
  assert.deepEqual(f.counts(), { delivered: 2, spoofed: 1 });
});
