import { test } from "node:test";
import assert from "node:assert/strict";
import { NOTHING, type OwnPlace, type Wanted } from "../../../src/control/paths/paths.ts";
import { sealedTunnel, WAITING_TUNNEL } from "../../../src/control/paths/tunnels.ts";
import { DataplaneFeed } from "../../../src/daemon/planes/dataplane_feed.ts";
import { NO_SLOT, OWN_SLOT } from "../../../src/dataplane/tables/route_table.ts";
import type { DataplaneEvent, Tunnel } from "../../../src/ports/planes.ts";
import { prefix } from "../../../src/wire/prefix.ts";
import * as fix from "../../made/plane.ts";
import { NO_HOST, postbox, sessionAction } from "../../made/sessions.ts";

const AT = "192.168.1.11:8473";
const tunnel = (change: Partial<Tunnel> = {}): Tunnel => ({ ...sealedTunnel(AT, NO_HOST), ...change });
const own = (subnet: string): OwnPlace => ({
  network: prefix("10.42.0.0/16"),
  subnet: prefix(subnet),
  address: "10.42.1.0",
  mac: "",
  mtu: 1440,
});

function wanting(peers: Record<string, Tunnel>, routes: Record<string, string> = {}): Wanted {
  const told = Object.entries(routes).map(([text, peerKey]) => ({ subnet: prefix(text), peerKey }));
  return { ...NOTHING, tunnels: new Map(Object.entries(peers)), routes: told };
}

function fixture() {
  const { messages, mailbox } = postbox();
  let asked = 0;
  const feed = new DataplaneFeed(mailbox, () => {
    asked++;
    return NO_HOST;
  }, null);
  feed.apply(NOTHING);
  messages.length = 0;
  const told = () => messages.splice(0).map((m) => [m.kind, "slot" in m ? m.slot : ""].join(" ").trim());
  return { feed, messages, told, asked: () => asked };
}

test("apply() tells of peers before their routes, takes them away after, and says nothing twice", () => {
  const { feed, told } = fixture();
  const both = wanting({ b: tunnel(), c: tunnel() }, { "10.42.9.0/24": "b", "10.42.8.0/24": "c" });
  feed.apply(both);
  assert.deepEqual(told(), ["setPeer 0", "setPeer 1", "addRoute 0", "addRoute 1"]);
  feed.apply(both);
  assert.deepEqual(told(), []);
  assert.deepEqual([feed.slotOf("c"), feed.keyOf(1), feed.endpointOf(1)], [1, "c", AT]);
  feed.apply(wanting({ b: tunnel({ mtu: 1300 }) }, { "10.42.8.0/24": "b" }));
  assert.deepEqual(told(), ["dropRoute", "setPeer 0", "addRoute 0", "dropPeer 1"]);
  assert.deepEqual([feed.slotOf("c"), feed.keyOf(1), feed.endpointOf(1)], [null, null, null]);
});

test("A subnet that passes from a peer to us, or from us to a peer, is whose it should be afterwards", () => {
  const { feed, messages } = fixture();
  const { dataPlane } = fix.fixture();
  const holder = () => dataPlane.plane.routes.lookup(Uint8Array.of(10, 42, 9, 1), 0, 4);
  const apply = (wanted: Wanted) => {
    feed.apply(wanted);
    for (const message of messages.splice(0)) dataPlane.apply(message);
    return holder();
  };
  const theirs = { ...wanting({ b: tunnel() }, { "10.42.9.0/24": "b" }), own: own("10.42.1.0/24") };
  const ours = { ...wanting({ b: tunnel() }), own: own("10.42.9.0/24") };
  assert.equal(apply(theirs), 0);
  assert.equal(apply(ours), OWN_SLOT);
  assert.equal(apply(theirs), 0);
  assert.equal(apply(NOTHING), NO_SLOT);
});

