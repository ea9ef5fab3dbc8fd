/**
 * The SymmetricState of the Noise Protocol Framework (revision 34, §5.2) for AESGCM and SHA256: chaining key, handshake
 * hash, and the cipher of the handshake. Primitives are node:crypto's; this runs a few times a handshake, never for a
 * packet. The owner of a state wipes it. Behind it the Diffie-Hellman function of the framework, X25519.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  type KeyObject,
} from "node:crypto";
import { fromHex } from "../wire/bytes.ts";

export const HASH_LEN = 32;
export const TAG_LEN = 16;
const NONCE_LEN = 12;

export class SymmetricState {
  #chainingKey: Uint8Array;
  #hash: Uint8Array;
  // Empty before the first mixKey.
  #key = new Uint8Array(0);
  #nonce = 0;

  /** `protocolName` is ASCII; more than 32 bytes are hashed (§5.2, InitializeSymmetric). */
  constructor(protocolName: string) {
    const name = new TextEncoder().encode(protocolName);
    this.#hash = new Uint8Array(HASH_LEN);
    this.#hash.set(name.length <= HASH_LEN ? name : digest(name));
    this.#chainingKey = this.#hash.slice();
  }

  /** The handshake hash. */
  get hash(): Uint8Array {
    return this.#hash.slice();
  }

  mixHash(data: Uint8Array): void {
    this.#hash = digest(this.#hash, data);
  }

  mixKey(material: Uint8Array): void {
    const [chainingKey, key] = hkdf(this.#chainingKey, material, 2);
    this.#renew(chainingKey!, key!);
  }

  mixKeyAndHash(material: Uint8Array): void {
    const [chainingKey, hash, key] = hkdf(this.#chainingKey, material, 3);
    this.mixHash(hash!);
    this.#renew(chainingKey!, key!);
  }

  /** The plaintext itself before there is a key; else ciphertext and tag. */
  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    let sealed = plaintext.slice();
    if (this.#key.length > 0) {
      const cipher = createCipheriv("aes-256-gcm", this.#key, this.#nextNonce());
      cipher.setAAD(this.#hash);
      const text = cipher.update(plaintext);
      const rest = cipher.final();
      sealed = new Uint8Array(Buffer.concat([text, rest, cipher.getAuthTag()]));
    }
    this.mixHash(sealed);
    return sealed;
  }

  /** Null when the tag is wrong; the state is then of no more use (the caller keeps a copy). */
  decryptAndHash(sealed: Uint8Array): Uint8Array | null {
    let plaintext: Uint8Array | null = sealed.slice();
    if (this.#key.length > 0) plaintext = this.#open(sealed);
    if (plaintext !== null) this.mixHash(sealed);
    return plaintext;
  }

  /** The two keys of the transport phase: initiator to responder, and back (§5.2, Split). */
  split(): readonly [Uint8Array, Uint8Array] {
    const [first, second] = hkdf(this.#chainingKey, new Uint8Array(0), 2);
    return [first!, second!];
  }

  copy(): SymmetricState {
    const copy = new SymmetricState("");
    copy.#chainingKey = this.#chainingKey.slice();
    copy.#hash = this.#hash.slice();
    copy.#key = this.#key.slice();
    copy.#nonce = this.#nonce;
    return copy;
  }

  wipe(): void {
    this.#chainingKey.fill(0);
    this.#key.fill(0);
    this.#hash.fill(0);
  }

  #open(sealed: Uint8Array): Uint8Array | null {
    const end = sealed.length - TAG_LEN;
    if (end < 0) return null;
    const cipher = createDecipheriv("aes-256-gcm", this.#key, this.#nextNonce());
    cipher.setAAD(this.#hash);
    cipher.setAuthTag(sealed.slice(end));
    try {
      const text = cipher.update(sealed.slice(0, end));
      return new Uint8Array(Buffer.concat([text, cipher.final()]));
    } catch {
      return null; // the tag is wrong
    }
  }

  // §12.4: 32 bits of zeroes and the counter, big-endian. No handshake counts further than a byte.
  #nextNonce(): Uint8Array {
    const nonce = new Uint8Array(NONCE_LEN);
    nonce[NONCE_LEN - 1] = this.#nonce++;
    return nonce;
  }

  #renew(chainingKey: Uint8Array, key: Uint8Array): void {
    this.#chainingKey.fill(0);
    this.#key.fill(0);
    this.#chainingKey = chainingKey;
    this.#key = key.slice();
    key.fill(0);
    this.#nonce = 0;
  }
}

// §4.3: HKDF with `outputs` outputs of 32 bytes.
function hkdf(chainingKey: Uint8Array, material: Uint8Array, outputs: number): Uint8Array[] {
  const secret = hmac(chainingKey, material);
  const list: Uint8Array[] = [];
  let last: Uint8Array = new Uint8Array(0);
  for (let n = 1; n <= outputs; n++) {
    last = hmac(secret, last, Uint8Array.of(n));
    list.push(last);
  }
  secret.fill(0);
  return list;
}

function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return new Uint8Array(mac.digest());
}

function digest(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

// ----------------------------------------------------------------------------------------------------
// X25519 (RFC 7748) by node:crypto, for handshakes: key pairs from 32-byte seeds, and the shared secret of two of
// them. Points of low order give a secret of zeroes, which is no secret: they are refused (RFC 7748 §6.1).

/** Bytes of a seed, a public key and a shared secret. */
export const DH_LEN = 32;

// DER of RFC 8410: everything before the 32 bytes of a private or public key.
const PKCS8 = fromHex("302e020100300506032b656e04220420")!;
const SPKI = fromHex("302a300506032b656e032100")!;

/** A key pair. The private half lies in the runtime's own memory, where JavaScript cannot zero it. */
export interface DhKeys {
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}

/** The key pair of a 32-byte seed, which stays the caller's to wipe; TypeError when its length is wrong. */
export function dhKeys(seed: Uint8Array): DhKeys {
  if (seed.length !== DH_LEN) throw new TypeError(`An X25519 seed has ${DH_LEN} bytes`);
  const der = joined(PKCS8, seed);
  const privateKey = createPrivateKey({ key: der as Buffer, format: "der", type: "pkcs8" });
  der.fill(0);
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return { publicKey: new Uint8Array(spki.subarray(-DH_LEN)), privateKey };
}

/** The secret shared with the owner of `remote` (32 bytes), or null when that is no good point. Never throws. */
export function sharedSecret(keys: DhKeys, remote: Uint8Array): Uint8Array | null {
  if (remote.length !== DH_LEN) return null;
  let secret: Uint8Array;
  try {
    const publicKey = createPublicKey({ key: joined(SPKI, remote) as Buffer, format: "der", type: "spki" });
    secret = new Uint8Array(diffieHellman({ privateKey: keys.privateKey, publicKey }));
  } catch {
    return null; // the runtimes that look for points of low order themselves throw
  }
  return secret.length === DH_LEN && secret.some((byte) => byte !== 0) ? secret : null;
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const whole = Buffer.alloc(head.length + tail.length);
  whole.set(head);
  whole.set(tail, head.length);
  return whole;
}
