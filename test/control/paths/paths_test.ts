import { test } from "node:test";
import assert from "node:assert/strict";
import type { MeshConfig, StaticPeer } from "../../../src/control/mesh/mesh_config.ts";
import { foundMesh } from "../../../src/control/mesh/mesh.ts";
import { wantedFrom } from "../../../src/control/paths/paths.ts";
import type { NodeView, PeerView } from "../../../src/control/paths/view.ts";
import { settingsFor } from "../../made/settings.ts";
import type { WayView } from "../../../src/control/paths/way.ts";
import { prefix } from "../../../src/wire/prefix.ts";

const HOST = {
  underlayMtu: 1500,
  pathMtu: () => 1500,
  nextHop: (a: string) => a.startsWith("192.168.1.") ? { iface: 3 } : { why: `${a} is behind a gateway` },
};

const ANSWERED = { state: "answered", answeredAt: 5, peerReady: true, mtu: null } as const;
const SILENT = { state: "silent", answeredAt: null, peerReady: false, mtu: null } as const;

const WAYS = { own: ANSWERED, vxlan: ANSWERED, direct: ANSWERED };

function peer(change: Partial<PeerView> = {}): PeerView {
  return {
    id: "b",
    name: "beta",
    subnet: prefix("10.42.9.0/24"),
    state: "alive",
    stopped: false,
    since: 0,
    endpoint: "192.168.1.11:8473",
    session: null,
    link: { sendIndex: 0x100, receiveIndex: 0x200 },
    lastHelloAt: 0,
    rttMs: null,
    ways: WAYS,
    vtepMac: "02:00:00:00:00:09",
    clearPaths: true,
    directRoutes: true,
    endpoints: ["192.168.1.11:8473"],
    translated: [],
    tried: [],
    version: "0.1.0",
    ...change,
  };
}

function view(
  backend: MeshConfig["backend"],
  peers: PeerView[],
  state: NodeView["own"]["leaseState"] = "confirmed",
) {
  const own: NodeView["own"] = {
    id: "a",
    name: "alpha",
    networkId: "",
    leaseState: state,
    subnet: prefix("10.42.7.0/24"),
    address: "10.42.7.0",
    vtepMac: "02:00:00:00:00:07",
    mesh: foundMesh(settingsFor("x", { backend })) as MeshConfig,
    endpoints: [],
    translated: [],
    waitingFor: [],
    warnings: [],
    rejected: 0,
    startedAt: 0,
  };
  return { own, peers, leases: [] };
}

const SETTINGS = settingsFor("x");

test("Backend udp: a data tunnel to the link's endpoint with the link's indices, MTU 1456", () => {
  const wanted = wantedFrom(view("udp", [peer()]), SETTINGS, HOST);
  assert.deepEqual(wanted.own, {
    network: prefix("10.42.0.0/16"),
    subnet: prefix("10.42.7.0/24"),
    address: "10.42.7.0",
    mac: "02:00:00:00:00:07",
    mtu: 1456,
  });
  assert.deepEqual(wanted.tunnels.get("b"), {
    encapsulation: "data",
    endpoint: "192.168.1.11:8473",
    ownPort: "192.168.1.11:8473",
    mtu: 1456,
    sendIndex: 0x100,
    receiveIndex: 0x200,
    vni: 0,
    mac: "",
  });
  assert.deepEqual(wanted.routes, [{ subnet: prefix("10.42.9.0/24"), peerKey: "b" }]);
  assert.deepEqual(wanted.sockets, { vxlan: null, flannel: false });
  assert.equal(wanted.paths.get("b")!.path, "tunnel");
});

test("Backend vxlan: the peer's address at the mesh's port, its MAC and the VNI, MTU 1450", () => {
  const wanted = wantedFrom(view("vxlan", [peer()]), SETTINGS, HOST);
  assert.deepEqual(wanted.tunnels.get("b"), {
    encapsulation: "vxlan",
    endpoint: "192.168.1.11:8472",
    ownPort: "192.168.1.11:8473",
    mtu: 1450,
    sendIndex: 0x100,
    receiveIndex: 0x200,
    vni: 1,
    mac: "02:00:00:00:00:09",
  });
  assert.equal(wanted.deviceMtu, 1450);
  assert.equal(wanted.sockets.vxlan, 8472);
});

