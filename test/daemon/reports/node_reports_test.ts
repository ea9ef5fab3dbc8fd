import assert from "node:assert/strict";
import { test } from "node:test";
import { NOTHING } from "../../../src/control/paths/paths.ts";
import type { LeaseView, NodeView, PeerView } from "../../../src/control/paths/view.ts";
import { forgetReport, resolveReport, whyReport } from "../../../src/daemon/reports/node_reports.ts";
import { OffloadState } from "../../../src/daemon/planes/offloads.ts";
import { peersReport, type Snapshot, statusReport } from "../../../src/daemon/reports/reports.ts";
import { leasesReport, routesReport } from "../../../src/daemon/reports/subnet_reports.ts";
import { Counters } from "../../../src/dataplane/tables/counters.ts";
import { prefix } from "../../../src/wire/prefix.ts";

const OWN = "a".repeat(64);
const STATIC = "10.42.3.0/24";

function peer(name: string, id: string, more: Partial<PeerView> = {}): PeerView {
  return {
    id: id.repeat(64),
    name,
    subnet: null,
    state: "alive",
    since: 0,
    endpoint: null,
    session: null,
    link: null,
    lastHelloAt: null,
    rttMs: null,
    vtepMac: "",
    endpoints: [],
    translated: [],
    tried: [],
    version: "0.1.0",
    ...more,
  } as PeerView;
}

function lease(subnet: string, more: Partial<LeaseView>): LeaseView {
  return {
    subnet: prefix(subnet),
    nodeId: null,
    name: "",
    state: "alive",
    reserved: false,
    endpoint: null,
    vtepMac: null,
    ...more,
  };
}

const PEERS = [
  peer("gamma", "c", { endpoints: ["192.168.1.12:8473"] }),
  peer("beta", "b", { subnet: prefix("10.42.9.0/24") }),
  peer("beta", "d", { state: "dead" }),
];
const LEASES = [
  lease(STATIC, { name: "static peer of gamma", state: "static", reserved: true }),
  lease("10.42.7.0/24", { nodeId: OWN, name: "alpha", state: "confirmed" }),
  lease("10.42.9.0/24", { nodeId: "b".repeat(64), name: "beta" }),
];

function snapshot(own: Partial<NodeView["own"]> = {}, wanted: Partial<Snapshot["wanted"]> = {}): Snapshot {
  return {
    view: {
      own: {
        id: OWN,
        name: "alpha",
        networkId: "",
        leaseState: "confirmed",
        subnet: prefix("10.42.7.0/24"),
        address: "10.42.7.0",
        vtepMac: "",
        mesh: null,
        endpoints: [],
        translated: [],
        waitingFor: [],
        warnings: [],
        rejected: 0,
        startedAt: 0,
        ...own,
      },
      peers: PEERS,
      leases: LEASES,
    },
    wanted: { ...NOTHING, ...wanted },
    counters: new Counters(),
    slotOf: () => null,
    device: "ovl0",
    mtu: 1450,
    offloads: new OffloadState({ tso: true, uso: true, gso: true, gro: true }),
    workers: 1,
    underlay: ["192.168.1.11:8473"],
    now: 0,
    startedAt: 0,
    pid: 1,
    networkName: "ovltun",
    sealed: null,
    withoutLibcrypto: null,
    troubles: [],
  };
}

