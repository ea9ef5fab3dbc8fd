/**
 * What the control plane and the data plane tell one another: messages down through the mailbox, events up.
 * Addresses, prefixes and endpoints are canonical text ("10.42.7.0", "10.42.7.0/24", "[fd00::1]:8473").
 */
import type { LocalEnd, Offload, SocketRole, WorkerQueue, WorkerSocket } from "./devices.ts";
import type { CipherSuite } from "./aead.ts";
import type { Encapsulation } from "../wire/overhead.ts";

/** Everything the data plane needs to carry packets to and from one peer. */
export interface Tunnel {
  /**
   * How packets leave. `sealed`: by the sessions of the slot; `none`: not by us (host-gw), but probes are answered;
   * `waiting`: not yet, for there is no link, which is asked for as a session is.
   */
  readonly encapsulation: Encapsulation | "none" | "waiting";
  /** Where packets go, "192.168.1.11:8473"; "" while they wait. */
  readonly endpoint: string;
  /** Where its own port is, for answers to probes; "" where it has none (static peers). */
  readonly ownPort: string;
  /** Where its VXLAN port is, for answers to probes, while packets go elsewhere. */
  readonly vxlanPort?: string;
  /** Largest inner packet, bytes. */
  readonly mtu: number;
  /** The receiver index the peer gave us; static and sealed peers: 0. */
  readonly sendIndex: number;
  /** The receiver index we gave the peer; static and sealed peers: 0. */
  readonly receiveIndex: number;
  /** `vxlan`: the VNI. `data`: 0, or the VNI of what the peer may send by VXLAN all the same. */
  readonly vni: number;
  /** `vxlan`: the peer's VTEP MAC; others "". */
  readonly mac: string;
  /** Absent: not known, and the kernel chooses what packets leave from. */
  readonly local?: LocalEnd;
}

/** What the data plane knows of its own node. */
export interface OwnNetwork {
  /** The overlay's networks, "10.42.0.0/16". */
  readonly networks: readonly string[];
  /** Our leases; inner sources of what we send must lie in one, inner destinations of what we accept too. */
  readonly subnets: readonly string[];
  /** The address of the device. */
  readonly address: string;
  /** Our VTEP MAC. */
  readonly mac: string;
  /** MTU of the device. */
  readonly mtu: number;
}

/**
 * What the control plane tells the data plane, in order, through the mailbox; every Worker gets every message.
 * A slot (0 ≤ slot < MAX_PEERS) names a peer between the two; the control plane gives slots out and re-uses none
 * before its `dropPeer`.
 */
export type DataplaneMessage =
  /** One pair of descriptors for each Worker, in their order. */
  | {
    readonly kind: "attachSocket";
    readonly role: SocketRole;
    readonly family: 4 | 6;
    readonly sockets: readonly WorkerSocket[];
  }
  /** One queue for each Worker; `tso`, `uso`: the superframes that the device carries. */
  | {
    readonly kind: "attachTun";
    readonly queues: readonly WorkerQueue[];
    readonly tso: boolean;
    readonly uso: boolean;
  }
  | { readonly kind: "detachTun" }
  | { readonly kind: "setOwn"; readonly own: OwnNetwork }
  | { readonly kind: "setPeer"; readonly slot: number; readonly tunnel: Tunnel }
  | { readonly kind: "dropPeer"; readonly slot: number }
  | { readonly kind: "addRoute"; readonly prefix: string; readonly slot: number }
  | { readonly kind: "dropRoute"; readonly prefix: string }
  /** The keys (32 bytes each) of which one must have made the MAC of a handshake; none: this mesh is plain. */
  | { readonly kind: "setGate"; readonly macKeys: readonly Uint8Array[] }
  | InstallSession
  /** The peer has used the session, with another Worker: packets leave on it from now on. */
  | { readonly kind: "confirmSession"; readonly receiveIndex: number }
  /** Forgets a session and wipes its keys; one that is gone is no error. */
  | { readonly kind: "dropSession"; readonly receiveIndex: number }
  /** Much has been set up: what was needed for that is given back. */
  | { readonly kind: "releaseMemory" }
  | { readonly kind: "stop" };

