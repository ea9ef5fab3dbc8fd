/**
 * The plain hello (0x03): how two nodes learn each other's endpoint and receiver index, by return-routability.
 * A hello carries a fresh nonce; the ack echoes it and may carry a nonce of its own, which a second ack echoes.
 * All three kinds have one size, so no answer is larger than its question. Signed with Ed25519 by the node named
 * in it, over everything before the signature; this file does not check signatures. The first 28 bytes keep their
 * place in every version, so that two versions can refuse one another by name. The caller owns every buffer.
 *
 *   | type 1 (0x03) | version 1 | kind 1 | flags 1 | receive index 4 | echoed index 4 | nonce 8 | echoed nonce 8 |
 *   | network id 16 | node id 32 | seen address 16 | seen port 2 | reason 1 | reserved 1 | signature 64 |
 */

import { fromHex, putU16, putU32, toHex, u16, u32 } from "./bytes.ts";
import { TYPE_HELLO } from "./datagram.ts";

/** Version of hello and gossip. */
export const PROTOCOL_VERSION = 1;

export const HELLO_LEN = 160;
export const HELLO_SIGNED_LEN = 96;

export const HELLO_ASK = 0;
export const HELLO_ACK = 1;
export const HELLO_REFUSE = 2;

/** The sender holds or founded a mesh; else it is joining. */
export const FLAG_MEMBER = 1;
/** The sender's mesh is sealed. */
export const FLAG_SEALED = 2;

/** Why a hello is refused; append-only. */
export const REFUSE_VERSION = 1;
export const REFUSE_NETWORK = 2;
export const REFUSE_SECURITY = 3;
export const REFUSE_FULL = 4;
/** The sender of the hello claims to be us; `nonce` is our boot nonce, the index field our age in seconds + 1. */
export const REFUSE_IDENTITY = 5;
/** In sealed meshes: its secret is older than the mesh's, and admits no new node. */
export const REFUSE_OUTDATED = 6;

const VERSION_AT = 1;
const KIND_AT = 2;
const FLAGS_AT = 3;
const INDEX_AT = 4;
const ECHOED_INDEX_AT = 8;
const NONCE_AT = 12;
const ECHOED_NONCE_AT = 20;
const NETWORK_AT = 28;
const NODE_AT = 44;
const SEEN_ADDRESS_AT = 76;
const SEEN_PORT_AT = 92;
const REASON_AT = 94;
const RESERVED_AT = 95;
const COMMON_LEN = 28;

/** A nonce of zeroes asks for nothing. */
export const NO_NONCE = "0000000000000000";

export interface Hello {
  readonly version: number;
  readonly kind: number;
  readonly flags: number;
  /** The receiver index the sender gives to the receiver; 0 = none yet. */
  readonly index: number;
  /** The index the sender holds for the receiver; 0 = none. */
  readonly echoedIndex: number;
  /** 16 hexadecimal digits each. */
  readonly nonce: string;
  readonly echoedNonce: string;
  /** 32 hexadecimal digits. */
  readonly networkId: string;
  /** 64 hexadecimal digits. */
  readonly nodeId: string;
  /** Where the sender sees the receiver: 16 bytes, IPv4 mapped. */
  readonly seenAddress: Uint8Array;
  readonly seenPort: number;
  /** REFUSE_ number in a refusal, else 0. */
  readonly reason: number;
}

/** A hello of another version: only what every version has. */
export interface ForeignHello {
  readonly version: number;
  readonly kind: number;
  readonly nonce: string;
  readonly echoedNonce: string;
}

/** Writes the 96 signed bytes at `at`, and the signature of them that `sign` returns; returns HELLO_LEN. */
export function encodeHello(
  b: Uint8Array,
  at: number,
  hello: Hello,
  sign: (bytes: Uint8Array) => Uint8Array,
): number {
  b[at] = TYPE_HELLO;
  b[at + VERSION_AT] = hello.version;
  b[at + KIND_AT] = hello.kind;
  b[at + FLAGS_AT] = hello.flags;
  putU32(b, at + INDEX_AT, hello.index);
  putU32(b, at + ECHOED_INDEX_AT, hello.echoedIndex);
  b.set(fromHex(hello.nonce)!, at + NONCE_AT);
  b.set(fromHex(hello.echoedNonce)!, at + ECHOED_NONCE_AT);
  b.set(fromHex(hello.networkId)!, at + NETWORK_AT);
  b.set(fromHex(hello.nodeId)!, at + NODE_AT);
  b.set(hello.seenAddress, at + SEEN_ADDRESS_AT);
  putU16(b, at + SEEN_PORT_AT, hello.seenPort);
  b[at + REASON_AT] = hello.reason;
  b[at + RESERVED_AT] = 0;
  b.set(sign(b.slice(at, at + HELLO_SIGNED_LEN)), at + HELLO_SIGNED_LEN);
  return HELLO_LEN;
}

/** The fields of a hello of our version, its signature unchecked; null when malformed or of another version. */
export function decodeHello(b: Uint8Array): Hello | null {
  if (b.length < HELLO_LEN || b[0] !== TYPE_HELLO || b[VERSION_AT] !== PROTOCOL_VERSION) return null;
  const kind = b[KIND_AT]!;
  if (kind > HELLO_REFUSE) return null;
  return {
    version: PROTOCOL_VERSION,
    kind,
    flags: b[FLAGS_AT]!,
    index: u32(b, INDEX_AT),
    echoedIndex: u32(b, ECHOED_INDEX_AT),
    nonce: hexAt(b, NONCE_AT, 8),
    echoedNonce: hexAt(b, ECHOED_NONCE_AT, 8),
    networkId: hexAt(b, NETWORK_AT, 16),
    nodeId: hexAt(b, NODE_AT, 32),
    seenAddress: b.slice(SEEN_ADDRESS_AT, SEEN_ADDRESS_AT + 16),
    seenPort: u16(b, SEEN_PORT_AT),
    reason: b[REASON_AT]!,
  };
}

/** What every version has in common, of a hello that is not of ours; null otherwise. */
export function decodeForeignHello(b: Uint8Array): ForeignHello | null {
  if (b.length < COMMON_LEN || b[0] !== TYPE_HELLO || b[VERSION_AT] === PROTOCOL_VERSION) return null;
  return {
    version: b[VERSION_AT]!,
    kind: b[KIND_AT]!,
    nonce: hexAt(b, NONCE_AT, 8),
    echoedNonce: hexAt(b, ECHOED_NONCE_AT, 8),
  };
}

/** The bytes that the signature covers, of a decoded hello. */
export function helloSigned(b: Uint8Array): Uint8Array {
  return b.slice(0, HELLO_SIGNED_LEN);
}

/** The signature of a decoded hello. */
export function helloSignature(b: Uint8Array): Uint8Array {
  return b.slice(HELLO_SIGNED_LEN, HELLO_LEN);
}

function hexAt(b: Uint8Array, at: number, length: number): string {
  return toHex(b.slice(at, at + length));
}