test("whyReport() looks for the fault here when this host has no address, and at the peer when it has", () => {
  const gone = peer("delta", "e", {
    state: "dead",
    endpoints: ["192.168.1.14:8473"],
    tried: [{ endpoint: "192.168.1.14:8473", lastTriedAt: 1, outcome: { kind: "silent" } }],
  });
  const cutOff = { ...snapshot(), underlay: [], view: { ...snapshot().view, peers: [gone] } };
  const here = whyReport(cutOff, "delta");
  assert.match(here.summary, /^delta: no path; this host has no address .* its own link is down/);
  assert.match(here.attempts[0]!.fix!, /^bring this host's own link up/);
  const there = whyReport({ ...cutOff, underlay: ["192.168.1.11:8473"] }, "delta");
  assert.match(there.summary, /it advertises 192\.168\.1\.14:8473/);
  assert.match(
    there.attempts[0]!.fix!,
    /^check that delta is up and running ovltun \(ovltun status there\); if it is, open 8473\/udp on delta/,
  );
});

/** What `why` says to do about a peer that has these endpoints and answers at none, or at the first of them. */
function fixesFor(endpoints: readonly string[], more: Partial<PeerView> = {}, own: readonly string[] = []) {
  const outcome = (
    endpoint: string,
  ) => ({ kind: endpoint === more.endpoint ? "answered" : "silent" } as const);
  const tried = endpoints.map((endpoint) => ({ endpoint, lastTriedAt: 1, outcome: outcome(endpoint) }));
  const delta = peer("delta", "e", { endpoints, tried, ...more });
  const shot = snapshot({ endpoints: ["192.168.1.11:8473", ...own], translated: own });
  return whyReport({ ...shot, view: { ...shot.view, peers: [delta] } }, "delta").attempts
    .filter(({ path }) => path === "tunnel").map(({ fix }) => fix);
}

test("whyReport() tells two hosts behind NAT to forward a listening port, never to open a mapped one", () => {
  const behindNat = ["10.9.0.2:8473", "203.0.113.7:32789", "203.0.113.7:40001"];
  const translated = behindNat.slice(1);
  const both = fixesFor(behindNat, { translated }, ["198.51.100.9:51000"]);
  assert.deepEqual(both, [
    "both are behind NAT: forward 8473/udp to delta on its router, and start delta with --advertise " +
    "203.0.113.7; or the same for this host: forward 8473/udp to alpha on its router, and start alpha with " +
    "--advertise 198.51.100.9",
    null,
    null,
  ]);
  assert.match(fixesFor(behindNat, { translated })[0]!, /^open 8473\/udp on alpha: delta is behind NAT/);
});

test("whyReport() tells NAT by what a record marks, also where the outer address is private and keeps the port", () => {
  const seen = (outer: string) =>
    fixesFor(["192.168.78.2:8473", outer], { translated: [outer] }, ["10.99.0.3:8473"]);
  assert.equal(
    seen("10.99.0.4:8473")[0],
    "both are behind NAT: forward 8473/udp to delta on its router, and start delta with --advertise 10.99.0.4; " +
      "or the same for this host: forward 8473/udp to alpha on its router, and start alpha with --advertise " +
      "10.99.0.3",
  );
  // Nobody forwards a port of a carrier.
  assert.equal(
    seen("100.64.7.7:8473")[0],
    "both are behind NAT: forward 8473/udp to alpha on its router, and start alpha with --advertise 10.99.0.3",
  );
  const carriers = fixesFor(["192.168.78.2:8473", "100.64.7.7:8473"], { translated: ["100.64.7.7:8473"] }, [
    "100.64.9.9:8473",
  ]);
  assert.match(carriers[0]!, /^both are behind carrier-grade NAT .* no port can be forwarded/);
  // Two addresses of its own are no NAT.
  const two = ["192.168.78.2:8473", "10.99.0.4:8473"];
  assert.equal(
    fixesFor(two, { translated: [] })[0],
    "open 8473/udp on delta, or start it with --peers 192.168.1.11",
  );
});

test("whyReport() names the address of this host that the other one can call", () => {
  const delta = { endpoints: ["[2001:db8::7]:9000"], tried: [] };
  const tried = [{ endpoint: "[2001:db8::7]:9000", lastTriedAt: 1, outcome: { kind: "silent" } } as const];
  const shot = { ...snapshot(), underlay: ["192.168.1.11:8473", "[2001:db8::1]:8473"] };
  const fix = (view: Partial<PeerView>) =>
    whyReport(
      { ...shot, view: { ...shot.view, peers: [peer("delta", "e", { ...delta, tried, ...view })] } },
      "delta",
    )
      .attempts[0]!.fix;
  assert.equal(fix({}), "open 9000/udp on delta, or start it with --peers [2001:db8::1]:8473");
  for (const own of [[], ["198.51.100.9:51000"]]) {
    for (const endpoints of [["203.0.113.7:8473"], ["10.9.0.2:8473"], ["10.9.0.2:8473", "203.0.113.7:9"]]) {
      for (const state of ["alive", "dead"] as const) {
        assert.doesNotMatch(`${fixesFor(endpoints, { state }, own)}`, /[<>]/);
      }
    }
  }
});

test("whyReport() does not take for NAT what is advertised, nor two hosts behind one router", () => {
  const own = ["198.51.100.9:51000"];
  assert.deepEqual(fixesFor(["203.0.113.7:8473", "10.9.0.2:8473"], {}, own), [
    "open 8473/udp on delta",
    null,
  ]);
  assert.deepEqual(fixesFor(["203.0.113.7:8473", "[2001:db8::7]:8473"], {}, own), [
    "open 8473/udp on delta",
    null,
  ]);
  const near = ["open 8473/udp on delta, or start it with --peers 192.168.1.11", null];
  assert.deepEqual(fixesFor(["10.9.0.2:8473", "198.51.100.9:40000"], {}, own), near);
  assert.match(fixesFor(["203.0.113.7:9000", "10.9.0.2:8473"], {}, own)[0]!, /^open 9000\/udp on delta/);
});

test("whyReport() says nothing to do beside a tunnel that works, and looks at the host when a peer falls silent", () => {
  const at = ["192.168.1.14:8473", "192.168.9.14:8473"];
  const link = { link: { sendIndex: 1, receiveIndex: 1 }, endpoint: at[0]! };
  assert.deepEqual(fixesFor(at, link), [null, null]);
  assert.deepEqual(fixesFor(at, { state: "dead", stopped: true }), [null, null]);
  for (const silent of [fixesFor(at, { ...link, state: "suspect" }), fixesFor(at, { state: "dead" })]) {
    assert.match(silent[0]!, /^check that delta is up and running ovltun/);
    assert.equal(silent[1], null);
  }
});

test("whyReport() says what to do for a path in the clear that one of the two did not allow", () => {
  const delta = peer("delta", "e", { link: { sendIndex: 0, receiveIndex: 0 }, clearPaths: false });
  const fix = "start ovltun on delta with --allow-plain-direct";
  const paths = new Map([[delta.id, { path: "none", why: "host-gw is in the clear", mtu: 0, fix } as const]]);
  const asked = snapshot({}, { paths });
  const why = whyReport({ ...asked, view: { ...asked.view, peers: [delta] } }, "delta");
  assert.deepEqual(why.attempts.map(({ path, ok, fix }) => ({ path, ok, fix })), [
    { path: "direct-route", ok: false, fix },
  ]);
});

test("routesReport() orders tunnels by their numbers", () => {
  const routes = ["10.100.0.0/24", "10.9.0.0/24", "10.42.10.0/24", "10.42.9.0/24", "fd42::/64", "9.0.0.0/8"]
    .map((text) => ({ subnet: prefix(text), peerKey: "b".repeat(64) }));
  const shown = routesReport(snapshot({}, { routes }), [], []).map(({ destination }) => destination);
  assert.deepEqual(shown, [
    "9.0.0.0/8",
    "10.9.0.0/24",
    "10.42.9.0/24",
    "10.42.10.0/24",
    "10.100.0.0/24",
    "fd42::/64",
  ]);
});

test("whyReport() and resolveReport() know this node, with and without a lease", () => {
  for (const text of ["alpha", "aaaa", "10.42.7.200", "10.42.7.0/24"]) {
    assert.match(whyReport(snapshot(), text).summary, /^alpha is this node; it holds 10\.42\.7\.0\/24$/);
    assert.equal(resolveReport(snapshot(), text).self, true);
  }
  const joining = snapshot({ leaseState: "joining", subnet: null });
  assert.match(whyReport(joining, "alpha").summary, /not confirmed \(state: joining/);
  assert.throws(() => resolveReport(joining, "alpha"), /^Error: alpha holds no lease yet$/);
});

test("whyReport() has the name of this node and of static peers twice: scripts may read either", () => {
  const self = whyReport(snapshot(), "alpha");
  assert.deepEqual([self.node, self.name, self.subnet], ["alpha", "alpha", "10.42.7.0/24"]);
  const name = "static peer of gamma";
  const fixed = whyReport(snapshot(), `static:${STATIC}`);
  assert.deepEqual([fixed.node, fixed.name, fixed.subnet], [name, name, STATIC]);
});

test("whyReport() tells of nodes without a lease and means the living one of a name", () => {
  assert.match(whyReport(snapshot(), "gamma").summary, /it has no lease yet, so nothing is routed to it/);
  assert.equal(whyReport(snapshot(), "beta").id, "b".repeat(64));
  assert.equal(whyReport(snapshot(), "dddd").state, "dead");
});

test("whyReport() says who is known where nobody is meant", () => {
  assert.throws(
    () => whyReport(snapshot(), "delta"),
    /No node is called "delta"; known: alpha \(this node\), gamma/,
  );
  assert.throws(() => whyReport(snapshot(), "10.42.99.1"), /No lease holds 10\.42\.99\.1; ovltun leases/);
  assert.throws(
    () => whyReport(snapshot(), "192.168.1.12"),
    /an underlay address of gamma \(try: ovltun why gamma\)/,
  );
});

test("whyReport() on a host that has not joined yet says that, and not that nobody has this name", () => {
  const joining = snapshot({ leaseState: "joining", subnet: null });
  for (
    const [text, what] of [["delta", 'No node is called "delta"'], [
      "10.42.99.1",
      "No lease holds 10.42.99.1",
    ]]
  ) {
    assert.throws(() => whyReport(joining, text!), {
      message: `${what}: this node has not joined a mesh yet (see: ovltun status)`,
    });
  }
});

test("a static peer that another node names has no path here, and says who has", () => {
  for (const text of ["static:10.42.3.0/24", STATIC, "10.42.3.9", "static peer of gamma"]) {
    const why = whyReport(snapshot(), text);
    assert.equal(why.path, "none");
    assert.match(
      why.summary,
      /a static peer of gamma, reachable only from there.*add --static-peer here too/,
    );
  }
  assert.deepEqual(peersReport(snapshot()).map((p) => p.name), ["beta", "beta", "gamma", `static:${STATIC}`]);
});

test("a static peer that this node names shows where it is", () => {
  const tunnel = {
    encapsulation: "vxlan",
    endpoint: "192.168.1.30:8472",
    ownPort: "",
    mtu: 1450,
    sendIndex: 0,
    receiveIndex: 0,
    vni: 1,
    mac: "02:00:00:00:00:03",
  } as const;
  const named = snapshot({}, {
    tunnels: new Map([[`static:${STATIC}`, tunnel]]),
    paths: new Map([[`static:${STATIC}`, { path: "kernel-vxlan", why: "it speaks VXLAN", mtu: 1450 }]]),
  });
  const shown = peersReport(named).at(-1)!;
  assert.deepEqual([shown.endpoint, shown.path, shown.why], [
    "192.168.1.30:8472",
    "kernel-vxlan",
    "it speaks VXLAN; not probed",
  ]);
  assert.equal(leasesReport(named)[0]!.vtepMac, "02:00:00:00:00:03");
  assert.equal(whyReport(named, STATIC).attempts.length, 1);
  assert.equal(resolveReport(named, STATIC).address, "10.42.3.0");
  assert.equal(statusReport(named).counters["sent"], 0);
});

test("forgetReport() finds one node, dead or alive, and is never satisfied with a likely one", () => {
  const at = { mesh: {}, leaseState: "confirmed" } as unknown as Partial<NodeView["own"]>;
  const forget = (text: string, revoke = false) => forgetReport(snapshot(at), text, revoke);
  assert.deepEqual(forget("gamma"), {
    id: "c".repeat(64),
    name: "gamma",
    subnet: null,
    state: "alive",
    revoked: false,
  });
  assert.equal(forget("dddd").state, "dead");
  assert.equal(forget("10.42.9.17", true).id, "b".repeat(64));
  assert.throws(
    () => forget("beta"),
    /"beta" matches more than one node: beta \(bbbbbbbb\), beta \(dddddddd\); use the id/,
  );
  assert.throws(() => forget("alpha"), /alpha is this node: .*ovltun down --purge/);
  assert.throws(() => forget(STATIC), /static peer of gamma cannot be forgotten/);
  assert.throws(() => forget("e".repeat(64)), /No node is called/);
  assert.deepEqual(forget("E".repeat(64), true).id, "e".repeat(64), "revoked beforehand, by its whole id");
  assert.throws(() => forget("e".repeat(63), true), /No node is called/);
  assert.throws(() => forgetReport(snapshot({ mesh: null }), "gamma", false), /has not joined a mesh yet/);
});

test("In a sealed mesh the reports tell ciphers, and when each session was made", () => {
  const session = { suite: "chacha20-poly1305", at: 4000 } as const;
  const sealed = [{ suite: "aes-256-gcm", mbps: 9000 }] as const;
  const path = (kind: "tunnel" | "direct-route") => ({ path: kind, why: "", mtu: 1440 });
  const base = snapshot({}, {
    paths: new Map([["b".repeat(64), path("tunnel")], ["c".repeat(64), path("direct-route")]]),
  });
  const alone = statusReport({ ...base, sealed });
  assert.deepEqual([alone.node.security, alone.node.cipher], ["sealed", "aes-256-gcm"]);
  const peers = base.view.peers.map((p) => ({ ...p, session }));
  const report = statusReport({ ...base, sealed, now: 10_000, view: { ...base.view, peers } });
  assert.equal(report.node.cipher, "chacha20-poly1305");
  const of = (name: string) => report.peers.find((p) => p.name === name)!;
  assert.deepEqual([of("beta").security, of("beta").lastHandshakeSeconds], ["sealed", 6]);
  assert.equal(of("gamma").security, "clear");
  const plain = statusReport(base);
  assert.deepEqual([plain.node.security, plain.node.cipher], ["plain", "none"]);
});

test("a node that is called like an id's beginning hides no other: what the message offers means one node", () => {
  const beta = peer("beta", "b");
  const liar = peer("bbbbbbbb", "c");
  const shot = { ...snapshot(), view: { ...snapshot().view, peers: [beta, liar] } };
  let message = "";
  assert.throws(() => whyReport(shot, "bbbbbbbb"), (error: Error) => {
    message = error.message;
    return true;
  });
  assert.match(message, /more than one node: beta \(bbbbbbbbb\), bbbbbbbb \(cccccccc\)/);
  assert.equal(whyReport(shot, "bbbbbbbbb").id, beta.id);
  assert.equal(whyReport(shot, "cccccccc").id, liar.id);
});
