/**
 * What the kernel drops before ovltun sees it stands in status: at the device, whose queue nobody empties for a while, and
 * at the socket, whose buffer is full. Only what happened since the daemon began counts.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { type Host, until } from "./host.ts";
import { liveTest, startMesh, withHosts } from "./mesh.ts";

const FLOOD = `use Socket; socket(S, AF_INET, SOCK_DGRAM, 0) or die;
  send(S, "x" x 1200, 0, pack_sockaddr_in($ARGV[1], inet_aton($ARGV[0]))) for 1 .. $ARGV[2]`;

liveTest("drops of the device and of each socket stand in status, from this daemon's start on", async () => {
  await withHosts(2, async (hosts) => {
    const [alpha, beta] = hosts as [Host, Host];
    const [here, there] = await startMesh(hosts, ["compiled"], ["--backend", "vxlan"]);
    const names = ["device-rx-dropped", "device-tx-dropped", "socket-overflow-own", "socket-overflow-vxlan"];
    for (const name of names) assert.equal(here!.drops[name], 0, name);
    process.kill(alpha.daemon.pid, "SIGSTOP");
    try {
      // Until the kernel has had to drop at each place: how much it holds is its own affair.
      await until("the device's queue is full", 20_000, async () => {
        await alpha.run(["perl", "-e", FLOOD, there!.node.address!, "9", "5000"]);
        const text = await alpha.sh("ip -s -j link show ovl0");
        return JSON.parse(text)[0].stats64.tx.dropped > 0 ? true : null;
      });
      for (const port of ["8473", "8472"]) {
        await until(`the buffer of port ${port} is full`, 20_000, async () => {
          await beta.run(["perl", "-e", FLOOD, alpha.underlay, port, "5000"]);
          const lines = (await alpha.sh("cat /proc/net/udp6")).split("\n");
          const hex = Number(port).toString(16).toUpperCase();
          const line = lines.find((one) => one.includes(`:${hex} `));
          return Number(line?.trim().split(/\s+/).at(-1)) > 0 ? true : null;
        });
      }
    } finally {
      process.kill(alpha.daemon.pid, "SIGCONT");
    }
    const { drops } = await alpha.daemon.status();
    for (const name of names.slice(1)) assert.ok(drops[name]! > 0, `${name}: ${drops[name]}`);
    const { stdout } = await alpha.ovltun(["status"]);
    assert.match(
      stdout,
      /dropped .*device-tx-dropped \d+.*socket-overflow-own \d+.*socket-overflow-vxlan \d+/,
    );
    await alpha.daemon.kill("SIGKILL");
    alpha.up("compiled", ["--peers", beta.underlay]);
    const again = await alpha.daemon.ready(1, 20_000);
    for (const name of names) assert.equal(again.drops[name], 0, name);
  });
});
