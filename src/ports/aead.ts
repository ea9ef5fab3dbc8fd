/** The ciphers and MACs of sealed meshes, as seen by their users; crypto/ and sys/ implement them. */

/** HMAC-SHA256 (RFC 2104), for the MACs of handshakes. */
export interface Hmac {
  readonly by: "libcrypto" | "node:crypto";
  /** Writes the first `out.length` bytes (at most 32) of the MAC over `length` bytes of `b` at `at`. */
  digest(key: Uint8Array, b: Uint8Array, at: number, length: number, out: Uint8Array): void;
}

/** The AEAD ciphers (RFC 5116, RFC 8439, NaCl secretbox); keys of 32 bytes, tags of 16. */
export type CipherSuite = "aes-256-gcm" | "chacha20-poly1305" | "xsalsa20-poly1305";

/** Who computes a suite. */
export type AeadMakerName = "libcrypto" | "node:crypto" | "tweetnacl";

/**
 * A key over the packet memory `b` that it was made for; other memory must not be given. The 16-byte data header at
 * `headerAt` is the associated data, and its counter (bytes 8 to 15) the nonce.
 */
export interface AeadKey {
  readonly suite: CipherSuite;
  /**
   * Seals `length` bytes at `from` to `to`: as many bytes, then the tag. The two may be the same place or not
   * overlap at all.
   */
  seal(b: Uint8Array, headerAt: number, from: number, length: number, to: number): void;
  /** Opens in place `length` bytes at `at`, the tag being the last 16. Bytes of plaintext, or −1: forged. */
  open(b: Uint8Array, headerAt: number, at: number, length: number): number;
  /** Ends the key, wiping it; it is not used again. */
  wipe(): void;
}

/** One implementation of some suites. */
export interface AeadMaker {
  readonly by: AeadMakerName;
  readonly suites: readonly CipherSuite[];
  /** A key of 32 bytes, which the caller may wipe afterwards, for packets in `memory`. */
  key(suite: CipherSuite, key: Uint8Array, memory: Uint8Array): AeadKey;
}

/** A suite, who computes it best on this host, and how fast, megabits a second. */
export interface MeasuredSuite {
  readonly suite: CipherSuite;
  readonly by: AeadMakerName;
  readonly mbps: number;
}

/** The suites of this host. */
export interface AeadProvider {
  /** The fastest first. */
  suites(): readonly MeasuredSuite[];
  key(suite: CipherSuite, key: Uint8Array, memory: Uint8Array): AeadKey;
}

/** Sessions a peer may have at once: during a rekey two, and one that is not confirmed yet. */
export const MAX_SESSIONS = 3;
