/** The data plane of src/dataplane in place of a Worker's thread, over memory devices: it runs when something comes. */
import { aeadProvider } from "../../src/crypto/aead.ts";
import { nodeHmac } from "../../src/crypto/handshake_mac.ts";
import { nodeAead } from "../../src/crypto/node_aead.ts";
import { Backlog } from "../../src/dataplane/tables/backlog.ts";
import { Counters } from "../../src/dataplane/tables/counters.ts";
import { DataPlane, type Devices, type Source } from "../../src/dataplane/dataplane.ts";
import { MailboxReader } from "../../src/dataplane/mailbox.ts";
import { socketSlots } from "../../src/dataplane/packet/packet_memory.ts";
import type { PlaneStart, PlaneThread, UdpPort } from "../../src/ports/machine.ts";
import type { DataplaneEvent } from "../../src/ports/planes.ts";
import type { Clock, Random } from "../../src/ports/time.ts";
import { MemorySocket } from "../fakes/memory_socket.ts";
import { MemoryTun } from "../fakes/memory_tun.ts";

/** An open port of a host. */
export interface MemoryPort extends UdpPort {
  readonly port: number;
  /** Of its first socket. */
  readonly fd: number;
  /** Gets what comes in; set by the data plane that has the socket. */
  arrive: (from: string, to: string, bytes: Uint8Array) => void;
}

/** What a data plane needs of the host around it. */
export interface PlaneHome {
  readonly clock: Clock;
  readonly random: Random;
  soon(act: () => void): void;
  portOf(fd: number): MemoryPort;
  emit(port: number, to: string, bytes: Uint8Array, local: string): number;
  receive(packet: Uint8Array): void;
}

export class MemoryPlane implements PlaneThread {
  readonly #home: PlaneHome;
  readonly #handUp: (event: DataplaneEvent) => void;
  #dataPlane: DataPlane | null = null;
  #mailbox: MailboxReader | null = null;
  #awake = false;
  #tun: MemoryTun | null = null;
  /** BOUNDED: one per role. */
  readonly #sockets = new Map<number, MemorySocket>();

  constructor(home: PlaneHome, handUp: (event: DataplaneEvent) => void) {
    this.#home = home;
    this.#handUp = handUp;
  }

  start({ lane, mailbox, counters, backlog, suites }: PlaneStart): void {
    this.#mailbox = new MailboxReader(mailbox);
    this.#dataPlane = new DataPlane(this.#devices(), {
      counters: new Counters(counters),
      handUp: (event) => this.#handUp(structuredClone(event)), // as postMessage does
      aead: aeadProvider([nodeAead()], suites),
      lane,
      backlog: new Backlog(backlog),
    });
    this.#handUp({ kind: "ready" });
    this.wake();
  }

  wake(): void {
    if (this.#awake || this.#mailbox === null) return;
    this.#awake = true;
    this.#home.soon(() => this.#readMail());
  }

  end(): void {
    this.#dataPlane = null;
  }

  /** A packet that the host routes into the device. */
  fromHost(packet: Uint8Array): void {
    this.#tun?.waiting.push(packet);
    this.#pump("tun");
  }

  #readMail(): void {
    this.#awake = false;
    const plane = this.#dataPlane;
    if (plane === null) return;
    this.#mailbox!.drain((message) => plane.apply(message, this.#home.clock.now()));
    this.#carryAway();
    if (plane.stopped) this.#handUp({ kind: "stopped" });
  }

  #pump(source: Source): void {
    while (this.#dataPlane !== null && this.#dataPlane.pump(source, this.#home.clock.now()) > 0);
    this.#carryAway();
  }

  /** What the data plane sent leaves: datagrams for the network, packets for the host. */
  #carryAway(): void {
    for (const [port, socket] of this.#sockets) {
      for (const { to, bytes, local = "" } of socket.sent.splice(0)) this.#home.emit(port, to, bytes, local);
    }
    for (const { packet } of this.#tun?.written.splice(0) ?? []) this.#home.receive(packet);
  }

  #devices(): Devices {
    /** BOUNDED: one per descriptor. */
    const arrivals = new Map<number, (source: Source) => void>();
    return {
      tun: (_queue, pool) => this.#tun = new MemoryTun(pool),
      socket: ({ fd, family }, role, pool) => {
        const port = this.#home.portOf(fd);
        const socket = new MemorySocket(pool, socketSlots(role), family);
        this.#sockets.set(port.port, socket);
        arrivals.set(fd, (source) => {
          port.arrive = (from, to, bytes) => {
            socket.arrive(bytes, from, bytes.length, to);
            this.#pump(source);
          };
        });
        return socket;
      },
      watch: (fd, source) => arrivals.get(fd)?.(source),
      unwatch: () => {},
      gate: { hmac: nodeHmac, random: this.#home.random },
    };
  }
}
