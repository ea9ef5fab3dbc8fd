/** A host of a town: a kernel, a disk, and the daemon that a user starts, asks and stops there. */
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type {
  ApiMethod,
  ApiMethods,
  LeaseEntry,
  PeerStatus,
  RouteEntry,
  Status,
  Why,
} from "../../src/api/schema.ts";
import type { Reserved, Unreserved } from "../../src/api/outcomes.ts";
import type { Changes } from "../../src/api/states.ts";
import { secretOf, tokenOf } from "../../src/cli/token.ts";
import { loadConfig } from "../../src/config/load.ts";
import { encodeToken, parseToken } from "../../src/crypto/join_token.ts";
import { releaseStoredLease } from "../../src/commands/release.ts";
import { removeStateDir } from "../../src/daemon/state/state_files.ts";
import { openState } from "../../src/daemon/state/state_store.ts";
import { runDaemon } from "../../src/daemon/daemon.ts";
import { TOKEN } from "../../src/daemon/state/secret_choice.ts";
import type { GivenSecret } from "../../src/daemon/state/secret_files.ts";
import type { LoadInput } from "../../src/config/load.ts";
import { ROUTE_PROTOCOL } from "../../src/host/owned.ts";
import type { HostKernel, Route } from "../../src/ports/host.ts";
import { type Asked, CountedKernel } from "../fakes/counted_kernel.ts";
import { FakeKernel } from "../fakes/fake_kernel.ts";
import { destinationOf, udp } from "../made/packets.ts";
import { DiskState } from "./memory_disk.ts";
import { MemoryMachine, type Started } from "./memory_machine.ts";
import type { Clockwork } from "./clockwork.ts";

/** Flags of `ovltun up`, without dashes. */
export type Flags = Readonly<Record<string, unknown>>;

/** How a run of the daemon ended: with an exit code, or what kept it from starting. */
export type End = { readonly code: number } | { readonly error: Error };

const UDP_PAYLOAD_AT = 28;

export class Host {
  readonly kernel = new FakeKernel();
  readonly #counted = new CountedKernel(this.kernel);
  readonly name: string;
  /** On the network of the town. */
  address: string;
  /** Index of eth0. */
  readonly eth0: number;
  /** IP packets that came out of the overlay's device. */
  readonly received: Uint8Array[] = [];
  readonly town: Clockwork;
  /** Programs that the daemon started, with what it told them. */
  readonly ran: Started[] = [];
  readonly locked = new Set<string>();
  readonly disk = new DiskState();
  readonly #directory: string;
  #machine: MemoryMachine | null = null;
  /** Of the last run; null: it goes on. */
  end: End | null = null;

  constructor(town: Clockwork, name: string, address: string, directory: string) {
    this.town = town;
    this.name = name;
    this.address = address;
    this.#directory = directory;
    mkdirSync(directory);
    this.eth0 = this.kernel.addLink("eth0", { mac: "02:00:00:00:00:01" });
    this.kernel.addAddress({ iface: this.eth0, address, prefixLength: 24, scope: 0 });
  }

  /** The kernel, as the daemon sees it. */
  get network(): HostKernel {
    return this.#counted.kernel;
  }

  /** What the daemon has asked of it since the last call. */
  asked(): Readonly<Asked> {
    return this.#counted.asked();
  }

  // ---------------------------------------------------------------------------- what a user types

  /** `ovltun up --…`. Throws what keeps the daemon from starting. */
  async up(flags: Flags = {}): Promise<void> {
    await this.#start(flags, null, {});
  }

