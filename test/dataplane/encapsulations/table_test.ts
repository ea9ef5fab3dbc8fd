import assert from "node:assert/strict";
import { test } from "node:test";
import { ENCAPSULATORS, PORTS } from "../../../src/dataplane/encapsulations/table.ts";
import { SOCKET_ROLES } from "../../../src/ports/devices.ts";
import { type Encapsulation, payloadOverhead } from "../../../src/wire/overhead.ts";
import { udp } from "../../made/packets.ts";
import { fixture, sendOut } from "../../made/plane.ts";
import { leave, sealedPair } from "../../made/sealed_pair.ts";

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