test("An IPv6 underlay costs 20 bytes more", () => {
  const six = peer({ endpoint: "[fd00::11]:8473" });
  assert.equal(wantedFrom(view("udp", [six]), SETTINGS, HOST).tunnels.get("b")!.mtu, 1436);
  const vxlan = wantedFrom(view("vxlan", [six]), SETTINGS, HOST).tunnels.get("b")!;
  assert.deepEqual([vxlan.mtu, vxlan.endpoint], [1430, "[fd00::11]:8472"]);
});

test("A direct route carries data once both sides had an answer by it; until then the tunnel, with the reason", () => {
  const direct = settingsFor("x", { directRouting: true });
  const cases = [
    [peer(), "direct-route", /^same link/],
    [
      peer({ ways: { ...WAYS, direct: SILENT } }),
      "tunnel",
      /overlay addresses get no answer from 192\.168\.1\.11/,
    ],
    [
      peer({ ways: { ...WAYS, direct: { ...ANSWERED, peerReady: false } } }),
      "tunnel",
      /beta gets no answer from this host over it/,
    ],
    [
      peer({ directRoutes: false }),
      "tunnel",
      /both sides need --direct-routing, and beta was started without it/,
    ],
    [peer({ ways: { ...WAYS, direct: { ...SILENT, state: "unknown" } } }), "none", /^waiting for/],
  ] as const;
  for (const [one, path, why] of cases) {
    const wanted = wantedFrom(view("udp", [one]), direct, HOST);
    assert.equal(wanted.paths.get("b")!.path, path);
    assert.match(wanted.paths.get("b")!.why, why);
    assert.equal(wanted.directRoutes.length, path === "direct-route" ? 1 : 0);
    const probed = one.directRoutes
      ? [{ destination: prefix("10.42.9.0/32"), gateway: "192.168.1.11", iface: 3 }]
      : [];
    assert.deepEqual(wanted.probeRoutes, probed);
  }
});

test("Backend host-gw: without an answer there is no path, and what would help is said", () => {
  const wanted = wantedFrom(view("host-gw", [peer({ ways: { ...WAYS, direct: SILENT } })]), SETTINGS, HOST);
  assert.deepEqual(wanted.directRoutes, []);
  const { path, fix, answeredAt } = wanted.paths.get("b")!;
  assert.equal(path, "none");
  assert.equal(answeredAt ?? null, null);
  assert.match(fix!, /port security.*--backend udp --direct-routing/);
});

test("Backend vxlan: where nobody answers at the VXLAN port, our own port carries the data", () => {
  const wanted = wantedFrom(view("vxlan", [peer({ ways: { ...WAYS, vxlan: SILENT } })]), SETTINGS, HOST);
  const tunnel = wanted.tunnels.get("b")!;
  assert.deepEqual([tunnel.encapsulation, tunnel.endpoint, tunnel.vni], ["data", "192.168.1.11:8473", 1]);
  assert.equal(tunnel.vxlanPort, "192.168.1.11:8472"); // a probe there is answered there
  const { path, why, fix, to } = wanted.paths.get("b")!;
  assert.deepEqual([path, to], ["tunnel", "192.168.1.11:8473"]);
  assert.match(why, /^no answer on 8472\/udp/);
  assert.match(fix!, /open 8472\/udp between alpha and beta/);
  const asked = wantedFrom(
    view("vxlan", [peer({ ways: { ...WAYS, vxlan: { ...SILENT, state: "unknown" } } })]),
    SETTINGS,
    HOST,
  );
  assert.equal(asked.paths.get("b")!.path, "none");
});

