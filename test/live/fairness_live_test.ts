// Two floods at once, one in each direction through the same two data planes: neither starves the other. Not a
// measurement: it shows that a full TUN queue does not keep a Worker from its socket, nor the reverse.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { collect, type Host } from "./host.ts";
import { figure, liveTest, startMesh, withHosts } from "./mesh.ts";

const SECONDS = 3;
const LEAST_SHARE = 0.1;

/** Bytes that arrived while `flags` of iperf3 say what flows. */
async function flood(from: Host, to: Host, address: string, port: number, flags: readonly string[]) {
  const timeoutMs = (SECONDS + 10) * 1000;
  const serving = collect(to.spawn(["iperf3", "-s", "-1", "-J", "-p", `${port}`]), { timeoutMs });
  await sleep(300);
  const client = ["iperf3", "-J", "-c", address, "-p", `${port}`, "-t", `${SECONDS}`, ...flags];
  const { stdout } = await from.run(client, { timeoutMs });
  const { intervals } = JSON.parse((await serving).stdout) as { intervals?: { sum: { bytes: number } }[] };
  assert.ok(intervals !== undefined && intervals.length > 0, `iperf3 to ${address} failed: ${stdout}`);
  return intervals.reduce((bytes, { sum }) => bytes + sum.bytes, 0);
}

const FLOODS = [
  ["TCP", []],
  ["UDP 1300 B", ["-u", "-b", "0", "-l", "1300"]],
  ["UDP 64 B", ["-u", "-b", "0", "-l", "64"]],
] as const;

for (const [backend, ...switches] of [["udp"], ["udp", "no-tso", "no-uso", "no-gso", "no-gro"], ["vxlan"]]) {
  const how = [backend, ...switches].join(" --");
  liveTest(`floods in both directions at once both make progress: ${how}`, async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      const flags = ["--backend", backend!, ...switches.map((name) => `--${name}`)];
      const [a, b] = await startMesh(hosts, ["compiled"], flags);
      for (const [name, options] of FLOODS) {
        const bytes = await Promise.all([
          flood(alpha, beta, b!.node.address!, 5201, options),
          flood(beta, alpha, a!.node.address!, 5202, options),
        ]);
        const sum = bytes[0]! + bytes[1]!;
        const shares = bytes.map((part) => part / sum);
        const text = shares.map((share) => `${(share * 100).toFixed(0)} %`).join(" : ");
        figure(`${how}, ${name} both ways: ${(sum / 1e6).toFixed(0)} MB in ${SECONDS} s, ${text}`);
        assert.ok(sum > 0 && Math.min(...shares) >= LEAST_SHARE, `${name}: ${text}`);
      }
    });
  });
}
