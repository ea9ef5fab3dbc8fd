/**
 * Handshakes under hostile datagrams: the gate before them, their first messages, the ones that answer, and what a
 * member of the network may say inside. No answer is longer than what it answers, and every refusal is counted.
 */

import assert from "node:assert/strict";
import { RECORD_MAX_LEN } from "../../src/control/records/record.ts";
import {
  borneMac,
  nodeHmac,
  openCookie,
  stampHandshake,
  stampReply,
} from "../../src/crypto/handshake_mac.ts";
import { NoiseHandshake } from "../../src/crypto/noise.ts";
import { dhKeys } from "../../src/crypto/noise_state.ts";
import { HandshakeGate } from "../../src/dataplane/tables/handshake_gate.ts";
import { fromHex } from "../../src/wire/bytes.ts";
import * as wire from "../../src/wire/handshake.ts";
import { encodeOffer } from "../../src/wire/handshake.ts";
import type { MadeHandshakes } from "../made/handshakes.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import { bytesOf } from "../made/packets.ts";
import { fuzz, REFUSED, tellCases } from "./campaign.ts";
import * as made from "./handshake_machines.ts";

const HANDSHAKES = made.genuineHandshakes();

/** Hands a datagram over: what came of it, null when it was refused. */
function received(
  { machine, actions, tally }: MadeHandshakes,
  b: Uint8Array,
  from: string,
  now: number,
): string | null {
  const before = tally.rejected;
  const events = machine.receive(b, from, now);
  const sent = made.sends(actions);
  const told = events.map(({ kind }) => kind).join();
  assert.ok(sent.length <= 1 && sent.every(({ bytes }) => bytes.length <= b.length));
  if (sent.length > 0 || told !== "") return `${told} ${sent.length}`;
  assert.equal(tally.rejected, before + 1, "refused and not counted");
  return null;
}

fuzz({
  name: "handshakes",
  genuine: HANDSHAKES,
  start: () => {
    const node = made.machineOf("b");
    let now = 0;
    return (b) => {
      now += 20;
      if (now % 400 === 0) node.machine.begin(made.ENDPOINTS.b, null, now); // something is always under way
      node.machine.tick(now);
      node.actions.drain();
      return received(node, b, made.ENDPOINTS.a, now);
    };
  },
});

/** What a handshake says to the machine behind the gate: everything but the MACs. */
function said(b: Uint8Array): unknown[] {
  const h = wire.decodeHandshake(b);
  return h === null ? [] : [h.message, h.sender, h.receiver, h.keyId, h.noise.slice()];
}

/** After so many datagrams a handshake begins anew: one with a changed header may have used it up. */
const TRIES = 64;

fuzz({
  name: "answers in a handshake",
  genuine: made.handshakesUnderWay().map(({ next }) => next),
  longCases: 500_000,
  start: () => {
    let all: made.UnderWay[] = [], tries = 0;
    return (b) => {
      if (tries-- === 0) {
        all = made.handshakesUnderWay();
        tries = TRIES;
      }
      const message = wire.isHandshake(b, 0, b.length) ? wire.handshakeMessage(b, 0) : 0;
      const underWay = all[message === wire.XX3 ? 1 : message === wire.IK2 ? 2 : 0]!;
      const outcome = received(underWay, b, underWay.from, 0);
      if (outcome === null) return null;
      if (outcome.startsWith("session")) {
        assert.deepEqual(said(b), said(underWay.next), "a handshake goes on by another message");
        tries = 0;
      }
      return `${message} ${outcome}`;
    };
  },
});

const OFFER = {
  index: 0x500,
  seen: "192.168.1.10:8473",
  suites: [{ suite: "aes-256-gcm", mbps: 9000 }, { suite: "xsalsa20-poly1305", mbps: 400 }] as const,
  counter: 7,
  member: true,
  record: made.OWNERS.a.record.raw,
  life: null,
};
const PROLOGUE = bytesOf(
  new TextEncoder().encode("ovltun noise 1 "),
  made.KEYS.networkId,
  fromHex(made.OWNERS.b.record.id)!,
);
const PAYLOAD_MAX = RECORD_MAX_LEN + 100;
const EPHEMERAL = dhKeys(new Uint8Array(32).fill(1));

/** IK1 of node a, who has the network secret, with this inside. */
function firstOf(payload: Uint8Array): Uint8Array {
  const noise = new NoiseHandshake({
    pattern: "IKpsk2",
    initiator: true,
    prologue: PROLOGUE,
    psk: made.KEYS.psk,
    staticKeys: made.OWNERS.a.staticKeys,
    ephemeralKeys: EPHEMERAL,
    remoteStatic: made.B_KNOWN.staticKey,
  }).write(payload)!;
  const head = { message: wire.IK1, sender: OFFER.index, receiver: 0, keyId: made.KEYS.keyId };
  return wire.encodeHandshake({ ...head, noise });
}

fuzz({
  name: "handshakes of a member",
  genuine: [OFFER, { ...OFFER, seen: null, suites: OFFER.suites.slice(1), life: "0123456789abcdef" }].map((
    offer,
  ) => encodeOffer(offer)),
  longCases: 100_000,
  start: () => (b) => {
    if (b.length > PAYLOAD_MAX) return null;
    const node = made.machineOf("b");
    const events = node.machine.receive(firstOf(b), made.ENDPOINTS.a, 0);
    if (events.length === 0) return null;
    for (const event of events) {
      if (event.kind === "session") assert.equal(event.session.peer.id, made.OWNERS.a.record.id);
    }
    return events.map((event) => `${event.kind} ${event.kind === "session" && event.session.seen}`).join();
  },
});

/** For so long a cookie counts for certain. */
const COOKIE_MS = 120_000;

fuzz({
  name: "handshake gate",
  genuine: HANDSHAKES,
  start: () => {
    const gate = new HandshakeGate(nodeHmac, new SeededRandom(1));
    gate.setKeys([made.KEYS.macKey]);
    // BOUNDED: one for each of 256 addresses
    const cookies = new Map<string, { readonly cookie: Uint8Array; readonly at: number }>();
    let n = 0, now = 0;
    return (b) => {
      const from = `10.${n & 255}.0.1:${1000 + (n & 7)}`;
      n++;
      now += n % 2000 < 1000 ? 30 : 0.1; // half a minute of calm, a tenth of a second of a flood
      const shown = cookies.get(from);
      // As a member would make it, half of the time: what lies behind the MAC is reached.
      const ofMember = n % 2 === 0 && b.length >= wire.REPLY_LEN;
      if (ofMember) {
        if (wire.isReply(b, 0, b.length)) stampReply(nodeHmac, made.KEYS.macKey, b, 0);
        else stampHandshake(nodeHmac, made.KEYS.macKey, b, shown?.cookie ?? null);
      }
      const before = b.slice();
      const verdict = gate.check(b, 0, b.length, () => from, now);
      if (verdict === "cookie") {
        assert.ok(
          !ofMember || shown === undefined || now - shown.at > COOKIE_MS,
          "its cookie does not count",
        );
        const mac = borneMac(before, before.length);
        const cookie = openCookie(nodeHmac, made.KEYS.macKey, b.slice(0, wire.REPLY_LEN), mac);
        assert.ok(cookie !== null, "the cookie cannot be read");
        cookies.set(from, { cookie, at: now });
      } else assert.deepEqual(b, before, "only a cookie is written where the question lay");
      const what = `${verdict} ${shown !== undefined}`;
      return verdict === "pass" || verdict === "cookie" || verdict === "replay" ? what : REFUSED + what;
    };
  },
});

tellCases();
