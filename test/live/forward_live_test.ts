/**
 * `--forward` on real hosts: what it sets and gives back, beside a kernel in memory and a real router's advertisement; that
 * containers of two hosts reach each other with nothing set by hand, and TCP also where no ICMP comes through.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Forwarding } from "../../src/host/forwarding.ts";
import type { Sysctls } from "../../src/ports/sysctls.ts";
import { createNamespace, inNamespace } from "../../src/sys/namespaces.ts";
import { systemSysctls } from "../../src/sys/sysctls.ts";
import { FakeSysctls } from "../fakes/fake_sysctls.ts";
import { Container } from "./container.ts";
import { type Host, until } from "./host.ts";
import { liveTest, NETWORK, transfer, withHosts } from "./mesh.ts";

const FOUNDING = ["--network", NETWORK, "--network6", "fd42:1:2::/48"];

/** A router's advertisement, as radvd would send it: a default route for half an hour. */
const ADVERTISE = `socket(S, AF_INET6, SOCK_RAW, 58) or die; setsockopt(S, 41, 18, pack("i", 255)) or die;
  open(F, "/proc/self/net/if_inet6"); my $if; for (<F>) { $if = hex $1 if / (\\w+) .* eth0$/ } setsockopt(S, 41, 17, pack("i", $if)) or die;
  send(S, pack("C C n C C n N N", 134, 0, 0, 64, 0, 1800, 0, 0), 0, pack_sockaddr_in6(0, inet_pton(AF_INET6, "ff02::1")))
    or die "send: $!";`;

/** All settings that forwarding is about. */
const settingsOf = (host: Host) =>
  host.sh(`cd /proc/sys/net; grep -H . ipv4/ip_forward ipv4/conf/*/forwarding ipv4/conf/*/accept_redirects \\
    ipv6/conf/*/forwarding ipv6/conf/*/accept_ra | grep -v -e ovl0 -e cni0 -e veth0`);

liveTest("the settings of the kernel and those of the fake tell one story", async () => {
  const namespace = createNamespace();
  const directory = mkdtempSync(join(tmpdir(), "forward-"));
  try {
    const inside: Sysctls = {
      place: () => inNamespace(namespace, () => systemSysctls.place()),
      read: (path) => inNamespace(namespace, () => systemSysctls.read(path)),
      write: (path, value) => inNamespace(namespace, () => systemSysctls.write(path, value)),
      list: (path) => inNamespace(namespace, () => systemSysctls.list(path)),
    };
    const fake = new FakeSysctls(["lo"]);
    const paths = Object.keys(fake.all).filter((path) =>
      path.startsWith("net/ipv4") || !path.endsWith("redirects")
    );
    const story = (sysctls: Sysctls, note: string): unknown[] => {
      const start: Readonly<Record<string, string>> = {
        "net/ipv4/ip_forward": "0",
        "net/ipv6/conf/all/forwarding": "0",
        "net/ipv4/conf/lo/forwarding": "1",
        "net/ipv4/conf/all/accept_redirects": "0",
        "net/ipv6/conf/lo/accept_ra": "1",
      };
      for (const path of paths) {
        if (sysctls.read(path) !== "0" && path.endsWith("forwarding")) sysctls.write(path, "0");
      }
      for (const [path, value] of Object.entries(start)) sysctls.write(path, value);
      const seen = () =>
        paths.filter((path) => path.startsWith("net/")).map((path) => [path, sysctls.read(path)]);
      const forwarding = new Forwarding(sysctls, note);
      const told = [seen(), forwarding.ensure({ families: [4, 6], advertised: () => ["lo"] }), seen()];
      return [...told, new Forwarding(sysctls, note).giveBack(), seen()];
    };
    assert.deepEqual(story(inside, join(directory, "kernel")), story(fake, join(directory, "fake")));
    assert.throws(
      () => inside.write("net/ipv4/no_such_thing", "1"),
      /^SysError: Cannot set net.ipv4.no_such_thing to 1: E/,
    );
  } finally {
    namespace.close();
    rmSync(directory, { recursive: true });
  }
  await Promise.resolve();
});

