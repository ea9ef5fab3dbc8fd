/** Whom a real host must not call: itself inside the mesh; and whom it calls by name, when the name changes. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, type Host, until } from "./host.ts";
import { COMMANDS } from "./host.ts";
import { assertAllPairs, liveTest, NETWORK, withHosts } from "./mesh.ts";
import { secretFile } from "./sealed.ts";

/** A program in a mount namespace of its own in which /etc/hosts is this file. */
function withNames(file: string): string[] {
  const script = 'mount --bind "$0" /etc/hosts && exec "$@"';
  return ["unshare", "-m", "--propagation", "private", "sh", "-c", script, file, ...COMMANDS.compiled];
}

async function endpointIn(daemon: Daemon, name: string): Promise<string | null> {
  return (await daemon.peer(name))?.endpoint ?? null;
}

for (const security of ["plain", "sealed"] as const) {
  liveTest(
    `${security}: --peers with an overlay address leaves both sides' links outside the mesh`,
    async () => {
      await withHosts(2, async (hosts, folder) => {
        const [alpha, beta] = hosts as [Host, Host];
        const flags = security === "sealed" ? ["--secret-file", secretFile(folder)] : [];
        alpha.up("compiled", ["--network", NETWORK, ...flags]);
        const { node } = await alpha.daemon.ready(0);
        beta.up("compiled", ["--peers", alpha.underlay, ...flags]);
        await beta.daemon.ready(1);
        await beta.daemon.kill("SIGTERM");
        beta.up("compiled", ["--peers", `${node.address},${alpha.underlay}`, ...flags]);
        const statuses = [await alpha.daemon.ready(1), await beta.daemon.ready(1)];
        const warning = await until("status names the entry", 5000, async () => {
          const { warnings } = await beta.daemon.status();
          return warnings.find((one) => one.includes(`--peers ${node.address}`)) ?? null;
        });
        assert.match(warning, /is in the mesh's own network 10\.42\.0\.0\/16/);
        assert.equal(await beta.pingLoss(node.address!, 100), 0);
        assert.equal(await alpha.pingLoss(statuses[1]!.node.address!, 100), 0);
        assert.equal(await endpointIn(alpha.daemon, "beta"), `${beta.underlay}:8473`);
        assert.equal(await endpointIn(beta.daemon, "alpha"), `${alpha.underlay}:8473`);
        assert.deepEqual((await beta.daemon.status()).node.underlay, [`${beta.underlay}:8473`]);
        assert.equal(beta.daemon.log().split(`--peers ${node.address} is not used`).length - 1, 1);
      });
    },
  );
}

liveTest(
  "a token carries a name, and a laptop finds the mesh by it after the address changed while it was off",
  async () => {
    await withHosts(2, async (hosts, folder) => {
      const [home, laptop] = hosts as [Host, Host];
      const secret = ["--secret-file", secretFile(folder)];
      const files = hosts.map((host) => join(folder, `hosts-${host.name}`));
      const names = (address: string) => {
        writeFileSync(files[0]!, "127.0.0.1 localhost\n127.0.1.1 home.example\n");
        writeFileSync(files[1]!, `127.0.0.1 localhost\n${address} home.example\n`);
      };
      names("10.99.0.1");
      const start = ["--network", NETWORK, "--advertise", "home.example", ...secret];
      home.start("compiled", withNames(files[0]!), start);
      const founder = await home.daemon.ready(0);
      assert.deepEqual(founder.node.underlay, ["home.example:8473", "10.99.0.1:8473"]);
      assert.match(
        home.daemon.log(),
        /--advertise home\.example: it resolves here to 127\.0\.1\.1, which is not used/,
      );
      assert.doesNotMatch(home.daemon.log(), /Cannot resolve/);
      const token = await home.run([
        ...COMMANDS.compiled,
        "token",
        "--run-dir",
        home.runDir,
        "--state-dir",
        home.stateDir,
      ]);
      assert.equal(token.code, 0, token.stderr);
      const tokenFile = join(folder, "token");
      writeFileSync(tokenFile, token.stdout, { mode: 0o600 });
      const joining = laptop.spawn([
        ...withNames(files[1]!),
        ...["join", "--name", "laptop", "--join-file", tokenFile, "--run-dir", laptop.runDir],
        ...["--state-dir", laptop.stateDir],
      ]);
      const ended = new Promise((resolve) => joining.on("close", resolve));
      await until("the laptop is in", 40_000, async () => {
        const { peers } = await home.daemon.status();
        return peers.some((peer) => peer.name === "laptop" && peer.state === "alive") ? true : null;
      });
      joining.kill("SIGTERM");
      await ended;
      await home.sh("ip addr flush dev eth0; ip addr add 10.99.0.71/24 dev eth0");
      await laptop.sh("ip addr flush dev eth0; ip addr add 10.99.0.72/24 dev eth0");
      names("10.99.0.71");
      laptop.start("compiled", withNames(files[1]!), secret);
      const statuses = [await home.daemon.ready(1, 40_000), await laptop.daemon.ready(1, 40_000)];
      assert.equal(statuses[1]!.peers[0]!.endpoint, "10.99.0.71:8473");
      await assertAllPairs(hosts, statuses);
    });
  },
);
