/**
 * Superframes end to end, between daemons: great transfers and many small flows arrive unchanged, from the host and
 * from a container behind a bridge, and on the wire of the vxlan backend every checksum is right.
 */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { collect, type Host } from "./host.ts";
import {
  figure,
  flows,
  iperf,
  liveTest,
  NETWORK,
  type Place,
  startMesh,
  transfer,
  withHosts,
} from "./mesh.ts";

const LONG = process.env.OVLTUN_LONG === "1";
const BYTES = LONG ? 1_000_000_000 : 50_000_000;
/** Four ways a backend. */
const FLOWS = LONG ? 2500 : 500;
const TSHARK = ["/usr/bin/tshark", "/usr/sbin/tshark"].find((path) => existsSync(path));
const CHECKED = ["ip", "tcp", "udp"].map((name) => `-o ${name}.check_checksum:TRUE`).join(" ");

/** A namespace behind a bridge on the host, with the second address of the host's lease. */
class Container implements Place {
  readonly name: string;
  readonly host: Host;
  readonly address: string;
  readonly #holder: ChildProcess;

  private constructor(host: Host, address: string, holder: ChildProcess) {
    this.name = `a container of ${host.name}`;
    this.host = host;
    this.address = address;
    this.#holder = holder;
  }

  static async start(host: Host, subnet: string, mtu: number): Promise<Container> {
    const net = subnet.slice(0, subnet.lastIndexOf("."));
    const holder = host.spawn(["unshare", "-n", "sh", "-c", "echo; exec sleep 600"]);
    await new Promise((resolve) => holder.stdout!.once("data", resolve));
    await host.sh(`
      ip link add cni0 type bridge
      ip addr add ${net}.1/24 dev cni0
      ip link set cni0 mtu ${mtu} up
      ip link add veth0 mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${holder.pid}
      ip link set veth0 master cni0 up
      nsenter -t ${holder.pid} -n ip link set lo up
      nsenter -t ${holder.pid} -n ip addr add ${net}.2/24 dev eth0
      nsenter -t ${holder.pid} -n ip link set eth0 up
      nsenter -t ${holder.pid} -n ip route add default via ${net}.1
      echo 1 > /proc/sys/net/ipv4/ip_forward
    `);
    return new Container(host, `${net}.2`, holder);
  }

  spawn(command: readonly string[]): ChildProcess {
    return this.host.spawn(["nsenter", "-t", `${this.#holder.pid}`, "-n", ...command]);
  }

  run(command: readonly string[], options: { timeoutMs?: number } = {}) {
    return collect(this.spawn(command), options);
  }

  stop(): void {
    this.#holder.kill("SIGKILL");
  }
}

for (const backend of ["udp", "vxlan"]) {
  liveTest(`great transfers and small flows arrive unchanged, host and container: ${backend}`, async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, beta] = hosts as [Host, Host];
      const statuses = await startMesh(hosts, ["compiled"], ["--backend", backend]);
      const containers = await Promise.all(
        hosts.map((host, i) => Container.start(host, statuses[i]!.node.subnet!, statuses[i]!.node.mtu)),
      );
      try {
        const [a, b] = containers as [Container, Container];
        const there = statuses[1]!.node.address!, here = statuses[0]!.node.address!;
        const ways: [string, Place, Place, string][] = [
          ["host → host", alpha, beta, there],
          ["container → container", a, b, b.address],
          ["host → container", alpha, b, b.address],
          ["container → host", b, alpha, here],
        ];
        for (const [name, from, to, address] of ways) {
          const began = performance.now();
          await transfer(from, to, address, BYTES);
          const gigabits = BYTES * 8 / 1e6 / (performance.now() - began);
          figure(`${backend}, ${name}: ${BYTES / 1e6} MB with SHA-256 at ${gigabits.toFixed(2)} Gbit/s`);
          await transfer(from, to, address, BYTES / 10, true);
          await flows(from, to, address, FLOWS);
        }
        const before = await Promise.all(hosts.map((host) => host.daemon.status()));
        const parallel = await iperf(alpha, beta, there, 3, ["-P", "8"]);
        const udp = await iperf(alpha, beta, there, 2, ["-u", "-b", "1G", "-l", "1300"]);
        figure(`${backend}: TCP ×8 ${parallel.toFixed(0)}, UDP 1300 B ${udp.toFixed(0)} of 1000 Mbit/s`);
        const after = await Promise.all(hosts.map((host) => host.daemon.status()));
        for (const [i, { drops, node }] of after.entries()) {
          assert.equal(before[i]!.node.id, node.id);
          for (const name of ["malformed", "bad-checksum", "tun-write-failed", "spoofed", "send-failed"]) {
            assert.equal(drops[name as keyof typeof drops] ?? 0, 0, `${node.name}: ${name}`);
          }
          assert.deepEqual(node.offloads, { tso: true, uso: true, gso: true, gro: true });
        }
      } finally {
        containers.forEach((container) => container.stop());
      }
    });
  });
}

