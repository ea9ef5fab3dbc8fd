/**
 * The network secret is rotated on real hosts, under traffic; then a new token lets in, and an old one does not.
 */
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { COMMANDS, Daemon, type Host, until } from "./host.ts";
import { figure, liveTest, NETWORK, withHosts } from "./mesh.ts";

const PINGS = 500;

/** Starts a daemon of a sealed mesh with the host's name and directories. */
function start(host: Host, command: "up" | "join", flags: readonly string[]): Daemon {
  const places = ["--name", host.name, "--run-dir", host.runDir, "--state-dir", host.stateDir];
  const daemon = new Daemon(
    host,
    "compiled",
    host.spawn([...COMMANDS.compiled, command, ...places, ...flags]),
  );
  host.daemons.push(daemon);
  return daemon;
}

function joinBy(host: Host, file: string): Daemon {
  return start(host, "join", ["--join-file", file]);
}

async function tokenOf(host: Host, file: string): Promise<string> {
  const { code, stdout, stderr } = await host.ovltun(["token", "--state-dir", host.stateDir]);
  assert.equal(code, 0, stderr);
  writeFileSync(file, stdout, { mode: 0o600 });
  return file;
}

/** Lines of the secret that a host keeps. */
function secretLines(host: Host): string[] {
  const path = join(host.stateDir, "secret");
  assert.equal(statSync(path).mode & 0o777, 0o600);
  return readFileSync(path, "utf8").trim().split("\n");
}

liveTest(
  "the secret is rotated without a lost ping; tokens of before are void, later ones are good",
  async () => {
    await withHosts(5, async (hosts, folder) => {
      const [alpha, beta, gamma, delta, epsilon] = hosts as [Host, Host, Host, Host, Host];
      const members = [alpha, beta, gamma];
      start(alpha, "up", ["--network", NETWORK]);
      await alpha.daemon.ready(0);
      const oldToken = await tokenOf(alpha, join(folder, "old-token"));
      for (const host of [beta, gamma]) joinBy(host, oldToken);
      const statuses = await Promise.all(members.map((host) => host.daemon.ready(2)));
      const before = secretLines(alpha);
      const pairs = [[alpha, 1], [beta, 2], [gamma, 0]] as const;
      const pings = pairs.map(([host, to]) => host.answers(statuses[to]!.node.address!, PINGS, 100));
      await sleep(2000);
      const rotated = await beta.ovltun(["secret", "rotate"]);
      assert.equal(rotated.code, 0, rotated.stderr);
      assert.match(rotated.stderr, /new network secret to .*alpha/);
      const began = Date.now();
      await until("all have the new secret", 10_000, () => {
        const lines = members.map(secretLines);
        return Promise.resolve(lines.every((own) => own.length === 2 && own[0] !== before[0]) ? true : null);
      });
      figure(`rotation: all have the new secret after ${Date.now() - began} ms`);
      assert.equal(new Set(members.map((host) => secretLines(host)[0]!.split(" ")[0])).size, 1);
      await gamma.daemon.kill("SIGKILL");
      start(gamma, "up", []);
      await gamma.daemon.ready(2);
      await until("the old secret is dropped", 60_000, async () => {
        const all = await Promise.all(members.map((host) => host.daemon.status()));
        return all.every(({ node }) => node.secret!.olderAccepted === 0 && !node.secret!.underWay)
          ? true
          : null;
      });
      figure(`rotation: the old secret is dropped after ${Date.now() - began} ms`);
      for (const host of members) assert.ok(!secretLines(host).includes(before[0]!), host.name);

      const refused = joinBy(epsilon, oldToken);
      const joined = joinBy(delta, await tokenOf(gamma, join(folder, "new-token")));
      const { node } = await joined.ready(3);
      assert.equal(await alpha.pingLoss(node.address!), 0);
      assert.equal(await beta.pingLoss(node.address!), 0);
      assert.equal((await refused.status()).node.leaseState, "joining");
      assert.match(alpha.daemon.log(), /fail the check of the network secret/);

      const reports = await Promise.all(pings);
      figure(`rotation: ${reports.join(", ")} of ${PINGS} pings answered; gamma restarted meanwhile`);
      assert.equal(reports[0], PINGS, "between those that stayed up");
    });
  },
);
