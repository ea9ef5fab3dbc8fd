/**
 * Sealed meshes of several Workers, and of a host without libcrypto; and, in scripts/test --long, what a flow sees of
 * the keys that change under it.
 */
import assert from "node:assert/strict";
import process from "node:process";
import type { Host } from "./host.ts";
import { assertNoFaults, assertOrder } from "./healthy.ts";
import { figure, iperf, liveTest, NETWORK, transfer, withHosts } from "./mesh.ts";
import { NumberedFlow, secretFile, startSealed } from "./sealed.ts";

const LONG = process.env.OVLTUN_LONG === "1";
const FLOWS = 8;
const DATAGRAMS = 1000;
const BYTES = LONG ? 100_000_000 : 5_000_000;
/** A session is renewed at 120 s. */
const REKEY_MS = 130_000;
/** What must not happen in a healthy mesh. */
const FAULTS = ["malformed", "spoofed", "wrong-lane", "bad-seal", "bad-mac", "send-failed"];
/** The same, once all are ready: a handshake that is not answered in half a second is repeated, and counts as one. */
const ONCE_READY = ["replay"];

for (const backend of ["udp", "vxlan"]) {
  liveTest(`sealed, two workers on both sides: whole transfers, datagrams in order: ${backend}`, async () => {
    await withHosts(2, async (hosts, folder) => {
      const [alpha, beta] = hosts as [Host, Host];
      const statuses = await startSealed(hosts, folder, ["--workers", "2", "--backend", backend]);
      assert.deepEqual(statuses.map(({ node }) => node.workers), [2, 2]);
      const [here, there] = statuses.map(({ node }) => node.address!) as [string, string];
      // Many flows, so that both Workers of both sides take part: a session that one lacks loses its flows.
      for (const [from, to, address] of [[alpha, beta, there], [beta, alpha, here]] as const) {
        await Promise.all(
          Array.from({ length: FLOWS }, (_, i) => transfer(from, to, address, BYTES, false, 5300 + i)),
        );
        await assertOrder(from, to, address, FLOWS, DATAGRAMS);
      }
      await assertNoFaults(hosts, FAULTS);
      await assertNoFaults(hosts, ONCE_READY, statuses);
    });
  });
}

liveTest(
  "a host without libcrypto meshes with one that has it, and status says why it is slower",
  async () => {
    await withHosts(2, async (hosts, folder) => {
      const [alpha, beta] = hosts as [Host, Host];
      const secret = ["--secret-file", secretFile(folder)];
      alpha.up("compiled", [...secret, "--network", NETWORK]);
      beta.up("compiled", [...secret, "--peers", alpha.underlay], ["env", "OVLTUN_NO_LIBCRYPTO=1"]);
      const [here, there] = await Promise.all([alpha.daemon.ready(1), beta.daemon.ready(1)]);
      assert.equal(here.node.withoutLibcrypto, null);
      assert.equal(there.node.withoutLibcrypto, "OVLTUN_NO_LIBCRYPTO is set");
      assert.match(
        (await beta.ovltun(["status"])).stdout,
        /no libcrypto: slower sealing \(OVLTUN_NO_LIBCRYPTO/,
      );
      const ciphers = [alpha, beta].map(async (host) => (await host.daemon.status()).node.cipher);
      const [one, other] = await Promise.all(ciphers);
      assert.equal(one, other, "both say the same");
      await transfer(alpha, beta, there.node.address!, 2_000_000);
      await transfer(beta, alpha, here.node.address!, 2_000_000);
      const mbits = await iperf(alpha, beta, there.node.address!, 1);
      figure(`sealed, one side without libcrypto: ${one}, ${mbits.toFixed(0)} Mbit/s`);
      await assertNoFaults(hosts, FAULTS);
      await assertNoFaults(hosts, ONCE_READY, [here, there]);
    });
  },
);

for (const cipher of ["chacha20-poly1305", "xsalsa20-poly1305"]) {
  liveTest(`--cipher ${cipher} is what both use, and status shows it`, async () => {
    await withHosts(2, async (hosts, folder) => {
      const [alpha, beta] = hosts as [Host, Host];
      const secret = ["--secret-file", secretFile(folder)];
      alpha.up("compiled", [...secret, "--network", NETWORK, "--cipher", cipher]);
      beta.up("deno", [...secret, "--peers", alpha.underlay]);
      const [here, there] = await Promise.all([alpha.daemon.ready(1), beta.daemon.ready(1)]);
      for (const host of hosts) {
        assert.equal((await host.daemon.status()).node.cipher, cipher);
        assert.match((await host.ovltun(["status"])).stdout, new RegExp(`sealed with ${cipher}`));
      }
      await transfer(alpha, beta, there.node.address!, 1_000_000);
      await assertNoFaults(hosts, FAULTS);
      await assertNoFaults(hosts, ONCE_READY, [here, there]);
    });
  });
}

if (LONG) {
  liveTest("keys change under a flow of numbered datagrams, and none is lost", async () => {
    await withHosts(2, async (hosts, folder) => {
      const [alpha, beta] = hosts as [Host, Host];
      const [here, there] = await startSealed(hosts, folder, ["--workers", "2"]);
      const flows = [
        new NumberedFlow(alpha, beta, there!.node.address!),
        new NumberedFlow(beta, alpha, here!.node.address!),
      ];
      const count = REKEY_MS / 5;
      await Promise.all(flows.map((flow) => flow.send(count, 5)));
      const age = (await alpha.daemon.peer("beta"))!.lastHandshakeSeconds!;
      assert.ok(age < 60, `the session is ${age} s old: it was not renewed`);
      for (const flow of flows) {
        assert.equal(flow.received.length, count, `${count - flow.received.length} lost`);
        assert.equal(flow.faults(), 0);
        assert.ok(flow.received.every((n, i) => n === i), "in order");
        await flow.close();
      }
      await assertNoFaults(hosts, FAULTS);
      await assertNoFaults(hosts, ONCE_READY, [here!, there!]);
      figure(`${2 * count} datagrams in ${REKEY_MS / 1000} s: none lost, the session is ${age} s old`);
    });
  });
}