test("A peer without a link has a slot in which packets wait; a session that is there already keeps its tunnel", () => {
  const { feed, told, messages } = fixture();
  const idle = wanting({ b: WAITING_TUNNEL }, { "10.42.9.0/24": "b" });
  feed.apply(idle);
  feed.apply(idle);
  assert.deepEqual(told(), ["setPeer 0", "addRoute 0"]);
  assert.deepEqual(feed.controlEvent({ kind: "sessionWanted", slot: 0 }), { kind: "sessionWanted", id: "b" });
  feed.install(sessionAction({ id: "b", endpoint: AT }));
  assert.ok(messages[0]?.kind === "setPeer" && messages[0].tunnel.encapsulation === "sealed");
  assert.deepEqual(told(), ["setPeer 0", "installSession 0"]);
  feed.apply(idle); // decided before the session was there
  assert.deepEqual(told(), []);
  feed.apply(wanting({ b: tunnel() }, { "10.42.9.0/24": "b" }));
  feed.drop("b", sessionAction({}).receiveIndex);
  told();
  feed.apply(idle);
  assert.deepEqual(told(), ["setPeer 0"], "the link was let go");
});

test("install() makes a place for whom nothing is wanted yet, which lasts as long as a session", () => {
  const { feed, messages, told } = fixture();
  feed.install(sessionAction({ id: "joiner", endpoint: AT }));
  const [peer, session] = messages;
  assert.deepEqual(peer, { kind: "setPeer", slot: 0, tunnel: tunnel() });
  assert.ok(session?.kind === "installSession" && session.slot === 0 && session.sendKey[0] === 1);
  told();
  feed.apply(NOTHING);
  feed.install(sessionAction({ id: "joiner", endpoint: AT, receiveIndex: 0x200 }));
  feed.drop("joiner", 0x100);
  assert.deepEqual(told(), ["installSession 0", "dropSession"]);
  feed.drop("joiner", 0x200);
  assert.deepEqual(told(), ["dropSession", "dropPeer 0"]);
  feed.drop("joiner", 0x200);
  assert.deepEqual(told(), ["dropSession"]);
});

test("A session that is renewed where its peer is leaves the tunnel; one from elsewhere moves it", () => {
  const { feed, messages, told, asked } = fixture();
  const known = tunnel({ mtu: 1300 });
  feed.apply(wanting({ b: known }, { "10.42.9.0/24": "b" }));
  told();
  feed.install(sessionAction({ endpoint: AT }));
  assert.deepEqual(told(), ["installSession 0"]);
  assert.equal(asked(), 0, "the host is not asked");
  const elsewhere = "192.168.1.12:8473";
  feed.install(sessionAction({ endpoint: elsewhere, receiveIndex: 0x200 }));
  assert.deepEqual(messages[0], { kind: "setPeer", slot: 0, tunnel: sealedTunnel(elsewhere, NO_HOST) });
  assert.deepEqual(told(), ["setPeer 0", "installSession 0"]);
  assert.equal(feed.endpointOf(0), elsewhere);
  feed.apply(wanting({}));
  assert.deepEqual(told(), ["dropRoute"], "its sessions are not dropped yet");
  for (const index of [0x100, 0x200]) feed.drop("b", index);
  assert.deepEqual(told(), ["dropSession", "dropSession", "dropPeer 0"]);
});

test("controlEvent() names peers by their ids, and drops what is about a peer that is gone", () => {
  const { feed } = fixture();
  feed.apply(wanting({ b: tunnel() }));
  const of = (event: DataplaneEvent) => feed.controlEvent(event);
  assert.deepEqual(of({ kind: "sessionWanted", slot: 0 }), { kind: "sessionWanted", id: "b" });
  assert.deepEqual(of({ kind: "rekeyWanted", slot: 0 }), { kind: "sessionWanted", id: "b" });
  assert.equal(of({ kind: "sessionWanted", slot: 1 }), null);
  const moved = { endpoint: "10.0.0.1:1", to: "10.0.0.2" };
  assert.deepEqual(of({ kind: "roamed", slot: 0, ...moved }), { kind: "roamed", id: "b", ...moved });
  assert.equal(of({ kind: "roamed", slot: 1, ...moved }), null);
  const heard = { kind: "badMac", from: moved.endpoint, question: true } as const;
  assert.equal(of(heard), heard);
  assert.equal(of({ kind: "tunGone" }), null);
});
