/**
 * Cryptography that hides nothing and takes no time, for simulated meshes of many hosts that are about what nodes tell one
 * another: a hash of a few multiplications in place of curves, signatures, ciphers and MACs. Messages are as long as the real
 * ones, and whoever has another secret, another key or other bytes fails as there; a forger would not. What the real ones
 * do the sealed simulations show (test/sim/sealed_test.ts and its siblings).
 */

import type { ControlCiphers, HandshakeMachine } from "../../src/crypto/control_ciphers.ts";
import { type Identity, SIGNATURE_LEN } from "../../src/crypto/identity.ts";
import type { NoiseSetup } from "../../src/crypto/noise.ts";
import type { DhKeys } from "../../src/crypto/noise_state.ts";
import type { Random } from "../../src/ports/time.ts";
import { equalBytes, fromHex, putU32, toHex } from "../../src/wire/bytes.ts";

const KEY_LEN = 32;
const TAG_LEN = 16;
const NONCE_LEN = 24;
const NOTHING = new Uint8Array(0);

/** Of more bytes than that only the ends count, and each STRIDE-th. */
const WHOLE_MAX = 128;
const STRIDE = 8;

/** A hash of what went in, in its order. */
export class LightHash {
  #a = 0x9e3779b9;
  #b = 0x85ebca6b;

