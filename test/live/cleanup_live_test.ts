/** Nothing of ours stays: not after a stop, not after `down --purge`, not after kill -9 and `down --purge`. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { COMMANDS, type Host, type Kind, until } from "./host.ts";
import { liveTest, NETWORK, tracesOf, withHosts } from "./mesh.ts";

function filesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

const FLAGS = ["--network", NETWORK, "--backend", "vxlan", "--direct-routing"];

for (const kind of ["compiled", "deno"] as Kind[]) {
  liveTest(`down --purge leaves no device, route, rule, socket or file (${kind})`, async () => {
    await withHosts(2, async ([host]) => {
      const before = await tracesOf(host!);
      const daemon = host!.up(kind, FLAGS);
      await daemon.ready(0);
      assert.notEqual(await tracesOf(host!), before);
      const down = await host!.ovltun(["down", "--purge"]);
      assert.equal(down.code, 0, down.stderr);
      assert.equal((await daemon.finished).code, 0, daemon.tail());
      assert.match(daemon.log(), /info {2}Lease \S+ released/);
      assert.doesNotMatch(daemon.log(), /warn.*[Ll]ease/);
      assert.equal(await tracesOf(host!), before);
      assert.deepEqual([...filesIn(host!.runDir), ...filesIn(host!.stateDir)], []);
    });
  });

  liveTest(`kill -9 and down --purge leave no device, route, rule, socket or file (${kind})`, async () => {
    await withHosts(2, async ([host]) => {
      const before = await tracesOf(host!);
      const daemon = host!.up(kind, FLAGS);
      await daemon.ready(0);
      await daemon.kill("SIGKILL");
      const down = await host!.ovltun(["down", "--purge"]);
      assert.equal(down.code, 0, down.stderr);
      assert.equal(await tracesOf(host!), before);
      assert.deepEqual([...filesIn(host!.runDir), ...filesIn(host!.stateDir)], []);
      const again = await host!.ovltun(["down", "--purge"]);
      assert.equal(again.code, 0, again.stderr);
    });
  });
}

liveTest("SIGTERM and down stop cleanly and keep the lease", async () => {
  await withHosts(2, async (hosts) => {
    const [alpha, beta] = hosts as [Host, Host];
    const before = await Promise.all(hosts.map(tracesOf));
    for (const host of hosts) host.up("compiled", ["--network", NETWORK]);
    const subnet = (await alpha.daemon.ready(0)).node.subnet;
    await beta.daemon.ready(0);
    assert.equal((await alpha.daemon.kill("SIGTERM")).code, 0, alpha.daemon.tail());
    assert.equal((await beta.ovltun(["down"])).code, 0);
    assert.equal((await beta.daemon.finished).code, 0, beta.daemon.tail());
    assert.deepEqual(await Promise.all(hosts.map(tracesOf)), before);
    for (const host of hosts) assert.deepEqual(filesIn(host.runDir), []);
    alpha.up("compiled", []);
    assert.equal((await alpha.daemon.ready(0)).node.subnet, subnet);
  });
});

liveTest("a daemon started after a kill -9 repairs what it finds", async () => {
  await withHosts(2, async (hosts) => {
    const [alpha, beta] = hosts as [Host, Host];
    alpha.up("compiled", ["--network", NETWORK]);
    beta.up("compiled", ["--peers", alpha.underlay]);
    const { node } = await beta.daemon.ready(1);
    const running = await tracesOf(alpha);
    await alpha.daemon.kill("SIGKILL");
    alpha.up("compiled", []);
    await alpha.daemon.ready(1);
    await alpha.firstAnswer(node.address!, 5000);
    // The kernel gives the device its IPv6 routes a moment later.
    await until("all is there again", 3000, async () => (await tracesOf(alpha)) === running || null)
      .catch(async () => assert.equal(await tracesOf(alpha), running));
  });
});

liveTest("down --purge with a wrong run-dir leaves a living daemon and its state alone", async () => {
  await withHosts(2, async ([host]) => {
    host!.up("compiled", FLAGS);
    await host!.daemon.ready(0);
    const files = filesIn(host!.stateDir);
    const wrong = [`${host!.runDir}-not`, "--state-dir", host!.stateDir];
    const down = await host!.run([...COMMANDS.compiled, "down", "--purge", "--run-dir", ...wrong]);
    assert.equal(down.code, 1, down.stderr);
    assert.match(down.stderr, /Another ovltun \(pid \d+\) is using the state directory/);
    assert.deepEqual(filesIn(host!.stateDir), files);
    assert.equal((await host!.daemon.status()).node.leaseState, "confirmed");
  });
});

for (const loss of ["damaged", "gone"]) {
  liveTest(`kill -9 and down --purge leave no route when the state is ${loss}`, async () => {
    await withHosts(2, async ([host]) => {
      const before = await tracesOf(host!);
      const daemon = host!.up("compiled", FLAGS);
      await daemon.ready(0);
      await daemon.kill("SIGKILL");
      rmSync(join(host!.stateDir, "state.tmp"), { force: true });
      if (loss === "gone") rmSync(host!.stateDir, { recursive: true });
      else writeFileSync(join(host!.stateDir, "state"), "{");
      const down = await host!.ovltun(["down", "--purge"]);
      assert.equal(down.code, 0, down.stderr);
      assert.equal(await tracesOf(host!), before);
      assert.deepEqual([...filesIn(host!.runDir), ...filesIn(host!.stateDir)], []);
    });
  });
}

liveTest("an interface that loses its address and gets another ends nothing", async () => {
  await withHosts(2, async (hosts) => {
    const [alpha, beta] = hosts as [Host, Host];
    alpha.up("compiled", ["--network", NETWORK]);
    const { node } = await alpha.daemon.ready(0);
    beta.up("compiled", ["--peers", alpha.underlay, "--iface", "eth0"]);
    await beta.daemon.ready(1);
    await beta.sh("ip addr flush dev eth0; sleep 0.5; ip addr add 10.99.0.77/24 dev eth0");
    await beta.firstAnswer(node.address!, 5000);
    assert.deepEqual((await beta.daemon.status()).node.underlay, ["10.99.0.77:8473"]);
  });
});
