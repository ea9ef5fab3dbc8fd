/**
 * The state directory of a running host, copied to another: the copy is refused at its first word and ends, and the
 * original, under traffic in both directions, loses nothing.
 */
import assert from "node:assert/strict";
import { cpSync } from "node:fs";
import { OLDER_FOR_SURE_S } from "../../src/control/clones/clones.ts";
import { collect, type Host, until } from "./host.ts";
import { figure, liveTest, startMesh, withHosts } from "./mesh.ts";
import { secretFile } from "./sealed.ts";

const PINGS = 80;
const ENDED_MS = 20_000;

function pings(from: Host, address: string): Promise<string> {
  const command = ["ping", "-i", "0.1", "-c", `${PINGS}`, "-W", "5", "-q", address];
  return collect(from.spawn(command), { timeoutMs: 60_000 }).then(({ stdout }) => stdout);
}

for (const security of ["sealed", "plain"] as const) {
  liveTest(
    `a copied state directory ends the copy, and the original loses no ping (${security})`,
    async () => {
      await withHosts(3, async (hosts, folder) => {
        const [alpha, beta, gamma] = hosts as [Host, Host, Host];
        const flags = security === "sealed" ? ["--secret-file", secretFile(folder)] : [];
        const statuses = await startMesh([alpha, beta], ["compiled"], flags);
        // By then it is known on both disks, and so much older than a copy that there is no doubt which of them it is.
        await until("beta has been there for a while", 10_000, async () => {
          const { uptimeSeconds } = (await beta.daemon.status()).node;
          return uptimeSeconds > OLDER_FOR_SURE_S + 3 ? true : null;
        });
        const [toAlpha, toBeta] = statuses.map(({ node }) => node.address!) as [string, string];
        const flows = [pings(alpha, toBeta), pings(beta, toAlpha)];
        cpSync(beta.stateDir, gamma.stateDir, { recursive: true });
        const began = performance.now();
        gamma.up("compiled", ["--peers", alpha.underlay, ...flags]);
        await until("the copy ends", ENDED_MS, () => gamma.daemon.running ? null : true);
        figure(`a copy ends after ${((performance.now() - began) / 1000).toFixed(1)} s (${security})`);
        assert.equal((await gamma.daemon.finished).code, 2);
        assert.match(gamma.daemon.log(), /this host is a COPY/);
        for (const output of await Promise.all(flows)) {
          assert.match(output, new RegExp(`${PINGS} packets transmitted, ${PINGS} received`), output);
        }
        assert.ok(alpha.daemon.running && beta.daemon.running);
        assert.match((await alpha.ovltun(["status"])).stdout, /Two hosts are running with the identity/);
        assert.match(
          (await beta.ovltun(["status"])).stdout,
          /sees another host with this node's identity/,
        );
        // Started again where it was, the original is back at once.
        await beta.daemon.kill("SIGKILL");
        beta.up("compiled", ["--peers", alpha.underlay, ...flags]);
        await beta.daemon.ready(1);
        await beta.firstAnswer(toAlpha, 10_000);
        assert.equal((await beta.daemon.status()).node.address, toBeta);
      });
    },
  );
}
