/**
 * AES-256-GCM and ChaCha20-Poly1305 by the host's libcrypto (EVP_EncryptInit(3)), 3.x or 1.1: the calls used here
 * are the same in both. A key has one context for each direction, set up once; a packet sets its nonce and goes
 * through one Update each for header and payload. Packet memory never moves, so addresses are sums.
 *
 *   nonce 12: | 0 0 0 0 | counter 8, as in the data header |
 */
import { addressOf, loadLibrary, type NativeFunctions, type NativePointer, toPointer } from "#ffi";
import type { AeadKey, AeadMaker, CipherSuite } from "../ports/aead.ts";

const SYMBOLS = {
  // EVP_CIPHER_CTX *EVP_CIPHER_CTX_new(void)
  EVP_CIPHER_CTX_new: { args: [], result: "pointer" },
  // void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX *ctx), which wipes the key
  EVP_CIPHER_CTX_free: { args: ["pointer"], result: "void" },
  // int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX *ctx, int cmd, int p1, void *p2)
  EVP_CIPHER_CTX_ctrl: { args: ["pointer", "i32", "i32", "pointer"], result: "i32" },
  // const EVP_CIPHER *EVP_aes_256_gcm(void)
  EVP_aes_256_gcm: { args: [], result: "pointer" },
  // const EVP_CIPHER *EVP_chacha20_poly1305(void)
  EVP_chacha20_poly1305: { args: [], result: "pointer" },
  // int EVP_EncryptInit_ex(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *type, ENGINE *impl, const uchar *key, const uchar *iv)
  EVP_EncryptInit_ex: { args: ["pointer", "pointer", "pointer", "pointer", "pointer"], result: "i32" },
  // int EVP_EncryptUpdate(EVP_CIPHER_CTX *ctx, uchar *out, int *outl, const uchar *in, int inl)
  EVP_EncryptUpdate: { args: ["pointer", "pointer", "pointer", "pointer", "i32"], result: "i32" },
  // int EVP_EncryptFinal_ex(EVP_CIPHER_CTX *ctx, uchar *out, int *outl)
  EVP_EncryptFinal_ex: { args: ["pointer", "pointer", "pointer"], result: "i32" },
  // The same for decryption; Final_ex compares the tag.
  EVP_DecryptInit_ex: { args: ["pointer", "pointer", "pointer", "pointer", "pointer"], result: "i32" },
  EVP_DecryptUpdate: { args: ["pointer", "pointer", "pointer", "pointer", "i32"], result: "i32" },
  EVP_DecryptFinal_ex: { args: ["pointer", "pointer", "pointer"], result: "i32" },
} as const;

type Functions = NativeFunctions<typeof SYMBOLS>;

/** The names under which distributions install it, newest generation first. */
const SONAMES = ["libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so"];

const NULL = toPointer(0);
const EVP_CTRL_AEAD_GET_TAG = 0x10;
const EVP_CTRL_AEAD_SET_TAG = 0x11;
const HEADER_LEN = 16;
const COUNTER_AT = 8;
const COUNTER_LEN = 8;
const TAG_LEN = 16;
const KEY_LEN = 32;

// Memory for what every call needs besides the packet; one call at a time in a thread.
const NONCE_AT = 0;
const NONCE_ZEROS = 4;
const OUT_LENGTH_AT = 16;
const FINAL_AT = 32;
const KEY_AT = 64;
const SCRATCH_LEN = KEY_AT + KEY_LEN;

/** libcrypto of this thread. Throws Error, which says what was tried, where there is none to be used. */
export function openLibcrypto(sonames: readonly string[] = SONAMES): AeadMaker {
  const failures: string[] = [];
  for (const soname of sonames) {
    try {
      return new Libcrypto(loadLibrary(soname, SYMBOLS));
    } catch (error) {
      failures.push(`${soname}: ${error instanceof Error ? error.message.split("\n")[0] : error}`);
    }
  }
  throw new Error(`No libcrypto (${failures.join("; ")})`);
}

class Libcrypto implements AeadMaker {
  readonly by = "libcrypto";
  readonly suites = ["aes-256-gcm", "chacha20-poly1305"] as const;
  readonly #functions: Functions;
  readonly #scratch = new Uint8Array(new ArrayBuffer(SCRATCH_LEN));

  constructor(functions: Functions) {
    this.#functions = functions;
  }

