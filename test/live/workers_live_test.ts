/**
 * Meshes of several Workers: transfers of many flows, no datagram overtaken by a later one of its flow, unequal numbers
 * on the two sides, a device that is deleted, a kernel VTEP as the peer.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { COMMANDS, type Host, type Kind, until } from "./host.ts";
import { assertNoFaults, assertOrder } from "./healthy.ts";
import { figure, iperf, liveTest, NETWORK, transfer, withHosts } from "./mesh.ts";

const LONG = process.env.OVLTUN_LONG === "1";
const BYTES = LONG ? 200_000_000 : 10_000_000;
const FLOWS = 8;
const DATAGRAMS = LONG ? 20_000 : 2000;
/** What must not happen in a healthy mesh. A few probes of a start may find no session yet. */
const FAULTS = ["malformed", "spoofed", "bad-checksum", "tun-write-failed", "send-failed", "wrong-lane"];

/** Two nodes with their numbers of Workers. */
async function start(
  hosts: readonly Host[],
  workers: readonly number[],
  backend: string,
  kinds: readonly Kind[] = ["compiled", "compiled"],
): Promise<string[]> {
  hosts.forEach((host, i) => {
    const place = i === 0 ? ["--network", NETWORK] : ["--peers", hosts[0]!.underlay];
    host.up(kinds[i]!, [...place, "--backend", backend, "--workers", `${workers[i]}`]);
  });
  const statuses = await Promise.all(hosts.map((host) => host.daemon.ready(1)));
  assert.deepEqual(statuses.map(({ node }) => node.workers), workers);
  return statuses.map(({ node }) => node.address!);
}

/** Eight transfers at once, each compared by its SHA-256. */
async function transfers(from: Host, to: Host, address: string): Promise<void> {
  const began = performance.now();
  await Promise.all(
    Array.from({ length: FLOWS }, (_, i) => transfer(from, to, address, BYTES, false, 5300 + i)),
  );
  const mbits = BYTES * FLOWS * 8 / 1e3 / (performance.now() - began);
  figure(`${from.name} → ${to.name}, ${FLOWS} transfers with SHA-256: ${mbits.toFixed(0)} Mbit/s`);
}

for (const backend of ["udp", "vxlan"]) {
  for (const workers of [[2, 2], [3, 3], [1, 4], [2, 3]] as const) {
    const kinds: Kind[] = workers[0] === 3 ? ["deno", "bun"] : ["compiled", "compiled"];
    liveTest(`${workers.join(" ↔ ")} workers carry transfers, datagrams in order: ${backend}`, async () => {
      await withHosts(2, async (hosts) => {
        const [alpha, beta] = hosts as [Host, Host];
        const [here, there] = await start(hosts, workers, backend, kinds) as [string, string];
        assert.equal(await alpha.pingLoss(there, 20), 0);
        assert.equal(await beta.pingLoss(here, 20), 0);
        await transfers(alpha, beta, there);
        await transfers(beta, alpha, here);
        await assertOrder(alpha, beta, there, FLOWS, DATAGRAMS);
        await assertOrder(beta, alpha, here, FLOWS, DATAGRAMS);
        await assertNoFaults(hosts, FAULTS);
        const { mbits, segments, reordering } = await iperfRetransmits(alpha, beta, there);
        figure(
          `${workers.join(" ↔ ")} workers, ${backend}: TCP ×4 ${mbits.toFixed(0)} Mbit/s, ` +
            `${segments} segments again, ${reordering} for reordering (a wandering flow: 100 and more)`,
        );
      });
    });
  }
}

/** TCP ×4 for two seconds: rate, retransmits (overload loses packets, too), and those for reordering alone. */
async function iperfRetransmits(
  from: Host,
  to: Host,
  address: string,
): Promise<{ mbits: number; segments: number; reordering: number }> {
  const before = await retransmitted(from);
  const mbits = await iperf(from, to, address, 2, ["-P", "4"]);
  const { segments, reordering } = await retransmitted(from);
  return { mbits, segments: segments - before.segments, reordering: reordering - before.reordering };
}

