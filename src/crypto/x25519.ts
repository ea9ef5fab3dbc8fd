/**
 * X25519 (RFC 7748) by node:crypto, for handshakes: key pairs from 32-byte seeds, and the shared secret of two of
 * them. Points of low order give a secret of zeroes, which is no secret: they are refused (RFC 7748 §6.1).
 */

import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from "node:crypto";
import { fromHex } from "../wire/bytes.ts";

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
