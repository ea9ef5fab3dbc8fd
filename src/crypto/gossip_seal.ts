/**
 * Sealing under the network's gossip key: XSalsa20-Poly1305 (NaCl secretbox, by tweetnacl: a message of 300 bytes costs
 * some microseconds, and it is there on every host) with a random nonce of 24 bytes. Secretbox has no associated data:
 * the header is bound by taking part in the key, which is HMAC-SHA256(gossip key, header).
 */

import { createHmac } from "node:crypto";
import nacl from "tweetnacl";

/** Seals `plaintext`; returns header, nonce and what is sealed, as it travels. */
export function sealGossip(
  gossipKey: Uint8Array,
  header: Uint8Array,
  nonce: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const key = keyFor(gossipKey, header);
  const sealed = nacl.secretbox(plaintext, nonce, key);
  key.fill(0);
  const b = new Uint8Array(header.length + nonce.length + sealed.length);
  b.set(header);
  b.set(nonce, header.length);
  b.set(sealed, header.length + nonce.length);
  return b;
}

/** The plaintext of what sealGossip made, with a header of `headerLength` bytes; null when it is forged. */
export function openGossip(gossipKey: Uint8Array, b: Uint8Array, headerLength: number): Uint8Array | null {
  const sealedAt = headerLength + nacl.secretbox.nonceLength;
  if (b.length < sealedAt + nacl.secretbox.overheadLength) return null;
  const key = keyFor(gossipKey, b.subarray(0, headerLength));
  const plaintext = nacl.secretbox.open(b.slice(sealedAt), b.slice(headerLength, sealedAt), key);
  key.fill(0);
  return plaintext;
}

function keyFor(gossipKey: Uint8Array, header: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", gossipKey).update(header).digest());
}
