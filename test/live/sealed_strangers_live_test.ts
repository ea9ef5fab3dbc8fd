/**
 * Who does not belong: another secret, a plain node, another version, a copied identity. Each is told apart and named on
 * both sides.
 */
import assert from "node:assert/strict";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nodeHmac, stampHandshake } from "../../src/crypto/handshake_mac.ts";
import { NetworkSecret } from "../../src/crypto/network_secret.ts";
import { Attacker, fromElsewhere, withPayload } from "./attacker.ts";
import { type Host, until } from "./host.ts";
import { figure, liveTest, NETWORK, withHosts } from "./mesh.ts";
import { secretFile, startSealed } from "./sealed.ts";

/** How soon a copied identity is known to everybody whom it concerns. */
const REPORTED_MS = 30_000;

function lines(host: Host, words: RegExp): string[] {
  return host.daemon.log().split("\n").filter((line) => words.test(line));
}

liveTest("a wrong secret never meshes, and both sides say so in one line", async () => {
  await withHosts(2, async (hosts, folder) => {
    const [alpha, beta] = hosts as [Host, Host];
    alpha.up("compiled", ["--secret-file", secretFile(folder), "--network", NETWORK]);
    await alpha.daemon.ready(0);
    beta.up("compiled", ["--secret-file", secretFile(folder), "--peers", alpha.underlay]);
    const waiting = await until("beta says why it waits", 6000, async () => {
      const { node } = await beta.daemon.status();
      return node.waitingFor.some(({ message }) => /wrong secret/.test(message ?? "")) ? node : null;
    });
    assert.equal(waiting.leaseState, "joining");
    await sleep(2000);
    assert.equal(lines(alpha, /10\.99\.0\.2.*wrong secret/).length, 1, alpha.daemon.log());
    const told = lines(beta, /10\.99\.0\.1.*wrong secret/).filter((line) => !/aiting for/.test(line));
    assert.equal(told.length, 1, beta.daemon.log());
    assert.deepEqual((await alpha.daemon.status()).peers, []);
    assert.equal((await beta.daemon.status()).node.address, null);
    assert.match((await beta.ovltun(["status"])).stdout, /wrong secret/);
  });
});

for (const sealedFounds of [true, false]) {
  liveTest(
    `a plain and a sealed node refuse each other by name, ${sealedFounds ? "sealed" : "plain"} first`,
    async () => {
      await withHosts(2, async (hosts, folder) => {
        const [alpha, beta] = hosts as [Host, Host];
        const secret = ["--secret-file", secretFile(folder)];
        alpha.up("compiled", [...sealedFounds ? secret : [], "--network", NETWORK]);
        await alpha.daemon.ready(0);
        beta.up("compiled", [...sealedFounds ? [] : secret, "--peers", alpha.underlay]);
        const words = (ofSealed: boolean) =>
          ofSealed ? /its mesh is plain, ours is sealed/ : /its mesh is sealed, ours is plain/;
        await until("both refused by name", 12_000, () => {
          const named = lines(alpha, words(sealedFounds)).length > 0 &&
            lines(beta, words(!sealedFounds)).length > 0;
          return named ? true : null;
        });
        const { node } = await beta.daemon.status();
        assert.match(node.waitingFor[0]!.message!, words(!sealedFounds));
        assert.equal(node.leaseState, "joining");
        assert.deepEqual((await alpha.daemon.status()).peers, []);
      });
    },
  );
}

