/**
 * The state that the packet path works on: packet memory, tables, devices, and the one packet that is looked at in each
 * direction. `dataplane.ts` owns it and applies what the control plane says; every step of the packet path gets it.
 * Beside it the two shapes that encapsulations fill in (encapsulations/table.ts), as classes: Bun inlines methods, but
 * not functions that lie in properties.
 */
import type { AeadProvider } from "../../ports/aead.ts";
import {
  type DatagramSocket,
  type Lane,
  MAX_PEERS,
  type PacketPool,
  type SocketRole,
  type TunDevice,
} from "../../ports/devices.ts";
import type { DataplaneEvent } from "../../ports/planes.ts";
import type { Backlog } from "../tables/backlog.ts";
import { Coalescer } from "../tun/coalescer.ts";
import type { Counters, Verdict } from "../tables/counters.ts";
import type { HandshakeGate } from "../tables/handshake_gate.ts";
import { PeerTable } from "../tables/peer_table.ts";
import { CHECKSUM_COMPLETE, createPool, SEALED_AT } from "../packet/packet_memory.ts";
import { RateLimit } from "../../bounds/rate_limit.ts";
import { RouteTable } from "../tables/route_table.ts";
import { SessionTable } from "../tables/session_table.ts";
import { EarlyDatagrams, WaitingPackets } from "../tables/waiting.ts";
import type { Prefix } from "../../wire/prefix.ts";

/** Rates are a node's; its Workers share them evenly. ICMP errors a second that a node sends to its own side. */
const ICMP_RATE = 200;
/** Datagrams a second that the control plane is asked to look at: of strangers, and as many of members. */
const CONTROL_RATE = 4000;
const CONTROL_BURST = 1000;
/** Unknown receiver indices a second that are reported. */
const UNKNOWN_RATE = 20;
/** Datagrams a second with a wrong MAC that are reported. */
const BAD_MAC_RATE = 5;
/** Sessions a second that are asked for, and moves of endpoints that are reported. */
const SESSION_RATE = 20;
/** Refusals of the kernel a second that are reported. */
const REFUSED_RATE = 5;

const ONE: Lane = { worker: 0, workers: 1 };

/**
 * A packet on its way out: what the steps have found out about it so far. A plane has one, written over for each packet:
 * what is needed after that, a step keeps in locals.
 */
export class Outgoing {
  /** Where the packet begins, and its bytes: as read, then as its header says. */
  at = 0;
  length = 0;
  /** The peer that holds its destination. */
  slot = 0;
  /** Whether its transport checksum stays the pseudo-header sum. */
  partial = false;

  // Of a superframe. Segment i has the same headers, and the `size` bytes behind them that begin at headers + i × size.

  /** Bytes of its IP header, of all headers, and of each segment's payload but the last's. */
  ipHeader = 0;
  headers = 0;
  size = 0;
  isTcp = false;
  /** TCP flags of the whole. */
  flags = 0;
}

/**
 * A datagram on its way in: what the steps have found out about it so far. A plane has one, written over for each
 * datagram. `slot` and `checksum` are left as they are by the next one of the train, which asks them about the one before.
 */
export class Incoming {
  /** What it came by; set before anything arrives. */
  socket!: DatagramSocket;
  /** Its train, of those that the socket has received. */
  train = 0;
  /** Where it begins and ends; once its header was read, where the packet or message in it does. */
  at = 0;
  end = 0;
  /** Payload of each datagram of the inner UDP superframe that it carries; 0: it carries none. */
  segment = 0;
  /** The peer that it came from. */
  slot = 0;
  /** What is known of the transport checksum of the packet in it. */
  checksum = CHECKSUM_COMPLETE;
}

/** How packets of one encapsulation leave. */
export interface Encapsulator {
  /** The port they leave by. */
  readonly role: SocketRole;
  /** Whether inner checksums may stay partial: the header can say so, and the receiver is an ovltun node. */
  readonly partial: boolean;
  /** Whether packets wait until there is a session with the peer. */
  readonly needsSession: boolean;
  /** Whether the peer may send us our own data header in the clear, whatever we send it. */
  readonly takesPlain: boolean;
  /** Queues a whole packet, no longer than the path. */
  send(plane: Plane, packet: Outgoing): Verdict;
  /** Queues a superframe, segment by segment. */
  sendSegments(plane: Plane, packet: Outgoing): Verdict;
}

/** What arrives on one of our ports. */
export interface Port {
  /** Takes one datagram. */
  receive(plane: Plane, datagram: Incoming): Verdict;
  /**
   * Bytes in front of the inner packets when two datagrams of one train say the same of theirs, so that what was asked
   * about `before` has the same answer for the one at `at`; −1: they do not.
   */
  sameHeader(plane: Plane, before: number, at: number): number;
  /** Whether what looks like a train of datagrams of `segment` bytes is a single one. */
  isOne(plane: Plane, at: number, end: number, segment: number): boolean;
}

