/**
 * What the control socket carries: one JSON object a line, requests `{"id":1,"method":"status","params":{}}`,
 * answers `{"id":1,"result":…}` or `{"id":1,"error":"…"}`. The shapes of status, peers and leases are the
 * contract of the command line (`--json` prints them as they are): fields are added, never renamed. Those of events are in
 * states.ts, what orders answer in outcomes.ts.
 */
import type { Changes, LeaseState, PathKind, PathSecurity, PeerState } from "./states.ts";
import type {
  Forgotten,
  ForgottenNode,
  Release,
  Reserved,
  Resolved,
  Rotated,
  Unreserved,
} from "./outcomes.ts";

/** What the node cannot continue without, for people: `waiting for 192.168.1.10:8473: no answer for 8 s`. */
export interface Waiting {
  /** "192.168.1.10:8473" or a name that does not resolve. */
  readonly endpoint: string;
  readonly sinceSeconds: number;
  /** What to check, or what went wrong last. */
  readonly hint: string;
  /** All of it as one sentence. */
  readonly message: string;
}

export interface NodeStatus {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly runtime: string;
  readonly pid: number;
  readonly subnet: string | null;
  /** The IPv6 lease; null: none, or the mesh has no IPv6. `subnet` is null in a mesh without IPv4. */
  readonly subnet6: string | null;
  /** Of the device: IPv4, and IPv6. */
  readonly address: string | null;
  readonly address6: string | null;
  readonly device: string;
  readonly mtu: number;
  readonly backend: string;
  readonly security: "sealed" | "plain";
  readonly cipher: string;
  /**
   * In a sealed mesh: why this host seals without libcrypto, which is slower; null: it has it. Absent from older
   * daemons.
   */
  readonly withoutLibcrypto?: string | null;
  /** Our own endpoints, "192.168.1.10:8473"; those of --advertise may have a name, "home.example:8473". */
  readonly underlay: readonly string[];
  /** Superframes (tso, uso) and trains of datagrams (gso, gro) in use. */
  readonly offloads: {
    readonly tso: boolean;
    readonly uso: boolean;
    readonly gso: boolean;
    readonly gro: boolean;
  };
  /**
   * Why the others are not in use: "switched off", "unknown to this kernel", "self-test", or the errno with which the
   * kernel refused one that had worked ("EIO").
   */
  readonly offloadsOff: Readonly<Partial<Record<"tso" | "uso" | "gso" | "gro", string>>>;
  /** What the test at the start said of trains (gso, gro) and of superframes (tso, uso). */
  readonly selfTest: {
    readonly trains: "passed" | "failed" | "not tested";
    readonly superframes: "passed" | "failed" | "not tested";
  };
  /** Data-plane threads. */
  readonly workers: number;
  /** Of a sealed mesh. */
  readonly secret?: Rotated;
  readonly leaseState: LeaseState;
  readonly uptimeSeconds: number;
  readonly waitingFor: readonly Waiting[];
}

export interface NetworkStatus {
  readonly id: string;
  readonly name: string;
  /** Null while joining: the mesh has not told yet. */
  readonly cidr: string | null;
  readonly subnetLen: number | null;
  /** The same of IPv6; null: not known yet, or the mesh has none. */
  readonly cidr6: string | null;
  readonly subnet6Len: number | null;
}

export interface PeerStatus {
  readonly id: string;
  readonly name: string;
  readonly subnet: string | null;
  readonly subnet6: string | null;
  readonly endpoint: string | null;
  readonly state: PeerState;
  readonly path: PathKind;
  readonly security: PathSecurity;
  /** Why the path is not a better one. */
  readonly why: string;
  /** Alive, by the best path that was asked for: `why` is no complaint. */
  readonly healthy: boolean;
  readonly rttMs: number | null;
  readonly mtu: number;
  /** Seconds since a probe along this path was answered; null: never. */
  readonly answered: number | null;
  readonly txBytes: number;
  readonly rxBytes: number;
  /** Since the last handshake or hello; null: never. */
  readonly lastHandshakeSeconds: number | null;
}

export interface Status {
  readonly node: NodeStatus;
  readonly network: NetworkStatus;
  readonly peers: readonly PeerStatus[];
  /** Dropped packets by reason: "no-route", "spoofed", … */
  readonly drops: Readonly<Record<string, number>>;
  /** What happened to the other packets, since the start: "sent", "delivered", "handed-up", … */
  readonly counters: Readonly<Record<string, number>>;
  /** Sentences for people: what is wrong and what to do. */
  readonly warnings: readonly string[];
  /** Nodes that were forgotten or revoked, and by whom, the latest first. */
  readonly forgotten: readonly ForgottenNode[];
  /** Subnets that one node alone may lease. Absent from older daemons. */
  readonly reservations?: readonly ReservedSubnet[];
}

/** A subnet that a member reserved for a node. */
export interface ReservedSubnet {
  readonly subnet: string;
  readonly nodeId: string;
  readonly name: string;
  /** Name of the member that made it, or the beginning of its id. */
  readonly by: string;
  /** The node leaves another lease for it (`--now`). */
  readonly moves: boolean;
  /** The node holds it; `conflict`: a static peer has it. */
  readonly state: "taken" | "free" | "conflict";
}