liveTest(
  "a handshake of another version is refused by name, one without the MAC is not answered in words",
  async () => {
    await withHosts(2, async (hosts, folder, between) => {
      const [alpha, beta] = hosts as [Host, Host];
      const attacker = new Attacker(hosts, between);
      await attacker.open();
      const secret = secretFile(folder);
      alpha.up("compiled", ["--secret-file", secret, "--network", NETWORK]);
      beta.up("compiled", ["--secret-file", secret, "--peers", alpha.underlay]);
      const [{ node }] = await Promise.all([alpha.daemon.ready(1), beta.daemon.ready(1)]);
      const first = attacker.seen.find(({ from, payload }) =>
        from === beta && payload[0] === 0x01 && payload[2] === 1
      )!;
      const keys = NetworkSecret.parse(readFileSync(secret, "utf8").trim(), "ovltun").keys("ovltun");
      const of2 = first.payload.slice();
      of2[1] = 2;
      const answers = (port: number) =>
        attacker.seen.filter(({ from, frame, payload }) =>
          from === alpha && (frame[36]! << 8 | frame[37]!) === port && payload[0] === 0x02
        );
      // From ports where nobody is: beta itself stays well.
      attacker.sendFrame(alpha, fromElsewhere(withPayload(first.frame, of2), [10, 99, 0, 2], 9001));
      stampHandshake(nodeHmac, keys.macKey, of2, null);
      attacker.sendFrame(alpha, fromElsewhere(withPayload(first.frame, of2), [10, 99, 0, 2], 9002));
      await until(
        "alpha names both versions",
        3000,
        () =>
          lines(alpha, /Refused 10\.99\.0\.2:9002: it speaks version 2 of the handshake, we speak 1/)[0] ??
            null,
      );
      const [refusal] = await until(
        "the refusal is on the wire",
        2000,
        () => answers(9002).length > 0 ? answers(9002) : null,
      );
      assert.deepEqual(
        [...refusal!.payload.subarray(1, 4)],
        [1, 1, 1],
        "our version, a refusal, because of the version",
      );
      assert.ok(
        answers(9001).every(({ payload }) => payload.length <= of2.length),
      );
      assert.equal(lines(alpha, /9001.*version/).length, 0, "whoever has no MAC is not believed");
      assert.equal(await beta.pingLoss(node.address!), 0);
      await attacker.close();
    });
  },
);

liveTest(
  "a copied identity, secret included, is reported by the mesh and on both hosts that run with it",
  async () => {
    await withHosts(3, async (hosts, folder) => {
      const [alpha, beta, gamma] = hosts as [Host, Host, Host];
      await startSealed([alpha, beta], folder);
      await beta.daemon.kill("SIGKILL");
      cpSync(beta.stateDir, gamma.stateDir, { recursive: true });
      // The directory holds the secret as well.
      const kept = join(gamma.stateDir, "secret");
      assert.match(readFileSync(kept, "utf8"), /^ovs1/);
      const file = join(folder, "same");
      cpSync(kept, file);
      beta.up("compiled", ["--secret-file", file, "--peers", alpha.underlay]);
      gamma.up("compiled", ["--secret-file", file, "--peers", alpha.underlay]);
      const began = performance.now();
      const times = await Promise.all([alpha, beta, gamma].map(async (host) => {
        // Each has its line also when it ends with it.
        await until(`${host.name} reports it`, REPORTED_MS, () => lines(host, /identity/i)[0] ?? null);
        return `${host.name} ${((performance.now() - began) / 1000).toFixed(1)} s`;
      }));
      figure(`copied identity, both hosts started at once: ${times.join(", ")}`);
      const ended = await until("one of the two ends", 60_000, () => {
        const gone = [beta, gamma].filter(({ daemon }) => !daemon.running);
        return gone.length > 0 ? gone : null;
      });
      assert.equal(ended.length, 1, "never both");
      assert.equal((await ended[0]!.daemon.finished).code, 2);
      assert.match(ended[0]!.daemon.log(), /COPY/);
      const stays = ended[0] === beta ? gamma : beta;
      assert.equal(
        lines(stays, /alpha sees another host with this node's identity/).length,
        1,
        stays.daemon.log(),
      );
      for (const host of [alpha, stays]) {
        const { stdout } = await host.ovltun(["status"]);
        assert.match(stdout, /identity/, `${host.name}: ${stdout}`);
      }
    });
  },
);