test("What probes found to pass limits the tunnel and the direct route", () => {
  const narrow = peer({
    ways: { own: { ...ANSWERED, mtu: 1400 }, vxlan: null, direct: { ...ANSWERED, mtu: 1300 } },
  });
  assert.equal(wantedFrom(view("udp", [narrow]), SETTINGS, HOST).tunnels.get("b")!.mtu, 1356);
  const routed = wantedFrom(view("udp", [narrow]), settingsFor("x", { directRouting: true }), HOST);
  assert.equal(routed.directRoutes[0]!.mtu, 1300);
  assert.equal(routed.paths.get("b")!.mtu, 1300);
});

test("Where no direct route is asked for, the kernel is not asked about one for each peer", () => {
  const asked: string[] = [];
  const counting = { ...HOST, nextHop: (a: string) => (asked.push(a), { iface: 3 }) };
  assert.equal(wantedFrom(view("udp", [peer()]), SETTINGS, counting).paths.get("b")!.path, "tunnel");
  assert.deepEqual(asked, []);
  wantedFrom(view("udp", [peer()]), settingsFor("x", { directRouting: true }), counting);
  assert.equal(asked.length, 1);
});

test("No direct route leads by a device without link addresses, and the path says so", () => {
  const why = (a: string) => `${a} is behind wg0, a device without link-layer addresses`;
  const wg = { ...HOST, nextHop: (a: string) => ({ why: why(a) }) };
  const routed = wantedFrom(view("udp", [peer()]), settingsFor("x", { directRouting: true }), wg);
  assert.deepEqual(routed.directRoutes, []);
  assert.equal(routed.paths.get("b")!.path, "tunnel");
  assert.match(routed.paths.get("b")!.why, /^no direct route: 192\.168\.1\.11 is behind wg0/);
  const gw = wantedFrom(view("host-gw", [peer()]), SETTINGS, wg);
  assert.deepEqual(gw.directRoutes, []);
  assert.equal(gw.paths.get("b")!.path, "none");
  assert.match(gw.paths.get("b")!.why, /behind wg0/);
});

test("Backend host-gw: a gateway route on the same link, no path behind a gateway", () => {
  const far = peer({ id: "c", subnet: prefix("10.42.11.0/24"), endpoint: "172.16.0.5:8473" });
  const wanted = wantedFrom(view("host-gw", [peer(), far]), SETTINGS, HOST);
  assert.deepEqual(wanted.directRoutes, [{
    destination: prefix("10.42.9.0/24"),
    gateway: "192.168.1.11",
    iface: 3,
  }]);
  for (const tunnel of wanted.tunnels.values()) assert.equal(tunnel.encapsulation, "none"); // probes only
  assert.equal(wanted.paths.get("b")!.path, "direct-route");
  assert.equal(wanted.paths.get("b")!.mtu, 1500);
  assert.equal(wanted.paths.get("c")!.path, "none");
  assert.match(wanted.paths.get("c")!.why, /172\.16\.0\.5 is behind a gateway/);
  assert.equal(wanted.deviceMtu, 1500);
});

test("A direct route leads to the IPv4 address of a peer that is reached by IPv6 on the same link", () => {
  const interfaces: Readonly<Record<string, number>> = { "fd00::11": 3, "192.168.1.11": 3, "10.8.0.11": 5 };
  const host = {
    ...HOST,
    nextHop: (a: string) =>
      interfaces[a] === undefined ? { why: `${a} is behind a gateway` } : { iface: interfaces[a] },
  };
  const over6 = (endpoint: string, endpoints: readonly string[], translated: readonly string[] = []) =>
    peer({ endpoint, endpoints, translated });
  const both = ["[fd00::11]:8473", "beta.example.org:8473", "10.8.0.11:8473", "192.168.1.11:8473"];
  for (const backend of ["host-gw", "udp"] as const) {
    const settings = { ...SETTINGS, directRouting: backend === "udp" };
    const decide = (one: PeerView) => wantedFrom(view(backend, [one]), settings, host);
    const wanted = decide(over6("[fd00::11]:8473", both));
    assert.deepEqual(wanted.directRoutes, [
      { destination: prefix("10.42.9.0/24"), gateway: "192.168.1.11", iface: 3 },
    ]);
    assert.equal(wanted.paths.get("b")!.path, "direct-route");
    assert.equal(wanted.ways.get("b")!.gateway, "192.168.1.11");
    // Behind a gateway, the same private addresses are those of another network.
    const away = decide(over6("[2001:db8::1]:8473", both)).paths.get("b")!;
    assert.notEqual(away.path, "direct-route");
    assert.match(away.why, /2001:db8::1 is behind a gateway/);
    const translated = decide(over6("[fd00::11]:8473", both, [both[3]!]));
    assert.match(translated.paths.get("b")!.why, /beta has no IPv4 address on the link of fd00::11/);
  }
});

