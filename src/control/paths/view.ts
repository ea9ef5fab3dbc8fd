/**
 * What the control plane knows, as plain read-only data: the source of `status`, `peers`, `leases`, `why` and
 * of paths.ts. A view is a snapshot made on demand; all times are the monotonic milliseconds of `now`.
 */

import type { CipherSuite } from "../../ports/aead.ts";
import type { MeshConfig } from "../mesh/mesh_config.ts";
import type { Outcome } from "./outcome.ts";
import type { OfWays, WayView } from "./way.ts";
import type { Prefix } from "../../wire/prefix.ts";

/**
 * `joining` waits for a member; `probation` has claimed and waits for the others; `confirmed` uses its subnet;
 * `yielding` lost a conflict and claims anew; `exhausted` finds nothing free.
 */
export type LeaseState = "joining" | "probation" | "confirmed" | "yielding" | "exhausted";

export type PeerState = "alive" | "suspect" | "dead";

/** A peer whose answer we need before we can continue. */
export interface WaitingFor {
  /** The user's own words for it: "host-b" or "192.168.1.10:8473". */
  readonly peer: string;
  /** What it resolves to; empty when the name does not resolve. */
  readonly endpoints: readonly string[];
  readonly since: number;
  /** A whole sentence: "waiting for 192.168.1.10:8473, 8 s without an answer (firewall? …)". */
  readonly message: string;
  /** Only what to check or what happened: "firewall? wrong network name? not started?". */
  readonly hint: string;
}

/** How far the network secret is rotated. */
export interface SecretView {
  /** How many rotations there were before the newest. */
  readonly generation: number;
  readonly underWay: boolean;
  readonly olderAccepted: number;
  /** Names of members alive, and of those away, that do not have the newest. */
  readonly without: readonly string[];
  readonly away: readonly string[];
}

export interface OwnView {
  readonly id: string;
  readonly name: string;
  /** Of the network's name; hex, 32 digits. */
  readonly networkId: string;
  readonly leaseState: LeaseState;
  /** Our claim; it is in use only while `leaseState` is "confirmed". */
  readonly subnet: Prefix | null;
  /** Its IPv6 half, in a mesh of both families. */
  readonly second?: Prefix;
  /** Address of the device in `subnet` (`deviceAddress`): of IPv4 the subnet's .0, or the claim itself when subnetLen is 32. */
  readonly address: string | null;
  readonly vtepMac: string;
  readonly mesh: MeshConfig | null;
  readonly endpoints: readonly string[];
  /** Those of them that a router in between made of ours. */
  readonly translated: readonly string[];
  readonly waitingFor: readonly WaitingFor[];
  /** Sentences about what a person should look at: a cloned identity, a refused mesh. */
  readonly warnings: readonly string[];
  /** Datagrams that were handed up and not used, since the start. */
  readonly rejected: number;
  /** Messages of our own that fit in no datagram, since the start; absent: none. */
  readonly unsent?: number;
  /** Of a sealed mesh. */
  readonly secret?: SecretView;
  readonly startedAt: number;
}

/** An endpoint we tried for a peer, for `why`. */
export interface TriedEndpoint {
  readonly endpoint: string;
  readonly lastTriedAt: number | null;
  readonly outcome: Outcome;
}

export interface PeerView {
  readonly id: string;
  readonly name: string;
  /** What it holds by the total order; null when it has no lease (yet). */
  readonly subnet: Prefix | null;
  /** Its IPv6 half, in a mesh of both families. */
  readonly second?: Prefix;
  readonly state: PeerState;
  /** Dead by its own word: it was stopped, and its lease is still its. */
  readonly stopped: boolean;
  /** Since when it is in this state. */
  readonly since: number;
  /** The endpoint validated by return-routability, while there is a link. */
  readonly endpoint: string | null;
  /** The session in use, in a sealed mesh: its cipher, and when its handshake was. */
  readonly session: { readonly suite: CipherSuite; readonly at: number } | null;
  /** The indices of the link: what the peer gave us and what we gave it; 0 in a sealed mesh. */
  readonly link: { readonly sendIndex: number; readonly receiveIndex: number } | null;
  /**
   * There is no link, and there will be one when packets need it: nobody asks for it now, or it is being made. Absent: the
   * link is there, or is missed.
   */
  readonly onDemand?: "idle" | "calling";
  readonly lastHelloAt: number | null;
  readonly rttMs: number | null;
  /** What came back along each way that data may take; null: that way is not asked. */
  readonly ways: OfWays<WayView>;
  readonly vtepMac: string;
  /** Sealed meshes: whether its user allows packets in the clear. */
  readonly clearPaths: boolean;
  /** Its user asked for direct routes (--direct-routing). */
  readonly directRoutes: boolean;
  /** What its record advertises. */
  readonly endpoints: readonly string[];
  /** Those of them that a router in between made of its own. */
  readonly translated: readonly string[];
  /** Made when it is asked for, which it is of few: of how things are then. */
  readonly tried: readonly TriedEndpoint[];
  /** Version of its program. */
  readonly version: string;
}

export interface LeaseView {
  readonly subnet: Prefix;
  /** Its IPv6 half, in a mesh of both families. */
  readonly second?: Prefix;
  /** Null for a static peer. */
  readonly nodeId: string | null;
  readonly name: string;
  /** Ours: the lease state. Others: the state of its holder. `conflict`: claimed, but another holds it. */
  readonly state: LeaseState | PeerState | "conflict" | "static";
  /** Of a static peer. What members reserve for nodes is in `NodeView.reservations`. */
  readonly reserved: boolean;
  readonly endpoint: string | null;
  readonly vtepMac: string | null;
}

/** A node that was forgotten or revoked. */
export interface ForgottenView {
  readonly id: string;
  readonly name: string | null;
  /** Name of the member that issued it, or the beginning of its id. */
  readonly by: string;
  readonly revoked: boolean;
}

/** A subnet that one node alone may lease. */
export interface ReservationView {
  readonly subnet: Prefix;
  readonly nodeId: string;
  readonly name: string;
  /** Name of the member that made it, or the beginning of its id. */
  readonly by: string;
  /** The node leaves another lease for it. */
  readonly moves: boolean;
  /** The node holds it; `conflict`: a static peer has it. */
  readonly state: "taken" | "free" | "conflict";
}

export interface NodeView {
  readonly own: OwnView;
  /** Everyone known but ourselves, in order of id. */
  readonly peers: readonly PeerView[];
  /** Own lease included, in order of subnet. */
  readonly leases: readonly LeaseView[];
  /** What members reserved, in order of subnet; absent where nothing is. */
  readonly reservations?: readonly ReservationView[];
  /** What was decided about nodes that do not count any more, the latest first; absent where nothing was. */
  readonly forgotten?: readonly ForgottenView[];
}
