/**
 * ovltun is a link: it leaves the TTL alone, the kernels at both ends route and count. A container's packet to another host's
 * container passes two routers, and what nobody holds comes back as an error instead of going round.
 */
import assert from "node:assert/strict";
import type { Host } from "./host.ts";
import { liveTest, startMesh, withHosts } from "./mesh.ts";

/** A container with the subnet's .2 behind a bridge with its .1. Returns its address. */
async function container(host: Host, subnet: string): Promise<string> {
  const at = (n: number) => subnet.replace(/\d+\/24$/, `${n}`);
  await host.sh(`
    ip link add cbr type bridge; ip addr add ${at(1)}/24 dev cbr; ip link set cbr up
    ip link add cveth type veth peer name inner; ip link set cveth master cbr up
    unshare -n sleep 30 >/dev/null 2>&1 & echo $! > ${host.runDir}/container
    until [ "$(readlink /proc/$!/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
    ip link set inner netns $!
    nsenter -t $! -n sh -ec "ip addr add ${
    at(2)
  }/24 dev inner; ip link set inner up; ip route add default via ${at(1)}"
  `);
  return at(2);
}

async function ping(host: Host, from: "host" | "container", address: string, ttl: number): Promise<string> {
  const inside = from === "host" ? "" : `nsenter -t $(cat ${host.runDir}/container) -n`;
  const { stdout } = await host.run(["sh", "-c", `${inside} ping -n -c 2 -i 0.3 -W 2 -t ${ttl} ${address}`]);
  return stdout;
}

liveTest(
  "the TTL falls by one at each host, not in the tunnel; an address that nobody holds is an error, not a loop",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      for (const host of hosts) await host.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0");
      const [here, there] = await startMesh(hosts, ["compiled"]);
      const nobody = there!.node.subnet!.replace(/\d+\/24$/, "77");
      await alpha.firstAnswer(there!.node.address!, 5000);
      const before = await beta.daemon.status();
      for (let i = 0; i < 2; i++) assert.match(await ping(alpha, "host", nobody, 64), /Unreachable/);
      const after = await beta.daemon.status();
      const sent = after.counters["sent"]! - before.counters["sent"]!;
      assert.ok(sent <= 4, `${sent} packets for 4 errors`);
      assert.match(await ping(alpha, "host", there!.node.address!, 64), /ttl=64 /, "from host to host");
      const inner = [await container(alpha, here!.node.subnet!), await container(beta, there!.node.subnet!)];
      assert.match(await ping(alpha, "container", inner[1]!, 64), /ttl=62 /, "two routers on the way back");
      const expired = await ping(alpha, "container", inner[1]!, 2);
      assert.match(expired, new RegExp(`From ${there!.node.address} .*Time to live exceeded`), expired);
      assert.match(await ping(alpha, "container", inner[1]!, 3), /ttl=62 /);
    });
  },
);