test("What a record claims outside of the mesh's networks is routed nowhere, and no direct route leads there", () => {
  const [inside, outside] = [prefix("10.42.9.0/24"), prefix("fd00:0:0:9::/64")];
  const settings = { ...SETTINGS, directRouting: true };
  const routesTo = (lease: Partial<PeerView>, backend: MeshConfig["backend"]) => {
    const { routes, directRoutes, probeRoutes } = wantedFrom(view(backend, [peer(lease)]), settings, HOST);
    const direct = [...directRoutes, ...probeRoutes].map(({ destination }) => destination.text);
    return [routes.map(({ subnet }) => subnet.text), direct];
  };
  const leads = [[inside.text], [inside.text, "10.42.9.0/32"]];
  for (const backend of ["udp", "host-gw"] as const) {
    assert.deepEqual(routesTo({ subnet: inside }, backend), leads);
    assert.deepEqual(routesTo({ subnet: inside, second: outside }, backend), leads);
    for (const subnet of ["0.0.0.0/0", "192.168.1.0/24", "10.0.0.0/8", outside.text]) {
      assert.deepEqual(routesTo({ subnet: prefix(subnet) }, backend), [[], []], subnet);
    }
  }
  const both = view("udp", [peer({ second: outside })]);
  const mesh = foundMesh(settingsFor("x", { ipv6: { ...SETTINGS.ipv6, network: prefix("fd00::/48") } }));
  const wanted = wantedFrom({ ...both, own: { ...both.own, mesh: mesh as MeshConfig } }, settings, HOST);
  assert.deepEqual(wanted.routes.map(({ subnet }) => subnet), [inside, outside]);
});

