import { test } from "node:test";
import assert from "node:assert/strict";
import type { LeaseEntry, PeerStatus, RouteEntry, Status } from "../../src/api/schema.ts";
import type { Resolved } from "../../src/api/outcomes.ts";
import { eventLine } from "../../src/cli/events.ts";
import { leasesPage } from "../../src/cli/leases.ts";
import { PLAIN } from "../../src/text/escape.ts";
import { echoLine, summarize } from "../../src/cli/ping.ts";
import { routesPage } from "../../src/cli/routes.ts";
import { statusPage, waitingLine } from "../../src/cli/status.ts";
import { missingIn } from "../../src/cli/wait.ts";
import { doctorPage } from "../../src/cli/doctor.ts";
import { whyPage } from "../../src/cli/why.ts";

const peer: PeerStatus = {
  id: "b".repeat(64),
  name: "beta",
  subnet: "10.42.9.0/24",
  subnet6: null,
  endpoint: "192.168.1.11:8473",
  state: "alive",
  path: "tunnel",
  security: "plain",
  why: "direct routing was not asked for",
  healthy: false,
  rttMs: 0.4,
  mtu: 1440,
  answered: null,
  txBytes: 1,
  rxBytes: 2000,
  lastHandshakeSeconds: 3.2,
};

function statusWith(node: Partial<Status["node"]>, peers: readonly PeerStatus[] = []): Status {
  return {
    node: {
      id: "a".repeat(64),
      name: "alpha",
      version: "0.1.0",
      runtime: "bun",
      pid: 7,
      subnet: "10.42.7.0/24",
      subnet6: null,
      address: "10.42.7.0",
      address6: null,
      device: "ovl0",
      mtu: 1440,
      backend: "udp",
      security: "plain",
      cipher: "none",
      offloads: { tso: true, uso: true, gso: true, gro: true },
      offloadsOff: {},
      selfTest: { trains: "passed", superframes: "passed" },
      workers: 1,
      underlay: ["192.168.1.10:8473"],
      leaseState: "confirmed",
      uptimeSeconds: 12.3,
      waitingFor: [],
      ...node,
    },
    network: { id: "n", name: "ovltun", cidr: "10.42.0.0/16", subnetLen: 24, cidr6: null, subnet6Len: null },
    peers,
    drops: { "no-route": 3, spoofed: 0, multicast: 8 },
    counters: { sent: 5 },
    warnings: [],
    forgotten: [],
  };
}

test("statusPage() shows lease, drops, peers and what is waited for", () => {
  const message = "waiting for 192.168.1.10:8473: no answer for 8 s (firewall?)";
  const waitingFor = [{ endpoint: "192.168.1.10:8473", sinceSeconds: 8, hint: "firewall?", message }];
  const page = statusPage(statusWith({ waitingFor }, [peer]), PLAIN);
  assert.match(page, /lease {6}10\.42\.7\.0\/24 confirmed/);
  assert.match(page, /dropped {4}no-route 3\n/); // and no word of multicast
  assert.match(page, /waiting for 192\.168\.1\.10:8473: no answer for 8 s \(firewall\?\)/);
  assert.match(page, /beta {2}10\.42\.9\.0\/24 {2}alive/);
  assert.ok(!page.includes("\x1b"));
});

test("statusPage() has no column of reasons while all is well, and counts who is alive without a path", () => {
  const well = { ...peer, why: "direct routing is off", healthy: true };
  const page = statusPage(statusWith({}, [well, { ...well, name: "gamma" }]), PLAIN);
  assert.match(page, /peers {6}2 of 2 alive\n/);
  assert.doesNotMatch(page, /WHY|direct routing/);
  const lost = {
    ...peer,
    name: "gamma",
    path: "none",
    why: "no answer to this host",
    healthy: false,
  } as const;
  const told = statusPage(statusWith({}, [well, lost]), PLAIN);
  assert.match(told, /peers {6}2 of 2 alive, 1 without a path\n/);
  assert.match(told, /RECEIVED {2}WHY\nbeta .* kB {2}-\ngamma .* none .* no answer to this host$/);
  const narrow = statusPage(statusWith({}, [well, lost]), { ...PLAIN, width: 60 });
  assert.match(narrow, /\ngamma: no answer to this host\n/);
  assert.doesNotMatch(narrow, /beta:|direct routing/);
});

