/** The main job: three hosts, each on another runtime, one mesh that carries real traffic on either backend. */
import assert from "node:assert/strict";
import { type Host } from "./host.ts";
import { assertAllPairs, figure, iperf, liveTest, startMesh, transfer, withHosts } from "./mesh.ts";

/** The fields of `status --json` that scripts rely on (docs: the command line). */
const NODE_FIELDS =
  "id name version runtime subnet subnet6 address device mtu backend security cipher underlay leaseState uptimeSeconds";
const PEER_FIELDS =
  "id name subnet endpoint state path security why rttMs mtu txBytes rxBytes lastHandshakeSeconds";

function assertFields(value: object, names: string): void {
  const missing = names.split(" ").filter((name) => !(name in value));
  assert.deepEqual(missing, [], `missing in ${JSON.stringify(value)}`);
}

async function readJson(host: Host, command: readonly string[]) {
  const { code, stdout, stderr } = await host.ovltun([...command, "--json"]);
  assert.equal(code, 0, `${command.join(" ")}: ${stderr}`);
  return JSON.parse(stdout);
}

for (const backend of ["udp", "vxlan"]) {
  liveTest(`three hosts on Deno, Bun and as a binary form one ${backend} mesh`, async () => {
    await withHosts(3, async (hosts) => {
      const began = performance.now();
      const statuses = await startMesh(hosts, ["deno", "bun", "compiled"], ["--backend", backend]);
      figure(`mesh of three runtimes, ${backend}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
      const [alpha, beta, gamma] = hosts as [Host, Host, Host];
      assert.equal(new Set(statuses.map((status) => status.node.subnet)).size, 3);
      for (const status of statuses) {
        assert.equal(status.network.cidr, "10.42.0.0/16");
        assert.equal(status.node.backend, backend);
        assert.ok(status.peers.every((peer) => peer.path === "tunnel"), JSON.stringify(status.peers));
      }
      await assertAllPairs(hosts, statuses);
      await transfer(alpha, beta, statuses[1]!.node.address!, 4_000_000);
      await transfer(gamma, alpha, statuses[0]!.node.address!, 4_000_000);
      const [deno, compiled] = [
        await iperf(gamma, alpha, statuses[0]!.node.address!, 1),
        await iperf(beta, gamma, statuses[2]!.node.address!, 1),
      ];
      figure(`TCP ${backend}: binary → Deno ${deno.toFixed(0)}, Bun → binary ${compiled.toFixed(0)} Mbit/s`);
      for (const [i, status] of statuses.entries()) {
        const file = hosts[i]!.readSubnetFile();
        assert.equal(file.FLANNEL_NETWORK, "10.42.0.0/16");
        assert.equal(file.FLANNEL_SUBNET, status.node.subnet!.replace(".0/24", ".1/24"));
        assert.equal(file.FLANNEL_MTU, `${status.node.mtu}`);
        assert.equal(file.FLANNEL_IPMASQ, "false");
      }
    });
  });
}

liveTest("the reading commands answer as the contract says", async () => {
  await withHosts(3, async (hosts) => {
    const statuses = await startMesh(hosts, ["compiled"]);
    const [alpha] = hosts as [Host];
    const status = await readJson(alpha, ["status"]);
    assertFields(status.node, NODE_FIELDS);
    assertFields(status.network, "id cidr subnetLen");
    assert.ok(
      typeof status.drops === "object" && Object.values(status.drops).every((n) => typeof n === "number"),
    );
    for (const peer of status.peers) assertFields(peer, PEER_FIELDS);
    assert.equal((await readJson(alpha, ["peers"])).length, 2);
    const leases = await readJson(alpha, ["leases"]);
    assert.deepEqual(
      leases.map((lease: { subnet: string }) => lease.subnet).sort(),
      statuses.map((each) => each.node.subnet).sort(),
    );
    for (const lease of leases) assertFields(lease, "subnet nodeId name state reserved endpoint vtepMac");
    assert.ok((await readJson(alpha, ["routes"])).length > 0);
    assert.equal((await alpha.ovltun(["wait", "--peers", "2", "--timeout", "60s"])).code, 0);
    assert.equal((await alpha.ovltun(["wait", "--peers", "3", "--timeout", "1s"])).code, 1);
    const ping = await alpha.ovltun(["ping", "beta", "-c", "2"]);
    assert.equal(ping.code, 0, ping.stderr);
    assert.match(ping.stdout, /tunnel/);
    const why = await alpha.ovltun(["why", "gamma"]);
    assert.equal(why.code, 0, why.stderr);
    assert.match(why.stdout, /tunnel/);
    const unknown = await alpha.ovltun(["why", "nobody"]);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /nobody/);
  });
});
