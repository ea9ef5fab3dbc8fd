import assert from "node:assert/strict";
import { test } from "node:test";
import { ENCAPSULATORS, PORTS } from "../../../src/dataplane/encapsulations/table.ts";
import { SOCKET_ROLES } from "../../../src/ports/devices.ts";
import { type Encapsulation, payloadOverhead } from "../../../src/wire/overhead.ts";
import { udp } from "../../made/packets.ts";
import { type Fixture, fixture, MTU, sendOut, VNI, VTEP_MAC } from "../../made/plane.ts";
import { leave, sealedPair } from "../../made/sealed_pair.ts";
import { WAITING_TUNNEL } from "../../../src/control/paths/tunnels.ts";
import { MAX_WAITING_MS } from "../../../src/dataplane/tables/waiting.ts";
import type { Tunnel } from "../../../src/ports/planes.ts";
import { DATA_LEN } from "../../../src/wire/data_header.ts";
import { VXLAN_LEN } from "../../../src/wire/vxlan.ts";
import { ETHERNET_LEN } from "../../../src/wire/ethernet.ts";

const SLOTS = { data: 2, vxlan: 3, flannel: 4 };

/** The one datagram that a packet leaves as, by this port. */
function datagramOf(encapsulation: Encapsulation, packet: (subnet: number) => Uint8Array): Uint8Array {
  if (encapsulation === "sealed") {
    const { a } = sealedPair();
    a.tun.waiting.push(packet(2));
    return leave(a)[0]!.bytes;
  }
  const f = fixture();
  sendOut(f, packet(SLOTS[encapsulation]));
  for (const role of SOCKET_ROLES) {
    assert.equal(f.sockets[role].sent.length, role === ENCAPSULATORS[encapsulation]!.role ? 1 : 0, role);
  }
  return f.sockets[ENCAPSULATORS[encapsulation]!.role].sent[0]!.bytes;
}

for (const encapsulation of Object.keys(ENCAPSULATORS) as (keyof typeof ENCAPSULATORS)[]) {
  if (encapsulation === "none" || encapsulation === "waiting") continue;

  test(`${encapsulation} adds as many bytes as MTUs count on, by its own port and no other`, () => {
    const payload = new Uint8Array(100).fill(7);
    const packet = (subnet: number) => udp(["10.42.1.5", `10.42.${subnet}.5`], payload);
    assert.equal(
      datagramOf(encapsulation, packet).length,
      packet(2).length + payloadOverhead(encapsulation),
    );
  });
}

test("what is not reached by us has no encapsulator, and every port takes what arrives", () => {
  assert.equal(ENCAPSULATORS.none, null);
  assert.deepEqual(Object.keys(PORTS).sort(), [...SOCKET_ROLES].sort());
});

// ----------------------------------------------------------------------------------------------------
// Packets to a peer without a link: they wait, the link is asked for, and they leave with the tunnel that it makes.

const SLOT = 0;
const ENDPOINT = "192.168.1.2:8473";
const packet = (n: number) => udp(["10.42.1.5", "10.42.2.5"], Uint8Array.of(n, 2, 3, 4));
const plain = { endpoint: ENDPOINT, ownPort: ENDPOINT, mtu: MTU, sendIndex: 0x100, receiveIndex: 0x200 };
const DATA: Tunnel = { ...plain, encapsulation: "data", vni: 0, mac: "" };
const VXLAN: Tunnel = {
  ...plain,
  encapsulation: "vxlan",
  endpoint: "192.168.1.2:8472",
  vni: VNI,
  mac: VTEP_MAC,
};

function idle(): Fixture {
  const f = fixture();
  f.dataPlane.apply({ kind: "setPeer", slot: SLOT, tunnel: WAITING_TUNNEL });
  return f;
}

const sent = (f: Fixture) => [...f.sockets.own.sent, ...f.sockets.vxlan.sent];

for (const [tunnel, header] of [[DATA, DATA_LEN], [VXLAN, VXLAN_LEN + ETHERNET_LEN]] as const) {
  test(`packets to a peer without a link leave in their order once it has a tunnel, ${tunnel.encapsulation}`, () => {
    const f = idle();
    for (const n of [1, 2, 3]) assert.deepEqual(sendOut(f, packet(n), 1000 + n), {});
    assert.deepEqual(f.events, [{ kind: "sessionWanted", slot: SLOT }], "asked for once");
    assert.deepEqual(sent(f), []);
    f.dataPlane.apply({ kind: "setPeer", slot: SLOT, tunnel }, 1100);
    assert.deepEqual(sent(f).map(({ bytes }) => bytes[header + 28]), [1, 2, 3]);
    assert.equal(f.counts()["sent"], 3);
    assert.deepEqual(sendOut(f, packet(4), 1200), { sent: 1 });
  });
}

test("a link that does not come is asked for twice a second, and what waited ten seconds for it is dropped", () => {
  const f = idle();
  sendOut(f, packet(1), 1000);
  sendOut(f, packet(2), 1400);
  assert.equal(f.events.length, 1);
  sendOut(f, packet(3), 1500);
  assert.equal(f.events.length, 2);
  assert.equal(sendOut(f, packet(4), 1400 + MAX_WAITING_MS)["no-session"], 2);
  f.dataPlane.apply({ kind: "dropPeer", slot: SLOT }, 20_000);
  assert.equal(f.counts()["no-session"], 4);
});

test("a link that is let go lets packets wait again", () => {
  const f = fixture();
  assert.deepEqual(sendOut(f, packet(1)), { sent: 1 });
  f.dataPlane.apply({ kind: "setPeer", slot: SLOT, tunnel: WAITING_TUNNEL });
  assert.deepEqual(sendOut(f, packet(2)), {});
  f.dataPlane.apply({ kind: "setPeer", slot: SLOT, tunnel: DATA });
  assert.equal(sent(f).length, 2);
});
