/**
 * The directories of a daemon: emptied or taken away under it, shared with other pid namespaces, left by a crash, or
 * full of files of others.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { COMMANDS, type Host, until } from "./host.ts";
import { liveTest, NETWORK, withHosts } from "./mesh.ts";

const OVLTUN = COMMANDS.compiled[0]!;
/** The daemon looks at its run directory every second, at its state directory every five. */
const RESTORED_MS = 15_000;

function isThere(host: Host, ...names: string[]): boolean {
  return names.every((name) => existsSync(join(host.runDir, name)));
}

/** Removes a directory, also while a daemon makes files in it. */
async function empty(directory: string): Promise<void> {
  await until(`${directory} is gone`, 5000, () => {
    rmSync(directory, { recursive: true });
    return true;
  });
}

/** Another `up` for the run directory of this host, with all else of its own. */
function second(host: Host) {
  const own = ["--state-dir", `${host.stateDir}-2`, "--device", "ovl1", "--port", "9473"];
  return host.run([OVLTUN, "up", "--plain", "--run-dir", host.runDir, ...own]);
}

liveTest(
  "a run directory that is emptied or mounted over comes back, and nobody else gets into it",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      const daemon = alpha.up("compiled", ["--network", NETWORK]);
      await daemon.ready(0);
      const env = readFileSync(join(alpha.runDir, "subnet.env"), "utf8");
      process.kill(daemon.pid, "SIGSTOP"); // so that it cannot be quicker than the second one
      rmSync(alpha.runDir, { recursive: true });
      try {
        const refused = await second(alpha);
        assert.equal(refused.code, 1, refused.stderr);
        assert.match(
          refused.stderr,
          /Another ovltun daemon \(pid unknown\) is serving .* stop it with ovltun down/,
        );
      } finally {
        process.kill(daemon.pid, "SIGCONT");
      }
      await until(
        "all is back",
        RESTORED_MS,
        () => isThere(alpha, "control.sock", "subnet.env", "lock") || null,
      );
      assert.equal(readFileSync(join(alpha.runDir, "subnet.env"), "utf8"), env);
      assert.equal((await daemon.status()).node.leaseState, "confirmed");
      assert.match((await second(alpha)).stderr, new RegExp(`Another ovltun daemon \\(pid ${daemon.pid}\\)`));
      rmSync(join(alpha.runDir, "control.sock"));
      await until("the socket is back", RESTORED_MS, () => isThere(alpha, "control.sock") || null);
      // down at once: it waits for the socket.
      await empty(alpha.runDir);
      const down = await alpha.ovltun(["down"]);
      assert.equal(down.code, 0, down.stderr);
      assert.equal((await daemon.finished).code, 0, daemon.tail());

      const inside = beta.up("compiled", ["--network", NETWORK], ["unshare", "-m"]);
      await inside.ready(0);
      await beta.sh(`nsenter -t ${inside.pid} -m mount -t tmpfs none ${beta.runDir}`);
      const enter = ["nsenter", "-t", `${inside.pid}`, "-m"];
      await until("it serves in what is mounted now", RESTORED_MS, async () => {
        const { code } = await beta.run([...enter, OVLTUN, "status", "--run-dir", beta.runDir]);
        const files = await beta.run([...enter, "ls", join(beta.runDir, "subnet.env")]);
        return code === 0 && files.code === 0 ? true : null;
      });
      await beta.sh(`nsenter -t ${inside.pid} -m umount -l ${beta.runDir}`);
      await until(
        "and where it was, when that is gone",
        RESTORED_MS,
        async () => (await inside.status()) && true,
      );
    });
  },
);

liveTest(
  "a state directory that is removed under a daemon is made again: it restarts as the same node",
  async () => {
    await withHosts(1, async ([host]) => {
      const first = host!.up("compiled", ["--network", NETWORK]);
      const { node } = await first.ready(0);
      await empty(host!.stateDir);
      await until("it is back", RESTORED_MS, () => existsSync(join(host!.stateDir, "state")) || null);
      assert.match(first.log(), /state directory .* were removed while the daemon was running/);
      await first.kill("SIGKILL");
      const again = await host!.up("compiled", []).ready(0);
      assert.deepEqual([again.node.id, again.node.subnet], [node.id, node.subnet]);
    });
  },
);

