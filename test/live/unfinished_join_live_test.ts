/**
 * A join that was interrupted or refused is gone on with by a plain `up`: nobody gets a second mesh that was not asked for.
 */
import assert from "node:assert/strict";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { COMMANDS, Daemon, type Host, until } from "./host.ts";
import { liveTest, NETWORK, withHosts } from "./mesh.ts";

/** Starts a daemon with the host's name and directories, and nothing else that the flags do not say. */
function start(host: Host, command: "up" | "join", flags: readonly string[] = []): Daemon {
  const places = ["--name", host.name, "--run-dir", host.runDir, "--state-dir", host.stateDir];
  const daemon = new Daemon(
    host,
    "compiled",
    host.spawn([...COMMANDS.compiled, command, ...places, ...flags]),
  );
  host.daemons.push(daemon);
  return daemon;
}

async function waits(host: Host, whom: RegExp): Promise<void> {
  await until(`${host.name} waits for ${whom}`, 10_000, async () => {
    const { node } = await host.daemon.status();
    return node.leaseState === "joining" && node.waitingFor.some(({ endpoint }) => whom.test(endpoint))
      ? true
      : null;
  });
}

async function tokenOf(host: Host, file: string): Promise<string> {
  const { code, stdout, stderr } = await host.ovltun(["token", "--state-dir", host.stateDir]);
  assert.equal(code, 0, stderr);
  writeFileSync(file, stdout, { mode: 0o600 });
  return file;
}

liveTest("a join by token that was killed, or refused for a route, goes on by a plain up", async () => {
  await withHosts(2, async (hosts, folder) => {
    const [alpha, beta] = hosts as [Host, Host];
    const remembered = join(beta.stateDir, "join.json");
    start(alpha, "up", ["--network", NETWORK]);
    await alpha.daemon.ready(0);
    const token = await tokenOf(alpha, join(folder, "token"));
    beta.setCable(false);
    start(beta, "join", ["--join-file", token]);
    await waits(beta, /^10\.99\.0\.1/);
    await beta.daemon.kill("SIGKILL");
    assert.equal(statSync(remembered).mode & 0o777, 0o600);
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
      start(beta, "up");
      await waits(beta, /^10\.99\.0\.1/);
      assert.match(beta.daemon.log(), /Resuming the join started here, to 10\.99\.0\.1:8473/);
      await beta.daemon.kill(signal);
    }
    const plainly = await start(beta, "up", ["--plain"]).finished;
    assert.equal(plainly.code, 2, plainly.stderr);
    assert.match(
      plainly.stderr,
      /A join started on this host, to 10\.99\.0\.1:8473.*that mesh is sealed: leave --plain out/,
    );

    // Now the mesh answers, and its network is in use here.
    beta.setCable(true);
    await beta.sh("ip route add 10.42.9.0/24 via 10.99.0.254");
    for (let i = 0; i < 2; i++) {
      const { code, stderr } = await start(beta, "up").finished;
      assert.equal(code, 2, stderr);
      assert.match(stderr, /overlaps the route 10\.42\.9\.0\/24/);
      assert.doesNotMatch(stderr, /Founded/);
    }
    await beta.sh("ip route del 10.42.9.0/24");
    start(beta, "up");
    const status = await beta.daemon.ready(1);
    assert.equal(status.network.cidr, NETWORK);
    assert.ok(!existsSync(remembered), "it is forgotten once there is a lease");
    await beta.daemon.kill("SIGTERM");
    start(beta, "up");
    assert.equal((await beta.daemon.ready(1)).node.subnet, status.node.subnet);
    assert.doesNotMatch(beta.daemon.log(), /Resuming the join/);
  });
});

liveTest("another token, --found and down --purge end an unfinished join, in a plain mesh too", async () => {
  await withHosts(3, async (hosts, folder) => {
    const [alpha, beta, gamma] = hosts as [Host, Host, Host];
    start(alpha, "up", ["--network", NETWORK]);
    start(gamma, "up", ["--network", "10.77.0.0/16"]);
    for (const host of [alpha, gamma]) await host.daemon.ready(0);
    const [first, second] = [
      await tokenOf(alpha, join(folder, "a")),
      await tokenOf(gamma, join(folder, "g")),
    ];

    // Refused once it had learned the mesh: another token is for another mesh, and allowed.
    await beta.sh("ip route add 10.42.9.0/24 via 10.99.0.254");
    assert.equal((await start(beta, "join", ["--join-file", first]).finished).code, 2);
    start(beta, "join", ["--join-file", second]);
    assert.equal((await beta.daemon.ready(1)).network.cidr, "10.77.0.0/16");
    const purged = await beta.ovltun(["down", "--purge"]);
    assert.equal(purged.code, 0, purged.stderr);
    await beta.sh("ip route del 10.42.9.0/24");

    // A plain mesh that nobody has yet.
    start(beta, "up", ["--plain", "--peers", "10.99.0.77"]);
    await waits(beta, /^10\.99\.0\.77/);
    await beta.daemon.kill("SIGINT");
    start(beta, "up", ["--plain", "--port", "9000"]);
    await waits(beta, /^10\.99\.0\.77:8473$/);
    await beta.daemon.kill("SIGKILL");
    const sealed = await start(beta, "up").finished;
    assert.equal(sealed.code, 2, sealed.stderr);
    assert.match(sealed.stderr, /that mesh is plain: add --plain/);
    start(beta, "up", ["--plain", "--found"]);
    await beta.daemon.ready(0);
    await beta.daemon.kill("SIGTERM");
    start(beta, "up", ["--plain"]);
    assert.deepEqual((await beta.daemon.ready(0)).node.waitingFor, []);
    assert.equal((await beta.ovltun(["down", "--purge"])).code, 0);

    start(beta, "up", ["--plain", "--peers", "10.99.0.77"]);
    await waits(beta, /^10\.99\.0\.77/);
    await beta.daemon.kill("SIGKILL");
    const down = await beta.ovltun(["down", "--purge"]);
    assert.equal(down.code, 0, down.stderr);
    assert.ok(!existsSync(beta.stateDir), down.stderr);
    start(beta, "up");
    await beta.daemon.ready(0);
    assert.match(beta.daemon.log(), /Founded/);
  });
});
