/**
 * A flood into a slow link: what comes in goes on beside it. That a full buffer is waited for without stopping the
 * other direction is shown call by call in full_buffer_live_test.ts and test/dataplane/dataplane_test.ts; how much comes
 * in, and how late, depends on the machine, and is printed.
 */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { sendNumbered } from "./healthy.ts";
import { collect, type Host } from "./host.ts";
import { figure, liveTest, startMesh, withHosts } from "./mesh.ts";

const FLOWS = 8;
const DATAGRAMS = 5000;
/** Sends datagrams without end; a full queue of the device is no reason to stop. */
const FLOOD = `socket(S, AF_INET, SOCK_DGRAM, 0) or die; my $to = pack_sockaddr_in(9, inet_aton($ARGV[0]));
  for (;;) { send(S, "x" x 1300, 0, $to) or select(undef, undef, undef, 0.001) }`;

for (const backend of ["udp", "vxlan"]) {
  liveTest(`a flood into a slow link does not stop what comes in: ${backend}`, async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      const [here, there] = await startMesh(hosts, ["compiled"], ["--backend", backend]);
      // More queue than the send buffer holds: the buffer is what fills, and it takes a second to empty by half.
      await alpha.sh("tc qdisc add dev eth0 root tbf rate 50mbit burst 128k limit 200mb");
      const flood = alpha.spawn(["/usr/bin/perl", "-MSocket", "-e", FLOOD, there!.node.address!]);
      const ended = collect(flood, { timeoutMs: 180_000 });
      await sleep(1500);
      const address = here!.node.address!;
      const { received, late, slowest } = await sendNumbered(beta, alpha, address, FLOWS, DATAGRAMS);
      const percent = 100 * (1 - received / (FLOWS * DATAGRAMS));
      flood.kill("SIGKILL");
      await ended;
      figure(
        `${backend}, a flood into a slow link: what came in took at most ${slowest.toFixed(0)} ms, ` +
          `${percent.toFixed(2)} % loss`,
      );
      assert.equal(late, 0);
      assert.ok(received > 0, "nothing came in");
    });
  });
}
