/**
 * XSalsa20-Poly1305 (NaCl's secretbox) by tweetnacl: slow, and always there. It has no associated data, so the nonce
 * is the whole data header and eight zeros: what changes a bit of the header changes the nonce.
 */

import nacl from "tweetnacl";
import type { AeadKey, AeadMaker, CipherSuite } from "../ports/aead.ts";
import { DATA_LEN } from "../wire/data_header.ts";
import { AEAD_TAG_LEN } from "../wire/overhead.ts";

const SUITE = "xsalsa20-poly1305";

/** tweetnacl's one suite. */
export function naclAead(): AeadMaker {
  return {
    by: "tweetnacl",
    suites: [SUITE],
    key: (suite, key) => {
      if (suite !== SUITE) throw new TypeError(`tweetnacl has no ${suite}`);
      return new NaclKey(key);
    },
  };
}

class NaclKey implements AeadKey {
  readonly suite: CipherSuite = SUITE;
  readonly #key: Uint8Array;
  readonly #nonce = new Uint8Array(nacl.secretbox.nonceLength);
  /** secretbox puts the tag in front; on our wire it stands behind. BOUNDED: one datagram. */
  #box = new Uint8Array(0);

  constructor(key: Uint8Array) {
    if (key.length !== nacl.secretbox.keyLength) {
      throw new TypeError(`A key of ${SUITE} has ${nacl.secretbox.keyLength} bytes`);
    }
    this.#key = key.slice();
  }

  seal(b: Uint8Array, headerAt: number, from: number, length: number, to: number): void {
    const box = nacl.secretbox(b.subarray(from, from + length), this.#putNonce(b, headerAt), this.#key);
    b.set(box.subarray(AEAD_TAG_LEN), to);
    b.set(box.subarray(0, AEAD_TAG_LEN), to + length);
  }

  open(b: Uint8Array, headerAt: number, at: number, length: number): number {
    const plain = length - AEAD_TAG_LEN;
    if (plain < 0) return -1;
    if (this.#box.length < length) this.#box = new Uint8Array(length);
    const box = this.#box.subarray(0, length);
    box.set(b.subarray(at + plain, at + length));
    box.set(b.subarray(at, at + plain), AEAD_TAG_LEN);
    const opened = nacl.secretbox.open(box, this.#putNonce(b, headerAt), this.#key);
    if (opened === null) return -1;
    b.set(opened, at);
    return plain;
  }

  wipe(): void {
    this.#key.fill(0);
  }

  #putNonce(b: Uint8Array, headerAt: number): Uint8Array {
    this.#nonce.set(b.subarray(headerAt, headerAt + DATA_LEN));
    return this.#nonce;
  }
}