test("statusPage() says why there is no libcrypto", () => {
  const page = statusPage(statusWith({ withoutLibcrypto: "no libcrypto.so.3" }), PLAIN);
  assert.match(page, /degraded +no libcrypto: slower sealing \(no libcrypto\.so\.3\)/);
  assert.ok(!statusPage(statusWith({ withoutLibcrypto: null }), PLAIN).includes("libcrypto"));
});

test("statusPage() names who was left out, and by whom", () => {
  const forgotten = [
    { id: "c".repeat(64), name: "gamma", by: "alpha", revoked: false },
    { id: "d".repeat(64), name: null, by: "beta", revoked: true },
  ];
  const page = statusPage({ ...statusWith({}), forgotten }, PLAIN);
  assert.match(page, /^removed +gamma cccccccc \(forgotten by alpha\), dddddddd \(revoked by beta\)$/m);
  assert.ok(!statusPage(statusWith({}), PLAIN).includes("removed "));
});

test("statusPage() says what is sealed and what is in the clear, and shows SECURITY on a narrow screen then", () => {
  const node = { security: "sealed", cipher: "aes-256-gcm" } as const;
  const clear = { ...peer, path: "direct-route", security: "clear" } as const;
  const page = (backend: "udp" | "host-gw", peers: readonly PeerStatus[]) =>
    statusPage(statusWith({ ...node, backend }, peers), { ...PLAIN, width: 60 });
  assert.match(page("udp", [peer]), /^transport {2}udp, sealed with aes-256-gcm$/m);
  assert.doesNotMatch(page("udp", [peer]), / SECURITY /);
  const some = page("udp", [peer, clear]);
  assert.match(some, /^transport {2}udp, sealed with aes-256-gcm; data to 1 of 2\n +peers in the clear$/m);
  assert.match(some, /PATH {10}SECURITY/);
  const all = page("host-gw", [clear]);
  assert.match(all, /^transport {2}host-gw, control sealed with aes-256-gcm, data in\n +the clear$/m);
  assert.match(all, /direct-route {2}clear/);
  for (const line of all.split("\n")) assert.ok(line.length <= 60, line);
  assert.match(page("udp", [{ ...clear, path: "none" }]), /sealed with aes-256-gcm$/m);
});

test("statusPage() names each node that was left out once, the first five, and counts the rest", () => {
  const forgotten = Array.from({ length: 9 }, (_, i) => ({
    id: `${i}`.repeat(64),
    name: "f",
    by: "alpha",
    revoked: true,
  }));
  const page = statusPage({ ...statusWith({}), forgotten: [forgotten[0]!, ...forgotten] }, PLAIN);
  assert.match(page, /^removed +f 00000000 \(revoked by alpha\), f 11111111 /m);
  assert.match(page, /f 44444444 \(revoked by alpha\), … and 4 more$/m);
  const five = statusPage({ ...statusWith({}), forgotten: forgotten.slice(0, 5) }, PLAIN);
  assert.match(five, /f 44444444 \(revoked by alpha\)$/m);
});

test("statusPage() escapes names from the network", () => {
  const page = statusPage(statusWith({}, [{ ...peer, name: "x\x1b[2J", why: "\u202e" }]), PLAIN);
  assert.ok(!page.includes("\x1b") && !page.includes("\u202e"));
});

test("statusPage() leaves out what a joining node does not know yet", () => {
  const node = { subnet: null, address: null, mtu: 0, backend: "", leaseState: "joining" } as const;
  const page = statusPage({
    ...statusWith(node),
    network: { id: "n", name: "x", cidr: null, subnetLen: null, cidr6: null, subnet6Len: null },
  }, PLAIN);
  assert.match(page, /lease {6}none yet, joining\n/);
  assert.doesNotMatch(page, /transport|device|mtu|null/);
});

test("statusPage() counts static peers apart and stays within the screen", () => {
  const fixed = { ...peer, id: "static:10.42.3.0/24", name: "static:10.42.3.0/24", subnet: "10.42.3.0/24" };
  const page = statusPage(statusWith({}, [peer, { ...fixed, path: "none" }]), { ...PLAIN, width: 80 });
  assert.match(page, /peers {6}1 of 1 alive, and 1 static\n/);
  assert.match(page, /\n10\.42\.3\.0\/24 {2}10\.42\.3\.0\/24 {2}static {2}none/);
  for (const line of page.split("\n")) assert.ok(line.length <= 80, line);
});

