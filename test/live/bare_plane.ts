/**
 * A data plane without a daemon: a real TUN device, a real socket and the Worker of src/daemon, told by hand what
 * a control plane would tell it, so that leases may be IPv4 and IPv6. Run inside a host of the live tests by
 * `bare_plane.ts SETUP` (JSON, see BarePlane); prints the superframes that the device carries once it works, and
 * its events, drops and losses when stdin ends.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { WorkerHandle } from "../../src/daemon/planes/workers.ts";
import type { Offloads } from "../../src/ports/devices.ts";
import type { DataplaneEvent, Tunnel } from "../../src/ports/planes.ts";
import { openHostNetwork } from "../../src/sys/host_network.ts";
import { openTun } from "../../src/sys/tun.ts";
import { openUdp } from "../../src/sys/udp_socket.ts";
import { overlayMtu } from "../../src/wire/overhead.ts";
import { systemMachine } from "../../src/machine/machine.ts";

/** What the two ends agree on. Host 1 holds 10.42.1.0/24 and fd42:1::/64, host 2 the next ones. */
export interface BarePlane {
  /** 1 or 2: this host. */
  readonly own: number;
  readonly encapsulation: "data" | "vxlan";
  readonly offloads: Offloads;
}

/** What it prints at its end. */
export interface BarePlaneEnd {
  readonly drops: Readonly<Record<string, number>>;
  /** Offloads that the kernel refused at run time. */
  readonly lost: readonly string[];
}

const DEVICE = "ovltun0";
const UNDERLAY_MTU = 1500;
const PORTS = { data: 8473, vxlan: 8472 } as const;
const SETTLE_MS = 60_000;
const IFA_F_TENTATIVE = 0x40;

/** The overlay address of a host. */
export function address(host: number, family: 4 | 6): string {
  return family === 4 ? `10.42.${host}.1` : `fd42:${host}::1`;
}

function subnets(host: number): string[] {
  return [`10.42.${host}.0/24`, `fd42:${host}::/64`];
}

function mac(host: number): string {
  return `02:42:0a:2a:0${host}:00`;
}

function tunnelTo(peer: number, encapsulation: BarePlane["encapsulation"], mtu: number): Tunnel {
  const underlay = `10.99.0.${peer}`;
  return {
    encapsulation,
    endpoint: `${underlay}:${PORTS[encapsulation]}`,
    ownPort: `${underlay}:${PORTS.data}`,
    mtu,
    // The receiver chose its own number for both: any will do that both ends know.
    sendIndex: peer,
    receiveIndex: 3 - peer,
    vni: encapsulation === "vxlan" ? 1 : 0,
    mac: encapsulation === "vxlan" ? mac(peer) : "",
  };
}

/** The device up with both addresses, and the routes of the overlay. */
async function prepareHost(own: number, mtu: number): Promise<void> {
  const net = openHostNetwork();
  const { index: iface } = net.interfaces().find(({ name }) => name === DEVICE)!;
  net.setInterface(iface, { up: true, mtu });
  net.addAddress({ iface, address: address(own, 4), prefixLength: 16, scope: 0 });
  net.addAddress({ iface, address: address(own, 6), prefixLength: 16, scope: 0 });
  net.close();
  const tentative = () =>
    readFileSync("/proc/net/if_inet6", "utf8").trim().split("\n")
      .some((line) => (parseInt(line.split(/ +/)[4]!, 16) & IFA_F_TENTATIVE) !== 0);
  await wait("the IPv6 addresses settle", () => !tentative());
}

async function wait(what: string, done: () => boolean): Promise<void> {
  for (const end = performance.now() + SETTLE_MS; !done(); await sleep(10)) {
    if (performance.now() > end) throw new Error(`Waited ${SETTLE_MS} ms until ${what}`);
  }
}

async function run({ own, encapsulation, offloads }: BarePlane): Promise<void> {
  const peer = 3 - own;
  const lost: string[] = [];
  const onEvent = (event: DataplaneEvent) => {
    if (event.kind === "offloadLost") lost.push(`${event.offload}: errno ${event.errno}`);
    if (event.kind === "failed") throw new Error(event.message);
  };
  const worker = new WorkerHandle(systemMachine, onEvent);
  worker.start(offloads);
  const mtu = overlayMtu(UNDERLAY_MTU, encapsulation, 4);
  const { queues, tso, uso } = openTun(DEVICE, offloads);
  const role = encapsulation === "data" ? "own" : "vxlan";
  const { mailbox } = worker;
  const { fd: socket, family } = openUdp(PORTS[encapsulation]);
  mailbox.post({ kind: "attachSocket", role, family, sockets: [{ fd: socket, sendFd: socket }] });
  mailbox.post({ kind: "attachTun", queues, tso, uso });
  const network = { networks: ["10.42.0.0/16"], address: address(own, 4), subnets: subnets(own) };
  mailbox.post({ kind: "setOwn", own: { ...network, mac: mac(own), mtu } });
  mailbox.post({ kind: "setPeer", slot: 0, tunnel: tunnelTo(peer, encapsulation, mtu) });
  let epoch = 0;
  for (const prefix of subnets(peer)) epoch = mailbox.post({ kind: "addRoute", prefix, slot: 0 });
  await prepareHost(own, mtu);
  await wait("the Worker follows", () => mailbox.appliedEpoch() >= epoch);
  process.stdout.write(JSON.stringify({ tso, uso }) + "\n");
  for await (const _ of process.stdin);
  const end: BarePlaneEnd = { drops: worker.counters.drops(), lost };
  process.stdout.write(JSON.stringify(end) + "\n");
  await worker.stop();
  process.exit(0);
}

const setup = process.argv[2];
if (import.meta.main && setup !== undefined) await run(JSON.parse(setup) as BarePlane);
