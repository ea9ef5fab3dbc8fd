/**
 * Hosts with one IPv4 and seven IPv6 addresses: their records are long, and all of them change at once when a provider's
 * prefix goes and comes back. No daemon ends for that, and every pair goes on. OVLTUN_LONG=1: twenty rounds of each.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { type Host, until } from "./host.ts";
import { assertAllPairs, liveTest, NETWORK, withHosts } from "./mesh.ts";
import { secretFile } from "./sealed.ts";

const ROUNDS = process.env["OVLTUN_LONG"] === "1" ? 20 : 1;
const PROVIDERS = 7;
const LINK = "2001:db8:1111:2222:3333:4444:5555";
const READY_MS = 30_000;

function addresses(host: Host, n: number, verb: "add" | "del"): Promise<string> {
  const each = `ip -6 addr ${verb} ${LINK}:$((1000 + ${n} * 100 + i))/112 dev eth0 $opts`;
  const opts = verb === "add" ? "nodad" : "";
  const route = "ip -6 route replace default dev eth0";
  return host.sh(`opts=${opts}; for i in $(seq ${PROVIDERS}); do ${each}; done; ${route}`);
}

async function endpointsOf(host: Host, count: number): Promise<void> {
  await until(`${host.name} has ${count} endpoints`, READY_MS, async () => {
    if (!host.daemon.running) throw new Error("its daemon ended");
    const { node } = await host.daemon.status();
    return node.underlay.length === count ? true : null;
  });
}

for (const sealed of [true, false]) {
  const title =
    `three hosts with eight addresses each found a ${sealed ? "sealed" : "plain"} mesh together; ` +
    "a prefix goes and comes back on all of them: no daemon ends, all pairs ping";
  liveTest(title, async () => {
    for (let round = 1; round <= ROUNDS; round++) {
      await withHosts(3, async (hosts, folder) => {
        const secret = sealed ? ["--secret-file", secretFile(folder)] : [];
        await Promise.all(hosts.map((host, n) => addresses(host, n, "add")));
        for (const host of hosts) {
          const others = hosts.filter((other) => other !== host).map(({ underlay }) => underlay);
          host.up("compiled", [...secret, "--network", NETWORK, "--peers", others.join(",")]);
        }
        await Promise.all(hosts.map((host) => host.daemon.ready(2, READY_MS)));
        await Promise.all(hosts.map((host) => endpointsOf(host, 1 + PROVIDERS)));
        await Promise.all(hosts.map((host, n) => addresses(host, n, "del")));
        await Promise.all(hosts.map((host) => endpointsOf(host, 1)));
        await Promise.all(hosts.map((host, n) => addresses(host, n, "add")));
        await Promise.all(hosts.map((host) => endpointsOf(host, 1 + PROVIDERS)));
        await sleep(1500); // the news is told again for a second and more
        const statuses = await Promise.all(hosts.map((host) => host.daemon.ready(2, READY_MS)));
        await until("all pairs ping", READY_MS, async () => {
          await assertAllPairs(hosts, statuses);
          return true;
        });
        for (const { daemon, name } of hosts) assert.ok(daemon.running, `${name}, round ${round}`);
        for (const { drops } of statuses) assert.equal(drops["control-too-long"], 0);
      });
    }
  });
}
