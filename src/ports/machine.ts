/**
 * The machine that a daemon runs on: time, the kernel's network, devices and sockets, threads for the data plane, and
 * the outside world that talks to the process. machine/ implements it over sys/; test/e2e in memory, so that several
 * daemons run in one process. Whatever throws says so; sentences are for people.
 */
import type { AeadProvider, MeasuredSuite } from "./aead.ts";
import type { Lane, Offloads, OpenedTun, Tested, TunOffloads, WorkerSocket } from "./devices.ts";
import type { HostKernel, NetworkInterface } from "./host.ts";
import type { Disk } from "./disk.ts";
import type { Locks } from "./locks.ts";
import type { DataplaneEvent } from "./planes.ts";
import type { Ruleset } from "./ruleset.ts";
import type { Sysctls } from "./sysctls.ts";
import type { Clock, Random, Timers } from "./time.ts";

export interface Machine {
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  readonly devices: DeviceMaker;
  readonly udp: UdpMaker;
  readonly planes: PlaneMaker;
  readonly locks: Locks;
  readonly disk: Disk;
  readonly surroundings: Surroundings;
  readonly sysctls: Sysctls;
  /** The interfaces, addresses and routes of this host, until it is closed. Throws SysError. */
  openNetwork(): HostKernel;
  /** The packet filter of this host, until it is closed. `listen`: `changed` is going to be asked. */
  openRuleset(listen: boolean): Ruleset;
}

/** Makes TUN devices. All of it may throw SysError. */
export interface DeviceMaker {
  /** Creates the device `name`, with a queue for each Worker; one that exists is not ours. */
  open(name: string, wanted: TunOffloads, workers: number): OpenedTun;
  /** The device with fewer offloads than it has. */
  limit(tun: OpenedTun, offloads: TunOffloads): OpenedTun;
  /** The device goes with its descriptors; nothing may use them any more. */
  close(tun: OpenedTun): void;
  /** Tries superframes on the device, which must be up and not yet read by a Worker. */
  test(tun: OpenedTun, wanted: Offloads): Tested;
}

/** How a UDP port is used. */
export interface UdpUse {
  /** One pair of sockets for each. */
  readonly workers: number;
  /** Our own port, whose data names the Worker that it is for. */
  readonly byLane: boolean;
  /** Datagrams over IPv6 may come without a checksum (VXLAN of hardware). */
  readonly zeroChecksums: boolean;
}

/** How a probe leaves: whole or not at all. */
export interface ProbeOptions {
  /** The kernel looks the route up by that Type of Service. */
  readonly tos?: number;
  /** Our address that it leaves from, as what else goes to that peer; not with `tos`. */
  readonly local?: string;
}

/** An open UDP port: the descriptors of the Workers, and what the control plane sends from there. */
export interface UdpPort {
  readonly family: 4 | 6;
  readonly sockets: readonly WorkerSocket[];
  /**
   * Sends a datagram, from our address `local` unless that is "". Returns 0, or the errno of the refusal: what cannot be
   * sent now is tried again by its owner.
   */
  send(to: string, bytes: Uint8Array, local: string): number;
  sendProbe(to: string, bytes: Uint8Array, options: ProbeOptions): number;
  /** Datagrams that the kernel had no room for since the port was opened. */
  dropped(): number;
  /** The Workers must have stopped. */
  close(): void;
}

export interface UdpMaker {
  /** Opens a port on every address of the host. Throws SysError, EADDRINUSE when it is taken. */
  open(port: number, use: UdpUse): UdpPort;
  /** Who holds a port, for a message: "dnsmasq (pid 812)". `interfaces` tell of kernel devices that do. */
  holderOf(port: number, interfaces: readonly NetworkInterface[]): string;
  /** The largest IP packet that the kernel believes to reach an endpoint whole, bytes; null: it cannot say. */
  pathMtu(endpoint: string): number | null;
  /** Tries trains of datagrams on loopback. */
  test(wanted: Offloads): Tested;
}

/** What a data plane is started with: memory that it shares with the control plane. */
export interface PlaneStart {
  readonly lane: Lane;
  readonly mailbox: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  /** Of all Workers (dataplane/tables/backlog.ts). */
  readonly backlog: SharedArrayBuffer;
  /** Trains of datagrams: wanted in sends, in receives. */
  readonly gso: boolean;
  readonly gro: boolean;
  /** Who seals what best on this host. */
  readonly suites: readonly MeasuredSuite[];
  /** A descriptor to watch besides (HostKernel.eventsFd): `hostStirs` when more is to be read there. Nothing is read. */
  readonly hostEvents?: number;
}

/** A data plane in a thread of its own. */
export interface PlaneThread {
  /** Sets it to work, once. */
  start(start: PlaneStart): void;
  /** Makes it look into its mailbox. */
  wake(): void;
  /** Ends the thread: it was never started, has said that it stopped, or is given up. */
  end(): void;
}

/** What this host seals packets with. */
export interface Ciphers {
  /** As measured, the fastest first. */
  readonly suites: readonly MeasuredSuite[];
  readonly provider: AeadProvider;
  /** Why there is no libcrypto, in a sentence; null: there is. */
  readonly without: string | null;
}

export interface PlaneMaker {
  /**
   * Begins to load a thread, which takes longer than anything else at a start. What it hands up comes later, never at
   * once.
   */
  load(onEvent: (event: DataplaneEvent) => void): PlaneThread;
  /** Measures what this host seals with, some milliseconds each. */
  ciphers(): Ciphers;
}

/** The methods of the control socket by name (api/schema.ts). `gone`: who asked has hung up, and reads no answer. */
export type Handlers = Readonly<
  Record<string, ((params: Readonly<Record<string, unknown>>, gone?: AbortSignal) => unknown) | undefined>
>;

export interface Served {
  /**
   * Looks whether the socket is still at its path, and serves there anew when it is not. True when it was gone; throws a
   * sentence when it cannot be made again.
   */
  restore(): Promise<boolean>;
  /** Closes all connections and removes the socket. */
  close(): Promise<void>;
}

/** Who talks to the process, and whom it asks. */
export interface Surroundings {
  /** Serves the control socket. Throws a sentence, as when another daemon is there. */
  serve(path: string, handlers: Handlers): Promise<Served>;
  /** Calls `stop` with the reason whenever the process is asked to end (signals, the end of stdin). Returns the undo. */
  onStop(stop: (why: string) => void): () => void;
  /** Tells the service manager, if there is one. */
  tellReady(): void;
  tellStopping(): void;
  /** The start is over, or much has come: what only that needed may be given back. */
  releaseMemory(): void;
  /**
   * Starts a program with `environment` besides our own, and kills it after `milliseconds`. Nothing waits for it;
   * `onTrouble` gets what it did wrong, a sentence.
   */
  run(
    program: string,
    environment: Readonly<Record<string, string>>,
    milliseconds: number,
    onTrouble: (sentence: string) => void,
  ): void;
  /** The addresses behind a host's name; throws while it does not resolve. */
  resolve(host: string): Promise<readonly string[]>;
}
