/**
 * What the data plane answers by itself is never longer than the question: cookies, probes, ARP; and nothing else is
 * answered. What the control plane answers is in test/sim/amplification_test.ts.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { nodeHmac, stampHandshake } from "../../../src/crypto/handshake_mac.ts";
import { Counters } from "../../../src/dataplane/tables/counters.ts";
import { DataPlane } from "../../../src/dataplane/dataplane.ts";
import { GATE_LIMITS } from "../../../src/dataplane/tables/handshake_gate.ts";
import { socketSlots } from "../../../src/dataplane/packet/packet_memory.ts";
import type { SocketRole } from "../../../src/ports/devices.ts";
import { encodeData } from "../../../src/wire/data_header.ts";
import { encodeProbe } from "../../../src/wire/datagram.ts";
import { encodeHandshake, IK1, IK2, XX1, XX2, XX3 } from "../../../src/wire/handshake.ts";
import { MemorySocket } from "../../fakes/memory_socket.ts";
import { MemoryTun } from "../../fakes/memory_tun.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";
import * as pair from "../../made/sealed_pair.ts";
import * as f from "../../made/plane.ts";

const KEY = new Uint8Array(32).fill(1);
const STRANGER = "10.99.0.1:4000";
const random = new SeededRandom(8);

let made = 0;

function handshake(message: number, noiseLength: number, version = 1): Uint8Array {
  const noise = random.bytes(noiseLength);
  const b = encodeHandshake({ message, sender: ++made * 256, receiver: 0, keyId: 1, noise });
  b[1] = version;
  stampHandshake(nodeHmac, KEY, b, null);
  return b;
}

test("Under load no handshake is answered with more than it has, however short, and cookies are handed out", () => {
  const counters = new Counters();
  let socket: MemorySocket | undefined;
  const dataPlane = new DataPlane({
    tun: (_fd, pool) => new MemoryTun(pool),
    socket: (_opened, role, pool) => socket = new MemorySocket(pool, socketSlots(role)),
    watch: () => {},
    unwatch: () => {},
    gate: { hmac: nodeHmac, random },
  }, { counters, handUp: () => {} });
  dataPlane.apply({ kind: "attachSocket", role: "own", family: 6, sockets: [{ fd: 1, sendFd: 1 }] });
  dataPlane.apply({ kind: "setGate", macKeys: [KEY.slice()] });
  const ask = (bytes: Uint8Array) => {
    socket!.sent.length = 0;
    socket!.arrive(bytes, STRANGER);
    dataPlane.pump("own", 1000);
    return socket!.sent.reduce((sum, datagram) => sum + datagram.bytes.length, 0);
  };
  for (let i = 0; i <= GATE_LIMITS.calm; i++) ask(handshake(IK1, 200));
  const before = counters.events()["cookie-sent"]!;
  let cookies = 0;
  for (const message of [XX1, XX2, XX3, IK1, IK2, 9]) {
    for (const length of [0, 1, 15, 16, 17, 31, 32, 48, 100, 500]) {
      const bytes = handshake(message, length);
      const answer = ask(bytes.slice());
      assert.ok(answer <= bytes.length, `message ${message} of ${bytes.length} bytes: ${answer}`);
      if (answer > 0) cookies++;
    }
  }
  assert.ok(cookies >= 15, `${cookies} cookies`);
  assert.equal(counters.events()["cookie-sent"], before + cookies);
});

test("Of what comes to a plain node, only a probe of a peer is answered, and in no more than its own length", () => {
  const x = f.fixture();
  const answers = (role: SocketRole, bytes: Uint8Array, from: string) => {
    for (const socket of Object.values(x.sockets)) socket.sent.length = 0;
    f.takeIn(x, role, bytes, from);
    return Object.values(x.sockets).flatMap(({ sent }) => sent.map((datagram) => datagram.bytes.length));
  };
  for (const from of [STRANGER, f.ENDPOINTS[0], f.ENDPOINTS[1], f.ENDPOINTS[2]]) {
    for (const index of [f.RECEIVE_INDEX, 0x77777700]) {
      for (const length of [0, 1, 8, 16, 31, 32, 33, 64, 160, 1232]) {
        for (let type = 0; type < 256; type++) {
          const bytes = new Uint8Array(Math.max(length, 32));
          encodeProbe(bytes, 0, index, 1, 2, 3);
          if (type >> 4 === 1) encodeData(bytes, 0, type & 15, 0, index, 1);
          const question = bytes.slice(0, length);
          if (length > 0) question[0] = type;
          const answer = answers("own", question, from);
          const isProbe = type === 0x30 && length >= 32 && index === f.RECEIVE_INDEX &&
            from === f.ENDPOINTS[0];
          assert.deepEqual(answer, isProbe ? [32] : [], `type ${type} of ${length} bytes from ${from}`);
        }
        for (const role of ["vxlan", "flannel"] as const) {
          const total = answers(role, random.bytes(length), from).reduce((sum, n) => sum + n, 0);
          assert.ok(total <= length);
        }
      }
    }
  }
});

test("Of what comes to a sealed node and is not sealed by its peer, nothing is answered", () => {
  const { b } = pair.sealedPair();
  for (const from of [STRANGER, pair.HOME.a]) {
    for (const index of [pair.indexOf("b", 1), 0x77777700]) {
      for (const length of [1, 8, 16, 32, 33, 48, 80, 160, 1232]) {
        for (let type = 0; type < 256; type++) {
          const bytes = new Uint8Array(Math.max(length, 32));
          encodeProbe(bytes, 0, index, 1, 2, 3);
          if (type >> 4 === 1) encodeData(bytes, 0, type & 15, 0, index, 1);
          const question = bytes.slice(0, length);
          question[0] = type;
          pair.arrive(b, [question], { from });
          assert.deepEqual(b.socket.sent.length, 0, `type ${type} of ${length} bytes from ${from}`);
        }
      }
    }
  }
});