/**
 * A session with the peer in `slot`. The data plane derives each lane's keys from the roots (crypto/lane.ts)
 * and wipes the message. `confirmed`: packets leave on it from now on; else (the responder's side) it only receives
 * until the first authenticated packet, which makes it the sending session. Earlier sessions go on receiving; a slot
 * holds MAX_SESSIONS, the oldest goes.
 */
export interface InstallSession {
  readonly kind: "installSession";
  readonly slot: number;
  /** The index we gave the peer: 24 random bits, then 0 in place of the lane. */
  readonly receiveIndex: number;
  /** The index the peer gave us, likewise. */
  readonly sendIndex: number;
  readonly suite: CipherSuite;
  /** Root keys, 32 bytes for each direction. */
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  readonly confirmed: boolean;
}

/** What the data plane hands up and the control plane takes as it is: it names no slot. */
export type HeardEvent =
  /** A datagram of ours that is not data: handshake, hello, gossip, an answered probe. */
  | {
    readonly kind: "datagram";
    readonly bytes: Uint8Array;
    readonly from: string;
    readonly at: number;
    /** Our address that it was sent to; absent where the kernel does not say. Answers leave from there. */
    readonly to?: string;
  }
  /** Data for an unknown receiver index: the peer believes in a session we no longer have. `to`: as above. */
  | { readonly kind: "unknownIndex"; readonly from: string; readonly to?: string }
  /**
   * A handshake or its reply whose MAC is of none of our keys: another network, or a wrong secret. `question`: it was a
   * handshake, and long enough to be answered.
   */
  | { readonly kind: "badMac"; readonly from: string; readonly question: boolean; readonly to?: string }
  /** The first authenticated packet came on a session that was installed unconfirmed: packets leave on it now. */
  | { readonly kind: "sessionConfirmed"; readonly receiveIndex: number }
  /**
   * What a peer's control plane said over a session, or an answered probe of any of its lanes. `at`: monotonic
   * milliseconds.
   */
  | {
    readonly kind: "sessionMessage";
    readonly receiveIndex: number;
    readonly bytes: Uint8Array;
    readonly from: string;
    readonly at: number;
  };

/** What the data plane hands up (rate-limited, over postMessage). */
export type DataplaneEvent =
  | { readonly kind: "ready" }
  | HeardEvent
  /** A packet for a sealed peer waits for a session, or for any peer for a link. */
  | { readonly kind: "sessionWanted"; readonly slot: number }
  /**
   * An authenticated packet, newer than all before, came from another endpoint, or to another of our addresses: packets
   * go there already, and leave from `to`.
   */
  | { readonly kind: "roamed"; readonly slot: number; readonly endpoint: string; readonly to?: string }
  /** A counter has passed 2^48: there must be another session before it reaches 2^52. */
  | { readonly kind: "rekeyWanted"; readonly slot: number }
  /** The path to the peer in this slot takes less than we thought. */
  | { readonly kind: "pathTooSmall"; readonly slot: number }
  /** The address that packets to this peer left from is no longer ours: the kernel chooses. Nothing was lost. */
  | { readonly kind: "sourceGone"; readonly slot: number }
  /** The kernel refuses datagrams for this peer, with this errno. */
  | { readonly kind: "sendRefused"; readonly slot: number; readonly errno: number }
  /** The kernel refuses superframes or trains that it seemed to know: single packets from now on. */
  | { readonly kind: "offloadLost"; readonly offload: Offload; readonly errno: number }
  /** Something happened on the host; not told again so soon. */
  | { readonly kind: "hostStirs" }
  /** The TUN device was deleted; the Worker has let go of it. */
  | { readonly kind: "tunGone" }
  /** The Worker cannot go on; the process must end. */
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "stopped" };

/** Ordered delivery of messages to the Worker; see dataplane/mailbox.ts. */
export interface Mailbox {
  /** Queues a message; never blocks, never drops. Returns its epoch. */
  post(message: DataplaneMessage): number;
  /** The epoch that every Worker has applied. */
  appliedEpoch(): number;
}

/** The lane of the control plane: what it seals is not an IP packet. */
export const CONTROL_LANE = 255;
