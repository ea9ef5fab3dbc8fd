import { test } from "node:test";
import assert from "node:assert/strict";
import { examine, type HostFacts, prefixesIn } from "../../src/host/doctor.ts";
import { FakeKernel, route } from "../fakes/fake_kernel.ts";
import { prefix } from "../../src/wire/prefix.ts";

/** A host in which all is well, and what is otherwise about it. */
function hostWith(
  change: Partial<HostFacts> = {},
  prepare: (kernel: FakeKernel) => void = () => {},
): HostFacts {
  const kernel = new FakeKernel();
  const eth0 = kernel.addLink("eth0");
  kernel.addAddress({ iface: eth0, address: "192.168.1.10", prefixLength: 24, scope: 0 });
  prepare(kernel);
  kernel.sysctls.set("net/ipv4/ip_forward", "1");
  return {
    mayConfigure: true,
    tun: { offloads: ["tso", "uso"] },
    trains: { outcome: "passed", failed: [] },
    setting: (path) => kernel.sysctls.read(path),
    interfaces: kernel.interfaces(),
    addresses: kernel.addresses(),
    routes: kernel.routes(),
    device: "ovl0",
    networks: [prefix("10.42.0.0/16")],
    leases: [prefix("10.42.7.0/24")],
    ports: [{ port: 8473, holder: null }],
    chains: [],
    docker: null,
    synchronised: true,
    ...change,
  };
}

/** "verdict evidence → remedy" of one check. */
const of = (check: string, facts: HostFacts) =>
  examine(facts).filter((one) => one.check === check)
    .map(({ verdict, evidence, remedy }) =>
      `${verdict}: ${evidence}${remedy === null ? "" : ` → ${remedy}`}`
    );

test("a host in which all is well has nothing to do", () => {
  const findings = examine(hostWith());
  assert.deepEqual(findings.filter(({ verdict, remedy }) => verdict !== "ok" || remedy !== null), []);
  assert.ok(findings.length >= 9);
});

test("what a node cannot run without is a failure, with the command for it", () => {
  assert.match(of("tun", hostWith({ tun: { error: "ENOENT" } }))[0]!, /^fail: ENOENT → modprobe tun;/);
  assert.match(of("rights", hostWith({ mayConfigure: false }))[0]!, /^fail: .* → sudo ovltun doctor$/);
  for (
    const [holder, remedy] of [
      ["dnsmasq (pid 812)", " → kill 812"],
      ["the VXLAN device flannel.1", " → ip link del flannel.1"],
      ["another program", ""],
    ]
  ) {
    const [line] = of("ports", hostWith({ ports: [{ port: 8473, holder: holder! }] }));
    assert.equal(line, `fail: 8473/udp is held by ${holder} (or use another --port)${remedy}`);
  }
});

test("forwarding is asked for in the families of the mesh", () => {
  const off = { setting: () => "0" };
  assert.deepEqual(of("forwarding", hostWith(off)).map((line) => line.split(" → ")[1]), [
    "sysctl -w net.ipv4.ip_forward=1",
  ]);
  const both = prefixesIn("10.42.0.0/16", "fd42::/48", null, undefined, "nonsense");
  assert.deepEqual(
    of("forwarding", hostWith({ ...off, networks: both })).map((line) => line.split(" → ")[1]),
    [
      "sysctl -w net.ipv4.ip_forward=1",
      "sysctl -w net.ipv6.conf.all.forwarding=1",
    ],
  );
});

test("a route in the mesh's network is named, but not what is ours, or only drops", () => {
  const lines = of(
    "overlap",
    hostWith({}, (kernel) => {
      const eth0 = kernel.interfaces().find(({ name }) => name === "eth0")!.index;
      const ovl0 = kernel.addLink("ovl0", { kind: "tun", mtu: 1440 });
      kernel.addRoute(route("10.42.0.0/16", { iface: ovl0, protocol: 84 }));
      kernel.addRoute(route("10.42.7.0/24", { type: "unreachable", protocol: 84, metric: 9 }));
      kernel.addRoute(route("10.42.99.0/24", { type: "blackhole" }));
      kernel.addRoute(route("10.42.200.0/24", { iface: eth0 }));
    }),
  );
  assert.deepEqual(lines, [
    "warn: The route 10.42.200.0/24 dev eth0 hides a part of the mesh → ip route del 10.42.200.0/24 dev eth0",
  ]);
  assert.match(of("overlap", hostWith({ networks: [] }))[0]!, /^note: no mesh yet/);
});