  key(suite: CipherSuite, key: Uint8Array, memory: Uint8Array): AeadKey {
    if (key.length !== KEY_LEN) throw new TypeError(`A key of ${suite} has ${KEY_LEN} bytes`);
    const f = this.#functions;
    const cipher = suite === "aes-256-gcm"
      ? f.EVP_aes_256_gcm()
      : suite === "chacha20-poly1305"
      ? f.EVP_chacha20_poly1305()
      : 0;
    if (cipher === 0) throw new TypeError(`libcrypto has no ${suite}`);
    this.#scratch.set(key, KEY_AT);
    try {
      return new LibcryptoKey(f, suite, cipher, this.#scratch, memory);
    } finally {
      this.#scratch.fill(0, KEY_AT);
    }
  }
}

class LibcryptoKey implements AeadKey {
  readonly suite: CipherSuite;
  readonly #f: Functions;
  /** Contexts of both directions, until they are wiped. */
  readonly #sealing: NativePointer;
  readonly #opening: NativePointer;
  #wiped = false;
  readonly #scratch: Uint8Array;
  readonly #memory: Uint8Array;
  readonly #base: number;
  readonly #nonce: NativePointer;
  readonly #outLength: NativePointer;
  readonly #final: NativePointer;

  /** The key lies in `scratch`. */
  constructor(f: Functions, suite: CipherSuite, cipher: number, scratch: Uint8Array, memory: Uint8Array) {
    this.suite = suite;
    this.#f = f;
    this.#scratch = scratch;
    this.#memory = memory;
    this.#base = addressOf(memory.buffer as ArrayBuffer) + memory.byteOffset;
    const own = addressOf(scratch.buffer as ArrayBuffer);
    this.#nonce = toPointer(own + NONCE_AT);
    this.#outLength = toPointer(own + OUT_LENGTH_AT);
    this.#final = toPointer(own + FINAL_AT);
    this.#sealing = toPointer(f.EVP_CIPHER_CTX_new());
    this.#opening = toPointer(f.EVP_CIPHER_CTX_new());
    const key = own + KEY_AT;
    if (
      this.#sealing === NULL || this.#opening === NULL ||
      f.EVP_EncryptInit_ex(this.#sealing, cipher, NULL, key, this.#nonce) !== 1 ||
      f.EVP_DecryptInit_ex(this.#opening, cipher, NULL, key, this.#nonce) !== 1
    ) {
      this.wipe();
      throw new Error(`libcrypto refuses a key of ${suite}`);
    }
  }

  seal(b: Uint8Array, headerAt: number, from: number, length: number, to: number): void {
    const f = this.#f;
    const ctx = this.#sealing;
    const base = this.#base;
    const outLength = this.#outLength;
    this.#check(b, Math.max(headerAt + HEADER_LEN, from + length, to + length + TAG_LEN));
    this.#putNonce(headerAt);
    const header = toPointer(base + headerAt), sealed = toPointer(base + to);
    const done = f.EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, this.#nonce) === 1 &&
      f.EVP_EncryptUpdate(ctx, NULL, outLength, header, HEADER_LEN) === 1 &&
      (length === 0 || f.EVP_EncryptUpdate(ctx, sealed, outLength, toPointer(base + from), length) === 1) &&
      f.EVP_EncryptFinal_ex(ctx, this.#final, outLength) === 1 &&
      f.EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, toPointer(base + to + length)) === 1;
    if (!done) throw new Error(`libcrypto cannot seal with ${this.suite}`);
  }

  open(b: Uint8Array, headerAt: number, at: number, length: number): number {
    const plain = length - TAG_LEN;
    if (plain < 0) return -1;
    const f = this.#f;
    const ctx = this.#opening;
    const base = this.#base;
    const outLength = this.#outLength;
    this.#check(b, Math.max(headerAt + HEADER_LEN, at + length));
    this.#putNonce(headerAt);
    const header = toPointer(base + headerAt), packet = toPointer(base + at);
    const opened = f.EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, this.#nonce) === 1 &&
      f.EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, toPointer(base + at + plain)) === 1 &&
      f.EVP_DecryptUpdate(ctx, NULL, outLength, header, HEADER_LEN) === 1 &&
      (plain === 0 || f.EVP_DecryptUpdate(ctx, packet, outLength, packet, plain) === 1) &&
      f.EVP_DecryptFinal_ex(ctx, this.#final, outLength) === 1;
    return opened ? plain : -1;
  }

  wipe(): void {
    if (this.#wiped) return;
    this.#wiped = true;
    this.#f.EVP_CIPHER_CTX_free(this.#sealing); // NULL is allowed
    this.#f.EVP_CIPHER_CTX_free(this.#opening);
  }

  /** C would write wherever we say: a fault of ours ends here. */
  #check(b: Uint8Array, end: number): void {
    if (this.#wiped) throw new TypeError("The key is wiped");
    if (b !== this.#memory || end > b.length) {
      throw new RangeError("The packet lies outside of packet memory");
    }
  }

  #putNonce(headerAt: number): void {
    const counter = headerAt + COUNTER_AT;
    const nonce = NONCE_AT + NONCE_ZEROS;
    for (let i = 0; i < COUNTER_LEN; i++) this.#scratch[nonce + i] = this.#memory[counter + i]!;
  }
}