export interface Plane {
  /** Which Worker this is, of how many: what it sends bears its number as the lane. */
  readonly lane: Lane;
  readonly pool: PacketPool;
  readonly b: Uint8Array;
  /** The same bytes, for comparing words. */
  readonly view: DataView;
  readonly counters: Counters;
  readonly peers: PeerTable;
  /** How packets leave for the peer in each slot; null: not by us. */
  readonly encapsulators: (Encapsulator | null)[];
  readonly routes: RouteTable;
  readonly icmpLimit: RateLimit;
  readonly controlLimit: RateLimit;
  /** The same for what was authenticated here: a flood of strangers takes nothing from it. */
  readonly memberLimit: RateLimit;
  /** What waits for the control thread; null: it is not counted. */
  readonly backlog: Backlog | null;
  readonly unknownLimit: RateLimit;
  readonly badMacLimit: RateLimit;
  /** Null: handshakes are handed up as they come. */
  readonly gate: HandshakeGate | null;
  readonly wantedLimit: RateLimit;
  readonly roamedLimit: RateLimit;
  readonly refusedLimit: RateLimit;
  /** The overlay's networks, in which no peer's endpoint lies; none before we are told. */
  networks: readonly Prefix[];
  readonly sessions: SessionTable;
  readonly waiting: WaitingPackets;
  readonly early: EarlyDatagrams;
  /** Whether the last batch from TUN was of many small packets, and more are on their way. */
  flooded: boolean;
  /** BOUNDED: ≤ MAX_PEERS. Slots whose waiting packets may leave once the batch has. */
  readonly unblocked: Set<number>;
  /** Makes the keys of sessions. */
  readonly aead: AeadProvider;
  /** Hands something up to the control plane. */
  readonly handUp: (event: DataplaneEvent) => void;
  tun: TunDevice | null;
  readonly sockets: Record<SocketRole, DatagramSocket | null>;
  /** Our VTEP MAC. */
  ownMac: Uint8Array;
  /** MTU of the TUN device. */
  mtu: number;
  /** Fragments that wait in FRAGMENT_SLOTS for the batch to be sent. */
  fragments: number;
  /** Header blocks that wait for the batch to be sent. */
  headers: number;
  /** Whether answers to a batch of datagrams wait to be sent. */
  answering: boolean;
  /** Where the next sealed datagram goes; those before it wait for the batch to be sent. */
  sealedAt: number;
  /** Packets on their way to TUN that wait for others of their flow. */
  readonly coalescer: Coalescer;
  /** The packet that is looked at on the way out, and the datagram on the way in. */
  readonly outgoing: Outgoing;
  readonly incoming: Incoming;
  /** Time of the batch, milliseconds, monotonic. */
  now: number;
}

/** No key can be made. */
const NO_AEAD: AeadProvider = {
  suites: () => [],
  key: (suite) => {
    throw new TypeError(`This data plane has no ${suite}`);
  },
};

/** What a plane is made with. */
export interface PlaneParts {
  readonly counters: Counters;
  readonly handUp: (event: DataplaneEvent) => void;
  /** Absent: there are no sealed peers. */
  readonly aead?: AeadProvider;
  /** Absent: that of the only Worker. */
  readonly lane?: Lane;
  readonly gate?: HandshakeGate | null;
  readonly backlog?: Backlog | null;
}

export function createPlane(
  { counters, handUp, aead = NO_AEAD, lane = ONE, gate = null, backlog = null }: PlaneParts,
): Plane {
  const pool = createPool();
  const icmp = Math.ceil(ICMP_RATE / lane.workers);
  const unknown = Math.ceil(UNKNOWN_RATE / lane.workers);
  return {
    lane,
    pool,
    b: pool.bytes,
    view: new DataView(pool.memory),
    counters,
    peers: new PeerTable(lane.worker),
    encapsulators: new Array<Encapsulator | null>(MAX_PEERS).fill(null),
    routes: new RouteTable(),
    icmpLimit: new RateLimit(icmp, icmp),
    controlLimit: new RateLimit(CONTROL_RATE, CONTROL_BURST),
    memberLimit: new RateLimit(CONTROL_RATE, CONTROL_BURST),
    backlog,
    unknownLimit: new RateLimit(unknown, unknown),
    badMacLimit: new RateLimit(BAD_MAC_RATE, BAD_MAC_RATE),
    gate,
    wantedLimit: new RateLimit(SESSION_RATE, SESSION_RATE),
    roamedLimit: new RateLimit(SESSION_RATE, SESSION_RATE),
    refusedLimit: new RateLimit(REFUSED_RATE, REFUSED_RATE),
    networks: [],
    sessions: new SessionTable(),
    waiting: new WaitingPackets(),
    early: new EarlyDatagrams(),
    flooded: false,
    unblocked: new Set(),
    aead,
    handUp,
    tun: null,
    sockets: { own: null, vxlan: null, flannel: null },
    ownMac: new Uint8Array(6),
    mtu: 1500,
    fragments: 0,
    headers: 0,
    answering: false,
    sealedAt: SEALED_AT,
    coalescer: new Coalescer(
      pool.bytes,
      counters,
      (offload, errno) => handUp({ kind: "offloadLost", offload, errno }),
    ),
    outgoing: new Outgoing(),
    incoming: new Incoming(),
    now: 0,
  };
}
