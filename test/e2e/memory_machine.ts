/**
 * The machine of one run of a daemon, in memory: timers and datagrams are events of the town, the data plane runs in
 * place of its Worker's thread whenever something comes for it, the control socket is a table of functions. What the
 * process would lose with its end (timers, ports, devices, locks) is lost by `kill`.
 */
import { aeadProvider } from "../../src/crypto/aead.ts";
import { nodeAead } from "../../src/crypto/node_aead.ts";
import type { MeasuredSuite } from "../../src/ports/aead.ts";
import type { OpenedTun, Tested } from "../../src/ports/devices.ts";
import type {
  Ciphers,
  DeviceMaker,
  Handlers,
  Machine,
  PlaneMaker,
  Surroundings,
  UdpMaker,
  UdpUse,
} from "../../src/ports/machine.ts";
import type { HostKernel } from "../../src/ports/host.ts";
import type { Ruleset } from "../../src/ports/ruleset.ts";
import type { Sysctls } from "../../src/ports/sysctls.ts";
import type { Clock, Random, Timers } from "../../src/ports/time.ts";
import { EADDRINUSE, EBUSY, ENETUNREACH, SysError } from "../../src/ports/sys_error.ts";
import { addressOf, portOf } from "../../src/wire/address.ts";
import type { FakeKernel } from "../fakes/fake_kernel.ts";
import { type DiskState, MemoryDisk } from "./memory_disk.ts";
import { MemoryLocks } from "./memory_locks.ts";
import { MemoryPlane, type MemoryPort, type PlaneHome } from "./memory_plane.ts";
import type { Clockwork } from "./clockwork.ts";

const NOT_TESTED: Tested = { outcome: "not tested", failed: [] };
const SUITES: readonly MeasuredSuite[] = nodeAead().suites.map((suite) => ({
  suite,
  by: "node:crypto",
  mbps: 1000,
}));
const CIPHERS: Ciphers = { suites: SUITES, provider: aeadProvider([nodeAead()], SUITES), without: null };
/** Ports that the kernel gives to those who want any. */
const EPHEMERAL = 40_000;

export interface Started {
  readonly program: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** What outlives the process: a host, as the machine needs it. */
export interface MemoryHost {
  readonly name: string;
  readonly kernel: FakeKernel;
  /** The same, as the daemon sees it. */
  readonly network: HostKernel;
  /** IP packets that came out of the overlay's device. */
  readonly received: Uint8Array[];
  /** Programs that the daemon started, with what it told them. */
  readonly ran: Started[];
  readonly disk: DiskState;
  /** Paths and names that its processes hold. BOUNDED: by the daemon's directories. */
  readonly locked: Set<string>;
}

export class MemoryMachine implements Machine, PlaneHome {
  readonly clock: Clock;
  readonly random: Random;
  readonly locks: MemoryLocks;
  readonly disk: MemoryDisk;
  /** What the control socket answers; null while there is none. */
  handlers: Handlers | null = null;
  /** What the process does on a signal. */
  stop: (why: string) => void = () => {};
  readonly #town: Clockwork;
  readonly #host: MemoryHost;
  readonly #kernel: FakeKernel;
  #alive = true;
  /** BOUNDED: by what the daemon has under way. */
  readonly #timers = new Set<() => void>();
  /** BOUNDED: one per port that is open. */
  readonly #ports = new Map<number, MemoryPort>();
  /** BOUNDED: one per Worker. */
  readonly #planes: MemoryPlane[] = [];
  /** BOUNDED: one. */
  readonly #devices = new Set<string>();
  #nextFd = 3;

  constructor(town: Clockwork, host: MemoryHost) {
    this.#town = town;
    this.#host = host;
    this.#kernel = host.kernel;
    this.clock = town.clock;
    this.locks = new MemoryLocks(host.locked);
    this.disk = new MemoryDisk(host.disk, {
      now: () => town.clock.now(),
      after: (ms, act) => void this.timers.after(ms, act),
      stir: () => void town.promised(null),
    });
    this.random = town.random;
  }

  openNetwork(): HostKernel {
    return this.#host.network;
  }

  get sysctls(): Sysctls {
    return this.#kernel.sysctls;
  }

  openRuleset(): Ruleset {
    return this.#kernel.ruleset;
  }

  // ------------------------------------------------------------------------------------ Machine

