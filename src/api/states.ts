/** The states that leases, peers and paths are in, and the changes between them, as `ovltun events` tells them. */
import type { Path as ChosenPath } from "../control/paths/path_choice.ts";

export type LeaseState = "joining" | "probation" | "confirmed" | "yielding" | "exhausted";

export type PeerState = "alive" | "suspect" | "dead";

/** As the node chooses it; "relay" is of the contract, for paths through another node. */
export type PathKind = ChosenPath["path"] | "relay";

export type PathSecurity = "sealed" | "plain" | "clear";

/** A lease was claimed, changed hands or was given back. */
export interface LeaseChange {
  readonly event: "lease";
  /** When, in ISO 8601. */
  readonly at: string;
  readonly subnet: string;
  /** The IPv6 half, in a mesh of both families. */
  readonly subnet6?: string;
  readonly nodeId: string | null;
  readonly name: string;
  /** Our own lease: its lease state. */
  readonly state: LeaseState | "held" | "conflict" | "static" | "gone";
  /** What it was before; null: it is new. */
  readonly before: LeaseChange["state"] | null;
  readonly reserved: boolean;
  readonly own: boolean;
}

/** A peer came, went, or is held for suspect or dead. */
export interface PeerChange {
  readonly event: "peer";
  readonly at: string;
  readonly id: string;
  readonly name: string;
  readonly state: PeerState | "gone";
  readonly before: PeerChange["state"] | null;
  /** Dead by its own word. */
  readonly stopped: boolean;
}

/** Packets to a peer take another path, or larger or smaller ones pass. */
export interface PathChange {
  readonly event: "path";
  readonly at: string;
  readonly id: string;
  readonly name: string;
  readonly path: PathKind;
  readonly before: PathKind | null;
  /** "192.168.1.11:8473", or null without a path. */
  readonly to: string | null;
  readonly mtu: number;
  readonly why: string;
}

/** A subnet was reserved for a node, or for another, or is not reserved any more. */
export interface ReservationChange {
  readonly event: "reservation";
  readonly at: string;
  readonly subnet: string;
  /** The node that it is for, or was. */
  readonly nodeId: string;
  readonly name: string;
  readonly by: string;
  readonly moves: boolean;
  readonly state: "reserved" | "lifted";
  /** The name of the node that it was for until now; null: nobody. */
  readonly before: string | null;
}

export type ChangeEvent = LeaseChange | PeerChange | PathChange | ReservationChange;

/** What changed, in order. */
export interface Changes {
  /** Where to read on. */
  readonly cursor: string;
  /** These are all that is, and replace whatever was told before. */
  readonly snapshot: boolean;
  readonly events: readonly ChangeEvent[];
}
