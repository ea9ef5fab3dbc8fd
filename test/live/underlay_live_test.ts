/** Hosts as they are found: the address on a bridge, on lo, link-local, late, or beside a second network card. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parseToken } from "../../src/crypto/join_token.ts";
import { COMMANDS, type Host, until } from "./host.ts";
import { assertAllPairs, liveTest, NETWORK, withHosts } from "./mesh.ts";
import { secretFile } from "./sealed.ts";

const CALLED = ["--network", NETWORK];

liveTest(
  "a host whose address is on a bridge and one with a link-local address form a mesh without a word",
  async () => {
    await withHosts(3, async (hosts) => {
      const [alpha, beta, gamma] = hosts as [Host, Host, Host];
      await alpha.sh(
        "ip addr flush dev eth0; ip link add vmbr0 type bridge; ip link set eth0 master vmbr0; " +
          "ip link set vmbr0 up; ip addr add 10.99.0.1/24 dev vmbr0; ip addr add 169.254.1.1/16 dev vmbr0",
      );
      await beta.sh("ip addr flush dev eth0; ip addr add 169.254.1.2/16 dev eth0");
      await gamma.sh(
        "ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up; " +
          "ip link add nat0 type veth peer name nat1; ip link set nat1 up; ip addr add 10.0.2.15/24 dev nat0; ip link set nat0 up; " +
          "ip route add default via 10.0.2.2 dev nat0",
      );
      alpha.up("compiled", CALLED);
      const founder = await alpha.daemon.ready(0);
      assert.deepEqual(founder.node.underlay, ["10.99.0.1:8473"]);
      beta.up("compiled", ["--peers", "169.254.1.1"]);
      gamma.up("compiled", ["--peers", "10.99.0.1"]);
      await beta.daemon.ready(1);
      await gamma.daemon.ready(1);
      assert.deepEqual((await beta.daemon.status()).node.underlay, ["169.254.1.2:8473"]);
      assert.deepEqual((await gamma.daemon.status()).node.underlay, ["10.99.0.3:8473", "10.0.2.15:8473"]);
    });
  },
);

liveTest(
  "an interface that comes later is waited for, and one without any address is told at once",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      await alpha.sh("ip addr flush dev eth0");
      alpha.up("compiled", CALLED);
      const alone = await alpha.daemon.ready(0);
      assert.deepEqual(alone.node.underlay, []);
      const said = await until("status says why nobody reaches it", 5000, async () => {
        const { warnings } = await alpha.daemon.status();
        return warnings.find((warning) => warning.startsWith("No other host can reach")) ?? null;
      });
      assert.match(said, /lo \((loopback|down)\), eth0 \(no address\).*--iface/);
      assert.match(alpha.daemon.log(), /No other host can reach this node/);
      await alpha.sh("ip addr add 10.99.0.1/24 dev eth0");
      beta.up("compiled", ["--peers", alpha.underlay, "--iface", "late0"]);
      await until("it says which interface it waits for", 5000, async () => {
        const { warnings } = await beta.daemon.status();
        return warnings.some((warning) => /"late0" does not exist .*waiting for it/.test(warning))
          ? true
          : null;
      });
      await beta.sh(
        "ip link add late0 type bridge; ip link set late0 mtu 1400; ip link set late0 up; sleep 0.3; " +
          "ip addr add 10.98.0.2/24 dev late0",
      );
      const underlayOf = async () => (await beta.daemon.status()).node.underlay.join(" ");
      const becomes = (endpoint: string) =>
        until(`it is at ${endpoint}`, 5000, async () => await underlayOf() === endpoint ? true : null);
      await becomes("10.98.0.2:8473");
      await beta.sh("ip link del late0; sleep 0.3; ip link add late0 type bridge; ip link set late0 up");
      await beta.sh("ip addr add 10.98.0.3/24 dev late0");
      await becomes("10.98.0.3:8473");
      const statuses = [await alpha.daemon.ready(1), await beta.daemon.ready(1)];
      await assertAllPairs(hosts, statuses);
    });
  },
);

liveTest(
  "the MTU is that of the link that leads to the peers, not of lo that holds the address",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      for (const [i, host] of hosts.entries()) {
        await host.sh(
          `ip link set lo up; ip addr add 10.255.0.${i + 1}/32 dev lo; ip addr flush dev eth0; ` +
            `ip route add 10.255.0.${2 - i}/32 dev eth0 src 10.255.0.${i + 1}`,
        );
      }
      alpha.up("compiled", CALLED);
      const founder = await alpha.daemon.ready(0);
      assert.deepEqual(founder.node.underlay, ["10.255.0.1:8473"]);
      assert.equal(founder.node.mtu, 1456);
      await beta.sh("ip link set eth0 mtu 1400");
      beta.up("compiled", ["--peers", "10.255.0.1"]);
      const joiner = await beta.daemon.ready(1);
      assert.equal(joiner.node.mtu, 1356);
      assert.match(readFileSync(`${beta.runDir}/subnet.env`, "utf8"), /^FLANNEL_MTU=1356$/m);
      await assertAllPairs(hosts, [await alpha.daemon.ready(1), joiner]);
    });
  },
);

for (const security of ["plain", "sealed"] as const) {
  liveTest(
    `${security}: hosts that all have the address of the default route join by a token at another`,
    async () => {
      await withHosts(2, async (hosts, folder) => {
        const [alpha, beta] = hosts as [Host, Host];
        for (const host of hosts) {
          await host.sh(
            "ip link add nat0 type veth peer name nat1; ip link set nat1 up; ip link set nat0 up; " +
              "ip addr add 10.0.2.15/24 dev nat0; ip route add default via 10.0.2.2 dev nat0; ip link set lo up",
          );
        }
        const secret = security === "sealed" ? ["--secret-file", secretFile(folder)] : [];
        alpha.up("compiled", [...CALLED, ...secret]);
        const founder = await alpha.daemon.ready(0);
        assert.deepEqual(founder.node.underlay, ["10.0.2.15:8473", "10.99.0.1:8473"]);
        const token = await alpha.sh(
          `${COMMANDS.compiled.join(" ")} token --run-dir ${alpha.runDir} --state-dir ${alpha.stateDir}`,
        );
        const { endpoints } = parseToken(token, Date.now());
        assert.deepEqual(endpoints, founder.node.underlay);
        // As `join` does: the token's endpoints are its peers.
        beta.up("compiled", ["--peers", endpoints.join(","), ...secret]);
        const joined = await beta.daemon.ready(1);
        await alpha.daemon.ready(1);
        assert.equal(joined.peers[0]!.endpoint, "10.99.0.1:8473");
        await assertAllPairs(hosts, [founder, joined]);
      });
    },
  );
}
