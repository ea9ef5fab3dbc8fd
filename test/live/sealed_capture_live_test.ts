/**
 * What somebody on the wire sees of a sealed mesh: no byte of what goes through it. And a path in the clear only where
 * the user said so, with status calling it that.
 */
import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Attacker } from "./attacker.ts";
import { type Host, until } from "./host.ts";
import { liveTest, NETWORK, withHosts } from "./mesh.ts";
import { NumberedFlow, secretFile, startSealed } from "./sealed.ts";

const DATAGRAMS = 200;

/** How many captured frames hold `pattern`. */
function sightings(attacker: Attacker, pattern: string): number {
  return attacker.seen.filter(({ frame }) => Buffer.from(frame).includes(pattern)).length;
}

/** Every datagram that arrived is found in what was captured; the capture may be a moment behind. */
async function assertSeen(attacker: Attacker, flow: NumberedFlow): Promise<void> {
  await until("all is captured", 1000, () => {
    return sightings(attacker, flow.pattern) === flow.received.length ? true : null;
  });
}

for (const backend of ["udp", "vxlan"]) {
  liveTest(`no plaintext byte of a sealed ${backend} mesh is on the wire`, async () => {
    await withHosts(2, async (hosts, folder, between) => {
      const [alpha, beta] = hosts as [Host, Host];
      const attacker = new Attacker(hosts, between);
      await attacker.open();
      const statuses = await startSealed(hosts, folder, ["--backend", backend]);
      for (const { peers } of statuses) assert.deepEqual(peers.map((peer) => peer.security), ["sealed"]);
      const inside = new NumberedFlow(alpha, beta, statuses[1]!.node.address!);
      await inside.send(DATAGRAMS);
      assert.equal(inside.faults(), 0);
      assert.ok(inside.received.length > 0, "none arrived");
      await until("the capture has seen them", 1000, () => {
        return attacker.seen.length >= inside.received.length ? true : null;
      });
      assert.equal(sightings(attacker, inside.pattern), 0);
      const { subnet, address } = statuses[1]!.node;
      const inner = Buffer.from(address!.split(".").map(Number));
      const shown = attacker.seen.filter(({ payload }) => Buffer.from(payload).includes(inner)).length;
      assert.ok(shown < 3, `${shown} datagrams show ${address} of ${subnet}`);
      // The same outside the overlay is found: the search can find.
      const outside = new NumberedFlow(beta, alpha, alpha.underlay);
      await outside.send(20);
      assert.ok(outside.received.length > 0);
      await assertSeen(attacker, outside);
      await Promise.all([inside.close(), outside.close(), attacker.close()]);
    });
  });
}

liveTest("host-gw in a sealed mesh is refused, and clear by the user's own word", async () => {
  await withHosts(2, async (hosts, folder, between) => {
    const [alpha, beta] = hosts as [Host, Host];
    const secret = ["--secret-file", secretFile(folder), "--network", NETWORK, "--backend", "host-gw"];
    const { code, stderr } = await alpha.up("compiled", secret).finished;
    assert.equal(code, 2, stderr);
    assert.match(stderr, /host-gw.*in the clear.*--allow-plain-direct/);

    alpha.up("compiled", [...secret, "--allow-plain-direct"]);
    await alpha.daemon.ready(0);
    const joiner = await beta.up("compiled", [...secret.slice(0, 2), "--peers", alpha.underlay]).finished;
    assert.equal(joiner.code, 2, joiner.stderr);
    assert.match(joiner.stderr, /host-gw.*in the clear.*--allow-plain-direct/);
    for (const host of hosts) await host.ovltun(["down", "--purge"]);

    const attacker = new Attacker(hosts, between);
    await attacker.open();
    const [, there] = await startSealed(hosts, folder, ["--backend", "host-gw", "--allow-plain-direct"]);
    for (const host of hosts) {
      const [peer] = (await host.daemon.status()).peers;
      assert.deepEqual([peer!.path, peer!.security], ["direct-route", "clear"], peer!.why);
      assert.match((await host.ovltun(["status"])).stdout, /\bclear\b/);
    }
    const flow = new NumberedFlow(alpha, beta, there!.node.address!);
    await flow.send(50);
    assert.ok(flow.received.length > 0);
    await assertSeen(attacker, flow); // this is what clear means
    await Promise.all([flow.close(), attacker.close()]);
  });
});

liveTest("a member that did not allow clear paths gets none from one that did", async () => {
  await withHosts(2, async (hosts, folder, between) => {
    const [alpha, beta] = hosts as [Host, Host];
    const attacker = new Attacker(hosts, between);
    await attacker.open();
    const secret = ["--secret-file", secretFile(folder)];
    alpha.up("compiled", [...secret, "--network", NETWORK, "--direct-routing", "--allow-plain-direct"]);
    beta.up("compiled", [...secret, "--peers", alpha.underlay]);
    await Promise.all([alpha.daemon.ready(1), beta.daemon.ready(1)]);
    await sleep(300);
    const back = new NumberedFlow(beta, alpha, (await alpha.daemon.status()).node.address!);
    await back.send(50);
    assert.equal(sightings(attacker, back.pattern), 0);
    assert.ok(back.received.length > 0, "and yet it arrives");
    const there = new NumberedFlow(alpha, beta, (await beta.daemon.status()).node.address!);
    await there.send(50);
    assert.equal(sightings(attacker, there.pattern), 0);
    assert.ok(there.received.length > 0, "and arrives that way, too");
    for (const { daemon } of hosts) {
      const [peer] = (await daemon.status()).peers;
      assert.deepEqual([peer!.path, peer!.security], ["tunnel", "sealed"]);
    }
    assert.match(
      (await alpha.ovltun(["why", beta.name])).stdout,
      /fix: start ovltun on beta with\s+--allow-plain-direct/,
    );
    await Promise.all([back.close(), there.close(), attacker.close()]);
  });
});
