/**
 * Two data planes over memory devices with a wire between their own ports: a holds 10.42.1.0/24 and fd42:1::/64, b
 * 10.42.2.0/24 and fd42:2::/64, and each knows the other as a sealed peer. Sessions are put in by hand.
 */
import { aeadProvider } from "../../src/crypto/aead.ts";
import { naclAead } from "../../src/crypto/nacl_aead.ts";
import { Counters } from "../../src/dataplane/tables/counters.ts";
import { DataPlane } from "../../src/dataplane/dataplane.ts";
import { socketSlots } from "../../src/dataplane/packet/packet_memory.ts";
import type { AeadMaker, AeadProvider, CipherSuite } from "../../src/ports/aead.ts";
import type { DataplaneEvent } from "../../src/ports/planes.ts";
import { openLibcrypto } from "../../src/sys/libcrypto.ts";
import { MemorySocket, type SentDatagram } from "../fakes/memory_socket.ts";
import { MemoryTun } from "../fakes/memory_tun.ts";

export const MTU = 1400;
/** Slots in which a and b have each other: not equal, so that a mix-up shows. */
export const SLOT = { a: 7, b: 9 };
export const HOME = { a: "192.168.1.1:8473", b: "192.168.1.2:8473" };
export const ENDS = {
  v4: ["10.42.1.5", "10.42.2.9"] as [string, string],
  v6: ["fd42:1::5", "fd42:2::9"] as [string, string],
};
export const SUITES: readonly CipherSuite[] = ["aes-256-gcm", "chacha20-poly1305", "xsalsa20-poly1305"];

const makers: AeadMaker[] = [openLibcrypto(), naclAead()];
export const AEAD: AeadProvider = aeadProvider(
  makers,
  makers.flatMap(({ by, suites }) => suites.map((suite) => ({ suite, by, mbps: 1 }))),
);

export interface End {
  readonly name: "a" | "b";
  readonly dataPlane: DataPlane;
  readonly counters: Counters;
  readonly tun: MemoryTun;
  readonly socket: MemorySocket;
  readonly events: DataplaneEvent[];
  /** Everything the counters say that is not 0. */
  counts(): Record<string, number>;
}

export interface Pair {
  readonly a: End;
  readonly b: End;
}

function end(name: "a" | "b", lane: number, aead: AeadProvider): End {
  const counters = new Counters();
  const events: DataplaneEvent[] = [];
  let tun: MemoryTun | undefined, socket: MemorySocket | undefined;
  const dataPlane = new DataPlane(
    {
      tun: (_fd, pool) => tun = new MemoryTun(pool),
      socket: ({ family }, role, pool) => socket = new MemorySocket(pool, socketSlots(role), family),
      watch: () => {},
      unwatch: () => {},
    },
    { counters, handUp: (event) => events.push(event), aead, lane: { worker: lane, workers: lane + 1 } },
  );
  dataPlane.plane.b.fill(0xa5);
  const ofAll = <T>(one: T) => Array.from({ length: lane + 1 }, () => one);
  const own = name === "a" ? 1 : 2, other = 3 - own, slot = SLOT[name];
  const peer = name === "a" ? HOME.b : HOME.a;
  dataPlane.apply({ kind: "attachSocket", role: "own", family: 6, sockets: ofAll({ fd: 1, sendFd: 1 }) });
  dataPlane.apply({ kind: "attachTun", queues: ofAll({ fd: 2, writeFd: 2 }), tso: true, uso: true });
  const subnets = [`10.42.${own}.0/24`, `fd42:${own}::/64`];
  dataPlane.apply({
    kind: "setOwn",
    own: {
      networks: ["10.42.0.0/16"],
      subnets,
      address: `10.42.${own}.0`,
      mac: "02:00:00:00:00:01",
      mtu: MTU,
    },
  });
  dataPlane.apply({
    kind: "setPeer",
    slot,
    tunnel: {
      encapsulation: "sealed",
      endpoint: peer,
      ownPort: peer,
      mtu: MTU,
      sendIndex: 0,
      receiveIndex: 0,
      vni: 0,
      mac: "",
    },
  });
  dataPlane.apply({ kind: "addRoute", prefix: `10.42.${other}.0/24`, slot });
  dataPlane.apply({ kind: "addRoute", prefix: `fd42:${other}::/64`, slot });
  return {
    name,
    dataPlane,
    counters,
    tun: tun!,
    socket: socket!,
    events,
    counts: () =>
      Object.fromEntries(
        Object.entries({ ...counters.events(), ...counters.drops() }).filter(([, count]) => count !== 0),
      ),
  };
}

