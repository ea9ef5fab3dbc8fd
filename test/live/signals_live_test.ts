/**
 * However a daemon is told to end, it ends as by SIGTERM: goodbye said, socket and subnet.env gone, exit code 0.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { COMMANDS, type Host, type Kind, until } from "./host.ts";
import { liveTest, NETWORK, withHosts } from "./mesh.ts";

const SIGNALS = ["SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGXCPU", "SIGINT"] as const;

function left(host: Host): string[] {
  return ["control.sock", "subnet.env"].filter((name) => existsSync(join(host.runDir, name)));
}

for (const kind of ["compiled", "deno"] as Kind[]) {
  liveTest(`SIGHUP and every other signal that ends a process end as SIGTERM does (${kind})`, async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      alpha.up("compiled", ["--network", NETWORK]);
      await alpha.daemon.ready(0);
      for (const signal of kind === "compiled" ? SIGNALS : SIGNALS.slice(0, 4)) {
        beta.up(kind, ["--peers", alpha.underlay]);
        await beta.daemon.ready(1);
        const { code, signal: killed } = await beta.daemon.kill(signal);
        assert.deepEqual([code, killed], [0, null], `${signal}: ${beta.daemon.tail()}`);
        assert.deepEqual(left(beta), [], signal);
        await until("alpha knows that beta was stopped, not lost", 5000, async () => {
          const peer = await alpha.daemon.peer("beta");
          return peer?.state === "dead" && /stopped/.test(peer.why) ? true : null;
        });
      }
    });
  });
}

liveTest("under nohup a SIGHUP ends nothing, and SIGTERM still does", async () => {
  await withHosts(1, async ([host]) => {
    for (const kind of ["compiled", "deno"] as Kind[]) {
      const daemon = host!.up(kind, ["--network", NETWORK], ["env", "nohup"]);
      await daemon.ready(0);
      process.kill(daemon.pid, "SIGHUP");
      // A second one, after the daemon has answered: the first would have been delivered by then.
      await daemon.status();
      process.kill(daemon.pid, "SIGHUP");
      assert.equal((await daemon.status()).node.leaseState, "confirmed");
      assert.equal((await daemon.kill("SIGTERM")).code, 0, daemon.tail());
      assert.deepEqual(left(host!), []);
    }
  });
});

liveTest(
  "a terminal that closes, or a reader that goes away, ends the daemon in order or not at all",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      for (const host of hosts) mkdirSync(dirname(host.runDir), { recursive: true });
      const up = (host: Host) =>
        `${COMMANDS.compiled[0]} up --plain --name ${host.name} --network ${NETWORK} ` +
        `--run-dir ${host.runDir} --state-dir ${host.stateDir}`;
      // script(1) gives it a terminal of its own, which goes when script is killed: SIGHUP, and EIO on every write.
      const terminal = alpha.spawn([
        "script",
        "-qec",
        `echo $$ > ${alpha.runDir}.pid; exec ${up(alpha)}`,
        "/dev/null",
      ]);
      await until(
        "it serves",
        10_000,
        async () => (await statusOf(alpha)).node.leaseState === "confirmed" || null,
      );
      const pid = Number(readFileSync(`${alpha.runDir}.pid`, "utf8"));
      terminal.kill("SIGKILL");
      await until(
        "it has ended in order",
        10_000,
        () => left(alpha).length === 0 && !existsSync(`/proc/${pid}`) || null,
      );
      // head(1) is satisfied with the first line.
      const piped = beta.spawn([
        "sh",
        "-c",
        `echo $$ > ${beta.runDir}.pid; exec ${up(beta)} 2>&1 | head -n 1`,
      ]);
      await until(
        "it serves",
        10_000,
        async () => (await statusOf(beta)).node.leaseState === "confirmed" || null,
      );
      assert.equal((await beta.ovltun(["down"])).code, 0);
      assert.deepEqual(left(beta), []);
      piped.kill("SIGKILL");
    });
  },
);

async function statusOf(host: Host) {
  const { stdout } = await host.ovltun(["status", "--json"]);
  return JSON.parse(stdout);
}