test("statusPage() names what is reserved, the first five", () => {
  const page = (count: number) => {
    const reservations = Array.from({ length: count }, (_, n) => ({
      subnet: `10.42.${n}.0/24`,
      nodeId: peer.id,
      name: "beta",
      by: "gamma",
      moves: false,
      state: n === 0 ? "taken" : "free",
    } as const));
    return statusPage({ ...statusWith({}, [peer]), reservations }, { ...PLAIN, width: 300 });
  };
  assert.doesNotMatch(page(0), /reserved/);
  assert.match(page(2), /\nreserved {3}10\.42\.0\.0\/24 for beta, 10\.42\.1\.0\/24 for beta \(not taken\)\n/);
  assert.match(page(7), /10\.42\.4\.0\/24 for beta \(not taken\), … and 2 more \(ovltun leases\)/);
});

test("a reservation is an event of its own", () => {
  const at = "2026-01-31T09:30:00.000Z", nodeId = "b".repeat(64);
  const made = {
    event: "reservation",
    at,
    subnet: "10.42.9.0/24",
    nodeId,
    name: "beta",
    by: "alpha",
  } as const;
  assert.deepEqual([
    eventLine({ ...made, moves: false, state: "reserved", before: null }),
    eventLine({ ...made, moves: false, state: "reserved", before: "gamma" }),
    eventLine({ ...made, moves: false, state: "lifted", before: "beta" }),
  ], [
    `${at}  reservation  10.42.9.0/24 for beta (bbbbbbbb): reserved by alpha`,
    `${at}  reservation  10.42.9.0/24 for beta (bbbbbbbb): reserved by alpha, was for gamma`,
    `${at}  reservation  10.42.9.0/24 for beta (bbbbbbbb): lifted`,
  ]);
});

test("waitingLine() says everything once", () => {
  const line = "waiting for host-b: no answer for 8 s (firewall?)";
  assert.equal(waitingLine({ endpoint: "host-b", sinceSeconds: 8, hint: line, message: line }), line);
});

test("leasesPage() marks this node and routesPage() calls the worst metric last", () => {
  const lease: LeaseEntry = {
    subnet: "10.42.7.0/24",
    subnet6: null,
    nodeId: "a".repeat(64),
    name: "alpha",
    state: "confirmed",
    reserved: false,
    endpoint: null,
    vtepMac: null,
  };
  assert.match(leasesPage([lease], PLAIN), /aaaaaaaa {2}this node {2}no/);
  assert.match(leasesPage([{ ...lease, state: "probation" }], PLAIN), /this node, probation/);
  assert.match(leasesPage([{ ...lease, state: "suspect" }], PLAIN), /aaaaaaaa {2}suspect/);
  const kept = { ...lease, state: "reserved", reserved: true, reservedBy: "gamma" } as const;
  assert.match(leasesPage([kept], PLAIN), /aaaaaaaa {2}not taken {2}yes/);
  const route: RouteEntry = {
    destination: "10.42.7.0/24",
    where: "host",
    type: "unreachable",
    device: null,
    gateway: null,
    metric: 0xff002000,
    node: null,
    path: null,
  };
  assert.match(routesPage([route], PLAIN), / last /);
  assert.match(routesPage([{ ...route, metric: 100 }], PLAIN), / 100 /);
});

test("missingIn() names what is missing", () => {
  assert.equal(missingIn(statusWith({}), 0), null);
  assert.equal(missingIn(statusWith({}, [peer]), 1), null);
  assert.match(missingIn(statusWith({ leaseState: "joining" }), 0)!, /state: joining/);
  assert.match(missingIn(statusWith({}, [{ ...peer, path: "none" }]), 1)!, /^0 of 1 peers/);
  assert.match(missingIn(statusWith({}, [{ ...peer, state: "suspect" }]), 1)!, /^0 of 1 peers/);
});

test("whyPage() lists attempts with what would help", () => {
  const page = whyPage({
    node: "gamma",
    id: "c",
    subnet: null,
    subnet6: null,
    state: "dead",
    path: "none",
    summary: "no path",
    attempts: [{ path: "tunnel", ok: false, result: "no answer for 9 s", fix: "open 8473/udp there" }],
  }, PLAIN);
  assert.match(page, /no {3}tunnel: no answer for 9 s\n {7}fix: open 8473\/udp there/);
});