  add(bytes: Uint8Array, at = 0, end = bytes.length): this {
    let [a, b] = [this.#a, this.#b ^ (end - at)];
    const step = end - at > WHOLE_MAX ? STRIDE : 1;
    for (let i = at; i < end; i += step) {
      a = Math.imul(a ^ bytes[i]!, 0x01000193);
      b = Math.imul(b + bytes[i]!, 0x5bd1e995) ^ (a >>> 15);
    }
    [this.#a, this.#b] = [a, b];
    return this;
  }

  copy(): LightHash {
    const copy = new LightHash();
    [copy.#a, copy.#b] = [this.#a, this.#b];
    return copy;
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length);
    let [a, b] = [this.#a, this.#b];
    for (let at = 0; at < length; at += 4) {
      a = Math.imul(a ^ (a >>> 16) ^ b, 0x7feb352d);
      b = Math.imul(b ^ (b >>> 13) ^ a, 0x846ca68b);
      putU32(out, at, a ^ (b >>> 11));
    }
    return out;
  }
}

/** A tag of `key` over all of `parts`. */
export function lightTag(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const hash = new LightHash().add(key);
  for (const part of parts) hash.add(part);
  return hash.bytes(TAG_LEN);
}

/** What each message of a pattern brings besides its payload; the last one takes in the shared key. */
const PATTERNS = { XXpsk3: ["e", "es", "s"], IKpsk2: ["es", "e"] } as const;

class LightHandshake implements HandshakeMachine {
  readonly #setup: NoiseSetup;
  #transcript: LightHash;
  #ephemerals: readonly Uint8Array[] = [];
  #next = 0;
  remoteStatic: Uint8Array | null;

  constructor(setup: NoiseSetup) {
    this.#setup = setup;
    this.remoteStatic = setup.remoteStatic?.slice() ?? null;
    this.#transcript = new LightHash().add(setup.prologue);
    if (setup.pattern !== "IKpsk2") return;
    this.#transcript.add(setup.initiator ? setup.remoteStatic! : setup.staticKeys.publicKey);
  }

  get #messages(): readonly string[] {
    return PATTERNS[this.#setup.pattern];
  }

  get awaits(): boolean {
    return this.#next < this.#messages.length && (this.#next % 2 === 0) !== this.#setup.initiator;
  }

  write(payload: Uint8Array): Uint8Array {
    const tokens = this.#messages[this.#next]!;
    const { ephemeralKeys, staticKeys } = this.#setup;
    const parts = [
      tokens.includes("e") ? ephemeralKeys.publicKey : NOTHING,
      ...(tokens.includes("s") ? [staticKeys.publicKey, new Uint8Array(TAG_LEN)] : []),
      payload,
    ];
    for (const part of parts) this.#transcript.add(part);
    const message = new Uint8Array(parts.reduce((sum, { length }) => sum + length, TAG_LEN));
    let at = 0;
    for (const part of parts) {
      message.set(part, at);
      at += part.length;
    }
    message.set(this.#goOn(this.#transcript, tokens.includes("e") ? parts[0]! : null), at);
    return message;
  }

  read(message: Uint8Array): Uint8Array | null {
    const tokens = this.#messages[this.#next]!;
    const transcript = this.#transcript.copy();
    let at = 0;
    const take = (length: number) => {
      const part = message.slice(at, at += length);
      transcript.add(part);
      return part;
    };
    const ephemeral = take(tokens.includes("e") ? KEY_LEN : 0);
    const key = tokens.includes("s") ? take(KEY_LEN) : this.remoteStatic;
    if (tokens.includes("s")) take(TAG_LEN);
    const payload = take(Math.max(0, message.length - at - TAG_LEN));
    const before = this.#next;
    const tag = this.#goOn(transcript, tokens.includes("e") ? ephemeral : null);
    if (!equalBytes(tag, message.subarray(at))) {
      this.#next = before;
      if (tokens.includes("e")) this.#ephemerals = this.#ephemerals.slice(0, -1);
      return null;
    }
    this.#transcript = transcript;
    this.remoteStatic = key;
    return payload;
  }

  // The tag of the message that is complete now.
  #goOn(transcript: LightHash, ephemeral: Uint8Array | null): Uint8Array {
    if (ephemeral !== null) this.#ephemerals = [...this.#ephemerals, ephemeral];
    this.#next++;
    if (this.#next === this.#messages.length) transcript.add(this.#setup.psk);
    return transcript.bytes(TAG_LEN);
  }

  split(): { readonly send: Uint8Array; readonly receive: Uint8Array } {
    const [forth, back] = [1, 2].map((n) => this.#transcript.copy().add(Uint8Array.of(n)).bytes(KEY_LEN));
    return this.#setup.initiator ? { send: forth!, receive: back! } : { send: back!, receive: forth! };
  }

  wipe(): void {
    this.#next = Infinity;
  }
}

export const LIGHT_CIPHERS: ControlCiphers = {
  dhKeys: (seed) => {
    const publicKey = new LightHash().add(seed).bytes(KEY_LEN);
    return { publicKey, privateKey: null } as unknown as DhKeys; // which nothing here looks at
  },
  handshake: (setup) => new LightHandshake(setup),
  hmac: {
    by: "node:crypto",
    digest: (key, b, at, length, out) => {
      out.set(new LightHash().add(key).add(b, at, at + length).bytes(out.length));
    },
  },
  sealGossip: (key, header, nonce, plaintext) => {
    const b = new Uint8Array(header.length + nonce.length + plaintext.length + TAG_LEN);
    b.set(header);
    b.set(nonce, header.length);
    b.set(plaintext, header.length + nonce.length);
    const end = b.length - TAG_LEN;
    b.set(lightTag(key, b.subarray(0, end)), end);
    return b;
  },
  openGossip: (key, b, headerLength) => {
    const end = b.length - TAG_LEN;
    if (end < headerLength + NONCE_LEN) return null;
    const genuine = equalBytes(lightTag(key, b.subarray(0, end)), b.subarray(end));
    return genuine ? b.slice(headerLength + NONCE_LEN, end) : null;
  },
};

/** A node whose signatures lightVerify knows. */
export function lightIdentity(random: Random): Identity {
  const seed = random.bytes(KEY_LEN);
  const id = random.bytes(KEY_LEN);
  return {
    id: toHex(id),
    staticKey: toHex(LIGHT_CIPHERS.dhKeys(seed).publicKey),
    sign: (bytes) => signatureOf(id, bytes),
    seeds: { ed25519: toHex(id), x25519: toHex(seed) },
  };
}

/** In place of verifySignature. */
export function lightVerify(id: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  return equalBytes(signatureOf(fromHex(id)!, bytes), signature);
}

function signatureOf(id: Uint8Array, bytes: Uint8Array): Uint8Array {
  return new LightHash().add(id).add(bytes).bytes(SIGNATURE_LEN);
}