liveTest(
  "what --forward sets is given back by any end, and a route learned from a router stays",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, router] = hosts as [Host, Host];
      await alpha.sh(
        "sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 net.ipv6.conf.eth0.accept_ra=1",
      );
      await router.sh("sysctl -qw net.ipv6.conf.all.forwarding=1");
      const learned = () => alpha.sh("ip -6 route show default proto ra");
      await until("the router's route is learned", 5000, async () => {
        const { stderr } = await router.run([
          "perl",
          "-MSocket=:DEFAULT,inet_pton,pack_sockaddr_in6",
          "-e",
          ADVERTISE,
        ]);
        assert.equal(stderr, "");
        return await learned() === "" ? null : true;
      });
      const before = await settingsOf(alpha);
      for (const kind of ["compiled", "deno"] as const) {
        alpha.up(kind, [...FOUNDING, "--forward"]);
        await alpha.daemon.ready(0);
        await until(
          "it is on",
          5000,
          async () =>
            (await alpha.sh("sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding")) === "1\n1\n"
              ? true
              : null,
        );
        assert.notEqual(await learned(), "", "the default route is still there");
        await alpha.sh("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
        await until(
          "it is on again",
          2000,
          async () =>
            (await alpha.sh("sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding")) === "1\n1\n"
              ? true
              : null,
        );
        if (kind === "compiled") {
          await alpha.daemon.kill("SIGTERM");
        } else {
          await alpha.daemon.kill("SIGKILL");
          const { code, stderr } = await alpha.ovltun(["down", "--purge"]);
          assert.equal(code, 0, stderr);
          assert.match(stderr, /Set net.ipv4.ip_forward back to 0/);
        }
        assert.equal(await settingsOf(alpha), before);
        assert.notEqual(await learned(), "");
      }
    });
  },
);

liveTest(
  "containers with an MTU of 1500 reach each other by --forward alone, also where ICMP is swallowed",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      for (const host of hosts) {
        await host.sh("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0");
      }
      alpha.up("compiled", [...FOUNDING, "--forward"]);
      await alpha.daemon.ready(0);
      beta.up("compiled", ["--peers", alpha.underlay, "--forward"]);
      const [{ node }] = await Promise.all(hosts.map((host) => host.daemon.ready(1))) as [
        Awaited<
          ReturnType<typeof alpha.daemon.ready>
        >,
      ];
      const a = await Container.start(alpha), b = await Container.start(beta);
      const directory = mkdtempSync(join(tmpdir(), "ovltun-live-"));
      try {
        for (const place of [a, b]) {
          const { code, stderr } = await place.run([
            "sh",
            "-c",
            `
          nft add table inet deaf; nft 'add chain inet deaf c { type filter hook input priority 0; }'
          nft add rule inet deaf c icmp type destination-unreachable drop
          nft add rule inet deaf c icmpv6 type packet-too-big drop`,
          ]);
          assert.equal(code, 0, stderr);
        }
        for (const [family, headers] of [[0, 40], [1, 60]] as const) {
          const listens = join(directory, `${family}`);
          const dump = b.run([
            "sh",
            "-c",
            `exec timeout 60 tcpdump -nlc 1 -i eth0 'tcp[13] & 2 != 0 or (ip6 and ip6[6] = 6 and ip6[53] & 2 != 0)' 2>${listens}`,
          ], { timeoutMs: 70_000 });
          await until(
            "tcpdump listens",
            30_000,
            () => existsSync(listens) && readFileSync(listens, "utf8").includes("listening on") ? true : null,
          );
          await transfer(a, b, b.addresses[family], 3_000_000);
          const [, mss] = /mss (\d+)/.exec((await dump).stdout) ?? [];
          assert.equal(Number(mss), node.mtu - headers);
        }
      } finally {
        a.stop();
        b.stop();
        rmSync(directory, { recursive: true });
      }
    });
  },
);
