/** What cannot work is refused with a sentence that helps, the right exit code, and nothing left behind. */
import assert from "node:assert/strict";
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Finished, type Host, TOP } from "./host.ts";
import { liveTest, NETWORK, tracesOf, withHosts } from "./mesh.ts";

const NOBODY = 65534;
const BUN = join(TOP, "node_modules/.bin/bun");

/** Starts a daemon that must refuse; checks its exit code, its words, and that the host is as before. */
async function assertRefused(
  host: Host,
  start: () => { finished: Promise<Finished> },
  expected: { readonly code: number; readonly says: readonly RegExp[] },
): Promise<void> {
  const before = await tracesOf(host);
  const { code, stderr } = await start().finished;
  assert.equal(code, expected.code, stderr);
  for (const words of expected.says) assert.match(stderr, words);
  assert.doesNotMatch(stderr, /\n\s+at .*\.ts:\d+/, "no stack trace for a person");
  assert.equal(await tracesOf(host), before);
  for (const file of ["control.sock", "subnet.env"]) {
    assert.ok(!existsSync(join(host.runDir, file)), `${file} is left behind`);
  }
}

liveTest("up that would join a sealed mesh without its secret says where to get one", async () => {
  await withHosts(2, async ([host]) => {
    const args = ["up", "--peers", "10.99.0.2", "--state-dir", host!.stateDir];
    const run = () => ({ finished: host!.ovltun(args) });
    await assertRefused(host!, run, { code: 2, says: [/ovltun token/, /--secret-file/, /--plain/] });
    const again = ["up", "--state-dir", host!.stateDir];
    const says = [/join started on this host, to 10\.99\.0\.2:8473/, /ovltun token/, /up --found/];
    await assertRefused(host!, () => ({ finished: host!.ovltun(again) }), { code: 2, says });
  });
});

liveTest("up without TUN says which device is missing", async () => {
  await withHosts(2, async ([host]) => {
    for (const hide of ["mount -t tmpfs none /dev/net", "mount --bind /dev/null /dev/net/tun"]) {
      const wrap = ["unshare", "-m", "sh", "-ec", `${hide}; exec "$@"`, "sh"];
      const run = () => host!.up("compiled", ["--network", NETWORK], wrap);
      await assertRefused(host!, run, { code: 1, says: [/\/dev\/net\/tun/] });
    }
  });
});

liveTest("up with a port in use names the port and the flag", async () => {
  await withHosts(2, async ([host]) => {
    const script = `require("dgram").createSocket("udp4").bind(8473, () => console.log("bound"))`;
    const holder = host!.spawn([BUN, "-e", script]);
    await new Promise((resolve) => holder.stdout!.once("data", resolve));
    try {
      const run = () => host!.up("compiled", ["--network", NETWORK]);
      await assertRefused(host!, run, { code: 1, says: [/8473/, /--port/] });
    } finally {
      holder.kill("SIGKILL");
    }
  });
});

liveTest("up with a port below 1024 and without the capability for it names that", async () => {
  await withHosts(2, async ([host]) => {
    const wrap = ["setpriv", "--bounding-set", "-net_bind_service"];
    const run = () => host!.up("compiled", ["--network", NETWORK, "--port", "443"], wrap);
    await assertRefused(host!, run, {
      code: 1,
      says: [/port 443: EACCES/, /CAP_NET_BIND_SERVICE/, /--port/],
    });
  });
});

liveTest("a second daemon on one state directory is refused", async () => {
  await withHosts(2, async ([host]) => {
    const first = host!.up("compiled", ["--network", NETWORK]);
    await first.ready(0);
    const second = await host!.up("compiled", ["--network", NETWORK, "--port", "9000", "--device", "ovl1"])
      .finished;
    assert.equal(second.code, 1, second.stderr);
    assert.match(second.stderr, /running|in use|locked|another/i);
    assert.ok(first.running);
    assert.equal((await host!.ovltun(["status"])).code, 0);
  });
});

liveTest("up without permission says what it needs", async () => {
  await withHosts(2, async ([host], folder) => {
    const binary = join(folder, "ovltun");
    copyFileSync(join(TOP, "dist/ovltun"), binary);
    chmodSync(binary, 0o755);
    chmodSync(folder, 0o755);
    for (const directory of [join(folder, host!.name), host!.runDir, host!.stateDir]) {
      mkdirSync(directory);
      chownSync(directory, NOBODY, NOBODY);
    }
    const wrap = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
    const run = () => host!.start("compiled", [...wrap, binary], ["--network", NETWORK]);
    await assertRefused(host!, run, { code: 1, says: [/root|CAP_NET_ADMIN/] });
  });
});

liveTest("up with a network the host already routes elsewhere names that route", async () => {
  await withHosts(2, async ([host]) => {
    await host!.sh("ip route add 10.42.128.0/20 via 10.99.0.254");
    const before = await tracesOf(host!);
    const { code, stderr } = await host!.up("compiled", ["--network", NETWORK]).finished;
    assert.equal(code, 2, stderr);
    assert.match(stderr, /10\.42\.128\.0\/20/);
    assert.match(stderr, /10\.42\.0\.0\/16/);
    assert.equal(await tracesOf(host!), before);
  });
});

liveTest("a joiner that contradicts the mesh refuses and names both values", async () => {
  await withHosts(2, async (hosts) => {
    const [alpha, beta] = hosts as [Host, Host];
    alpha.up("compiled", ["--network", NETWORK]);
    await alpha.daemon.ready(0);
    const { code, stderr } = await beta.up("compiled", [
      ...["--network", "10.77.0.0/16", "--peers", alpha.underlay],
    ]).finished;
    assert.equal(code, 2, stderr);
    assert.match(stderr, /10\.77\.0\.0\/16/);
    assert.match(stderr, /10\.42\.0\.0\/16/);
    assert.ok(alpha.daemon.running);
  });
});

liveTest(
  "a joiner whose own route overlaps the mesh is told what it can do, and gives nothing back",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      alpha.up("compiled", ["--network", NETWORK]);
      await alpha.daemon.ready(0);
      await beta.sh("ip route add blackhole 10.42.9.0/24");
      const { code, stderr } = await beta.up("compiled", ["--peers", alpha.underlay]).finished;
      assert.equal(code, 2, stderr);
      assert.match(
        stderr,
        /overlaps the route .*10\.42\.9\.0\/24.*; .* remove the route from this host, or found/,
      );
      assert.doesNotMatch(stderr, /lease back|choose another/);
    });
  },
);

liveTest("flags that make no sense are refused before anything happens", async () => {
  await withHosts(2, async ([host]) => {
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [["--netwrok", NETWORK], /--network/],
      [["--network", "10.42.0.0/33"], /10\.42\.0\.0\/33/],
      [["--network", NETWORK, "--subnet-len", "12"], /subnet-len/],
      [["--backend", "pigeon"], /pigeon/],
      [["--port", "70000"], /70000/],
      [["--network", NETWORK, "--subnet", "192.168.7.0/24"], /192\.168\.7\.0\/24/],
    ];
    for (const [flags, words] of cases) {
      const { code, stderr } = await host!.up("compiled", flags).finished;
      assert.equal(code, 2, `${flags.join(" ")}: ${stderr}`);
      assert.match(stderr, words);
    }
  });
});
