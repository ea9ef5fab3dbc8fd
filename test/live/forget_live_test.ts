/** Who is in, on real hosts: a token lets one in, `forget` takes its lease, `forget --revoke` keeps it out. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { COMMANDS, Daemon, type Host, until } from "./host.ts";
import { liveTest, startMesh, withHosts } from "./mesh.ts";
import { secretFile } from "./sealed.ts";

/** Starts `ovltun join` with a token file. */
function joinBy(host: Host, file: string): Daemon {
  const places = ["--run-dir", host.runDir, "--state-dir", host.stateDir];
  const flags = ["--plain", "--name", host.name, "--join-file", file, ...places];
  const daemon = new Daemon(host, "compiled", host.spawn([...COMMANDS.compiled, "join", ...flags]));
  host.daemons.push(daemon);
  return daemon;
}

liveTest("a host joins by a token, is forgotten, joins anew, is revoked and stays outside", async () => {
  await withHosts(3, async (hosts, folder) => {
    const [alpha, beta, gamma] = hosts as [Host, Host, Host];
    await startMesh([alpha, gamma], ["compiled"]);
    const token = await alpha.ovltun(["token"]);
    assert.equal(token.code, 0, token.stderr);
    const file = join(folder, "token");
    writeFileSync(file, token.stdout, { mode: 0o600 });
    const joined = joinBy(beta, file);
    const first = (await joined.ready(2)).node;
    assert.equal(await gamma.pingLoss(first.address!), 0);

    const forgotten = await gamma.ovltun(["forget", "beta"]);
    assert.equal(forgotten.code, 0, forgotten.stderr);
    assert.match(forgotten.stderr, new RegExp(`beta .* is forgotten; ${first.subnet} is free\n.*rejoin`));
    // Drawn anew, which by chance may be the same.
    const second = await until("beta holds a lease again", 10_000, async () => {
      const { node } = await joined.status();
      return node.leaseState === "confirmed" && /had been forgotten/.test(joined.log()) ? node : null;
    });
    await alpha.firstAnswer(second.address!, 5000);
    assert.equal(beta.readSubnetFile()["FLANNEL_SUBNET"]!.split(".")[2], second.subnet!.split(".")[2]);

    const revoked = await alpha.ovltun(["forget", second.subnet!, "--revoke", "--json"]);
    assert.equal(JSON.parse(revoked.stdout).id, second.id);
    const { code, stderr } = await joined.finished;
    assert.equal(code, 2);
    assert.match(stderr, /alpha revoked this node's key/);
    await until("gamma has heard it", 5000, async () => {
      const { forgotten: list, peers } = await gamma.daemon.status();
      const told = list!.some((one) => one.id === second.id && one.by === "alpha" && one.revoked);
      return told && !peers.some((peer) => peer.id === second.id) ? true : null;
    });
    assert.equal(await gamma.pingLoss(second.address!, 2), 100);
    const again = await joinBy(beta, file).finished;
    assert.equal(again.code, 2);
    assert.match(again.stderr, /revoked this node's key/);
    assert.ok(!again.stderr.includes("Ready:"), again.stderr);
  });
});

for (const sealed of [false, true]) {
  const kind = sealed ? "sealed" : "plain";

  liveTest(`a host that was off while it was revoked ends when it comes back, ${kind}`, async () => {
    await withHosts(2, async (hosts, folder) => {
      const [alpha, beta] = hosts as [Host, Host];
      const security = sealed ? ["--secret-file", secretFile(folder)] : [];
      const [, status] = await startMesh([alpha, beta], ["compiled"], security);
      assert.equal((await beta.ovltun(["down"])).code, 0);
      await beta.daemon.finished;
      const revoked = await alpha.ovltun(["forget", "beta", "--revoke"]);
      assert.equal(revoked.code, 0, revoked.stderr);
      const { code, stderr } = await beta.up("compiled", ["--peers", alpha.underlay, ...security]).finished;
      assert.equal(code, 2, stderr);
      assert.match(stderr, /alpha revoked this node's key/);
      assert.match(alpha.daemon.tail(), /Refused .*: beta was revoked by alpha/);
      assert.equal(await alpha.pingLoss(status!.node.address!, 1), 100);
    });
  });
}
