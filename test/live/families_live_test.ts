/** Meshes with IPv4, IPv6 and both inside, over IPv4 and over IPv6, sealed and plain: all pairs, and what was sent arrives. */
import assert from "node:assert/strict";
import process from "node:process";
import type { Status } from "../../src/api/schema.ts";
import type { Host } from "./host.ts";
import { liveTest, NETWORK, transfer, withHosts } from "./mesh.ts";
import { secretFile } from "./sealed.ts";

const NETWORK6 = "fd42:1:2::/48";
/** With OVLTUN_LONG what is sent takes seconds, and comes at any place within a session. */
const BYTES = process.env["OVLTUN_LONG"] === undefined ? 3_000_000 : 100_000_000;

const INSIDE = {
  IPv4: ["--network", NETWORK],
  IPv6: ["--network", "none", "--network6", NETWORK6],
  "IPv4 and IPv6": ["--network", NETWORK, "--network6", NETWORK6],
} as const;

/** The runtimes have their part in one mesh over each underlay. */
const KINDS = { one: ["compiled"], all: ["compiled", "bun", "deno"] } as const;

const both = <T>(four: T | null, six: T | null): T[] => [four, six].filter((one) => one !== null);
const addressesOf = ({ node }: Status) => both(node.address, node.address6);

async function pingsAll(from: Host, addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    const { code, stdout } = await from.run(["ping", "-n", "-c", "2", "-i", "0.2", "-W", "5", address]);
    assert.equal(code, 0, `${from.name} → ${address}: ${stdout}`);
  }
}

for (const [inside, founding] of Object.entries(INSIDE)) {
  for (const underlay of [4, 6] as const) {
    for (const kind of ["sealed", "plain", "plain vxlan"] as const) {
      const security = kind === "sealed" ? kind : "plain";
      if (kind === "plain vxlan" && inside === "IPv4") continue; // combinations_live_test.ts has it
      liveTest(
        `${inside} inside, over IPv${underlay}, ${kind}: all pairs, and bytes arrive as sent`,
        async () => {
          await withHosts(3, async (hosts, folder) => {
            if (underlay === 6) {
              for (const [i, host] of hosts.entries()) {
                await host.sh(`ip -4 addr flush dev eth0; ip addr add fd00:99::${i + 1}/64 dev eth0 nodad`);
              }
            }
            const backend = kind === "plain vxlan" ? ["--backend", "vxlan"] : [];
            const flags = security === "plain" ? ["--plain"] : ["--secret-file", secretFile(folder)];
            const seed = underlay === 6 ? "[fd00:99::1]:8473" : hosts[0]!.underlay;
            const kinds = KINDS[inside === "IPv4 and IPv6" && kind === "sealed" ? "all" : "one"];
            for (const [i, host] of hosts.entries()) {
              host.up(kinds[i % kinds.length]!, [
                ...flags,
                ...(i === 0 ? [...founding, ...backend] : ["--peers", seed]),
              ]);
            }
            const statuses = await Promise.all(hosts.map((host) => host.daemon.ready(2)));
            for (const { node, network, peers, warnings } of statuses) {
              assert.deepEqual(warnings, []);
              const has = [inside !== "IPv6", inside !== "IPv4"];
              assert.deepEqual([node.subnet, node.subnet6].map((one) => one !== null), has);
              assert.deepEqual([network.cidr, network.cidr6].map((one) => one !== null), has);
              for (const peer of peers) {
                assert.deepEqual([peer.subnet, peer.subnet6].map((one) => one !== null), has);
                assert.deepEqual([peer.path, peer.security], ["tunnel", security]);
                assert.equal(peer.endpoint!.includes("["), underlay === 6);
              }
            }
            await Promise.all(hosts.map((host) => pingsAll(host, statuses.flatMap(addressesOf))));
            const [alpha, beta, gamma] = hosts as [Host, Host, Host];
            for (const address of addressesOf(statuses[1]!)) await transfer(alpha, beta, address, BYTES);
            for (const address of addressesOf(statuses[0]!)) {
              await transfer(gamma, alpha, address, BYTES, true);
            }
            for (const host of hosts) {
              const { drops } = await host.daemon.status();
              for (const name of ["malformed", "spoofed", "bad-seal", "send-failed", "not-ours"]) {
                assert.equal(drops[name], 0, `${host.name}: ${name}`);
              }
            }
          });
        },
      );
    }
  }
}
