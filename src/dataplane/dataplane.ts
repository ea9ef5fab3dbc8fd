/**
 * The data plane: owns the tables and devices of plane.ts, applies what the mailbox brings between batches,
 * and moves batches when told that something is readable. It knows no descriptors and no epoll: devices come
 * through `Devices`, which the Worker (machine/worker.ts) implements over sys/ and tests over memory.
 */
import type { Hmac } from "../ports/aead.ts";
import {
  type DatagramSocket,
  type PacketPool,
  SOCKET_ROLES,
  type SocketRole,
  type TunDevice,
  type WorkerQueue,
  type WorkerSocket,
} from "../ports/devices.ts";
import type { DataplaneMessage, InstallSession, OwnNetwork, Tunnel } from "../ports/planes.ts";
import type { Random } from "../ports/time.ts";
import { parseMac } from "../wire/address.ts";
import { HandshakeGate } from "./tables/handshake_gate.ts";
import { NO_SESSION } from "./tables/counters.ts";
import { sendKeepalive } from "./encapsulations/sealed.ts";
import { inboundEarly } from "./encapsulations/sealed_inbound.ts";
import { ENCAPSULATORS, PORTS } from "./encapsulations/table.ts";
import { inboundBatch } from "./in/inbound.ts";
import { outboundBatch, sendWaiting } from "./out/outbound.ts";
import { createPlane, type Plane, type PlaneParts } from "./plane/plane.ts";
import { OWN_SLOT } from "./tables/route_table.ts";
import { TunLoad } from "./tun/tun_load.ts";
import { parsePrefix } from "../wire/prefix.ts";

/** Makes devices out of what the control plane opened and handed over. */
export interface Devices {
  tun(queue: WorkerQueue, pool: PacketPool): TunDevice;
  socket(
    opened: WorkerSocket & { readonly family: 4 | 6 },
    role: SocketRole,
    pool: PacketPool,
  ): DatagramSocket;
  /** Called when a descriptor is to be waited on, or no longer. */
  watch(fd: number, source: Source): void;
  unwatch(fd: number): void;
  /** For the gate of handshakes; without, they are handed up as they come. */
  readonly gate?: { readonly hmac: Hmac; readonly random: Random };
}

/** What became readable. */
export type Source = SocketRole | "tun";

export class DataPlane {
  readonly plane: Plane;
  readonly #devices: Devices;
  /** BOUNDED: one per slot. The tunnels, for sockets that are attached later. */
  readonly #tunnels = new Map<number, Tunnel>();
  readonly #load = new TunLoad();
  #tunFd = -1;
  #own: readonly string[] = [];
  #stopped = false;
  /** Whether a batch from TUN is under way: it may wait for room in its socket. */
  #sending = false;
  /** Whether it does: nothing may be queued or sealed before it has left. */
  #flushing = false;

  constructor(devices: Devices, parts: Omit<PlaneParts, "gate">) {
    const gate = devices.gate === undefined
      ? null
      : new HandshakeGate(devices.gate.hmac, devices.gate.random);
    this.plane = createPlane({ ...parts, gate });
    this.#devices = devices;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Whether TUN should rest before the next batch is read from it: plane.flooded. */
  get flooded(): boolean {
    return this.plane.flooded;
  }

  /** Whether a bulk transfer comes in: its reader may finish its turns first. `now`: monotonic milliseconds. */
  bulk(now: number): boolean {
    return this.#load.bulk(this.plane.coalescer, now);
  }

  /** Moves one batch from `source`. Returns how many packets it was. `now`: monotonic milliseconds. */
  pump(source: Source, now: number): number {
    this.plane.now = now;
    const count = source === "tun" ? this.#pumpTun() : inboundBatch(this.plane, source, PORTS[source]);
    this.#sendUnblocked();
    return count;
  }

  #pumpTun(): number {
    this.#sending = true;
    const count = outboundBatch(this.plane);
    this.#sending = false;
    if (this.plane.tun === null && this.#tunFd >= 0) {
      this.#detachTun();
      this.plane.handUp({ kind: "tunGone" });
    }
    return count;
  }

  /** What waited for sessions that may send now. */
  #sendUnblocked(): void {
    const { unblocked } = this.plane;
    if (this.#flushing || unblocked.size === 0) return;
    for (const slot of unblocked) sendWaiting(this.plane, slot);
    unblocked.clear();
  }