/** Two ends without a session. `lane`: that of both. */
export function unsealedPair(lane = 0, aead = AEAD): Pair {
  return { a: end("a", lane, aead), b: end("b", lane, aead) };
}

/** Two ends in session `n`, keepalives swallowed. */
export function sealedPair(suite: CipherSuite = "aes-256-gcm", lane = 0): Pair {
  const pair = unsealedPair(lane);
  install(pair.a, 1, { suite });
  install(pair.b, 1, { suite });
  for (const { socket, events } of [pair.a, pair.b]) {
    socket.sent.length = 0;
    events.length = 0;
  }
  return pair;
}

/** The receiver index that `name` gave out for session `n`. */
export function indexOf(name: "a" | "b", n: number): number {
  return ((name === "a" ? 0xaa000000 : 0xbb000000) + n * 0x100) >>> 0;
}

export function rootOf(name: "a" | "b", n: number): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => i * n + name.charCodeAt(0));
}

/** Installs one side of session `n`. */
export function install(
  end: End,
  n: number,
  { suite = "aes-256-gcm" as CipherSuite, confirmed = true } = {},
): void {
  const other = end.name === "a" ? "b" : "a";
  end.dataPlane.apply({
    kind: "installSession",
    slot: SLOT[end.name],
    receiveIndex: indexOf(end.name, n),
    sendIndex: indexOf(other, n),
    suite,
    sendKey: rootOf(end.name, n),
    receiveKey: rootOf(other, n),
    confirmed,
  });
}

/** Sends what waits on the host's side; the datagrams that left. */
export function leave(from: End, now = 1000): SentDatagram[] {
  while (from.dataPlane.pump("tun", now) > 0);
  return from.socket.sent.splice(0);
}

/** Lets datagrams arrive at `to`, neighbours of one size as one train, as GRO does. */
export function arrive(
  to: End,
  datagrams: readonly Uint8Array[],
  { from = to.name === "a" ? HOME.b : HOME.a, now = 1000 } = {},
): void {
  for (let i = 0; i < datagrams.length;) {
    const size = datagrams[i]!.length;
    let n = i + 1;
    while (
      n < datagrams.length && n - i < 40 && datagrams[n - 1]!.length === size && datagrams[n]!.length <= size
    ) {
      n++;
    }
    const train = new Uint8Array(datagrams.slice(i, n).reduce((sum, { length }) => sum + length, 0));
    datagrams.slice(i, n).forEach((datagram, k) => train.set(datagram, k * size));
    to.socket.arrive(train, from, size);
    i = n;
  }
  while (to.dataPlane.pump("own", now) > 0);
}

/** What `act` changed in the counters. */
export function counted(end: End, act: () => void): Record<string, number> {
  const before = end.counts();
  act();
  return Object.fromEntries(
    Object.entries(end.counts())
      .map(([name, count]) => [name, count - (before[name] ?? 0)] as const)
      .filter(([, count]) => count !== 0),
  );
}

const COUNTERS = Object.keys({ ...new Counters().events(), ...new Counters().drops() });

/** Names of the counters that `act` changed: for fuzzing, where `counted` would cost more than what it counts. */
export function changed(end: End, act: () => void): string[] {
  const cells = new Float64Array(end.counters.memory, 0, COUNTERS.length);
  const before = cells.slice();
  act();
  return COUNTERS.filter((_, i) => cells[i] !== before[i]);
}
