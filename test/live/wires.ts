/**
 * The real devices for tests that need no daemon: a network namespace, TUN queues whose other end is the kernel,
 * UDP sockets in batches. Everything is opened inside the namespace and used from outside.
 */
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { createPool, packetAt, socketSlots } from "../../src/dataplane/packet/packet_memory.ts";
import { BATCH, type PacketPool, type SocketRole } from "../../src/ports/devices.ts";
import { Epoll } from "../../src/sys/epoll.ts";
import { openHostNetwork } from "../../src/sys/host_network.ts";
import { closeDescriptor } from "../../src/sys/libc.ts";
import { createNamespace, inNamespace, type Namespace } from "../../src/sys/namespaces.ts";
import type { OpenedTun, TunOffloads } from "../../src/ports/devices.ts";
import { openTun, TunQueue } from "../../src/sys/tun.ts";
import { UdpBatches, type UdpOffloads } from "../../src/sys/udp_batches.ts";
import { openUdpGroup } from "../../src/sys/udp_group.ts";
import { type OpenedSocket, openUdp } from "../../src/sys/udp_socket.ts";
import { prefix } from "../../src/wire/prefix.ts";

export const DEVICE = "ovltest0";
export const HOST = "10.42.1.0";
export const HOST6 = "fd42:1::1";
export const FAR = "10.42.2.9";
export const FAR6 = "fd42:2::9";
/** Ends a wait for what does not come. What comes, comes at once: only a machine that is very busy needs so long. */
export const WAIT_MS = 30_000;
export const SINGLE: UdpOffloads = { gso: false, gro: false };

function reasonToSkip(): string | false {
  if (process.env.CI) return false;
  if (process.getuid?.() !== 0) return "needs root";
  return existsSync("/dev/net/tun") ? false : "needs /dev/net/tun";
}

/** What a test opens; everything is closed after it. */
export class Wires {
  readonly namespace: Namespace = createNamespace();
  readonly pool: PacketPool = createPool();
  readonly #descriptors: number[] = [];
  /** Why sockets gave up sending trains. */
  readonly lost: number[] = [];

  constructor() {
    this.pool.bytes.fill(0xa5, 0, packetAt(BATCH));
  }

  in<T>(fn: () => T): T {
    return inNamespace(this.namespace, fn);
  }

  tun(name = DEVICE, offloads?: TunOffloads, queues = 1): OpenedTun {
    const opened = this.in(() => openTun(name, offloads, undefined, queues));
    for (const { fd, writeFd } of opened.queues) this.#descriptors.push(...new Set([fd, writeFd]));
    return opened;
  }

  /** The device up, with our addresses and the overlay's routes, as a daemon would have it. */
  tunUp(pool = this.pool): TunQueue {
    return this.queuesUp(1, pool)[0]!;
  }

  /** The same with several queues. */
  queuesUp(count: number, pool = this.pool): TunQueue[] {
    const { queues, name } = this.tun(DEVICE, undefined, count);
    this.in(() => {
      const net = openHostNetwork();
      const { index: iface } = net.interfaces().find((candidate) => candidate.name === name)!;
      net.addAddress({ iface, address: HOST, prefixLength: 32, scope: 0 });
      net.setInterface(iface, { up: true, mtu: 1400 });
      net.addAddress({ iface, address: HOST6, prefixLength: 64, scope: 0 });
      const common = {
        type: "unicast",
        gateway: null,
        iface,
        metric: 0,
        protocol: 4,
        table: 254,
        source: null,
        onlink: false,
        scope: 253,
      } as const;
      net.addRoute({ ...common, destination: prefix("10.42.0.0/16") });
      net.addRoute({ ...common, destination: prefix("fd42::/16"), scope: 0, metric: 1024 });
      net.close();
    });
    until("the IPv6 address to settle", () => this.in(settled) ? true : null);
    return queues.map((queue) => new TunQueue(queue, pool));
  }

  udp(port: number): OpenedSocket {
    const opened = this.in(() => openUdp(port));
    this.#descriptors.push(opened.fd);
    return opened;
  }

  batches(port: number, role: SocketRole, offloads = SINGLE): UdpBatches {
    return this.over(this.udp(port), role, offloads);
  }

  /** A port shared by several Workers; each one's batches receive into the slots of `role`. */
  group(port: number, workers: number, byLane: boolean, role: SocketRole, offloads = SINGLE): UdpBatches[] {
    const group = this.in(() => openUdpGroup(port, "--port", workers, byLane));
    for (const { fd, sendFd } of group.sockets) this.#descriptors.push(...new Set([fd, sendFd]));
    return group.sockets.map((socket) => this.over({ ...socket, family: group.family }, role, offloads));
  }

  over(socket: OpenedSocket, role: SocketRole, offloads = SINGLE): UdpBatches {
    const onLost = (errno: number) => this.lost.push(errno);
    return new UdpBatches(socket, this.pool, socketSlots(role), { ...offloads, onLost });
  }

  closeLater(fd: number): void {
    this.#descriptors.push(fd);
  }

  close(): void {
    for (const fd of this.#descriptors) closeDescriptor(fd);
    this.namespace.close();
  }
}

export function liveTest(name: string, fn: (wires: Wires) => void): void {
  const skip = reasonToSkip();
  test(skip === false ? name : `${name} (skipped: ${skip})`, { skip }, () => {
    const wires = new Wires();
    try {
      fn(wires);
    } finally {
      wires.close();
    }
  });
}

/** Asks until the answer is not null. */
export function until<T>(what: string, ask: () => T | null): T {
  const end = performance.now() + WAIT_MS;
  const epoll = new Epoll();
  try {
    while (performance.now() < end) {
      const answer = ask();
      if (answer !== null) return answer;
      epoll.wait(1);
    }
  } finally {
    epoll.close();
  }
  throw new Error(`Waited ${WAIT_MS} ms for ${what}`);
}

/** Whether no IPv6 address of this thread's namespace is tentative (IFA_F_TENTATIVE); the kernel decides it later. */
export function settled(): boolean {
  const lines = readFileSync("/proc/thread-self/net/if_inet6", "utf8").trim().split("\n");
  return lines.every((line) => (parseInt(line.split(/ +/)[4]!, 16) & 0x40) === 0);
}

/** Everything that waits on a socket: what it says and where from. */
export function receiveAll(
  wires: Wires,
  socket: UdpBatches,
  count: number,
): { bytes: Uint8Array; from: string }[] {
  const all: { bytes: Uint8Array; from: string }[] = [];
  until(`${count} datagrams`, () => {
    const got = socket.receive();
    for (let i = 0; i < got; i++) {
      const at = socket.position(i);
      all.push({ bytes: wires.pool.bytes.slice(at, at + socket.length(i)), from: socket.source(i) });
    }
    return all.length >= count ? all : null;
  });
  return all;
}