export interface LeaseEntry {
  /** Of IPv4 where it has that, else of IPv6. */
  readonly subnet: string;
  /** Of IPv6; null: it has none. */
  readonly subnet6: string | null;
  readonly nodeId: string;
  readonly name: string;
  /**
   * Our own lease: its lease state. A peer's: that of the peer, or what is special about the lease. `reserved`: the node may
   * lease it and does not.
   */
  readonly state: LeaseState | PeerState | "conflict" | "static" | "reserved";
  /** For a static peer, or for the node that is named. */
  readonly reserved: boolean;
  /** Who reserved it for the node; absent: nobody. */
  readonly reservedBy?: string;
  readonly endpoint: string | null;
  readonly vtepMac: string | null;
}

export interface RouteEntry {
  /** "10.42.9.0/24" */
  readonly destination: string;
  /** `host`: a route of the kernel that we own; `tunnel`: an entry of the data plane's table. */
  readonly where: "host" | "tunnel";
  /** "unicast", "unreachable", … */
  readonly type: string;
  readonly device: string | null;
  /** Next hop of the kernel, or null. */
  readonly gateway: string | null;
  readonly metric: number | null;
  /** Name of the node it leads to; null for the network and our own subnet. */
  readonly node: string | null;
  readonly path: PathKind | null;
}

/** One path that was considered on the way to a node, best first. */
export interface PathAttempt {
  readonly path: PathKind;
  readonly ok: boolean;
  /** What was tried and what happened. */
  readonly result: string;
  /** The command or the firewall port that would help, or null. */
  readonly fix: string | null;
}

export interface Why {
  readonly node: string;
  /** The same, for this node and for static peers. */
  readonly name?: string;
  readonly id: string;
  readonly subnet: string | null;
  readonly subnet6: string | null;
  readonly state: PeerState | "self";
  readonly path: PathKind;
  /** One sentence that sums up. */
  readonly summary: string;
  readonly attempts: readonly PathAttempt[];
}

export interface DaemonVersion {
  readonly version: string;
  readonly runtime: string;
  readonly pid: number;
}

/** Parameters and result of every method. */
export interface ApiMethods {
  status: { params: Record<never, never>; result: Status };
  peers: { params: Record<never, never>; result: readonly PeerStatus[] };
  leases: { params: Record<never, never>; result: readonly LeaseEntry[] };
  routes: { params: Record<never, never>; result: readonly RouteEntry[] };
  /** `node`: name, id prefix, or an address inside a lease. Fails when unknown or ambiguous. */
  why: { params: { readonly node: string }; result: Why };
  /**
   * Leases, peers and paths that changed after `cursor`: answers as soon as something has, at the latest after 20 s, then with
   * no events. Null, or a cursor that is not known any more: all that is.
   */
  events: { params: { readonly cursor: string | null }; result: Changes };
  resolve: { params: { readonly node: string }; result: Resolved };
  /**
   * Has the mesh forget a node (idempotent): its lease is free; if it lives, it joins anew. With `revoke` its key is
   * refused for good; then `node` may also be a whole unknown id. Fails for this node and for static peers.
   */
  forget: { params: { readonly node: string; readonly revoke: boolean }; result: Forgotten };
  /**
   * Reserves a subnet for a node: nobody else is given it. With `now` the node leaves another lease for it. Fails when leases
   * do not look like that, and when another node, or a static peer, has it or it is reserved for one.
   */
  reserve: {
    params: { readonly subnet: string; readonly node: string; readonly now: boolean };
    result: Reserved;
  };
  /** Lifts that. Fails when nothing is reserved there. */
  unreserve: { params: { readonly subnet: string }; result: Unreserved };
  /**
   * Makes a new network secret, or reads the one in `secretFile` (as the daemon, a whole path), and begins to rotate the
   * mesh to it. `now`: the old one counts no longer than the members alive need. Fails in a plain mesh, and while a
   * rotation is under way.
   */
  rotate: { params: { readonly secretFile: string | null; readonly now: boolean }; result: Rotated };
  /**
   * Answers before the daemon begins to stop, or with `purge` once it is known what became of the lease; the socket
   * disappears when it has stopped. `release` is null without a lease or `purge`, absent from older daemons.
   */
  stop: {
    params: { readonly purge: boolean };
    result: { readonly pid: number; readonly release?: Release | null };
  };
  version: { params: Record<never, never>; result: DaemonVersion };
}

export type ApiMethod = keyof ApiMethods;

/**
 * What a daemon gives to `serveApi`: one function a method. Parameters come from strangers: check them. `gone`: whoever asked has
 * hung up.
 */
export type ApiHandlers = {
  readonly [M in ApiMethod]?: (
    params: Readonly<Record<string, unknown>>,
    gone?: AbortSignal,
  ) => ApiMethods[M]["result"] | Promise<ApiMethods[M]["result"]>;
};

/** Bytes a request line may have. */
export const MAX_REQUEST_BYTES = 64 * 1024;
/** Name of the socket in the run directory. */
export const SOCKET_NAME = "control.sock";