test("In a mesh of both families each has a direct route of its own, by a next hop of its own", () => {
  const interfaces: Readonly<Record<string, number>> = { "fd00::11": 3, "192.168.1.11": 3 };
  const host = {
    ...HOST,
    nextHop: (a: string) =>
      interfaces[a] === undefined ? { why: `${a} is behind a gateway` } : { iface: interfaces[a] },
  };
  const network6 = prefix("fd42:1:2::/48");
  const range6 = {
    network: network6,
    subnetLen: 64,
    subnetMin: "fd42:1:2:1::",
    subnetMax: "fd42:1:2:ffff::",
  };
  const answers: WayView = { state: "answered", answeredAt: 1, peerReady: true, mtu: null };
  const decide = (backend: "host-gw" | "udp", change: Partial<PeerView>) => {
    const both = peer({ second: prefix("fd42:1:2:9::/64"), ...change });
    const of = view(backend, [both]);
    const mesh = { ...of.own.mesh!, second: range6 };
    const own = { ...of.own, mesh, second: prefix("fd42:1:2:7::/64") };
    return wantedFrom({ ...of, own }, { ...SETTINGS, directRouting: backend === "udp" }, host);
  };
  const endpoints = ["192.168.1.11:8473", "[fd00::11]:8473"];
  const ways = { own: answers, vxlan: null, direct: answers, direct6: answers };
  for (const backend of ["host-gw", "udp"] as const) {
    const all = decide(backend, { endpoints, ways });
    assert.deepEqual(all.directRoutes.map((r) => [r.destination.text, r.gateway]), [
      ["10.42.9.0/24", "192.168.1.11"],
      ["fd42:1:2:9::/64", "fd00::11"],
    ]);
    assert.deepEqual(all.probeRoutes.map((r) => r.destination.text), [
      "10.42.9.0/32",
      "fd42:1:2:9:ffff:ffff:ffff:fffe/128",
    ]);
    assert.equal(all.paths.get("b")!.why, "same link as 192.168.1.11");
    assert.deepEqual(all.routes.map(({ subnet }) => subnet.text), ["10.42.9.0/24", "fd42:1:2:9::/64"]);
    assert.equal(all.own!.second!.address, "fd42:1:2:7:ffff:ffff:ffff:ffff");
    // Only IPv4 comes back.
    const silent = { ...answers, state: "silent" } as const;
    const four = decide(backend, { endpoints, ways: { ...ways, direct6: silent } });
    assert.deepEqual(four.directRoutes.map((r) => r.destination.text), ["10.42.9.0/24"]);
    assert.equal(four.probeRoutes.length, 2);
    const words = backend === "udp" ? "IPv6 takes the tunnel: " : "IPv6 has no path: ";
    assert.ok(four.paths.get("b")!.why.includes(`; ${words}no direct route: packets with`));
    // The link has no IPv6.
    const none = decide(backend, { endpoints: [endpoints[0]!], ways: { ...ways, direct6: null } });
    assert.match(
      none.paths.get("b")!.why,
      /; IPv6 .*beta has no IPv6 address on the link of 192\.168\.1\.11/,
    );
    assert.equal(none.ways.get("b")!.gateway6, undefined);
  }
  // Only IPv6 comes back.
  const six = decide("udp", { endpoints, ways: { ...ways, direct: { ...answers, state: "silent" } } });
  assert.deepEqual(six.directRoutes.map((r) => r.destination.text), ["fd42:1:2:9::/64"]);
  assert.equal(six.paths.get("b")!.path, "tunnel");
  assert.match(six.paths.get("b")!.why, /; IPv6 takes a direct route$/);
});

test("--direct-routing: a gateway route on the same link, the tunnel elsewhere", () => {
  const far = peer({ id: "c", subnet: prefix("10.42.11.0/24"), endpoint: "172.16.0.5:8473" });
  const wanted = wantedFrom(view("udp", [peer(), far]), { ...SETTINGS, directRouting: true }, HOST);
  assert.deepEqual(wanted.directRoutes.map((r) => r.destination.text), ["10.42.9.0/24"]);
  assert.equal(wanted.paths.get("b")!.path, "direct-route");
  assert.equal(wanted.paths.get("c")!.path, "tunnel");
  assert.ok(wanted.tunnels.has("b") && wanted.tunnels.has("c"));
});

test("A suspect peer keeps its route; a dead one, and one without a link, has none and says why", () => {
  const peers = [
    peer({ id: "s", state: "suspect" }),
    peer({ id: "d", state: "dead" }),
    peer({
      id: "g",
      state: "dead",
      stopped: true,
      tried: [{ endpoint: "192.168.1.11:8473", lastTriedAt: 1, outcome: { kind: "stopped" } }],
    }),
    peer({
      id: "n",
      endpoint: null,
      link: null,
      tried: [{ endpoint: "192.168.1.11:8473", lastTriedAt: 1, outcome: { kind: "silent" } }],
    }),
    peer({ id: "h", endpoint: null, link: null, endpoints: [] }),
    peer({ id: "x", subnet: null }),
  ];
  const { routes, paths } = wantedFrom(view("udp", peers), SETTINGS, HOST);
  assert.deepEqual(routes.map((r) => r.peerKey), ["s"]);
  assert.match(paths.get("d")!.why, /does not answer/);
  assert.equal(paths.get("g")!.why, "it was stopped");
  assert.match(paths.get("n")!.why, /192\.168\.1\.11:8473: no answer/);
  assert.match(paths.get("h")!.why, /none of its endpoints is known/);
});

