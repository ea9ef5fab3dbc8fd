/** One Worker of several: what it takes for its own, what it stamps, whom it believes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DATA_LEN, DATA_PLAIN, dataIndex, encodeData } from "../../src/wire/data_header.ts";
import * as fix from "../made/plane.ts";
import { bytesOf, udp } from "../made/packets.ts";

const OFFLOADS = { tso: true, uso: true };
const IN = udp(["10.42.2.9", "10.42.1.5"], new Uint8Array(9));
const OUT = udp(["10.42.1.5", "10.42.2.9"], new Uint8Array(9));
const OTHER_PORT = "192.168.1.2:50123";
const OTHER_HOST = "192.168.1.9:8473";

function data(lane: number): Uint8Array {
  const header = new Uint8Array(DATA_LEN);
  encodeData(header, 0, DATA_PLAIN, 0, fix.RECEIVE_INDEX | lane, 1);
  return bytesOf(header, IN);
}

test("a worker takes the lanes that are its own and no other, whatever the number of lanes", () => {
  for (const workers of [1, 2, 3, 16]) {
    for (let worker = 0; worker < workers; worker++) {
      const f = fix.fixture(OFFLOADS, { worker, workers });
      for (const lane of [0, 1, 2, 3, 15, 16, 17, 128, 255]) {
        const wanted = lane % workers === worker ? { delivered: 1 } : { "wrong-lane": 1 };
        assert.deepEqual(
          fix.takeIn(f, "own", data(lane), fix.ENDPOINTS[0]),
          wanted,
          `lane ${lane} at worker ${worker} of ${workers}`,
        );
      }
    }
  }
});

test("lane 0 comes from the validated endpoint, the others from any port of its address", () => {
  const f = fix.fixture();
  assert.deepEqual(fix.takeIn(f, "own", data(0), OTHER_PORT), { "wrong-endpoint": 1 });
  assert.deepEqual(fix.takeIn(f, "own", data(1), OTHER_PORT), { delivered: 1 });
  assert.deepEqual(fix.takeIn(f, "own", data(1), fix.ENDPOINTS[0]), { delivered: 1 });
  assert.deepEqual(fix.takeIn(f, "own", data(1), OTHER_HOST), { "wrong-endpoint": 1 });
});

test("nobody is called at the port of a lane: only lane 0's unknown indices are reported", () => {
  const f = fix.fixture();
  const strange = (lane: number) => {
    const bytes = data(lane);
    bytes[4]! ^= 0xff;
    return bytes;
  };
  for (const lane of [1, 2, 255]) {
    assert.deepEqual(fix.takeIn(f, "own", strange(lane), OTHER_PORT), { "no-session": 1 });
    fix.takeIn(f, "own", data(lane), OTHER_HOST);
  }
  assert.deepEqual(f.events, []);
  fix.takeIn(f, "own", strange(0), OTHER_HOST);
  assert.deepEqual(f.events, [{ kind: "unknownIndex", from: OTHER_HOST }]);
});

test("what a worker sends carries its lane", () => {
  for (const worker of [0, 1, 4]) {
    const f = fix.fixture(OFFLOADS, { worker, workers: 5 });
    assert.deepEqual(fix.sendOut(f, OUT), { sent: 1 });
    assert.equal(dataIndex(f.sockets.own.sent[0]!.bytes, 0), fix.SEND_INDEX + worker);
  }
});

test("a worker uses its own descriptors of all that were opened", () => {
  const f = fix.fixture(OFFLOADS, { worker: 2, workers: 3 });
  assert.deepEqual([...f.watched], [[0, "own"], [1, "vxlan"], [2, "flannel"], [3, "tun"]]);
  const one = { kind: "attachTun", queues: [{ fd: 7, writeFd: 8 }], tso: true, uso: true } as const;
  assert.throws(() => f.dataPlane.apply(one), /1 descriptors for 3 workers/);
});

test("workers share a node's limits", () => {
  const errors = (workers: number) => {
    const f = fix.fixture(OFFLOADS, { worker: 0, workers });
    const nowhere = udp(["10.42.1.5", "10.42.77.9"], new Uint8Array(9));
    for (let i = 0; i < 300; i++) fix.sendOut(f, nowhere);
    return f.counts()["icmp-sent"];
  };
  assert.deepEqual([errors(1), errors(2), errors(16)], [200, 100, 13]);
});
