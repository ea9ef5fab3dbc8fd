/** The ports of others' protocols: opened where something uses them, and whoever holds one is named. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { NetworkSecret } from "../../src/crypto/network_secret.ts";
import { type Host, TOP, until } from "./host.ts";
import { liveTest, NETWORK, withHosts } from "./mesh.ts";

const FLANNEL =
  "ip link add flannel.1 type vxlan id 1 dev eth0 dstport 8472 nolearning; ip link set flannel.1 up";
const VXLAN = ["--network", NETWORK, "--backend", "vxlan"];

liveTest("a sealed mesh with --backend vxlan runs beside flannel, whose port it does not use", async () => {
  await withHosts(2, async (hosts, folder) => {
    const [alpha, beta] = hosts as [Host, Host];
    const file = join(folder, "secret");
    writeFileSync(file, `${NetworkSecret.create().text()}\n`, { mode: 0o600 });
    for (const host of hosts) await host.sh(FLANNEL);
    alpha.up("compiled", [...VXLAN, "--secret-file", file]);
    beta.up("bun", ["--secret-file", file, "--peers", alpha.underlay]);
    const status = await beta.daemon.ready(1);
    assert.deepEqual([status.network.cidr, status.node.backend, status.warnings], [NETWORK, "vxlan", []]);
    await beta.firstAnswer((await alpha.daemon.ready(1)).node.address!, 5000);
    await beta.daemon.kill("SIGKILL");
    beta.up("compiled", ["--secret-file", file]);
    assert.deepEqual((await beta.daemon.ready(1)).warnings, []);
    assert.doesNotMatch(await beta.sh("cat /proc/net/udp6"), /:2118 /);
  });
});

liveTest(
  "a plain mesh needs the port: a founder ends, others go on, name the device, and use it once it is free",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      for (const host of hosts) await host.sh(FLANNEL);
      const { code, stderr } = await alpha.up("compiled", VXLAN).finished;
      assert.equal(code, 1, stderr);
      assert.match(
        stderr,
        /Cannot listen on UDP port 8472: EADDRINUSE, .*\(the VXLAN device flannel\.1 is using it; .*another --vxlan-port\)/,
      );
      await alpha.sh("ip link del flannel.1");
      alpha.up("compiled", VXLAN);
      await alpha.daemon.ready(0);
      beta.up("compiled", ["--peers", alpha.underlay]);
      await beta.daemon.ready(1);
      const names = /^Cannot listen on UDP port 8472: .*the VXLAN device flannel\.1 is using it/;
      const warned = async () =>
        (await beta.daemon.status()).warnings.some((line) => names.test(line)) ? true : null;
      await until("beta names the device", 10_000, warned);
      await beta.daemon.kill("SIGKILL");
      beta.up("bun", []); // a member does not end for it either
      await beta.daemon.ready(1);
      await until("beta names the device again", 10_000, warned);
      await beta.sh("ip link del flannel.1");
      await until("beta has taken the port", 20_000, async () => {
        const { warnings } = await beta.daemon.status();
        return warnings.length === 0 ? true : null;
      });
      assert.match(await beta.sh("cat /proc/net/udp6"), /:2118 /);
      await beta.firstAnswer((await alpha.daemon.ready(1)).node.address!, 20_000);
    });
  },
);

liveTest("a program that holds our port is named", async () => {
  await withHosts(2, async ([host]) => {
    const script =
      `require("dgram").createSocket("udp4").bind(8473, "127.0.0.1", () => console.log("bound"))`;
    const holder = host!.spawn([join(TOP, "node_modules/.bin/bun"), "-e", script]);
    await new Promise((resolve) => holder.stdout!.once("data", resolve));
    try {
      const { code, stderr } = await host!.up("compiled", ["--network", NETWORK]).finished;
      assert.equal(code, 1, stderr);
      assert.match(
        stderr,
        new RegExp(
          `UDP port 8473: .*\\((bun|bun\\S*) \\(pid ${holder.pid}\\) is using it; .*another --port\\)`,
        ),
      );
    } finally {
      holder.kill("SIGKILL");
    }
  });
});
