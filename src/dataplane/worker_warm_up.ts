/**
 * A Worker's part of a handshake in memory, before it listens: one datagram through the gate, one session from its
 * installing to its end. What a process has not done before takes it many times as long, and a peer waits for this.
 */
import { stampHandshake } from "../crypto/handshake_mac.ts";
import type { AeadProvider, Hmac } from "../ports/aead.ts";
import type { Random } from "../ports/time.ts";
import { DATA_LEN } from "../wire/data_header.ts";
import { encodeHandshake, XX1 } from "../wire/handshake.ts";
import { AEAD_TAG_LEN } from "../wire/overhead.ts";
import { HandshakeGate } from "./tables/handshake_gate.ts";
import { SessionTable } from "./tables/session_table.ts";

const KEY_LEN = 32;
const NOISE_LEN = 1024;
const INDEX = 0x100;

/** With keys that are thrown away; no table of the plane is touched. Throws Error when it does not come out as it must. */
export function warmUpWorker(hmac: Hmac, random: Random, aead: AeadProvider): void {
  passGate(hmac, random);
  useSession(random, aead);
}

function passGate(hmac: Hmac, random: Random): void {
  const gate = new HandshakeGate(hmac, random);
  const macKey = random.bytes(KEY_LEN);
  gate.setKeys([macKey]);
  const fields = { message: XX1, sender: INDEX, receiver: 0, keyId: 0 };
  const datagram = encodeHandshake({ ...fields, noise: new Uint8Array(NOISE_LEN) });
  stampHandshake(hmac, macKey, datagram, null);
  const verdict = gate.check(datagram, 0, datagram.length, () => "", 0);
  if (verdict !== "pass") throw new Error(`The gate of handshakes fails its own: ${verdict}`);
  gate.setKeys([]);
}

function useSession(random: Random, aead: AeadProvider): void {
  const memory = new Uint8Array(new ArrayBuffer(DATA_LEN + AEAD_TAG_LEN));
  for (const { suite } of aead.suites()) {
    const sessions = new SessionTable();
    const sendKey = random.bytes(KEY_LEN);
    const keys = { sendKey, receiveKey: sendKey.slice() };
    const indices = { receiveIndex: INDEX, sendIndex: INDEX };
    const session = sessions.install(
      { kind: "installSession", slot: 0, ...indices, suite, ...keys, confirmed: true },
      { aead, lane: 0, memory },
    );
    const { counter } = session;
    session.seal(memory, 0, DATA_LEN, 0, 0);
    const lane = sessions.lane(session, 0)!;
    const opened = lane.key.open(memory, 0, DATA_LEN, AEAD_TAG_LEN) === 0 &&
      lane.window.commit(counter);
    if (opened) sessions.authenticated(lane);
    sessions.drop(INDEX);
    if (!opened) throw new Error(`A keepalive of ${suite} does not open`);
  }
}