test("echoLine() and summarize() say path, loss and times", () => {
  const target: Resolved = {
    id: "b",
    name: "beta",
    subnet: "10.42.9.0/24",
    subnet6: null,
    address: "10.42.9.0",
    address6: null,
    endpoint: "192.168.1.11:8473",
    path: "tunnel",
    self: false,
  };
  const echo = { sequence: 1, bytes: 64, rttMs: 0.414, error: null, target };
  assert.equal(
    echoLine(echo),
    "64 bytes from beta (10.42.9.0) via tunnel 192.168.1.11:8473: seq=1 time=0.41 ms",
  );
  const lost = { ...echo, sequence: 2, rttMs: null };
  assert.match(echoLine(lost), /^no answer from beta .* seq=2 timeout$/);
  const pathless = {
    ...lost,
    error: "network unreachable",
    target: { ...target, path: "none" as const, endpoint: null },
  };
  assert.equal(echoLine(pathless), "no answer from beta (10.42.9.0): seq=2 network unreachable");
  assert.deepEqual(summarize([echo, lost, lost]).lossPercent, 66.7);
  assert.deepEqual(summarize([lost]).rttMs, null);
});

test("an event is one line: when, of what, and what it was before; no name drives the terminal", () => {
  const at = "2026-01-31T09:30:00.000Z";
  const id = "b".repeat(64);
  const lease = { event: "lease", at, subnet: "10.42.9.0/24", nodeId: id, name: "beta" } as const;
  const path = { event: "path", at, id, name: "beta", to: "192.168.1.11:8473", mtu: 1440, why: "w" } as const;
  assert.deepEqual([
    eventLine({ ...lease, state: "held", before: null, reserved: false, own: false }),
    eventLine({ ...lease, nodeId: null, state: "static", before: null, reserved: true, own: false }),
    eventLine({ ...lease, state: "confirmed", before: "probation", reserved: false, own: true }),
    eventLine({
      event: "peer",
      at,
      id,
      name: "be\u001bta",
      state: "dead",
      before: "suspect",
      stopped: false,
    }),
    eventLine({ event: "peer", at, id, name: "beta", state: "dead", before: "alive", stopped: true }),
    eventLine({ ...path, path: "tunnel", before: "direct-route" }),
    eventLine({ ...path, path: "tunnel", before: "tunnel" }),
    eventLine({ ...path, path: "none", before: "tunnel", to: null, mtu: 0 }),
  ], [
    `${at}  lease  10.42.9.0/24 of beta (bbbbbbbb): held`,
    `${at}  lease  10.42.9.0/24 of beta: static`,
    `${at}  lease  10.42.9.0/24 of this node, beta (bbbbbbbb): confirmed, was probation`,
    `${at}  peer   be\\u{1b}ta (bbbbbbbb) is dead, was suspect`,
    `${at}  peer   beta (bbbbbbbb) is stopped, was alive`,
    `${at}  path   beta (bbbbbbbb): tunnel to 192.168.1.11:8473, mtu 1440, was direct-route`,
    `${at}  path   beta (bbbbbbbb): tunnel to 192.168.1.11:8473, mtu 1440`,
    `${at}  path   beta (bbbbbbbb): no path: w, was tunnel`,
  ]);
});

test("doctorPage() has what is wrong first, and commands on lines of their own, whole", () => {
  const remedy = `iptables ${"-s 10.42.0.0/16 ".repeat(8)}-j ACCEPT`;
  const page = doctorPage([
    { check: "tun", verdict: "ok", evidence: "fine", remedy: null },
    { check: "firewall", verdict: "warn", evidence: "a chain \u001b[2J drops", remedy },
    { check: "ports", verdict: "fail", evidence: "8473/udp is held by x (pid 7)", remedy: "kill 7" },
  ], { width: 60, height: 24, colours: false });
  const lines = page.split("\n");
  assert.deepEqual([lines[0], lines[1]], ["fail  ports: 8473/udp is held by x (pid 7)", "      kill 7"]);
  assert.ok(lines.includes(`      ${remedy}`));
  assert.ok(!page.includes("\u001b"));
  assert.equal(lines.at(-1), "ok    tun: fine");
});
