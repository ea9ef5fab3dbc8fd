/**
 * AES-256-GCM and ChaCha20-Poly1305 by node:crypto, for hosts without libcrypto. It makes an object for each packet,
 * which is why it comes second; what a runtime does not offer (Bun: ChaCha20-Poly1305) is not among the suites.
 */

import { createCipheriv, createDecipheriv, getCiphers } from "node:crypto";
import type { AeadKey, AeadMaker, CipherSuite } from "../ports/aead.ts";
import { DATA_COUNTER_AT, DATA_LEN } from "../wire/data_header.ts";
import { AEAD_TAG_LEN } from "../wire/overhead.ts";

const NONCE_LEN = 12;
const NONCE_ZEROS = 4;
const KEY_LEN = 32;
/** The types of node:crypto know one overload for each kind of cipher; these two are used alike. */
type NodeSuite = "aes-256-gcm";

/** node:crypto's suites. */
export function nodeAead(): AeadMaker {
  const offered = getCiphers();
  const suites = (["aes-256-gcm", "chacha20-poly1305"] as const).filter((suite) => offered.includes(suite));
  return { by: "node:crypto", suites, key: (suite, key) => new NodeKey(suite, key) };
}

class NodeKey implements AeadKey {
  readonly suite: CipherSuite;
  readonly #key: Uint8Array;
  readonly #nonce = new Uint8Array(NONCE_LEN);

  constructor(suite: CipherSuite, key: Uint8Array) {
    if (key.length !== KEY_LEN) throw new TypeError(`A key of ${suite} has ${KEY_LEN} bytes`);
    this.suite = suite;
    this.#key = key.slice();
  }

  seal(b: Uint8Array, headerAt: number, from: number, length: number, to: number): void {
    const options = { authTagLength: AEAD_TAG_LEN };
    const cipher = createCipheriv(this.suite as NodeSuite, this.#key, this.#putNonce(b, headerAt), options);
    cipher.setAAD(b.subarray(headerAt, headerAt + DATA_LEN));
    b.set(cipher.update(b.subarray(from, from + length)), to);
    cipher.final();
    b.set(cipher.getAuthTag(), to + length);
  }

  open(b: Uint8Array, headerAt: number, at: number, length: number): number {
    const plain = length - AEAD_TAG_LEN;
    if (plain < 0) return -1;
    const options = { authTagLength: AEAD_TAG_LEN };
    const cipher = createDecipheriv(this.suite as NodeSuite, this.#key, this.#putNonce(b, headerAt), options);
    cipher.setAAD(b.subarray(headerAt, headerAt + DATA_LEN));
    cipher.setAuthTag(b.subarray(at + plain, at + length));
    const opened = cipher.update(b.subarray(at, at + plain));
    try {
      cipher.final();
    } catch {
      return -1; // its only way to say that the tag is wrong
    }
    b.set(opened, at);
    return plain;
  }

  wipe(): void {
    this.#key.fill(0);
  }

  #putNonce(b: Uint8Array, headerAt: number): Uint8Array {
    const counter = headerAt + DATA_COUNTER_AT;
    this.#nonce.set(b.subarray(counter, counter + NONCE_LEN - NONCE_ZEROS), NONCE_ZEROS);
    return this.#nonce;
  }
}
