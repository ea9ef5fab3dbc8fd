/**
 * `--ip-masq` with real packets: which source the far side sees, within the mesh, out of it and into it, of both families;
 * what it does to the host, and that none of it is left.
 */
import assert from "node:assert/strict";
import { type ChildProcess } from "node:child_process";
import { Container } from "./container.ts";
import { figure, liveTest, NETWORK, type Place, tracesOf, withHosts } from "./mesh.ts";
import { COMMANDS, type Host, until } from "./host.ts";

const NETWORK6 = "fd42:1:2::/48";
const FOUNDING = ["--network", NETWORK, "--network6", NETWORK6];
const PORT = 5353;
const MARKED_PORT = 5354;
const TABLES = ["table ip ovltun-10.42.0.0/16", "table ip6 ovltun-fd42_1_2__/48"];

/** Answers each datagram with the address that it came from. */
const ECHO = `const s = require("node:dgram").createSocket({ type: "udp6" });
  s.on("message", (_, from) => s.send(from.address.replace(/^::ffff:/, ""), from.port, from.address));
  s.bind(Number(process.argv[2]), () => console.log("on"));`;
/** Asks that of an address, five times at most; prints the answer. */
const ASK = `const [to, port] = process.argv.slice(2);
  const s = require("node:dgram").createSocket(to.includes(":") ? "udp6" : "udp4");
  let n = 0; const ask = () => n++ < 5 ? s.send("who", port, to) : process.exit(1);
  s.on("message", (m) => { console.log(String(m)); process.exit(0) });
  s.on("error", (e) => console.log(e.message)); ask(); setInterval(ask, 500);`;
const bun = (script: string, ...args: string[]) => [COMMANDS.bun[0]!, "-e", script, "_", ...args];

async function echoAt(place: Place, port = PORT): Promise<ChildProcess> {
  const child = place.spawn(bun(ECHO, `${port}`));
  await new Promise((resolve) => child.stdout!.once("data", resolve));
  return child;
}

async function seen(from: Place, to: string, port = PORT): Promise<string> {
  const { stdout, stderr } = await from.run(bun(ASK, to, `${port}`));
  return stdout.trim() || `${from.name} → ${to}: no answer ${stderr}`;
}

liveTest("--ip-masq: who is seen at the far end, inside the mesh, out of it and into it", async () => {
  await withHosts(3, async (hosts) => {
    const [alpha, beta, gamma] = hosts as [Host, Host, Host]; // gamma is no member
    for (const [i, host] of hosts.entries()) await host.sh(`ip addr add fd00:99::${i + 1}/64 dev eth0 nodad`);
    const before = await tracesOf(alpha);
    alpha.up("compiled", [...FOUNDING, "--ip-masq"]);
    await alpha.daemon.ready(0);
    beta.up("compiled", ["--peers", alpha.underlay, "--ip-masq"]);
    await Promise.all([alpha, beta].map((host) => host.daemon.ready(1)));
    const { node } = await alpha.daemon.status();
    assert.equal(alpha.readSubnetFile().FLANNEL_IPMASQ, "true");
    for (const host of [alpha, beta]) {
      await host.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    }
    const inAlpha = await Container.start(alpha), inBeta = await Container.start(beta);
    const started: ChildProcess[] = [];
    try {
      for (const place of [inAlpha, inBeta, gamma, beta]) started.push(await echoAt(place));
      started.push(await echoAt(gamma, MARKED_PORT));
      await gamma.sh(
        `ip route add ${NETWORK} via ${alpha.underlay}; ip -6 route add ${NETWORK6} via fd00:99::1`,
      );
      await alpha.sh(`
        nft add table inet marks
        nft 'add chain inet marks c { type filter hook forward priority 0; }'
        nft add rule inet marks c udp dport ${MARKED_PORT} meta mark set 0x5000
      `);
      for (const family of [0, 1] as const) {
        const [alphas, gammas] = [0, 2].map((i) =>
          family === 0 ? hosts[i]!.underlay : `fd00:99::${i + 1}`
        ) as [
          string,
          string,
        ];
        const device = [node.address!, node.address6!][family]!;
        const from = inAlpha.addresses[family]!, to = inBeta.addresses[family]!;
        assert.equal(await seen(inAlpha, to), from, "from container to container");
        assert.equal(await seen(inAlpha, gammas), alphas, "what leaves the mesh");
        assert.equal(
          await seen(inAlpha, gammas, MARKED_PORT),
          from,
          "0x4000 is marked by who masquerades itself",
        );
        assert.equal(await seen(gamma, to), device, "what enters the mesh by this host");
        assert.equal(await seen(gamma, from), gammas, "what is for this host's own subnet");
      }
      const [four, six] = [inBeta.addresses[0], inBeta.addresses[1]];
      const bound = (address: string) =>
        ASK.replace("let n", `s.bind({ address: ${JSON.stringify(address)} }); let n`);
      const host = async (from: string, to: string) =>
        (await alpha.run(bun(bound(from), to, `${PORT}`))).stdout.trim();
      assert.equal(await host(alpha.underlay, four), node.address, "the host by its outer address");
      assert.equal(await host("fd00:99::1", six), node.address6);
    } finally {
      for (const child of started) child.kill("SIGKILL");
      inAlpha.stop();
      inBeta.stop();
    }
    await alpha.sh("nft delete table inet marks; ip link del cni0");
    const { code, stderr } = await alpha.ovltun(["down"]);
    assert.equal(code, 0, stderr);
    assert.equal((await alpha.sh("nft list tables")).trim(), "");
    assert.equal(before.includes("ovltun"), false);
  });
});

liveTest(
  "the tables come back within two seconds, whatever is done to them, and are gone after any end",
  async () => {
    await withHosts(1, async ([host]) => {
      const alpha = host!;
      await alpha.sh("nft add table ip theirs; nft add chain ip theirs c; nft add rule ip theirs c drop");
      const before = await tracesOf(alpha);
      const tables = async () =>
        (await alpha.sh("nft list tables")).trim().split("\n").filter((one) => !one.includes("theirs"));
      const rules = () => alpha.sh("nft -s list table ip ovltun-10.42.0.0/16");
      for (const kind of ["compiled", "deno", "bun"] as const) {
        alpha.up(kind, [...FOUNDING, "--ip-masq"]);
        await alpha.daemon.ready(0);
        await until("the tables are there", 5000, async () => (await tables()).length === 2 ? true : null);
        assert.deepEqual(await tables(), TABLES);
        const first = await rules();
        for (
          const harm of [
            "nft delete table ip ovltun-10.42.0.0/16",
            "nft flush table ip ovltun-10.42.0.0/16",
            "nft flush ruleset; nft add table ip theirs; nft add chain ip theirs c; nft add rule ip theirs c drop",
          ]
        ) {
          const began = performance.now();
          await alpha.sh(harm);
          await until(
            "they are back",
            2000,
            async () => (await tables()).length === 2 && await rules() === first ? true : null,
          );
          figure(`${kind}, ${harm.slice(0, 20)}: back after ${(performance.now() - began).toFixed(0)} ms`);
        }
        if (kind === "compiled") {
          await alpha.daemon.kill("SIGTERM");
        } else {
          await alpha.daemon.kill("SIGKILL");
          assert.deepEqual(await tables(), TABLES, "a crash leaves them");
          const { code, stderr } = await alpha.ovltun(["down", "--purge"]);
          assert.equal(code, 0, stderr);
          assert.match(stderr, /Removed the nftables table ovltun-10.42.0.0\/16/);
        }
        assert.equal(await tracesOf(alpha), before);
      }
    });
  },
);
