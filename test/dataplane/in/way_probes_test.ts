/**
 * Probes of a way of data at the data plane: what comes as VXLAN is answered as VXLAN, no longer than it was; a direct
 * route's is handed up; and a peer of a VXLAN mesh is understood by either port.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressToU32, parseAddress, parseMac } from "../../../src/wire/address.ts";
import {
  decodeProbe,
  encodeWayProbe,
  PROBE_LEN,
  PROBE_WAY_ANSWER,
  PROBE_WAY_ASK,
  probeNonceHigh,
} from "../../../src/wire/datagram.ts";
import { decodeIpv4, ipv4Destination, ipv4HeaderOk, ipv4Source } from "../../../src/wire/ipv4.ts";
import { decodeIpv6 } from "../../../src/wire/ipv6.ts";
import { VXLAN_PROBE_AT, vxlanProbe, wayProbeAt } from "../../../src/wire/way_probe.ts";
import * as fix from "../../made/plane.ts";
import { bytesOf, udp } from "../../made/packets.ts";
import { hex } from "../../made/seeded.ts";

const FLOW = "192.168.1.3:51234";
const PACKET_AT = 22;
const u32 = (text: string) => addressToU32(parseAddress(text)!);

function probe(kind: number, nonce = 7): Uint8Array {
  const b = new Uint8Array(PROBE_LEN);
  encodeWayProbe(b, 0, kind, 0, nonce, 8);
  return b;
}

function question(
  length = 0,
  change: Partial<Parameters<typeof vxlanProbe>[0]> = {},
  kind = PROBE_WAY_ASK,
): Uint8Array {
  const ends = {
    vni: 1,
    sourceMac: parseMac("02:00:0a:2a:03:00")!,
    targetMac: parseMac(fix.OWN_MAC)!,
    source: parseAddress("10.42.3.0")!,
    target: parseAddress("10.42.1.0")!,
  };
  return vxlanProbe({ ...ends, ...change }, probe(kind), length);
}

test("A VXLAN probe is answered as VXLAN, ends swapped, and never longer than it was", () => {
  for (const length of [0, 200, 1472]) {
    const f = fix.fixture();
    const asked = question(length);
    assert.equal(asked.length, Math.max(length, VXLAN_PROBE_AT + PROBE_LEN));
    assert.deepEqual(fix.takeIn(f, "vxlan", asked, FLOW), { "probe-answered": 1 });
    const [answer] = f.sockets.vxlan.sent;
    assert.equal(answer!.to, fix.ENDPOINTS[1]);
    const b = answer!.bytes;
    assert.equal(b.length, VXLAN_PROBE_AT + PROBE_LEN);
    assert.equal(wayProbeAt(b, PACKET_AT, b.length), VXLAN_PROBE_AT);
    assert.equal(decodeProbe(b, VXLAN_PROBE_AT, b.length), PROBE_WAY_ANSWER);
    assert.equal(probeNonceHigh(b, VXLAN_PROBE_AT), 7);
    assert.ok(decodeIpv4(b, PACKET_AT, b.length) === 20 && ipv4HeaderOk(b, PACKET_AT));
    assert.deepEqual([ipv4Source(b, PACKET_AT), ipv4Destination(b, PACKET_AT)].map((a) => a >>> 0), [
      u32("10.42.1.0"),
      u32("10.42.3.0"),
    ]);
    assert.deepEqual([...b.subarray(8, 20)], [...asked.subarray(14, 20), ...asked.subarray(8, 14)]);
    assert.equal(f.tun.written.length, 0);
  }
});

test("A VXLAN probe counts only from its peer, with its VNI, for our lease; an answer is handed up", () => {
  const f = fix.fixture();
  assert.deepEqual(fix.takeIn(f, "vxlan", question(), "192.168.1.66:8472"), { spoofed: 1 });
  assert.deepEqual(fix.takeIn(f, "vxlan", question(0, { vni: 2 }), FLOW), { "wrong-vni": 1 });
  assert.deepEqual(fix.takeIn(f, "vxlan", question(0, { source: parseAddress("10.42.9.0")! }), FLOW), {
    spoofed: 1,
  });
  assert.deepEqual(fix.takeIn(f, "vxlan", question(0, { target: parseAddress("10.42.2.0")! }), FLOW), {
    "not-for-us": 1,
  });
  assert.deepEqual(fix.takeIn(f, "vxlan", question(0, {}, PROBE_WAY_ANSWER), FLOW), { "handed-up": 1 });
  assert.equal(f.sockets.vxlan.sent.length, 0);
  const event = f.events.at(-1)!;
  assert.ok(event.kind === "datagram" && event.bytes.length === PROBE_LEN && event.from === FLOW);
});

test("A probe by a direct route is handed up, without its padding", () => {
  const f = fix.fixture();
  const asked = bytesOf(probe(PROBE_WAY_ASK), new Uint8Array(1000));
  assert.deepEqual(fix.takeIn(f, "own", asked, "10.42.2.0:8473"), { "handed-up": 1 });
  const event = f.events.at(-1)!;
  assert.ok(event.kind === "datagram" && event.bytes.length === PROBE_LEN && event.from === "10.42.2.0:8473");
  assert.equal(f.sockets.own.sent.length, 0);
});

test("A peer of a plain VXLAN mesh is understood by VXLAN and by the data header, whichever we send it", () => {
  const packet = udp(["10.42.3.9", "10.42.1.5"], new Uint8Array(20));
  const framed = bytesOf(hex("08 000000 000001 00 02000a2a0100 02000a2a0300 0800"), packet);
  const headed = bytesOf(hex("11 000000 0a0b0c00 0000000000000001"), packet);
  for (const encapsulation of ["vxlan", "data"] as const) {
    const f = fix.fixture();
    const tunnel = {
      encapsulation,
      endpoint: encapsulation === "vxlan" ? "192.168.1.3:8472" : "192.168.1.3:8473",
      ownPort: "192.168.1.3:8473",
      ...(encapsulation === "vxlan" ? {} : { vxlanPort: "192.168.1.3:8472" }),
      mtu: 1400,
      sendIndex: 0x700,
      receiveIndex: 0x0a0b0c00,
      vni: 1,
      mac: fix.VTEP_MAC,
    };
    f.dataPlane.apply({ kind: "setPeer", slot: fix.VXLAN_SLOT, tunnel });
    assert.deepEqual(fix.takeIn(f, "vxlan", framed, FLOW), { delivered: 1 });
    assert.deepEqual(fix.takeIn(f, "own", headed, "192.168.1.3:8473"), { delivered: 1 });
    assert.deepEqual(fix.takeIn(f, "own", headed, "192.168.1.66:8473"), { "wrong-endpoint": 1 });
    // Where both sides had given up on that port, each is to hear that it is open again.
    assert.deepEqual(fix.takeIn(f, "vxlan", question(), FLOW), { "probe-answered": 1 });
    assert.equal(f.sockets.vxlan.sent.at(-1)!.to, "192.168.1.3:8472");
  }
});

test("A peer of a mesh without VXLAN is not heard by it", () => {
  const f = fix.fixture();
  const packet = udp(["10.42.2.9", "10.42.1.5"], new Uint8Array(20));
  const framed = bytesOf(hex("08 000000 000000 00 02000a2a0100 02000a2a0300 0800"), packet);
  assert.deepEqual(fix.takeIn(f, "vxlan", framed, fix.ENDPOINTS[0]), { spoofed: 1 });
});

test("A VXLAN probe of IPv6 is answered likewise, for a mesh without IPv4", () => {
  for (const length of [0, 1472]) {
    const f = fix.fixture();
    const ends = { source: parseAddress("fd42:3::9")!, target: parseAddress("fd42:1::9")! };
    const asked = question(length, ends);
    assert.equal(wayProbeAt(asked, PACKET_AT, asked.length), VXLAN_PROBE_AT + 20);
    assert.deepEqual(fix.takeIn(f, "vxlan", asked, FLOW), { "probe-answered": 1 });
    const b = f.sockets.vxlan.sent[0]!.bytes;
    const at = VXLAN_PROBE_AT + 20;
    assert.equal(b.length, at + PROBE_LEN);
    assert.equal(decodeIpv6(b, PACKET_AT, b.length), 40);
    assert.equal(wayProbeAt(b, PACKET_AT, b.length), at);
    assert.equal(decodeProbe(b, at, b.length), PROBE_WAY_ANSWER);
    assert.deepEqual([...b.subarray(PACKET_AT + 8, PACKET_AT + 40)], [...ends.target, ...ends.source]);
    assert.deepEqual(
      fix.takeIn(f, "vxlan", question(0, { ...ends, source: parseAddress("fd42:9::9")! }), FLOW),
      {
        spoofed: 1,
      },
    );
    const elsewhere = question(0, { ...ends, target: parseAddress("fd42:2::9")! });
    assert.deepEqual(fix.takeIn(f, "vxlan", elsewhere, FLOW), { "not-for-us": 1 });
  }
});
