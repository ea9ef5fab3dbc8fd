/** `ovltun doctor` on hosts with a fault made for real: it is found, and the command that it gives mends it. */
import assert from "node:assert/strict";
import type { Finding } from "../../src/host/doctor.ts";
import { Container } from "./container.ts";
import { COMMANDS, type Host } from "./host.ts";
import { liveTest, NETWORK, withHosts } from "./mesh.ts";

const FOUNDING = ["--network", NETWORK, "--network6", "fd42:1:2::/48"];

async function findings(
  host: Host,
  kind: "compiled" | "deno" | "bun" = "compiled",
): Promise<[number | null, Finding[]]> {
  const { code, stdout, stderr } = await host.run([
    ...COMMANDS[kind],
    ...["doctor", "--json", "--run-dir", host.runDir],
  ]);
  assert.ok(stdout.startsWith("["), stderr);
  return [code, JSON.parse(stdout)];
}

async function of(host: Host, check: string): Promise<Finding[]> {
  return (await findings(host))[1].filter((one) => one.check === check);
}

/** The check is well, then not with `fault`, then well again by what it says. */
async function mends(host: Host, check: string, fault: string): Promise<void> {
  const verdicts = async () => (await of(host, check)).map(({ verdict }) => verdict);
  assert.ok((await verdicts()).every((one) => one === "ok"), `${check} before`);
  await host.sh(fault);
  const bad = (await of(host, check)).filter(({ verdict }) => verdict !== "ok");
  assert.ok(bad.length > 0, `${check}: ${fault}`);
  for (const { remedy } of bad) await host.sh(remedy!);
  assert.ok(
    (await verdicts()).every((one) => one === "ok"),
    `${check} after ${bad.map(({ remedy }) => remedy)}`,
  );
}

liveTest(
  "what is in the way before a start is found, by every runtime, and mended by what is pasted",
  async () => {
    await withHosts(1, async ([host]) => {
      const alpha = host!;
      await alpha.sh(
        "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0",
      );
      for (const kind of ["compiled", "deno", "bun"] as const) {
        const [code, all] = await findings(alpha, kind);
        assert.equal(code, 0);
        assert.deepEqual(all.filter(({ verdict }) => verdict === "fail" || verdict === "warn"), []);
        assert.equal(
          await alpha.sh("ip -o link | grep -c ovltrial || true"),
          "0\n",
          "the trial leaves nothing",
        );
      }
      await mends(alpha, "forwarding", "sysctl -qw net.ipv4.ip_forward=0");
      await mends(alpha, "source check", "sysctl -qw net.ipv4.conf.eth0.rp_filter=1");
      const listen =
        'socket(S, AF_INET, SOCK_DGRAM, 17); bind(S, pack_sockaddr_in(8473, INADDR_ANY)) or die; print "on\\n"; sleep 600';
      const holder = alpha.spawn(["perl", "-MSocket", "-e", `$| = 1; ${listen}`]);
      await new Promise((resolve) => holder.stdout!.once("data", resolve));
      const [code, all] = await findings(alpha);
      assert.equal(code, 1, "a node could not run");
      const [held] = all.filter(({ check }) => check === "ports");
      assert.equal(held!.remedy, `kill ${holder.pid}`);
      const ended = new Promise((resolve) => holder.once("close", resolve));
      await alpha.sh(held!.remedy!);
      await ended;
      assert.deepEqual((await of(alpha, "ports")).map(({ verdict }) => verdict), ["ok"]);
      await alpha.sh(
        "ip link add vxlan9 type vxlan id 9 dstport 8473 local 10.99.0.1; ip link set vxlan9 up",
      );
      const [device] = await of(alpha, "ports");
      assert.equal(device!.remedy, "ip link del vxlan9");
      await alpha.sh(device!.remedy!);
      assert.deepEqual((await of(alpha, "ports")).map(({ verdict }) => verdict), ["ok"]);
      const doctor = [...COMMANDS.compiled, "doctor", "--json", "--run-dir", alpha.runDir].join(" ");
      const inside = async (wrap: string, check: string) => {
        const { code, stdout } = await alpha.run(["sh", "-c", `${wrap}`.replace("DOCTOR", doctor)]);
        assert.equal(code, 1, stdout);
        return (JSON.parse(stdout) as Finding[]).find((one) => one.check === check)!.verdict;
      };
      assert.equal(
        await inside("unshare -m sh -c 'mount --bind /dev/null /dev/net/tun; DOCTOR'", "tun"),
        "fail",
      );
      assert.equal(
        await inside("setpriv --bounding-set=-net_admin --inh-caps=-net_admin DOCTOR", "rights"),
        "fail",
      );
    });
  },
);

liveTest("what is in the way of a mesh that runs is found, and mended by what is pasted", async () => {
  await withHosts(2, async (hosts) => {
    const [alpha, beta] = hosts as [Host, Host];
    alpha.up("compiled", [...FOUNDING, "--forward"]);
    await alpha.daemon.ready(0);
    beta.up("compiled", ["--peers", alpha.underlay, "--forward"]);
    await Promise.all(hosts.map((host) => host.daemon.ready(1)));
    const { node } = await alpha.daemon.status();
    const a = await Container.start(alpha), b = await Container.start(beta);
    try {
      await alpha.sh(`ip link set dev cni0 mtu ${node.mtu}`);
      assert.deepEqual((await of(alpha, "forwarding")).map(({ verdict }) => verdict), ["ok", "ok"]);
      await mends(alpha, "mtu", "ip link set dev veth0 mtu 1500; ip link set dev cni0 mtu 1500");
      await mends(alpha, "overlap", "ip route add 10.42.200.0/24 dev eth0");
      const pings = async (address: string) =>
        (await a.run(["ping", "-n", "-c", "1", "-W", "1", address])).code === 0;
      for (const [family, tool] of [[0, "iptables"], [1, "ip6tables"]] as const) {
        assert.equal(await pings(b.addresses[family]), true);
        await alpha.sh(`${tool} -P FORWARD DROP`);
        assert.equal(await pings(b.addresses[family]), false);
        const bad = (await of(alpha, "firewall")).filter(({ verdict }) => verdict === "warn");
        for (const { remedy } of bad) await alpha.sh(remedy!);
        assert.equal(await pings(b.addresses[family]), true, `after ${bad.map(({ remedy }) => remedy)}`);
      }
      await alpha.sh(
        `nft add table inet mine; nft 'add chain inet mine f { type filter hook forward priority 0; policy drop; }'`,
      );
      assert.equal(await pings(b.addresses[0]), false);
      const [own] = (await of(alpha, "firewall")).filter(({ evidence }) => evidence.includes("inet mine f"));
      await alpha.sh(own!.remedy!);
      for (const address of b.addresses) assert.equal(await pings(address), true);
    } finally {
      a.stop();
      b.stop();
    }
  });
});
