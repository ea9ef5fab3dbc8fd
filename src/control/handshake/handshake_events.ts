/** What comes of handshakes: a session, or why there is none. Handshakes tell it, the sealed links act on it. */

import type { CipherSuite } from "../../ports/aead.ts";
import type { NodeRecord } from "../records/record.ts";

/** A session that a handshake made. The keys are the receiver's to wipe. */
export interface NewSession {
  readonly peer: NodeRecord;
  /** The boot nonce of its maker; null if it did not say. */
  readonly life: string | null;
  /** Where the last message came from, and where what it answers was sent; null: it answers nothing. */
  readonly endpoint: string;
  readonly asked: string | null;
  /** When that was sent: the peer has lived since then. */
  readonly askedAt: number | null;
  readonly receiveIndex: number;
  readonly sendIndex: number;
  readonly suite: CipherSuite;
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  /** We began: the session may be used at once. */
  readonly initiator: boolean;
  readonly member: boolean;
  /** Of the generation it was made under. */
  readonly keyId: number;
  /** Where the peer sees us. */
  readonly seen: string | null;
}

export type HandshakeEvent =
  | { readonly kind: "session"; readonly session: NewSession }
  /** A datagram that we sent to this endpoint came back. */
  | { readonly kind: "own"; readonly endpoint: string }
  /** Another host has our keys; what its record says. */
  | {
    readonly kind: "clone";
    readonly endpoint: string;
    readonly record: NodeRecord;
    readonly member: boolean;
  }
  /** Another life of a node that we have a link with begins, from elsewhere; it was not answered. */
  | {
    readonly kind: "contested";
    readonly endpoint: string;
    readonly record: NodeRecord;
    readonly keyId: number;
  }
  /** Refused by name: a REFUSE_ number, and the version of the side that refused. */
  | { readonly kind: "refused"; readonly endpoint: string; readonly reason: number; readonly version: number }
  /** A handshake of another version came, and was refused. */
  | { readonly kind: "foreign"; readonly endpoint: string; readonly version: number }
  /**
   * A member had the key of this node revoked; it began, or answered, under this generation. `proven`: from where we
   * sent it what it answers; else the address may be forged.
   */
  | {
    readonly kind: "revoked";
    readonly endpoint: string;
    readonly peer: string;
    readonly keyId: number;
    readonly proven: boolean;
  }
  /** It came by an older secret, and was no member when the newer became known. */
  | {
    readonly kind: "outdated";
    readonly endpoint: string;
    readonly asked: string | null;
    readonly peer: string;
  }
  /** No suite in common. */
  | {
    readonly kind: "no-suite";
    readonly endpoint: string;
    readonly asked: string | null;
    readonly peer: string;
  };
