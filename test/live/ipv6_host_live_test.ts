/**
 * What a mesh of both families does to a real host: addresses and routes of IPv6 are there, come back, and go; a host whose
 * IPv6 is switched off has the IPv4 half, and says so; TCP reaches the device's address beside a bridge.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { type Host, until } from "./host.ts";
import { liveTest, NETWORK, tracesOf, transfer, withHosts } from "./mesh.ts";
import { secretFile } from "./sealed.ts";

const FOUNDING = ["--network", NETWORK, "--network6", "fd42:1:2::/48"];

const ipv6Of = (host: Host) =>
  host.sh("ip -6 -o addr show dev ovl0 scope global; ip -6 route show proto 84 table main | sort");

liveTest(
  "IPv6 of the lease is on the host, stays as it is, comes back when deleted, and goes with the daemon",
  async () => {
    await withHosts(1, async ([host]) => {
      const before = await tracesOf(host!);
      const daemon = host!.up("compiled", FOUNDING);
      const { node } = await daemon.ready(0);
      const first = await ipv6Of(host!);
      assert.equal(await host!.sh("ip -6 -o addr show dev ovl0 scope link"), "", "asks for no routers");
      assert.match(first, new RegExp(`inet6 ${node.address6}/128 scope global`));
      assert.match(first, new RegExp(`^fd42:1:2::/48 dev ovl0 src ${node.address6} metric 1024`, "m"));
      assert.match(first, new RegExp(`^unreachable ${node.subnet6}`, "m"));
      assert.deepEqual(
        Object.entries(host!.readSubnetFile()).slice(0, 4).map(([key, text]) => [key, text]),
        [
          ["FLANNEL_NETWORK", NETWORK],
          ["FLANNEL_SUBNET", node.subnet!.replace("0/24", "1/24")],
          ["FLANNEL_IPV6_NETWORK", "fd42:1:2::/48"],
          ["FLANNEL_IPV6_SUBNET", node.subnet6!.replace("/64", "1/64")],
        ],
      );
      const log = daemon.log();
      await sleep(6000); // it looks again after five seconds
      assert.equal(daemon.log(), log, "nothing is repaired where nothing was broken");
      await host!.sh(`ip -6 route del fd42:1:2::/48; ip -6 route del unreachable ${node.subnet6}`);
      await host!.sh(`ip -6 addr del ${node.address6}/128 dev ovl0`);
      await until("all is back", 6000, async () => await ipv6Of(host!) === first ? true : null);
      const { code, stderr } = await host!.ovltun(["down"]);
      assert.equal(code, 0, stderr);
      assert.equal(await tracesOf(host!), before);
    });
  },
);

liveTest(
  "a host whose IPv6 is switched off has the IPv4 half, says so, and has both once it is on",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      alpha.up("compiled", FOUNDING);
      await alpha.daemon.ready(0);
      await beta.sh("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
      beta.up("compiled", ["--peers", alpha.underlay]);
      const { node, warnings } = await beta.daemon.ready(1);
      assert.equal(await alpha.pingLoss(node.address!), 0);
      const words =
        /This host has no IPv6, so its lease fd42:\S+ is not reachable \(allow it: (sysctl -w \S+)\)/;
      const [, remedy] = words.exec(warnings.join("\n")) ?? [];
      assert.ok(remedy !== undefined, warnings.join("\n"));
      await beta.sh(
        remedy.replace(/^sysctl -w (\S+)=0$/, (_, key) => `echo 0 > /proc/sys/${key.replaceAll(".", "/")}`),
      );
      await until("the warning is gone", 6000, async () => {
        return (await beta.daemon.status()).warnings.length === 0 ? true : null;
      });
      await alpha.firstAnswer(node.address6!, 5000);
    });
  },
);

liveTest(
  "TCP reaches the device's IPv6 address also where a bridge has the lease and the host forwards",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      alpha.up("compiled", FOUNDING);
      await alpha.daemon.ready(0);
      beta.up("compiled", ["--peers", alpha.underlay]);
      const { node } = await beta.daemon.ready(1);
      await alpha.daemon.ready(1);
      await beta.sh(`
      echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
      ip link add br9 type bridge; ip link add v0 type veth peer name v1
      ip link set v0 master br9; ip link set v0 up; ip link set v1 up; ip link set br9 up
      ip addr add ${node.subnet6!.replace("/64", "1/64")} dev br9 nodad
    `);
      await beta.daemon.kill("SIGTERM"); // the bridge is there first
      beta.up("compiled", []);
      await beta.daemon.ready(1);
      await alpha.daemon.ready(1);
      await transfer(alpha, beta, node.address6!, 100_000);
      await transfer(alpha, beta, node.subnet6!.replace("/64", "1"), 100_000);
    });
  },
);

liveTest(
  "over links that carry less than IPv6 needs the device has 1280, IPv4 flows, and status says what is lost",
  async () => {
    await withHosts(2, async (hosts, folder) => {
      const [alpha, beta] = hosts as [Host, Host];
      for (const host of hosts) await host.sh("ip link set eth0 mtu 1300");
      const secret = ["--secret-file", secretFile(folder)];
      alpha.up("compiled", [...secret, ...FOUNDING]);
      await alpha.daemon.ready(0);
      beta.up("compiled", [...secret, "--peers", alpha.underlay]);
      const { node, warnings } = await beta.daemon.ready(1);
      assert.equal(node.mtu, 1280);
      const { mtu } = (await beta.daemon.peer(alpha.name))!;
      assert.equal(mtu, 1240);
      assert.ok(
        warnings.some((one) =>
          one.includes(`IPv6 needs packets of 1280 bytes, and less gets through to ${alpha.name} (1240)`)
        ),
        warnings.join("\n"),
      );
      await alpha.daemon.ready(1);
      await transfer(alpha, beta, node.address!, 1_000_000);
      await alpha.firstAnswer(node.address6!, 3000); // what is small enough
      for (const host of hosts) await host.sh("ip link set eth0 mtu 1500");
      await until("the warning is gone", 30_000, async () => {
        return (await beta.daemon.status()).warnings.length === 0 ? true : null;
      });
      await until("both are measured anew", 30_000, async () => {
        const [there, here] = [await alpha.daemon.peer(beta.name), await beta.daemon.peer(alpha.name)];
        return there!.mtu >= 1280 && here!.mtu >= 1280 ? true : null;
      });
      await transfer(alpha, beta, node.address6!, 1_000_000);
    });
  },
);

liveTest(
  "a kernel vxlan device is a static peer for IPv6 too, and each of its subnets is reserved",
  async () => {
    await withHosts(3, async (hosts) => {
      const [alpha, beta, kernel] = hosts as [Host, Host, Host];
      const mac = "02:42:0a:2a:03:00";
      const behind = ["10.42.3.0/24", "fd42:1:2:3::/64"];
      const statics = behind.flatMap((subnet) => [
        "--static-peer",
        `${subnet}=${kernel.underlay},mac=${mac},backend=vxlan`,
      ]);
      alpha.up("compiled", [...FOUNDING, "--backend", "vxlan", ...statics]);
      const { node } = await alpha.daemon.ready(0);
      const own = JSON.parse((await alpha.ovltun(["leases", "--json"])).stdout)
        .find((lease: { name: string }) => lease.name === alpha.name);
      await kernel.sh(`
      ip link add vx0 address ${mac} type vxlan id 1 dstport 8472 local ${kernel.underlay} dev eth0 nolearning
      ip addr add 10.42.3.0/32 dev vx0; ip addr add fd42:1:2:3::5/128 dev vx0 nodad
      ip link set vx0 mtu 1450 up
      ip route add ${node.subnet} via ${node.address} dev vx0 onlink src 10.42.3.0
      ip route add ${node.subnet6} via ${node.address6} dev vx0 onlink src fd42:1:2:3::5
      ip neigh add ${node.address} lladdr ${own.vtepMac} dev vx0 nud permanent
      ip neigh add ${node.address6} lladdr ${own.vtepMac} dev vx0 nud permanent
      bridge fdb add ${own.vtepMac} dev vx0 dst ${alpha.underlay}
    `);
      for (const address of ["10.42.3.0", "fd42:1:2:3::5"]) {
        await alpha.firstAnswer(address, 3000);
        await transfer(alpha, kernel, address, 1_000_000);
      }
      await transfer(kernel, alpha, node.address6!, 1_000_000);
      beta.up("compiled", ["--peers", alpha.underlay, "--subnet6", "fd42:1:2:3::/64"]);
      const joined = (await beta.daemon.ready(1)).node;
      assert.notEqual(joined.subnet6, "fd42:1:2:3::/64");
      assert.match(beta.daemon.log(), /--subnet6 fd42:1:2:3::\/64 is taken by another host/);
    });
  },
);

liveTest(
  "IPv6 packets too big for the path are told so by Packet Too Big, and fit from then on",
  async () => {
    await withHosts(2, async (hosts, folder) => {
      const [alpha, beta] = hosts as [Host, Host];
      await alpha.sh("ip link set eth0 mtu 1400");
      const secret = ["--secret-file", secretFile(folder)];
      alpha.up("compiled", [...secret, ...FOUNDING]);
      const { node } = await alpha.daemon.ready(0);
      beta.up("compiled", [...secret, "--peers", alpha.underlay]);
      assert.equal((await beta.daemon.ready(1)).node.mtu, 1440);
      await until("beta knows what gets through", 15_000, async () => {
        return (await beta.daemon.peer(alpha.name))?.mtu === 1340 ? true : null;
      });
      const big = () =>
        beta.run(["ping", "-n", "-c", "3", "-i", "0.2", "-M", "do", "-s", "1380", node.address6!]);
      const { stdout, stderr } = await big();
      assert.match(stdout + stderr, /mtu[:=] ?1340/);
      assert.match(await beta.sh(`ip -6 route get ${node.address6}`), /mtu 1340/);
      const whole = await beta.run([
        "ping",
        "-n",
        "-c",
        "2",
        "-i",
        "0.2",
        "-s",
        "1380",
        "-W",
        "5",
        node.address6!,
      ]);
      assert.equal(whole.code, 0, whole.stdout); // in fragments of its sender
      for (const [flags, address] of [[[], node.address!], [["-6"], node.address6!]] as const) {
        const { code, stdout, stderr } = await beta.ovltun(["ping", alpha.name, "-c", "1", ...flags]);
        assert.equal(code, 0, stderr);
        assert.ok(stdout.includes(`from ${alpha.name} (${address}) via tunnel`), stdout);
      }
    });
  },
);
