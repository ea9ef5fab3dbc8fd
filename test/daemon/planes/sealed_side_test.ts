import { test } from "node:test";
import assert from "node:assert/strict";
import { ControlLane } from "../../../src/daemon/planes/control_lane.ts";
import { controlEvent, SealedSide } from "../../../src/daemon/planes/sealed_side.ts";
import { laneKey } from "../../../src/crypto/lane_keys.ts";
import type { DataplaneMessage } from "../../../src/ports/planes.ts";
import { dataCounter, dataIndex, decodeData } from "../../../src/wire/data_header.ts";
import { FakeAead } from "../../fakes/fake_aead.ts";
import { placeOfGiven } from "../../../src/control/secrets/key_ring.ts";
import { NetworkSecret } from "../../../src/crypto/network_secret.ts";
import { sealedSetup } from "../../made/network_keys.ts";

const ROOT = new Uint8Array(32).fill(5);
const SESSION = { receiveIndex: 0x100, sendIndex: 0xabcdef00, suite: "aes-256-gcm", sendKey: ROOT } as const;

function opened(aead: FakeAead, datagram: Uint8Array): Uint8Array | null {
  const key = aead.key("aes-256-gcm", laneKey(ROOT, 255), datagram);
  const length = key.open(datagram, 0, 16, datagram.length - 16);
  key.wipe();
  return length < 0 ? null : datagram.slice(16, 16 + length);
}

test("seal() makes a datagram of lane 255 under that lane's key, counting from 0", () => {
  const aead = new FakeAead();
  const lane = new ControlLane(aead);
  lane.install(SESSION);
  for (const [n, bytes] of [Uint8Array.of(1, 2, 3), new Uint8Array(0), new Uint8Array(1232)].entries()) {
    const datagram = lane.seal(0x100, bytes)!;
    assert.equal(decodeData(datagram, 0, datagram.length), 0);
    assert.equal(dataIndex(datagram, 0), 0xabcdefff);
    assert.equal(dataCounter(datagram, 0), n);
    assert.deepEqual(opened(aead, datagram), bytes);
  }
});

test("seal() gives null for a session that is gone, whose key is wiped", () => {
  const aead = new FakeAead();
  const lane = new ControlLane(aead);
  lane.install(SESSION);
  lane.install({ ...SESSION, receiveIndex: 0x200 });
  lane.drop(0x100);
  assert.equal(lane.seal(0x100, Uint8Array.of(1)), null);
  assert.equal(aead.alive, 1);
  lane.close();
  assert.equal(aead.alive, 0);
});

test("seal() throws RangeError for what no datagram takes", () => {
  const lane = new ControlLane(new FakeAead());
  lane.install(SESSION);
  assert.throws(() => lane.seal(0x100, new Uint8Array(65_600)), RangeError);
});

test("install() hands the session to the Worker and wipes the keys, also when there is no place for it", () => {
  const messages: DataplaneMessage[] = [];
  const mailbox = { post: (m: DataplaneMessage) => messages.push(structuredClone(m)), appliedEpoch: () => 0 };
  const setup = sealedSetup();
  const side = new SealedSide(setup, new FakeAead(), mailbox);
  assert.deepEqual(messages, [{ kind: "setGate", macKeys: [setup.keys[0]!.macKey] }]);
  for (const slot of [7, null]) {
    const action = {
      kind: "installSession",
      id: "b",
      endpoint: "10.0.0.1:8473",
      receiveIndex: slot === null ? 0x200 : 0x100,
      sendIndex: 0x300,
      suite: "aes-256-gcm",
      sendKey: new Uint8Array(32).fill(1),
      receiveKey: new Uint8Array(32).fill(2),
      confirmed: true,
    } as const;
    side.install(action, slot);
    assert.deepEqual([action.sendKey, action.receiveKey], [new Uint8Array(32), new Uint8Array(32)]);
  }
  assert.equal(messages.length, 2);
  const installed = messages[1] as DataplaneMessage & { kind: "installSession" };
  assert.equal(installed.slot, 7);
  assert.deepEqual(installed.sendKey, new Uint8Array(32).fill(1));
  assert.notEqual(side.seal(0x100, Uint8Array.of(1)), null);
  assert.equal(side.seal(0x200, Uint8Array.of(1)), null);
  side.drop(0x100);
  assert.deepEqual(messages[2], { kind: "dropSession", receiveIndex: 0x100 });
  assert.equal(side.seal(0x100, Uint8Array.of(1)), null);
});

test("controlEvent() names peers by their ids, and drops what is about a peer that is gone", () => {
  const keyOf = (slot: number) => slot === 7 ? "b" : null;
  const of = (event: Parameters<typeof controlEvent>[0]) => controlEvent(event, keyOf);
  assert.deepEqual(of({ kind: "sessionWanted", slot: 7 }), { kind: "sessionWanted", id: "b" });
  assert.deepEqual(of({ kind: "rekeyWanted", slot: 7 }), { kind: "sessionWanted", id: "b" });
  assert.equal(of({ kind: "sessionWanted", slot: 8 }), null);
  const endpoint = "10.0.0.1:1";
  assert.deepEqual(of({ kind: "roamed", slot: 7, endpoint }), { kind: "roamed", id: "b", endpoint });
  assert.equal(of({ kind: "roamed", slot: 8, endpoint }), null);
  assert.deepEqual(of({ kind: "badMac", from: endpoint, question: true }), {
    kind: "badMac",
    from: endpoint,
    question: true,
  });
  assert.equal(of({ kind: "tunGone" }), null);
});

test("SealedSide wipes the keys it shut the gate with: the control plane has those of the secrets", () => {
  const secret = NetworkSecret.create();
  const keys = [secret.keys("ovltun")];
  const macKey = keys[0]!.macKey.slice();
  const messages: DataplaneMessage[] = [];
  const mailbox = { post: (m: DataplaneMessage) => messages.push(structuredClone(m)), appliedEpoch: () => 0 };
  const secrets = [{ secret, generation: placeOfGiven(secret), used: true }];
  new SealedSide(sealedSetup({ keys, secrets }), new FakeAead(), mailbox).close();
  assert.deepEqual(messages, [{ kind: "setGate", macKeys: [macKey] }]);
  for (const key of [keys[0]!.macKey, keys[0]!.psk, keys[0]!.gossipKey]) {
    assert.deepEqual(key, new Uint8Array(32));
  }
});
