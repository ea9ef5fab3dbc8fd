/**
 * What links and handshakes may ask about the node that they belong to, and tell it. The node answers at once, from what
 * it knows at that moment (node/core.ts). Times are of the clock that events come with.
 */

import type { Identity } from "../../crypto/identity.ts";
import type { NetworkKeys } from "../../crypto/network_secret.ts";
import type { GossipBody, RecordItem } from "../../wire/gossip_body.ts";
import type { NodeRecord, RecordReader } from "../records/record.ts";

export interface OwnNode {
  readonly identity: Identity;
  readonly networkId: string;
  /** Of this life, as in our record. */
  readonly bootNonce: string;

  /** We are part of a mesh, not on the way to one. */
  member(): boolean;
  /** How long this process has been running, seconds. */
  age(now: number): number;
  /** A router translates our addresses. */
  translated(): boolean;
  /** Whether an endpoint is an address of this host, with our port. */
  holds(endpoint: string): boolean;
  /** Whether datagrams to an endpoint stay outside the mesh itself. */
  usable(endpoint: string): boolean;
  /** Another one whenever `usable` may answer otherwise than before. */
  usableRevision(): string;

  /** Our signed record as of now. */
  record(): Uint8Array;
  /** What reads the records of others, and verifies what they sign. */
  readonly reader: RecordReader;
  /** The verified record of a node. */
  known(id: string): NodeRecord | undefined;
  /** Whether this life of a node is over, as its record says. */
  isFormer(id: string, life: string): boolean;
  /** Whether a member had this key revoked. */
  isRevoked(id: string): boolean;

  /** The datagram of a message for the receiver of this index; null when it is too long. */
  message(index: number, body: GossipBody): Uint8Array | null;
  /** The records of these nodes as they are pushed, as far as they are known. */
  recordItems(ids: readonly string[]): readonly RecordItem[];

  /** Sealed meshes: the generation of keys in use first, then the others that are accepted. They change. */
  readonly keys: readonly NetworkKeys[];
  /** Whether a node is let in by this generation. */
  admits(id: string, keyId: number): boolean;
  /** A session was made with a node under this generation; `member`: it says that it is one. */
  sessionMade(id: string, keyId: number, member: boolean): void;
  /** Whether another node may be asked for a link: sealed meshes need a counter for it, and that the disk covers it. */
  mayInitiate(): boolean;
  /** The counter of our next initiation: greater each time, also over restarts; null: there is none. */
  nextCounter(): number | null;
}