const SWITCHES = ["tso", "uso", "gso", "gro"] as const;

/** Which offloads stay on: all sixteen ways in the long run, else each one off, and all. */
function combinations(): Record<string, boolean>[] {
  const masks = LONG ? Array.from({ length: 16 }, (_, i) => i) : [0b0111, 0b1011, 0b1101, 0b1110, 0];
  return masks.map((mask) => Object.fromEntries(SWITCHES.map((name, i) => [name, (mask & (1 << i)) !== 0])));
}

for (const backend of ["udp", "vxlan"]) {
  for (const offloads of combinations()) {
    const flags = SWITCHES.filter((name) => !offloads[name]).map((name) => `--no-${name}`);
    liveTest(
      `transfers and flows arrive unchanged, ${backend}, one side ${flags.join(" ") || "as it is"}`,
      async () => {
        await withHosts(2, async (hosts) => {
          const [alpha, beta] = hosts as [Host, Host];
          alpha.up("compiled", ["--network", NETWORK, "--backend", backend, ...flags]);
          beta.up("compiled", ["--peers", alpha.underlay, "--backend", backend]);
          const [a, b] = await Promise.all(hosts.map((host) => host.daemon.ready(1)));
          assert.deepEqual(a!.node.offloads, offloads);
          await transfer(alpha, beta, b!.node.address!, BYTES / 5);
          await transfer(beta, alpha, a!.node.address!, BYTES / 5);
          await flows(alpha, beta, b!.node.address!, 100);
          await flows(beta, alpha, a!.node.address!, 100);
        });
      },
    );
  }
}

liveTest("on the wire of the vxlan backend every checksum is right, inner ones included", async (t) => {
  if (TSHARK === undefined) return t.skip("needs tshark");
  await withHosts(2, async (hosts, folder) => {
    const [alpha, beta] = hosts as [Host, Host];
    const statuses = await startMesh(hosts, ["compiled"], ["--backend", "vxlan"]);
    const containers = await Promise.all(
      hosts.map((host, i) => Container.start(host, statuses[i]!.node.subnet!, statuses[i]!.node.mtu)),
    );
    try {
      const [a, b] = containers as [Container, Container];
      // Without the veth's offloads: what is captured is what a cable would carry.
      for (const host of hosts) {
        await host.sh("ethtool -K eth0 tx-checksum-ip-generic off tx-udp-segmentation off gso off gro off");
      }
      const file = join(folder, "wire.pcap");
      const capture = alpha.spawn([
        "tcpdump",
        "-i",
        "eth0",
        "-s",
        "0",
        "-B",
        "65536",
        "-U",
        "-w",
        file,
        "udp",
      ]);
      const captured = collect(capture, { timeoutMs: 180_000 });
      await new Promise((resolve) => capture.stderr!.once("data", resolve));
      await sleep(300);
      await transfer(alpha, beta, statuses[1]!.node.address!, 6_000_000);
      await transfer(b, alpha, statuses[0]!.node.address!, 3_000_000);
      await flows(a, b, b.address, 300);
      await iperf(alpha, beta, statuses[1]!.node.address!, 1, ["-u", "-b", "50M", "-l", "777"]);
      await sleep(500);
      capture.kill("SIGINT");
      await captured;
      const read = async (filter: string) => {
        const script = `${TSHARK} -r ${file} -d udp.port==8472,vxlan ${CHECKED} -Y '${filter}' -T fields` +
          ` -e frame.number -e frame.len -e tcp.checksum.status -e udp.checksum.status -e _ws.col.Info 2>/dev/null | head -100000`;
        const text = await alpha.sh(script, { timeoutMs: 180_000 });
        return text === "" ? [] : text.trim().split("\n");
      };
      const [tcp, udp] = [
        await read("vxlan && tcp.checksum.status == 1"),
        await read("vxlan && (udp.port == 5400 || udp.port == 5201) && udp.checksum.status == 1"),
      ];
      assert.ok(tcp.length > 6000, `${tcp.length} TCP segments`);
      // iperf3 sends 50 Mbit/s where the machine can.
      assert.ok(udp.length > 300, `${udp.length} UDP datagrams`);
      const unproven = await read("vxlan && tcp && !(tcp.checksum.status == 1)");
      assert.deepEqual(unproven.slice(0, 5), []);
      // Not _ws.malformed: random payload looks like many a protocol.
      const wrong = await read(
        "ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || " +
          "(udp.port == 8472 && !vxlan)",
      );
      assert.deepEqual(wrong.slice(0, 5), []);
      figure(`captured: ${tcp.length} TCP segments, ${udp.length} UDP datagrams, every checksum right`);
    } finally {
      containers.forEach((container) => container.stop());
    }
  });
});
