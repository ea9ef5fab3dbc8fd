/**
 * The network secret: who knows it may join the mesh. It is 32 random bytes, as a text that begins with "ovs1"
 * (text_code.ts), or a passphrase that scrypt (RFC 7914) turns into 32 bytes. Those 32 bytes are the root, from which
 * HKDF-SHA256 (RFC 5869) makes the keys that all nodes share; a passphrase itself is neither kept nor passed on.
 * The root lives in a private field, so that no log, no JSON and no inspection of an object shows it. A secret that a
 * mesh was rotated to carries the network id of its founding, which outlives all rotations.
 */
import { hkdfSync, randomBytes, scryptSync, timingSafeEqual } from "node:crypto";
import { decodeText, encodeText, hasPrefix } from "./text_code.ts";

export const SECRET_PREFIX = "ovs1";
export const SECRET_LEN = 32;
export const NETWORK_ID_LEN = 16;
/** scrypt's cost: 128 × N × r = 32 MiB, three times over. */
export const SCRYPT = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 * 1024 * 1024 } as const;
const PASSPHRASE_MIN = 16;
/** "aaaaaaaaaaaaaaaa" is long, and no passphrase. */
const DIFFERENT_MIN = 8;
const PASSPHRASE_MAX = 1024;
const TOKEN_PREFIX = "ovt1";
const HIDDEN = "[network secret]";

export class NetworkSecret {
  readonly #root: Uint8Array;
  /** Network id of the mesh's founding, 16 bytes; null: the one that comes of this secret. */
  readonly foundingId: Uint8Array | null;

  private constructor(root: Uint8Array, foundingId: Uint8Array | null = null) {
    this.#root = root;
    this.foundingId = foundingId;
  }

  /** A new one from the operating system's randomness. */
  static create(): NetworkSecret {
    return new NetworkSecret(new Uint8Array(randomBytes(SECRET_LEN)));
  }

  /**
   * The secret of 32 bytes, which are copied, of a mesh whose network id is `foundingId` (16 bytes) or comes of it;
   * TypeError when either has another length.
   */
  static of(root: Uint8Array, foundingId: Uint8Array | null = null): NetworkSecret {
    if (root.length !== SECRET_LEN) throw new TypeError(`A network secret has ${SECRET_LEN} bytes`);
    if (foundingId === null) return new NetworkSecret(new Uint8Array(root)); // slice() of a Buffer would share its memory
    if (foundingId.length !== NETWORK_ID_LEN) throw new TypeError(`A network id has ${NETWORK_ID_LEN} bytes`);
    return new NetworkSecret(new Uint8Array(root), new Uint8Array(foundingId));
  }

  /**
   * What a user gave: the text of a secret, or a passphrase (0.3 s of scrypt). A line end after it is no part of it.
   * Throws Error with a sentence that tells what is wrong and never what was given.
   */
  static parse(text: string, networkName: string): NetworkSecret {
    if (hasPrefix(TOKEN_PREFIX, text)) {
      throw new Error("This is a token, not a secret: pass it to ovltun join");
    }
    if (!hasPrefix(SECRET_PREFIX, text)) return NetworkSecret.#stretch(text.trim(), networkName);
    const root = decodeText(SECRET_PREFIX, text);
    if (
      typeof root === "string" || (root.length !== SECRET_LEN && root.length !== SECRET_LEN + NETWORK_ID_LEN)
    ) {
      throw new Error("The secret is incomplete or mistyped (its checksum is wrong); copy it again");
    }
    if (root.length === SECRET_LEN) return new NetworkSecret(root);
    const secret = NetworkSecret.of(root.subarray(0, SECRET_LEN), root.subarray(SECRET_LEN));
    root.fill(0);
    return secret;
  }

  static #stretch(passphrase: string, networkName: string): NetworkSecret {
    const advice = "generate one with ovltun secret new, or use six random words";
    if (passphrase === "") throw new Error(`The secret is empty; ${advice}`);
    // Decomposed on one keyboard, composed on another: the same words.
    const words = passphrase.normalize("NFC");
    const length = [...words].length;
    if (length < PASSPHRASE_MIN) {
      throw new Error(
        "The passphrase is too short: an attacker who records one handshake can try millions. It must have " +
          `at least ${PASSPHRASE_MIN} characters; ${advice}`,
      );
    }
    if (new Set(words).size < DIFFERENT_MIN) {
      throw new Error(`The passphrase has too few different characters; ${advice}`);
    }
    if (length > PASSPHRASE_MAX || /\p{Cc}/u.test(words)) {
      throw new Error("The secret must be a single line of text");
    }
    const bytes = new TextEncoder().encode(words);
    const root = scryptSync(bytes, saltOf(networkName), SECRET_LEN, SCRYPT);
    bytes.fill(0);
    const secret = NetworkSecret.of(root);
    root.fill(0);
    return secret;
  }

  /** The text of it, to keep or to hand to people. */
  text(): string {
    if (this.foundingId === null) return encodeText(SECRET_PREFIX, this.#root);
    const bytes = new Uint8Array(SECRET_LEN + NETWORK_ID_LEN);
    bytes.set(this.#root);
    bytes.set(this.foundingId, SECRET_LEN);
    const text = encodeText(SECRET_PREFIX, bytes);
    bytes.fill(0);
    return text;
  }

  /** A copy of the 32 bytes, for a token; the caller wipes it. */
  bytes(): Uint8Array {
    return this.#root.slice();
  }

  /** The keys of the network of this name. Two networks never share one, whatever their secrets are. */
  keys(networkName: string): NetworkKeys {
    const keyId = this.#derive(networkName, "key id", 2);
    return {
      networkId: this.foundingId?.slice() ?? this.#derive(networkName, "network id", NETWORK_ID_LEN),
      psk: this.#derive(networkName, "psk", 32),
      macKey: this.#derive(networkName, "mac key", 32),
      gossipKey: this.#derive(networkName, "gossip key", 32),
      keyId: (keyId[0]! << 8) | keyId[1]!,
    };
  }

  #derive(networkName: string, purpose: string, length: number): Uint8Array {
    return new Uint8Array(hkdfSync("sha256", this.#root, saltOf(networkName), `ovltun ${purpose}`, length));
  }

  /** Whether both are one secret, whatever mesh each is of; takes the same time whatever they hold. */
  equals(other: NetworkSecret): boolean {
    return timingSafeEqual(this.#root, other.#root);
  }

  /** Zeroes it; of no use afterwards. */
  wipe(): void {
    this.#root.fill(0);
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }
}

/** Zeroes keys that are of no use any more. */
export function wipeKeys(keys: NetworkKeys): void {
  for (const key of [keys.psk, keys.macKey, keys.gossipKey]) key.fill(0);
}

function saltOf(networkName: string): string {
  return `ovltun ${networkName}`;
}

// ----------------------------------------------------------------------------------------------------
// The keys that all nodes of a sealed network share, derived from the network secret.

/** One generation of a network's keys. */
export interface NetworkKeys {
  /** 16 bytes. */
  readonly networkId: Uint8Array;
  /** Of the Noise handshakes, 32 bytes. */
  readonly psk: Uint8Array;
  /** Of the keyed MAC on handshake datagrams, 32 bytes. */
  readonly macKey: Uint8Array;
  /** Of gossip under the network key, 32 bytes. */
  readonly gossipKey: Uint8Array;
  /** Tells generations apart on the wire: u16. */
  readonly keyId: number;
}
