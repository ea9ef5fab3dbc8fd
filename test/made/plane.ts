/**
 * A data plane over memory devices with four peers, its packet memory pre-filled with 0xa5. We are 10.42.1.0/24
 * and fd42:1::/64; each peer holds 10.42.<n>.0/24 and fd42:<n>::/64.
 */
import { Counters } from "../../src/dataplane/tables/counters.ts";
import { DataPlane, type Source } from "../../src/dataplane/dataplane.ts";
import { socketSlots } from "../../src/dataplane/packet/packet_memory.ts";
import type { SocketRole } from "../../src/ports/devices.ts";
import type { DataplaneEvent, Tunnel } from "../../src/ports/planes.ts";
import { MemorySocket } from "../fakes/memory_socket.ts";
import { MemoryTun } from "../fakes/memory_tun.ts";

export const OWN_MAC = "02:00:0a:2a:01:00";
export const MTU = 1400;
/** Path MTU of the fourth peer. */
export const SMALL_MTU = 600;
export const DATA_SLOT = 0;
export const VXLAN_SLOT = 1;
export const FLANNEL_SLOT = 2;
export const SMALL_SLOT = 3;
export const SEND_INDEX = 0x89abcd00;
export const RECEIVE_INDEX = 0xf1e2d300;
export const VTEP_MAC = "02:00:0a:2a:03:00";
export const VNI = 1;
export const ENDPOINTS = [
  "192.168.1.2:8473",
  "192.168.1.3:8472",
  "192.168.1.4:8285",
  "192.168.1.5:8473",
] as const;

const plain = { mtu: MTU, sendIndex: 0, receiveIndex: 0, vni: 0, mac: "" };
const TUNNELS: readonly Tunnel[] = [
  {
    ...plain,
    encapsulation: "data",
    endpoint: ENDPOINTS[0],
    ownPort: ENDPOINTS[0],
    sendIndex: SEND_INDEX,
    receiveIndex: RECEIVE_INDEX,
  },
  {
    ...plain,
    encapsulation: "vxlan",
    endpoint: ENDPOINTS[1],
    ownPort: ENDPOINTS[1],
    vni: VNI,
    mac: VTEP_MAC,
  },
  { ...plain, encapsulation: "flannel", endpoint: ENDPOINTS[2], ownPort: ENDPOINTS[2] },
  {
    ...plain,
    encapsulation: "data",
    endpoint: ENDPOINTS[3],
    ownPort: ENDPOINTS[3],
    mtu: SMALL_MTU,
    sendIndex: 0x500,
    receiveIndex: 0x600,
  },
];

export interface Fixture {
  readonly dataPlane: DataPlane;
  readonly counters: Counters;
  readonly tun: MemoryTun;
  readonly sockets: Readonly<Record<SocketRole, MemorySocket>>;
  readonly events: DataplaneEvent[];
  readonly watched: Map<number, Source>;
  /** Everything the counters say that is not 0. */
  counts(): Record<string, number>;
  /** How many packets were counted: by a verdict, not by what happened besides. */
  counted(): number;
}

/** Counters of things that happen besides the packet's own verdict. */
const BESIDES = ["fragmented", "icmp-sent", "send-failed", "receive-overflow"];

/** `offloads`: whether the device carries superframes; `lane`: which Worker it is. */
export function fixture(offloads = { tso: true, uso: true }, lane = { worker: 0, workers: 1 }): Fixture {
  const counters = new Counters();
  const events: DataplaneEvent[] = [];
  const watched = new Map<number, Source>();
  const sockets = {} as Record<SocketRole, MemorySocket>;
  const roles: SocketRole[] = ["own", "vxlan", "flannel"];
  let tun: MemoryTun | undefined;
  const dataPlane = new DataPlane(
    {
      tun: (_fd, pool) => tun = new MemoryTun(pool),
      socket: ({ family }, role, pool) => sockets[role] = new MemorySocket(pool, socketSlots(role), family),
      watch: (fd, source) => watched.set(fd, source),
      unwatch: (fd) => watched.delete(fd),
    },
    { counters, handUp: (event) => events.push(event), lane },
  );
  dataPlane.plane.b.fill(0xa5);
  // Those of other Workers stand for nothing here: picking one would be a fault.
  const of = <T>(mine: T, other: T) =>
    Array.from({ length: lane.workers }, (_, i) => i === lane.worker ? mine : other);
  roles.forEach((role, fd) =>
    dataPlane.apply({
      kind: "attachSocket",
      role,
      family: 6,
      sockets: of({ fd, sendFd: fd }, { fd: 90, sendFd: 91 }),
    })
  );
  dataPlane.apply({
    kind: "attachTun",
    queues: of({ fd: 3, writeFd: 4 }, { fd: 92, writeFd: 93 }),
    ...offloads,
  });
  const subnets = ["10.42.1.0/24", "fd42:1::/64"];
  dataPlane.apply({
    kind: "setOwn",
    own: { networks: ["10.42.0.0/16"], subnets, address: "10.42.1.0", mac: OWN_MAC, mtu: MTU },
  });
  TUNNELS.forEach((tunnel, slot) => {
    dataPlane.apply({ kind: "setPeer", slot, tunnel });
    dataPlane.apply({ kind: "addRoute", prefix: `10.42.${slot + 2}.0/24`, slot });
    dataPlane.apply({ kind: "addRoute", prefix: `fd42:${slot + 2}::/64`, slot });
  });
  const all = () => Object.entries({ ...counters.events(), ...counters.drops() });
  return {
    dataPlane,
    counters,
    tun: tun!,
    sockets,
    events,
    watched,
    counts: () => Object.fromEntries(all().filter(([, count]) => count !== 0)),
    counted: () => all().reduce((sum, [name, count]) => BESIDES.includes(name) ? sum : sum + count, 0),
  };
}

/** Sends one packet from the host; says what was counted for it. */
export function sendOut(f: Fixture, packet: Uint8Array, now = 1000): Record<string, number> {
  return difference(f, () => {
    f.tun.waiting.push(packet);
    f.dataPlane.pump("tun", now);
  });
}

/** Lets one datagram arrive; says what was counted for it. */
export function takeIn(
  f: Fixture,
  role: SocketRole,
  bytes: Uint8Array,
  from: string,
  now = 1000,
): Record<string, number> {
  return difference(f, () => {
    f.sockets[role].arrive(bytes, from);
    f.dataPlane.pump(role, now);
  });
}

function difference(f: Fixture, act: () => void): Record<string, number> {
  const before = f.counts();
  act();
  const changed: Record<string, number> = {};
  for (const [name, count] of Object.entries(f.counts())) {
    if (count !== (before[name] ?? 0)) changed[name] = count - (before[name] ?? 0);
  }
  return changed;
}
