/**
 * An AEAD provider of node:crypto alone (aes-256-gcm), with the nonce and the associated data of our data header: for
 * tests of what seals, without a native library.
 */

import { createCipheriv, createDecipheriv } from "node:crypto";
import type { AeadKey, AeadProvider, CipherSuite } from "../../src/ports/aead.ts";
import { DATA_COUNTER_AT, DATA_LEN } from "../../src/wire/data_header.ts";

const TAG_LEN = 16;

export class FakeAead implements AeadProvider {
  /** Keys that have been made and not wiped. */
  alive = 0;
  /** Keys that have been made. */
  made = 0;

  suites() {
    return [{ suite: "aes-256-gcm", by: "node:crypto", mbps: 1000 }] as const;
  }

  key(suite: CipherSuite, key: Uint8Array, memory: Uint8Array): AeadKey {
    const raw = key.slice();
    this.alive++;
    this.made++;
    const nonce = (b: Uint8Array, headerAt: number) => {
      const n = new Uint8Array(12);
      n.set(b.subarray(headerAt + DATA_COUNTER_AT, headerAt + DATA_LEN), 4);
      return n;
    };
    return {
      suite,
      seal: (b, headerAt, from, length, to) => {
        if (b !== memory) throw new TypeError("A key for other memory");
        const cipher = createCipheriv("aes-256-gcm", raw, nonce(b, headerAt));
        cipher.setAAD(b.slice(headerAt, headerAt + DATA_LEN));
        const text = Buffer.concat([cipher.update(b.slice(from, from + length)), cipher.final()]);
        b.set(text, to);
        b.set(cipher.getAuthTag(), to + length);
      },
      open: (b, headerAt, at, length) => {
        const cipher = createDecipheriv("aes-256-gcm", raw, nonce(b, headerAt));
        cipher.setAAD(b.slice(headerAt, headerAt + DATA_LEN));
        cipher.setAuthTag(b.slice(at + length - TAG_LEN, at + length));
        try {
          const text = Buffer.concat([cipher.update(b.slice(at, at + length - TAG_LEN)), cipher.final()]);
          b.set(text, at);
          return text.length;
        } catch {
          return -1;
        }
      },
      wipe: () => {
        raw.fill(0);
        this.alive--;
      },
    };
  }
}
