// A slow link out: the send buffers of a node are full all the time, and what comes in goes on as if they were not.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { collect, type Host } from "./host.ts";
import { figure, liveTest, startMesh, withHosts } from "./mesh.ts";

const SECONDS = 3;

interface Received {
  readonly mbits: number;
  readonly lostPercent: number;
}

/** UDP of 1300 bytes at `wanted` for SECONDS, as the receiver saw it. */
async function udp(from: Host, to: Host, address: string, port: string, wanted: string): Promise<Received> {
  const timeoutMs = (SECONDS + 15) * 1000;
  const server = collect(to.spawn(["iperf3", "-s", "-1", "-p", port]), { timeoutMs });
  await sleep(300);
  const flags = ["-J", "-u", "-b", wanted, "-l", "1300", "-t", `${SECONDS}`, "-p", port];
  const { stdout } = await from.run(["iperf3", "-c", address, ...flags], { timeoutMs });
  await server;
  const { bits_per_second: rate, lost_percent: lostPercent } = JSON.parse(stdout).end.sum_received;
  return { mbits: rate / 1e6, lostPercent };
}

for (const backend of ["udp", "vxlan"]) {
  liveTest(`full send buffers do not stop what comes in: ${backend}`, async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      const [here, there] = await startMesh(hosts, ["compiled"], ["--backend", backend]);
      // More queue than the send buffer holds: the buffer is what fills.
      await alpha.sh("tc qdisc add dev eth0 root tbf rate 200mbit burst 128k limit 200mb");
      const [out, back] = await Promise.all([
        udp(alpha, beta, there!.node.address!, "5201", "1G"),
        udp(beta, alpha, here!.node.address!, "5202", "300M"),
      ]);
      figure(
        `${backend}, a flood into a link of 200 Mbit/s: ${out.mbits.toFixed(0)} Mbit/s out; meanwhile ` +
          `${back.mbits.toFixed(0)} of 300 Mbit/s in, ${back.lostPercent.toFixed(2)} % lost`,
      );
      assert.ok(out.mbits > 100, `${out.mbits} Mbit/s out`);
      assert.ok(back.lostPercent < 2, `${back.lostPercent} % of what came in was lost`);
      const { drops } = await alpha.daemon.status();
      assert.equal(drops["send-failed"], 0);
    });
  });
}