  readonly timers: Timers = {
    after: (milliseconds, act) => {
      const callOff = this.#town.after(milliseconds, () => {
        this.#timers.delete(callOff);
        this.#act(act);
      });
      this.#timers.add(callOff);
      return () => {
        this.#timers.delete(callOff);
        callOff();
      };
    },
    every: (milliseconds, act) => {
      let callOff = () => {};
      const again = () =>
        callOff = this.timers.after(milliseconds, () => {
          again();
          act();
        });
      again();
      return () => callOff();
    },
  };

  readonly devices: DeviceMaker = {
    open: (name, { tso, uso }, workers): OpenedTun => {
      if (this.#kernel.interfaces().some((iface) => iface.name === name)) {
        throw new SysError(`Cannot create the device "${name}"`, EBUSY, "Device or resource busy");
      }
      this.#kernel.addLink(name, { kind: "tun", up: false, noNeighbours: true });
      this.#devices.add(name);
      const queues = Array.from({ length: workers }, () => this.#nextFd++).map((fd) => ({ fd, writeFd: fd }));
      return { name, queues, tso, uso };
    },
    limit: (tun, offloads) => ({ ...tun, ...offloads }),
    close: ({ name }) => this.#closeDevice(name),
    test: () => NOT_TESTED,
  };

  readonly udp: UdpMaker = {
    open: (port, use) => this.#openPort(port, use),
    holderOf: () => "another program",
    pathMtu: () => null,
    test: () => NOT_TESTED,
  };

  readonly planes: PlaneMaker = {
    load: (onEvent) => {
      const plane = new MemoryPlane(this, (event) => this.soon(() => onEvent(event)));
      this.#planes.push(plane);
      return plane;
    },
    ciphers: () => CIPHERS,
  };

  readonly surroundings: Surroundings = {
    serve: (_path, handlers) => {
      this.handlers = handlers;
      const close = () => {
        this.handlers = null;
        return this.#town.promised(undefined);
      };
      return this.#town.promised({ restore: () => this.#town.promised(false), close });
    },
    onStop: (stop) => {
      this.stop = stop;
      return () => this.stop = () => {};
    },
    run: (program, environment) => void this.#host.ran.push({ program, environment }),
    tellReady: () => {},
    releaseMemory: () => {},
    tellStopping: () => {},
    resolve: (host) => this.#town.promised(this.#town.names.get(host) ?? []),
  };

  // ------------------------------------------------------------------------- the rest of the host

  /** Does something now, but not before whoever asks for it is done. */
  soon(act: () => void): void {
    this.timers.after(0, act);
    void this.#town.promised(null);
  }

  /** A datagram from the network. */
  arrive(from: string, to: string, bytes: Uint8Array): void {
    this.#act(() => this.#ports.get(Number(portOf(to)))?.arrive(from, addressOf(to), bytes));
  }

  /** Sends a datagram of a local port. Returns 0 or an errno. */
  emit(port: number, to: string, bytes: Uint8Array, local: string): number {
    const hop = this.#kernel.routeTo(addressOf(to));
    const source = local !== "" && this.#owns(local) ? local : hop?.source ?? null;
    if (hop === null || source === null) return ENETUNREACH;
    this.#town.network.send(this.clock.now(), `${source}:${port}`, to, bytes);
    return 0;
  }

  /** An IP packet of this host: true when a route takes it into our device. */
  send(packet: Uint8Array, destination: string): boolean {
    const hop = this.#kernel.routeTo(destination);
    const device = this.#kernel.interfaces().find(({ index }) => index === hop?.iface);
    if (device === undefined || !this.#devices.has(device.name)) return false;
    this.soon(() => this.#planes[0]?.fromHost(packet));
    return true;
  }

  /** A packet came out of our device. */
  receive(packet: Uint8Array): void {
    this.#host.received.push(packet);
  }

  portOf(fd: number): MemoryPort {
    return [...this.#ports.values()].find((port) => port.fd === fd)!;
  }

  /** The process is gone. */
  kill(): void {
    this.#alive = false;
    for (const callOff of this.#timers) callOff();
    this.#timers.clear();
    this.#ports.clear();
    for (const name of [...this.#devices]) this.#closeDevice(name);
    this.locks.releaseAll();
    this.handlers = null;
  }

  #act(act: () => void): void {
    if (!this.#alive) return;
    this.#town.acting = this.#host.name;
    act();
  }

  #owns(address: string): boolean {
    return this.#kernel.addresses().some((one) => one.address === address);
  }

  #closeDevice(name: string): void {
    this.#devices.delete(name);
    const iface = this.#kernel.interfaces().find((one) => one.name === name);
    if (iface !== undefined) this.#kernel.deleteInterface(iface.index);
  }

  #openPort(wanted: number, { workers }: UdpUse): MemoryPort {
    const port = wanted === 0 ? EPHEMERAL + this.#nextFd : wanted;
    if (this.#ports.has(port)) {
      throw new SysError(`Cannot listen on UDP port ${port}`, EADDRINUSE, "Address in use");
    }
    const fds = Array.from({ length: workers }, () => this.#nextFd++);
    const opened: MemoryPort = {
      family: 6,
      sockets: fds.map((fd) => ({ fd, sendFd: fd })),
      fd: fds[0]!,
      port,
      arrive: () => {},
      send: (to, bytes, local) => this.emit(port, to, bytes, local),
      sendProbe: (to, bytes, { local = "" }) => this.emit(port, to, bytes, local),
      dropped: () => 0,
      close: () => void this.#ports.delete(port),
    };
    this.#ports.set(port, opened);
    return opened;
  }
}
