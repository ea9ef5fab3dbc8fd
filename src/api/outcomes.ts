/** What came of an order: what the methods that change something, or ask for an address, answer. */
import type { PathKind, PeerState } from "./states.ts";

/** Where to ping for a node. */
export interface Resolved {
  readonly id: string;
  readonly name: string;
  readonly subnet: string | null;
  readonly subnet6: string | null;
  /** The overlay address to use: the one asked for, or the node's own, of IPv4 where the mesh has it. */
  readonly address: string;
  /** The node's own of IPv6; null: it has none. */
  readonly address6: string | null;
  readonly endpoint: string | null;
  readonly path: PathKind;
  readonly self: boolean;
}

/** A node that `forget` was told of; null where the mesh knows no record of it. */
export interface Forgotten {
  readonly id: string;
  readonly name: string | null;
  /** The lease that is free now. */
  readonly subnet: string | null;
  /** Its IPv6 half, in a mesh of both families. */
  readonly subnet6?: string;
  /** How it was when it was forgotten. */
  readonly state: PeerState | null;
  readonly revoked: boolean;
}

/** What `reserve` did. */
export interface Reserved {
  readonly subnet: string;
  /** The node that it is for. */
  readonly id: string;
  readonly name: string;
  readonly state: PeerState | "self";
  /** What the node leases now, of each family; empty: nothing yet. */
  readonly holds: readonly string[];
  /** That is the subnet. */
  readonly taken: boolean;
  /** It leaves what else it leases. */
  readonly moves: boolean;
}

/** What `unreserve` lifted. */
export type Unreserved = Pick<Reserved, "subnet" | "id" | "name" | "taken">;

/** What the mesh decided about a node that it does not count any more. */
export interface ForgottenNode {
  readonly id: string;
  readonly name: string | null;
  /** Name of the member that issued it, or the beginning of its id. */
  readonly by: string;
  readonly revoked: boolean;
}

/** How far the network secret is rotated. */
export interface Rotated {
  /** How many rotations there were before this secret. */
  readonly generation: number;
  /** Members do not use it yet: some have not got it. */
  readonly underWay: boolean;
  /** Older secrets that still let members in. */
  readonly olderAccepted: number;
  /** Names of members alive, and of those away, that have not got it. */
  readonly without: readonly string[];
  readonly away: readonly string[];
}

/** A released lease: a member `heard` it, there was no other node (`alone`), or none answered. */
export interface Release {
  readonly subnet: string;
  /** Its IPv6 half, in a mesh of both families. */
  readonly subnet6?: string;
  readonly outcome: "heard" | "alone" | "unheard";
}
