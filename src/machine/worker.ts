/**
 * A data-plane Worker: blocks in epoll over its TUN queue, its sockets and the mailbox's eventfd, and never waits for
 * the control plane. It gets one message before it blocks (`WorkerStart`), everything else by the mailbox.
 */
import type { Hmac } from "../ports/aead.ts";
import type { SocketRole } from "../ports/devices.ts";
import type { DataplaneEvent, DataplaneMessage } from "../ports/planes.ts";
import { nodeHmac } from "../crypto/handshake_mac.ts";
import { aeadProvider } from "../crypto/aead.ts";
import { Backlog } from "../dataplane/tables/backlog.ts";
import { Counters } from "../dataplane/tables/counters.ts";
import { DataPlane, type Devices, type Source } from "../dataplane/dataplane.ts";
import { MailboxReader } from "../dataplane/mailbox.ts";
import { socketSlots } from "../dataplane/packet/packet_memory.ts";
import { warmUpWorker } from "../dataplane/worker_warm_up.ts";
import { Epoll, EventFd } from "../sys/epoll.ts";
import { libcryptoHmac } from "../sys/libcrypto_hmac.ts";
import { waitForRoom } from "../sys/room.ts";
import { Turns } from "../sys/scheduling.ts";
import { collectGarbage, systemClock, systemRandom } from "../sys/system.ts";
import { TunQueue } from "../sys/tun.ts";
import { UdpBatches } from "../sys/udp_batches.ts";
import { aeadMakers } from "./aead_makers.ts";
import type { WorkerStart } from "./plane_threads.ts";

/** The little of a Worker's global scope that is used here; the runtimes' own types disagree. */
interface WorkerScope {
  onmessage: ((event: { data: WorkerStart }) => void) | null;
  postMessage(event: DataplaneEvent): void;
}
const scope = globalThis as unknown as WorkerScope;

scope.onmessage = (event) => {
  try {
    run(event.data);
    scope.postMessage({ kind: "stopped" });
  } catch (error) {
    scope.postMessage({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  }
};

function run(start: WorkerStart): void {
  const epoll = new Epoll();
  /** Without TUN: what is served while TUN rests. */
  const sockets = new Epoll();
  const wake = new EventFd(start.wakeFd);
  const turns = new Turns();
  const mailbox = new MailboxReader(start.mailbox);
  /** BOUNDED: TUN and three sockets. */
  const sources = new Map<number, Source>();
  const aead = aeadProvider(start.suites.length > 0 ? aeadMakers().makers : [], start.suites);
  const hmac = libcryptoHmac() ?? nodeHmac;
  const dataPlane: DataPlane = new DataPlane(
    devices({ epoll, sockets }, sources, start, hmac, (fd) => serveMeanwhile(dataPlane, sources, fd)),
    {
      counters: new Counters(start.counters),
      handUp: scope.postMessage.bind(scope),
      aead,
      backlog: new Backlog(start.backlog),
      lane: start.lane,
    },
  );
  const apply = (message: DataplaneMessage) => {
    dataPlane.apply(message, systemClock.now());
    // A thread that waits in epoll is never idle for its runtime, which would clean up by itself.
    if (message.kind === "releaseMemory") collectGarbage();
  };
  let told = -Infinity;
  const hostStirs = (now: number): void => {
    if (now - told < HOST_STIRS_MS) return;
    told = now;
    scope.postMessage({ kind: "hostStirs" });
  };
  const serve = (set: Epoll, ready: number): void => {
    for (let i = 0; i < ready; i++) {
      const fd = set.ready(i);
      const source = sources.get(fd);
      if (source !== undefined) dataPlane.pump(source, systemClock.now());
      else if (fd === start.wakeFd) {
        wake.clear();
        mailbox.drain(apply);
      } else if (fd === start.hostEvents) hostStirs(systemClock.now());
    }
  };
  epoll.add(start.wakeFd);
  if (start.hostEvents !== undefined) epoll.addEdge(start.hostEvents);
  mailbox.drain(apply);
  if (start.suites.length > 0) warmUpWorker(hmac, systemRandom, aead);
  scope.postMessage({ kind: "ready" });
  for (let bulk = false; !dataPlane.stopped;) {
    serve(epoll, epoll.wait(bulk ? BULK_ENDS_MS : -1));
    turns.patient = bulk = dataPlane.bulk(systemClock.now());
    if (!dataPlane.flooded) continue;
    const end = systemClock.now() + REST_MS;
    do serve(sockets, sockets.waitBriefly(REST_MS * 1000)); while (systemClock.now() < end);
  }
  epoll.close();
  sockets.close();
}

/**
 * How long TUN rests in a flood of small packets, as network cards hold interrupts back: at 300,000 packets a second a
 * batch is then 40 instead of 10, and a packet costs half.
 */
const REST_MS = 0.2;

/** However much happens on the host, it is told so seldom: the control plane also looks by itself, now and then. */
const HOST_STIRS_MS = 100;

/** A transfer that ended is noticed then, also when nothing comes any more. */
const BULK_ENDS_MS = 250;

/** A send buffer that has no room for so long belongs to a link that is gone: what waits is given up. */
const FULL_MS = 500;
const POLL_MS = 50;

/**
 * Waits until `fd` has room for what was read from TUN, and receives meanwhile: a slow link out does not stop what
 * comes in. False when there is nothing to wait for, or no room in time.
 */
function serveMeanwhile(dataPlane: DataPlane, sources: ReadonlyMap<number, Source>, fd: number): boolean {
  if (!dataPlane.pumpMeanwhile(null, systemClock.now())) return false;
  const receivers = [...sources].filter(([, source]) => source !== "tun").map(([receiver]) => receiver);
  for (const end = systemClock.now() + FULL_MS; systemClock.now() < end;) {
    const { writable, readable } = waitForRoom(fd, receivers, POLL_MS);
    for (const receiver of readable) {
      dataPlane.pumpMeanwhile(sources.get(receiver) as SocketRole, systemClock.now());
    }
    if (writable) return true;
  }
  return false;
}

function devices(
  { epoll, sockets }: { readonly epoll: Epoll; readonly sockets: Epoll },
  sources: Map<number, Source>,
  { gso, gro }: WorkerStart,
  hmac: Hmac,
  onFull: (fd: number) => boolean,
): Devices {
  const onLost = (errno: number) => scope.postMessage({ kind: "offloadLost", offload: "gso", errno });
  return {
    tun: (queue, pool) => new TunQueue(queue, pool),
    // A bare IP packet of flannel has no header to put a vnet header into: no trains there.
    socket: (opened, role, pool) =>
      new UdpBatches(opened, pool, socketSlots(role), {
        gso,
        gro: gro && role !== "flannel",
        onLost,
        onFull,
      }),
    watch: (fd, source) => {
      sources.set(fd, source);
      epoll.add(fd);
      if (source !== "tun") sockets.add(fd);
    },
    unwatch: (fd) => {
      if (sources.get(fd) !== "tun") sockets.remove(fd);
      sources.delete(fd);
      epoll.remove(fd);
    },
    gate: { hmac, random: systemRandom },
  };
}
