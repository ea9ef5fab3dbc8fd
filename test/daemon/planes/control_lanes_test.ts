import { test } from "node:test";
import assert from "node:assert/strict";
import { DataplaneFeed } from "../../../src/daemon/planes/dataplane_feed.ts";
import { laneKey } from "../../../src/crypto/lane.ts";
import { MAX_PEERS } from "../../../src/ports/devices.ts";
import { dataCounter, dataIndex, decodeData } from "../../../src/wire/data_header.ts";
import { FakeAead } from "../../fakes/fake_aead.ts";
import { placeOfGiven } from "../../../src/control/secrets/key_ring.ts";
import { NetworkSecret } from "../../../src/crypto/network_secret.ts";
import { sealedSetup } from "../../made/network_keys.ts";
import { NO_HOST, postbox, sessionAction } from "../../made/sessions.ts";

const ROOT = new Uint8Array(32).fill(5);
const SESSION = sessionAction({ receiveIndex: 0x100, sendIndex: 0xabcdef00, sendKey: ROOT });

/** The feed of a mailbox that nobody reads. */
function feedOf(aead: FakeAead): DataplaneFeed {
  const sealed = { setup: sealedSetup(), provider: aead };
  return new DataplaneFeed(postbox().mailbox, () => NO_HOST, sealed);
}

function opened(aead: FakeAead, datagram: Uint8Array): Uint8Array | null {
  const key = aead.key("aes-256-gcm", laneKey(ROOT, 255), datagram);
  const length = key.open(datagram, 0, 16, datagram.length - 16);
  key.wipe();
  return length < 0 ? null : datagram.slice(16, 16 + length);
}

test("seal() makes a datagram of lane 255 under that lane's key, counting from 0", () => {
  const aead = new FakeAead();
  const feed = feedOf(aead);
  feed.install(SESSION);
  for (const [n, bytes] of [Uint8Array.of(1, 2, 3), new Uint8Array(0), new Uint8Array(1232)].entries()) {
    const datagram = feed.seal(0x100, bytes)!;
    assert.equal(decodeData(datagram, 0, datagram.length), 0);
    assert.equal(dataIndex(datagram, 0), 0xabcdefff);
    assert.equal(dataCounter(datagram, 0), n);
    assert.deepEqual(opened(aead, datagram), bytes);
  }
});

test("seal() gives null for a session that is gone, whose key is wiped", () => {
  const aead = new FakeAead();
  const feed = feedOf(aead);
  feed.install(SESSION);
  feed.install({ ...SESSION, receiveIndex: 0x200 });
  feed.drop(SESSION.id, 0x100);
  assert.equal(feed.seal(0x100, Uint8Array.of(1)), null);
  assert.equal(aead.alive, 1);
  feed.close();
  assert.equal(aead.alive, 0);
});

test("seal() throws RangeError for what no datagram takes", () => {
  const feed = feedOf(new FakeAead());
  feed.install(SESSION);
  assert.throws(() => feed.seal(0x100, new Uint8Array(65_600)), RangeError);
});

test("install() gives a session its lane here and a place in the data plane, or neither", () => {
  const { messages, mailbox } = postbox();
  const setup = sealedSetup();
  const sealed = { setup, provider: new FakeAead() };
  const feed = new DataplaneFeed(mailbox, () => NO_HOST, sealed);
  assert.deepEqual(messages, [{ kind: "setGate", macKeys: [setup.keys[0]!.macKey] }]);
  for (let n = 0; n <= MAX_PEERS; n++) {
    feed.install(sessionAction({ id: `${n}`, receiveIndex: (n + 1) << 8 }));
  }
  assert.notEqual(feed.seal(MAX_PEERS << 8, Uint8Array.of(1)), null);
  assert.equal(feed.seal((MAX_PEERS + 1) << 8, Uint8Array.of(1)), null, "no place is left");
  assert.equal(messages.filter(({ kind }) => kind === "installSession").length, MAX_PEERS);
  feed.confirm(0x100);
  feed.drop("0", 0x100);
  const about = { receiveIndex: 0x100 };
  assert.deepEqual(messages.slice(-3), [
    { kind: "confirmSession", ...about },
    { kind: "dropSession", ...about },
    { kind: "dropPeer", slot: 0 },
  ]);
  assert.equal(feed.seal(0x100, Uint8Array.of(1)), null);
});

test("DataplaneFeed wipes the keys that it shut the gate with: the control plane has those of the secrets", () => {
  const secret = NetworkSecret.create();
  const keys = [secret.keys("ovltun")];
  const macKey = keys[0]!.macKey.slice();
  const { messages, mailbox } = postbox();
  const secrets = [{ secret, generation: placeOfGiven(secret), used: true }];
  const sealed = { setup: sealedSetup({ keys, secrets }), provider: new FakeAead() };
  new DataplaneFeed(mailbox, () => NO_HOST, sealed).close();
  assert.deepEqual(messages, [{ kind: "setGate", macKeys: [macKey] }]);
  for (const key of [keys[0]!.macKey, keys[0]!.psk, keys[0]!.gossipKey]) {
    assert.deepEqual(key, new Uint8Array(32));
  }
});