/** RetransSegs, and how often TCP saw that it had taken reordering for loss (TCPSACKReorder, TCPTSReorder). */
async function retransmitted(host: Host): Promise<{ segments: number; reordering: number }> {
  const text = await host.sh("cat /proc/net/snmp /proc/net/netstat");
  const lines = text.split("\n").map((line) => line.split(" "));
  const value = (protocol: string, name: string) => {
    const [names, values] = lines.filter((line) => line[0] === protocol);
    return Number(values![names!.indexOf(name)]);
  };
  return {
    segments: value("Tcp:", "RetransSegs"),
    reordering: value("TcpExt:", "TCPSACKReorder") + value("TcpExt:", "TCPTSReorder"),
  };
}

liveTest("a deleted device comes back with all its queues", async () => {
  await withHosts(2, async (hosts) => {
    const [alpha, beta] = hosts as [Host, Host];
    const [here, there] = await start(hosts, [3, 2], "udp") as [string, string];
    for (let round = 1; round <= 3; round++) {
      await transfers(alpha, beta, there);
      await alpha.sh("ip link delete ovl0");
      await until("the device is back", 3000, async () => {
        const { code } = await alpha.run(["ip", "link", "show", "ovl0"]);
        return code === 0 ? true : null;
      });
      await alpha.firstAnswer(there, 3000);
      assert.equal(alpha.daemon.log().split("Recreated the device ovl0").length - 1, round);
    }
    assert.equal(await beta.pingLoss(here, 20), 0);
    await transfers(beta, alpha, here);
    await assertOrder(alpha, beta, there, FLOWS, DATAGRAMS);
  });
});

const MAC = "02:42:0a:2a:03:00";
const KERNEL_ADDRESS = "10.42.3.0";

liveTest("a kernel vxlan device is a full peer of three workers, ARP included", async () => {
  await withHosts(3, async (hosts) => {
    const [alpha, , kernel] = hosts as [Host, Host, Host];
    const peer = `10.42.3.0/24=${kernel.underlay},mac=${MAC},backend=vxlan`;
    const place = ["--network", NETWORK, "--subnet", "10.42.1.0/24", "--workers", "3"];
    alpha.up("compiled", [...place, "--backend", "vxlan", "--static-peer", peer]);
    const { node } = await alpha.daemon.ready(0);
    await kernel.sh(`
      ip link add vx0 address ${MAC} type vxlan id 1 dstport 8472 local ${kernel.underlay} remote ${alpha.underlay} dev eth0
      ip addr add ${KERNEL_ADDRESS}/32 dev vx0
      ip link set vx0 mtu 1450 up
      ip route add ${node.subnet} via ${node.address} dev vx0 onlink src ${KERNEL_ADDRESS}
    `);
    await kernel.firstAnswer(node.address!, 3000);
    assert.equal(await kernel.pingLoss(node.address!, 20), 0);
    assert.equal(await alpha.pingLoss(KERNEL_ADDRESS, 20), 0);
    // Each question comes from another port, and so to any of the three.
    for (let i = 0; i < 12; i++) {
      await kernel.sh("ip neigh flush dev vx0");
      assert.equal(await kernel.pingLoss(node.address!, 2), 0, `question ${i}`);
    }
    await transfers(kernel, alpha, node.address!);
    await transfers(alpha, kernel, KERNEL_ADDRESS);
    await assertOrder(kernel, alpha, node.address!, FLOWS, DATAGRAMS);
    await assertOrder(alpha, kernel, KERNEL_ADDRESS, FLOWS, DATAGRAMS);
    await assertNoFaults([alpha], FAULTS);
  });
});

liveTest(
  "more workers than processors: a warning, not an error; the second daemon on a port is refused",
  async () => {
    await withHosts(1, async (hosts) => {
      const [alpha] = hosts as [Host];
      alpha.up("compiled", ["--network", NETWORK, "--workers", "16"]);
      const { node } = await alpha.daemon.ready(0);
      assert.equal(node.workers, 16);
      assert.match(alpha.daemon.log(), /--workers 16 on (one processor|\d+ processors)/);
      const second = await alpha.run([
        ...COMMANDS.compiled,
        ...["up", "--plain", "--run-dir", "/tmp/ln-second-run", "--state-dir", "/tmp/ln-second-state"],
        ...["--device", "ovl9", "--workers", "2", "--network", "10.43.0.0/16"],
      ]);
      assert.equal(second.code, 1);
      assert.match(second.stderr, /Cannot listen on UDP port 8473: EADDRINUSE/);
      assert.equal((await alpha.daemon.kill("SIGTERM")).code, 0);
    });
  },
);