  /**
   * Moves one batch from a socket while a batch from TUN waits for room in another: what was read from TUN stays where
   * it lies, and the other direction goes on. False when no such batch waits: answers to datagrams wait for nothing,
   * for receiving on would overwrite what they answer.
   */
  pumpMeanwhile(role: SocketRole | null, now: number): boolean {
    if (!this.#sending) return false;
    this.#sending = false;
    this.#flushing = true;
    if (role !== null) this.pump(role, now);
    this.#flushing = false;
    return this.#sending = true;
  }

  /** Applies one message of the control plane. `now`: as for `pump`. */
  apply(message: DataplaneMessage, now = this.plane.now): void {
    this.plane.now = now;
    this.plane.counters.add(NO_SESSION, this.plane.early.expire(now));
    switch (message.kind) {
      case "attachSocket":
        return this.#attachSocket(message.role, this.#mine(message.sockets), message.family);
      case "attachTun":
        this.plane.coalescer.tso = message.tso;
        this.plane.coalescer.uso = message.uso;
        return this.#attachTun(this.#mine(message.queues));
      case "detachTun":
        return this.#detachTun();
      case "setOwn":
        return this.#setOwn(message.own);
      case "setPeer":
        return this.#setPeer(message.slot, message.tunnel);
      case "dropPeer":
        this.plane.peers.drop(message.slot);
        this.plane.encapsulators[message.slot] = null;
        this.plane.sessions.dropPeer(message.slot);
        this.plane.counters.add(NO_SESSION, this.plane.waiting.take(message.slot).length);
        this.plane.counters.resetPeer(message.slot);
        this.#tunnels.delete(message.slot);
        return;
      case "addRoute":
        return this.#addRoute(message.prefix, message.slot);
      case "dropRoute":
        return this.plane.routes.delete(message.prefix);
      case "setGate":
        this.plane.gate?.setKeys(message.macKeys);
        for (const key of message.macKeys) key.fill(0);
        return;
      case "installSession":
        return this.#installSession(message);
      case "confirmSession":
        return this.#confirmSession(message.receiveIndex);
      case "dropSession":
        return this.plane.sessions.drop(message.receiveIndex);
      case "releaseMemory":
        return; // the Worker's, which has the memory
      case "stop":
        this.#stopped = true;
        return;
      default:
        message satisfies never;
    }
  }

  /** Packets that waited for a link leave with the first tunnel that needs nothing else. */
  #setPeer(slot: number, tunnel: Tunnel): void {
    const { peers, encapsulators, sessions } = this.plane;
    const waited = this.#tunnels.get(slot)?.encapsulation === "waiting";
    peers.set(slot, tunnel);
    const encapsulator = encapsulators[slot] = ENCAPSULATORS[tunnel.encapsulation];
    this.#tunnels.set(slot, tunnel);
    for (const role of SOCKET_ROLES) this.#setEnds(role, slot, tunnel);
    const ready = encapsulator?.needsSession === false || sessions.sending(slot) !== null;
    if (waited && ready) sendWaiting(this.plane, slot);
  }

  /** This Worker's own of what was opened for all. */
  #mine<T>(all: readonly T[]): T {
    const { worker, workers } = this.plane.lane;
    if (all.length !== workers) throw new RangeError(`${all.length} descriptors for ${workers} workers`);
    return all[worker]!;
  }

  #attachTun(queue: WorkerQueue): void {
    this.#detachTun();
    this.#tunFd = queue.fd;
    this.plane.tun = this.#devices.tun(queue, this.plane.pool);
    this.plane.coalescer.tun = this.plane.tun;
    this.#devices.watch(queue.fd, "tun");
  }

  /** What waited leaves on a session that may send; when nothing did, a keepalive tells the peer that we have it. */
  #installSession(message: InstallSession): void {
    const { aead, lane, b } = this.plane;
    const { slot, confirmed } = this.plane.sessions.install(message, { aead, lane: lane.worker, memory: b });
    inboundEarly(this.plane, message.receiveIndex);
    this.#sendUnblocked();
    if (!confirmed) return;
    sendWaiting(this.plane, slot);
    if (this.plane.sessions.sending(slot)?.counter === 0) sendKeepalive(this.plane, slot);
  }

  /** One that is gone, or sends already, is no error: the peer may have used it here, too. */
  #confirmSession(receiveIndex: number): void {
    const session = this.plane.sessions.byIndex(receiveIndex);
    if (session === null || session.confirmed) return;
    this.plane.sessions.confirm(session);
    sendWaiting(this.plane, session.slot);
  }

  #detachTun(): void {
    if (this.#tunFd >= 0) this.#devices.unwatch(this.#tunFd);
    this.#tunFd = -1;
    this.plane.tun = null;
    this.plane.coalescer.tun = null;
  }

  #attachSocket(role: SocketRole, opened: WorkerSocket, family: 4 | 6): void {
    const socket = this.#devices.socket({ ...opened, family }, role, this.plane.pool);
    this.plane.sockets[role] = socket;
    for (const [slot, tunnel] of this.#tunnels) this.#setEnds(role, slot, tunnel);
    this.#devices.watch(opened.fd, role);
  }

  #setEnds(role: SocketRole, slot: number, tunnel: Tunnel): void {
    const elsewhere = role === "own" ? tunnel.ownPort : role === "vxlan" ? tunnel.vxlanPort : undefined;
    const endpoint = elsewhere ?? tunnel.endpoint;
    const socket = this.plane.sockets[role];
    if (endpoint === "" || socket === null) return;
    socket.setDestination(slot, endpoint);
    socket.setLocal(slot, tunnel.local ?? null);
  }

  #addRoute(text: string, slot: number): void {
    const prefix = parsePrefix(text);
    if (prefix === null) throw new TypeError(`Not a prefix: "${text}"`);
    this.plane.routes.set(text, prefix, slot);
  }

  #setOwn(own: OwnNetwork): void {
    for (const subnet of this.#own) if (!own.subnets.includes(subnet)) this.plane.routes.delete(subnet);
    for (const subnet of own.subnets) this.#addRoute(subnet, OWN_SLOT);
    this.#own = own.subnets;
    this.plane.networks = own.networks.map(parsePrefix).filter((one) => one !== null);
    this.plane.ownMac = parseMac(own.mac) ?? new Uint8Array(6);
    this.plane.peers.setOwnMac(this.plane.ownMac);
    this.plane.mtu = own.mtu;
    this.plane.coalescer.mtu = own.mtu;
  }
}