test("a bridge of the lease that is wider than the mesh is named", () => {
  const facts = (mtu: number) =>
    hostWith({}, (kernel) => {
      kernel.addLink("ovl0", { kind: "tun", mtu: 1440 });
      const bridge = kernel.addLink("cni0", { kind: "bridge", mtu });
      kernel.addAddress({ iface: bridge, address: "10.42.7.1", prefixLength: 24, scope: 0 });
    });
  assert.match(of("mtu", facts(1500))[0]!, /^warn: .* → ip link set dev cni0 mtu 1440$/);
  assert.deepEqual(of("mtu", facts(1440)), ["ok: ovl0 has 1440"]);
});

test("a chain that drops what is forwarded is opened where it is: Docker's, iptables', an administrator's", () => {
  const chain = { family: "ip", table: "filter", name: "FORWARD", hook: "forward", drops: true };
  const remedy = (facts: Partial<HostFacts>) => of("firewall", hostWith(facts)).join().split(" → ")[1];
  const both = "-s 10.42.0.0/16 -j ACCEPT && iptables -I";
  assert.equal(remedy({ chains: [chain] }), `iptables -I FORWARD ${both} FORWARD -d 10.42.0.0/16 -j ACCEPT`);
  const docker = { version: "28.5.2", backend: "iptables" };
  assert.equal(
    remedy({ chains: [chain], docker }),
    `iptables -I DOCKER-USER ${both} DOCKER-USER -d 10.42.0.0/16 -j ACCEPT`,
  );
  assert.equal(
    remedy({ chains: [{ ...chain, family: "inet", name: "forward" }] }),
    "nft insert rule inet filter forward ip saddr 10.42.0.0/16 accept && " +
      "nft insert rule inet filter forward ip daddr 10.42.0.0/16 accept",
  );
  const quiet = [{ ...chain, drops: false }, { ...chain, hook: "input" }, { ...chain, table: "firewalld" }];
  assert.match(of("firewall", hostWith({ chains: quiet }))[0]!, /^ok: /);
});

test("firewalld, ufw, Docker and other VPNs are known by what they leave in the kernel", () => {
  const chain = { family: "inet", table: "firewalld", name: "filter_FORWARD", hook: "forward", drops: false };
  assert.match(of("firewalld", hostWith({ chains: [chain] }))[0]!, /--zone=trusted --add-interface=ovl0/);
  assert.match(
    of("ufw", hostWith({ chains: [{ ...chain, name: "ufw-user-input" }] }))[0]!,
    /ufw allow 8473\/udp && /,
  );
  assert.match(
    of("docker", hostWith({ docker: { version: "28.5.2", backend: "iptables" } }))[0]!,
    /^note: Docker 28/,
  );
  assert.match(of("docker", hostWith({ docker: { version: "20.10.24", backend: "iptables" } }))[0]!, /^ok: /);
  const vpn = (networks: string) =>
    of(
      "vpn",
      hostWith({ networks: [prefix(networks)] }, (kernel) => {
        kernel.addLink("wg0", { kind: "wireguard", mtu: 1420 });
        kernel.addLink("tailscale0", { kind: "tun", mtu: 1280 });
      }),
    ).map((line) => line.split(":")[0]);
  assert.deepEqual([vpn("10.42.0.0/16"), vpn("100.80.0.0/16")], [["note", "note"], ["note", "fail"]]);
});

test("a strict source check, an unknown clock and offloads that fail are told, and none is a failure", () => {
  const strict = (path: string) =>
    path.endsWith("eth0/rp_filter") ? "1" : "1".slice(Number(path.includes("all/rp")));
  assert.match(
    of("source check", hostWith({ setting: strict }))[0]!,
    /^note: .*eth0.* → sysctl -w .*eth0.rp_filter=2$/,
  );
  assert.match(of("clock", hostWith({ synchronised: false }))[0]!, /^note: /);
  assert.match(of("clock", hostWith({ synchronised: null }))[0]!, /^ok: not known/);
  assert.match(
    of("offloads", hostWith({ trains: { outcome: "failed", failed: ["gro"] } }))[0]!,
    /^warn: .*gro/,
  );
  assert.match(of("offloads", hostWith({ trains: { outcome: "not tested", failed: [] } }))[0]!, /lo up$/);
});