  /** `ovltun join --…`, with the text of a token on stdin. */
  async join(text: string, flags: Flags = {}): Promise<void> {
    const token = parseToken(text, this.town.clock.wall());
    const { networkName, endpoints, issuer: pinnedNode, secret } = token;
    const given = secret === null ? null : { secret, from: TOKEN };
    await this.#start(flags, given, {
      join: { networkName, endpoints, pinnedNode, sealed: secret !== null },
    });
  }

  /** `ovltun token` */
  token(): string {
    const status = this.status();
    return encodeToken(tokenOf(status, secretOf(status, this.#places["state-dir"]), null));
  }

  status(): Status {
    return this.#ask("status");
  }

  peers(): readonly PeerStatus[] {
    return this.#ask("peers");
  }

  leases(): readonly LeaseEntry[] {
    return this.#ask("leases");
  }

  routes(): readonly RouteEntry[] {
    return this.#ask("routes");
  }

  why(node: string): Why {
    return this.#ask("why", { node });
  }

  /** One question of `ovltun events`: the answer comes with the next change. */
  async events(cursor: string | null): Promise<Changes> {
    return await this.#call("events", { cursor }) as Changes;
  }

  /** `ovltun secret rotate` */
  rotate(): void {
    this.#ask("rotate", { secretFile: null, now: false });
  }

  /** `ovltun forget`, or `ovltun revoke` */
  forget(node: string, { revoke = false } = {}): void {
    this.#ask("forget", { node, revoke });
  }

  /** `ovltun reserve` */
  reserve(subnet: string, node: string, { now = false } = {}): Reserved {
    return this.#ask("reserve", { subnet, node, now });
  }

  /** `ovltun unreserve` */
  unreserve(subnet: string): Unreserved {
    return this.#ask("unreserve", { subnet });
  }

  /** `ovltun down` while the daemon runs. Resolves when it has ended, to its answer. */
  async down({ purge = false } = {}): Promise<ApiMethods["stop"]["result"]> {
    let answer: ApiMethods["stop"]["result"] | undefined;
    void this.#call("stop", { purge }).then((result) => answer = result as ApiMethods["stop"]["result"]);
    await this.town.until(`${this.name} stops`, () => this.end !== null);
    if (purge) removeStateDir(this.#places["state-dir"]);
    return answer!;
  }

  /** `ovltun down --purge` after a crash: tells the mesh that the lease is free, and says what came of that. */
  async purge(): Promise<string> {
    const machine = new MemoryMachine(this.town, this);
    this.#machine = machine;
    const state = openState(machine, this.#places["state-dir"]);
    let sentence: string | null = null;
    void releaseStoredLease(machine, state).then((said) => sentence = said);
    await this.town.until(`${this.name} purges`, () => sentence !== null);
    state.close();
    removeStateDir(this.#places["state-dir"]);
    this.kill();
    return sentence!;
  }

  /** A signal of that name. */
  async signal(name: string): Promise<End> {
    this.#machine?.stop(name);
    await this.town.until(`${this.name} ends by ${name}`, () => this.end !== null);
    return this.end!;
  }

  /** kill -9: nothing is cleaned up; what belongs to the process goes. */
  kill(): void {
    this.#machine?.kill();
    this.#machine = null;
  }

  // ----------------------------------------------------------------------------- what a user sees

  /** "10.42.7.0/24", once it is ours; else null. */
  get lease(): string | null {
    const { leaseState, subnet } = this.status().node;
    return leaseState === "confirmed" ? subnet : null;
  }

  /** The host's own address in the overlay. */
  get overlay(): string {
    return this.status().node.address!;
  }

  peer(other: Host): PeerStatus | undefined {
    return this.peers().find(({ name }) => name === other.name);
  }

  /** Whether it holds the other for alive and has a path to it. */
  reaches(other: Host): boolean {
    const peer = this.peer(other);
    return peer?.state === "alive" && peer.path !== "none";
  }

  reachesAll(others: readonly Host[]): boolean {
    return others.every((other) => other === this || this.reaches(other));
  }

  /** What the daemon dropped and lost, by reason. */
  dropped(): Record<string, number> {
    return Object.fromEntries(Object.entries(this.status().drops).filter(([, count]) => count > 0));
  }

  /** Address number `n` of its lease: the host itself has the first, the others are of its containers. */
  addressIn(n: number): string {
    return this.overlay.replace(/\d+$/, String(n));
  }

  /** "10.42.0.0/16 dev ovl0", of the kernel, all that are ours. */
  kernelRoutes(): string[] {
    return this.routes().filter(({ where }) => where === "host").map((
      { destination, type, device, gateway },
    ) =>
      [
        type === "unicast" ? "" : `${type} `,
        destination,
        gateway === null ? "" : ` via ${gateway}`,
        device === null ? "" : ` dev ${device}`,
      ].join("")
    );
  }

  /** The same by the kernel alone: also when no daemon runs. */
  ownRoutes(): Route[] {
    return this.kernel.routes().filter(({ protocol }) => protocol === ROUTE_PROTOCOL);
  }

  subnetEnv(): string | null {
    try {
      return readFileSync(join(this.#directory, "run", "subnet.env"), "utf8");
    } catch {
      return null;
    }
  }

  /** Everything that daemons left on its disk. */
  files(): string[] {
    return readdirSync(this.#directory);
  }

  /** rm -r, of "run" or "state". */
  remove(name: string): void {
    rmSync(join(this.#directory, name), { recursive: true });
  }

  // -------------------------------------------------------------------------------------- packets

  /** Sends an IP packet as the kernel routes it. False: no route takes it into the overlay. */
  send(packet: Uint8Array): boolean {
    return this.#machine?.send(packet, destinationOf(packet)) ?? false;
  }

  /** A UDP packet with a text to a host of the overlay, or to an address of it. */
  say(to: Host | string, text: string): boolean {
    const destination = typeof to === "string" ? to : to.overlay;
    return this.send(udp([this.overlay, destination], new TextEncoder().encode(text)));
  }

  /** The texts that came out of the overlay since the last look. */
  heard(): string[] {
    return this.received.splice(0).map((packet) => new TextDecoder().decode(packet.subarray(UDP_PAYLOAD_AT)));
  }

  /** A datagram from the network. */
  arrive(from: string, to: string, bytes: Uint8Array): void {
    this.#machine?.arrive(from, to, bytes);
  }

  /** eth0 gets another address in place of the one that it had; null: none. */
  readdress(address: string | null): void {
    const had = this.kernel.addresses().filter(({ iface }) => iface === this.eth0);
    for (const one of had) this.kernel.deleteAddress(one);
    if (address === null) return;
    this.kernel.addAddress({ iface: this.eth0, address, prefixLength: 24, scope: 0 });
    this.address = address;
  }

  // ------------------------------------------------------------------------------------- the rest

  get #places() {
    const of = (name: string) => join(this.#directory, name);
    return { "state-dir": of("state"), "run-dir": of("run"), "subnet-file": of("run/subnet.env") };
  }

  async #start(flags: Flags, given: GivenSecret | null, token: Pick<LoadInput, "join">): Promise<void> {
    const { config } = loadConfig({
      flags: { ...this.#places, ...flags },
      environment: {},
      readFile: (path) => readFileSync(path, "utf8"),
      hostName: this.name,
      ...token,
    });
    const machine = new MemoryMachine(this.town, this);
    this.#machine = machine;
    this.end = null;
    const ended = (end: End) => {
      if (this.#machine === machine) this.end = end;
    };
    runDaemon(machine, config, given).then((code) => ended({ code }), (error) => ended({ error }));
    await this.town.run(0);
    const end = this.end as End | null; // it may have come meanwhile
    if (end !== null && "error" in end) throw end.error;
  }

  #ask<M extends ApiMethod>(method: M, params: object = {}): ApiMethods[M]["result"] {
    const { handlers } = this.#machine ?? {};
    if (handlers == null) throw new Error(`No daemon runs on ${this.name}`);
    this.town.acting = this.name;
    return asJson(handlers[method]!(params as Record<string, unknown>)) as ApiMethods[M]["result"];
  }

  async #call(method: ApiMethod, params: Record<string, unknown>): Promise<unknown> {
    return asJson(await this.#machine!.handlers![method]!(params));
  }
}

/** As it comes out of the control socket. */
function asJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