test("Before a lease is confirmed there is no own network; before a mesh, nothing", () => {
  for (const state of ["joining", "probation", "yielding", "exhausted"] as const) {
    assert.equal(wantedFrom(view("vxlan", [peer()], state), SETTINGS, HOST).own, null);
  }
  const joining = view("udp", [], "joining");
  const nothing = wantedFrom({ ...joining, own: { ...joining.own, mesh: null } }, SETTINGS, HOST);
  assert.deepEqual([nothing.own, nothing.routes, nothing.tunnels.size], [null, [], 0]);
});

test("Static peers: a kernel VXLAN device and a flannel node", () => {
  const statics: StaticPeer[] = [
    {
      subnet: prefix("10.42.3.0/24"),
      address: "10.99.0.3",
      port: null,
      backend: "vxlan",
      mac: "02:00:00:00:00:03",
      vni: null,
    },
    {
      subnet: prefix("10.42.4.0/24"),
      address: "10.99.0.4",
      port: null,
      backend: "udp",
      mac: null,
      vni: null,
    },
  ];
  const wanted = wantedFrom(view("udp", []), { ...SETTINGS, staticPeers: statics }, HOST);
  const kernel = wanted.tunnels.get("static:10.42.3.0/24")!;
  assert.deepEqual([kernel.encapsulation, kernel.endpoint, kernel.mtu, kernel.vni], [
    "vxlan",
    "10.99.0.3:8472",
    1450,
    1,
  ]);
  const flannel = wanted.tunnels.get("static:10.42.4.0/24")!;
  assert.deepEqual([flannel.encapsulation, flannel.endpoint, flannel.mtu], [
    "flannel",
    "10.99.0.4:8285",
    1472,
  ]);
  assert.deepEqual(wanted.sockets, { vxlan: 8472, flannel: true });
  assert.equal(wanted.paths.get("static:10.42.3.0/24")!.path, "kernel-vxlan");
});

/** The same view in a sealed mesh. */
function sealedView(backend: MeshConfig["backend"], peers: PeerView[]) {
  const plain = view(backend, peers);
  const mesh = foundMesh(settingsFor("x", { backend, plain: false })) as MeshConfig;
  return { ...plain, own: { ...plain.own, mesh } };
}

test("In a sealed mesh peers have sealed tunnels whatever the backend, MTU 1440", () => {
  for (const backend of ["udp", "vxlan"] as const) {
    const wanted = wantedFrom(sealedView(backend, [peer()]), SETTINGS, HOST);
    const sealed = { encapsulation: "sealed", mtu: 1440, sendIndex: 0, receiveIndex: 0, vni: 0, mac: "" };
    const endpoint = "192.168.1.11:8473";
    assert.deepEqual(wanted.tunnels, new Map([["b", { ...sealed, endpoint, ownPort: endpoint }]]));
    assert.deepEqual(wanted.routes, [{ subnet: prefix("10.42.9.0/24"), peerKey: "b" }]);
    assert.equal(wanted.deviceMtu, 1440);
  }
});

test("In a sealed mesh a route in the clear needs the user's own word", () => {
  const direct = settingsFor("x", { directRouting: true, plain: false });
  for (const allowPlainDirect of [false, true]) {
    const udp = wantedFrom(sealedView("udp", [peer()]), { ...direct, allowPlainDirect }, HOST);
    assert.equal(udp.directRoutes.length, Number(allowPlainDirect));
    assert.equal(udp.paths.get("b")!.path, allowPlainDirect ? "direct-route" : "tunnel");
    if (!allowPlainDirect) assert.match(udp.paths.get("b")!.why, /sealed, and --allow-plain-direct/);
    const gateway = wantedFrom(sealedView("host-gw", [peer()]), { ...direct, allowPlainDirect }, HOST);
    assert.equal(gateway.paths.get("b")!.path, allowPlainDirect ? "direct-route" : "none");
    assert.deepEqual(gateway.routes, []);
  }
});