liveTest(
  "down ends a daemon of another pid namespace, in either direction, and says no wrong number",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      const namespace = ["unshare", "-pf", "--kill-child", "--mount-proc"];
      const contained = alpha.up("compiled", ["--network", NETWORK], namespace);
      await contained.ready(0);
      const down = await alpha.ovltun(["down"]);
      assert.equal(down.code, 0, down.stderr);
      const pid = Number(/Stopped ovltun \(pid (\d+)\)/.exec(down.stderr)?.[1]);
      assert.ok(pid > 1, down.stderr);
      assert.equal((await contained.finished).code, 0, contained.tail());

      const outside = beta.up("compiled", ["--network", NETWORK]);
      await outside.ready(0);
      const places = ["--run-dir", beta.runDir, "--state-dir", beta.stateDir];
      const inside = await beta.run([...namespace, OVLTUN, "down", "--purge", ...places]);
      assert.equal(inside.code, 0, inside.stderr);
      assert.match(inside.stderr, /^Stopped ovltun$/m);
      assert.equal((await outside.finished).code, 0, outside.tail());
      assert.ok(!existsSync(beta.stateDir) && !existsSync(beta.runDir));
    });
  },
);

liveTest(
  "after a crash with lost state there is no subnet.env and no route before there is a lease",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      const crashed = alpha.up("compiled", ["--network", NETWORK]);
      const { node } = await crashed.ready(0);
      await crashed.kill("SIGKILL");
      assert.ok(isThere(alpha, "subnet.env"));
      assert.match(await alpha.sh("ip route show proto 84"), /unreachable/);
      rmSync(alpha.stateDir, { recursive: true });
      const joining = alpha.up("compiled", ["--peers", beta.underlay]);
      await until(
        "it waits",
        10_000,
        async () => (await joining.status()).node.leaseState === "joining" || null,
      );
      assert.ok(!isThere(alpha, "subnet.env"), joining.tail());
      assert.equal(await alpha.sh("ip route show proto 84"), "");
      await joining.kill("SIGTERM");
      rmSync(alpha.stateDir, { recursive: true, force: true }); // with the unfinished join
      // The same lease keeps its file, and its route, from the first moment on. It would go on with joining, but for --found.
      const kept = alpha.up("compiled", ["--found", "--network", NETWORK, "--subnet", node.subnet!]);
      await kept.ready(0);
      await kept.kill("SIGKILL");
      const again = alpha.up("compiled", []);
      await again.ready(0);
      assert.doesNotMatch(again.log(), /Removed .*subnet\.env/);
      assert.ok(isThere(alpha, "subnet.env"));
    });
  },
);

liveTest("files of others are neither written over by up nor taken away by down", async () => {
  await withHosts(1, async ([host], folder) => {
    const foreign = join(folder, "subnet.env"); // as flannel's, with a lease of flannel's
    const text =
      "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";
    writeFileSync(foreign, text);
    const own = ["--run-dir", host!.runDir, "--state-dir", host!.stateDir, "--subnet-file", foreign];
    const up = await host!.run([OVLTUN, "up", "--plain", "--network", NETWORK, ...own]);
    assert.equal(up.code, 2, up.stderr);
    assert.match(up.stderr, /was not written by ovltun .* --subnet-file/);
    const directory = join(folder, "etc");
    mkdirSync(directory);
    const names = ["state", "peers", "secret", "lock", "identity.json"];
    for (const name of names) writeFileSync(join(directory, name), `${name} of others\n`);
    const places = ["--run-dir", host!.runDir, "--state-dir", directory];
    const refused = await host!.run([OVLTUN, "up", "--plain", "--network", NETWORK, ...places]);
    assert.equal(refused.code, 2, refused.stderr);
    const down = await host!.run([OVLTUN, "down", "--purge", "--subnet-file", foreign, ...places]);
    assert.equal(down.code, 1, down.stderr);
    for (const name of names) {
      assert.equal(readFileSync(join(directory, name), "utf8"), `${name} of others\n`);
      assert.match(down.stderr, new RegExp(`Left ".*${name}": it is not an ovltun file`));
    }
    assert.equal(readFileSync(foreign, "utf8"), text);
    // What was ours elsewhere is taken away, also after a crash and without the flag.
    rmSync(foreign);
    const daemon = host!.up("compiled", ["--network", NETWORK, "--subnet-file", foreign]);
    await daemon.ready(0);
    writeFileSync(foreign, text); // flannel is started beside it
    await until("it is told", RESTORED_MS, async () => {
      const lines = JSON.parse((await host!.ovltun(["status", "--json"])).stdout).warnings.join("\n");
      return /another program wrote that file/.test(lines) ? true : null;
    });
    rmSync(foreign);
    await until("it is written again", RESTORED_MS, () => existsSync(foreign) || null);
    await daemon.kill("SIGKILL");
    const purge = await host!.ovltun(["down", "--purge"]);
    assert.equal(purge.code, 0, purge.stderr);
    assert.ok(!existsSync(foreign), purge.stderr);
  });
});
