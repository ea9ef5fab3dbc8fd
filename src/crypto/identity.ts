/**
 * Who a node is: an Ed25519 key pair (RFC 8032) whose public half is the node id, and an X25519 key pair (RFC
 * 7748) that the encrypted handshake will use. Both are made once, kept in a file only the owner can read, and
 * never change; the id is what a lease belongs to. All curve work is node:crypto's.
 */

import { createHash, createPrivateKey, createPublicKey, randomBytes, sign, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { BoundedMap } from "../bounds/bounded_map.ts";
import { fromHex, toHex } from "../wire/bytes.ts";

export const ID_LEN = 32;
export const SIGNATURE_LEN = 64;
const SEED_LEN = 32;
const FILE_VERSION = 1;
const KEPT_KEYS = 256;

// DER of RFC 8410: everything before the 32 bytes of a private or public key.
const PKCS8_ED25519 = "302e020100300506032b657004220420";
const PKCS8_X25519 = "302e020100300506032b656e04220420";
const SPKI_ED25519 = fromHex("302a300506032b6570032100")!;

/** A node's keys. */
export interface Identity {
  /** The Ed25519 public key, 64 hexadecimal digits. */
  readonly id: string;
  /** The X25519 public key, 64 hexadecimal digits. */
  readonly staticKey: string;
  /** The Ed25519 signature over `bytes`, 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array;
  /** The private seeds, for identityToJson. */
  readonly seeds: { readonly ed25519: string; readonly x25519: string };
}

/** New keys from the operating system's randomness. */
export function createIdentity(): Identity {
  return identityFromSeeds(randomBytes(SEED_LEN), randomBytes(SEED_LEN));
}

/** The identity of two 32-byte seeds (RFC 8032 §5.1.5, RFC 7748 §6.1); TypeError when a length is wrong. */
export function identityFromSeeds(ed25519: Uint8Array, x25519: Uint8Array): Identity {
  if (ed25519.length !== SEED_LEN || x25519.length !== SEED_LEN) {
    throw new TypeError(`An identity needs two seeds of ${SEED_LEN} bytes`);
  }
  const seeds = { ed25519: toHex(ed25519), x25519: toHex(x25519) };
  const signing = privateKey(PKCS8_ED25519 + seeds.ed25519);
  return {
    id: publicHex(signing),
    staticKey: publicHex(privateKey(PKCS8_X25519 + seeds.x25519)),
    sign: (bytes) => new Uint8Array(sign(null, bytes, signing)),
    seeds,
  };
}

/** The text of identity.json; it holds the private keys. */
export function identityToJson(identity: Identity): string {
  const { ed25519, x25519 } = identity.seeds;
  return JSON.stringify({ version: FILE_VERSION, id: identity.id, ed25519, x25519 }, null, 2) + "\n";
}

/** Reads what identityToJson wrote; throws Error with a sentence that says what is wrong with the text. */
export function identityFromJson(text: string): Identity {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new Error("The identity file is not JSON (cut short?)", { cause });
  }
  const { version, id, ed25519, x25519 } = (json ?? {}) as Record<string, unknown>;
  if (version !== FILE_VERSION) {
    throw new Error(`The identity file has version ${version}, not ${FILE_VERSION}`);
  }
  const identity = identityFromSeeds(seedOf("ed25519", ed25519), seedOf("x25519", x25519));
  if (identity.id !== id) throw new Error('The identity file\'s "id" does not belong to its "ed25519" key');
  return identity;
}

/** Whether `signature` is that of `id` (hex) over `bytes`. Never throws, whatever the id. */
export function verifySignature(id: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_LEN) return false;
  const key = publicKey(id);
  return key !== null && verify(null, bytes, key, signature);
}

/**
 * BOUNDED: ≤ KEPT_KEYS, those used least recently go first. By id; it only remembers what publicKey works out of the id
 * alone, so that all nodes of a process can share it.
 */
const publicKeys = new BoundedMap<string, KeyObject>(KEPT_KEYS);

/** The key object of an id (hex); null when it is none. Making one takes Deno a fifth of the time of a verification. */
function publicKey(id: string): KeyObject | null {
  const key = publicKeys.get(id) ?? createEd25519Key(id);
  if (key !== null) publicKeys.renew(id, key);
  return key;
}

function createEd25519Key(id: string): KeyObject | null {
  const raw = fromHex(id);
  if (raw === null || raw.length !== ID_LEN) return null;
  const der = new Uint8Array(SPKI_ED25519.length + ID_LEN);
  der.set(SPKI_ED25519);
  der.set(raw, SPKI_ED25519.length);
  try {
    return createPublicKey({ key: der as unknown as Buffer, format: "der", type: "spki" });
  } catch {
    return null; // not a point on the curve
  }
}

/** The first 8 digits: for people and logs, never a key of a table. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

/** The VTEP MAC of a node, from its id: a locally administered unicast address (IEEE 802, second-lowest bit). */
export function nodeMac(id: string): string {
  const mac = new Uint8Array(createHash("sha256").update(`ovltun vtep ${id}`).digest()).slice(0, 6);
  mac[0] = (mac[0]! & 0xfc) | 0x02;
  return toHex(mac).replace(/..(?!$)/g, "$&:");
}

function privateKey(der: string): KeyObject {
  return createPrivateKey({ key: Buffer.from(der, "hex"), format: "der", type: "pkcs8" });
}

function publicHex(key: KeyObject): string {
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return toHex(new Uint8Array(spki).slice(-ID_LEN));
}

function seedOf(field: string, value: unknown): Uint8Array {
  const seed = typeof value === "string" ? fromHex(value) : null;
  if (seed === null || seed.length !== SEED_LEN) {
    throw new Error(`The identity file's "${field}" is not ${SEED_LEN} bytes in hexadecimal`);
  }
  return seed;
}