test("wantedFrom() has no direct route to a node of a sealed mesh that did not allow it, and says what to do where", () => {
  const settings = settingsFor("alpha", { directRouting: true, plain: false, allowPlainDirect: true });
  const strict = peer({ clearPaths: false });
  for (const [backend, path] of [["udp", "tunnel"], ["host-gw", "none"]] as const) {
    const wanted = wantedFrom(sealedView(backend, [strict]), settings, HOST);
    assert.deepEqual(wanted.directRoutes, []);
    const to = wanted.paths.get("b")!;
    assert.equal(to.path, path);
    assert.match(to.why, /sealed, and --allow-plain-direct was not given on beta$/);
    assert.equal(to.fix, "start ovltun on beta with --allow-plain-direct");
    const both = wantedFrom(sealedView(backend, [strict]), { ...settings, allowPlainDirect: false }, HOST);
    assert.match(both.paths.get("b")!.fix!, / on alpha and beta with /);
  }
  // Behind a gateway a flag would change nothing, so none is asked for.
  const far = peer({ clearPaths: false, endpoint: "10.1.1.1:8473" });
  for (const backend of ["udp", "host-gw"] as const) {
    const to = wantedFrom(sealedView(backend, [far]), settings, HOST).paths.get("b")!;
    assert.match(to.why, /behind a gateway/);
    assert.equal(to.fix, undefined);
  }
  const plain = wantedFrom(view("host-gw", [strict]), { ...settings, plain: true }, HOST);
  assert.equal(plain.paths.get("b")!.path, "direct-route");
});

test("a static peer whose address lies in the mesh itself gets neither tunnel nor route, and says why", () => {
  const inside: StaticPeer = {
    subnet: prefix("10.42.3.0/24"),
    address: "10.42.9.1",
    port: null,
    backend: "vxlan",
    mac: "02:00:00:00:00:03",
    vni: null,
  };
  const wanted = wantedFrom(view("vxlan", []), { ...SETTINGS, staticPeers: [inside] }, HOST);
  assert.equal(wanted.tunnels.size, 0);
  assert.deepEqual(wanted.routes, []);
  const path = wanted.paths.get("static:10.42.3.0/24")!;
  assert.deepEqual([path.path, path.why], ["none", "its address 10.42.9.1 is inside the mesh"]);
});

test("a name among our own endpoints does not decide the family of the underlay", () => {
  const named = view("udp", []);
  const six = { ...named, own: { ...named.own, endpoints: ["home.example:8473", "[fd00::1]:8473"] } };
  const four = { ...named, own: { ...named.own, endpoints: ["home.example:8473"] } };
  const mtus = [six, four].map((one) => wantedFrom(one, SETTINGS, HOST).deviceMtu);
  assert.equal(mtus[1]! - mtus[0]!, 20);
});

test("A peer without a link in a large mesh has an idle path, a route, and a tunnel in which packets wait", () => {
  const without = { endpoint: null, link: null, ways: { own: null, vxlan: null, direct: null } };
  for (const onDemand of ["idle", "calling"] as const) {
    const wanted = wantedFrom(view("udp", [peer({ ...without, onDemand })]), SETTINGS, HOST);
    const { path, asAsked, why } = wanted.paths.get("b")!;
    assert.deepEqual([path, asAsked], ["idle", true], why);
    assert.equal(wanted.tunnels.get("b")!.encapsulation, "waiting");
    assert.deepEqual(wanted.routes, [{ subnet: prefix("10.42.9.0/24"), peerKey: "b" }]);
    assert.equal(wanted.ways.size, 0, "there is nothing to probe");
  }
  const suspect = wantedFrom(
    view("udp", [peer({ ...without, onDemand: "idle", state: "suspect" })]),
    SETTINGS,
    HOST,
  );
  assert.equal(suspect.paths.get("b")!.path, "idle", "a suspect keeps its path");
  const missed = wantedFrom(view("udp", [peer(without)]), SETTINGS, HOST);
  assert.deepEqual(
    [missed.paths.get("b")!.path, missed.routes.length],
    ["none", 0],
    "who is called in vain is refused",
  );
});
