/**
 * HMAC-SHA256 by OpenSSL's libcrypto, 3.x or 1.1 (HMAC(3)): the gate of handshakes computes one for every datagram of
 * a flood. Loaded explicitly, once per thread.
 */
import { loadLibrary, type NativeFunctions } from "#ffi";
import type { Hmac } from "../ports/aead.ts";

const SYMBOLS = {
  // const EVP_MD *EVP_sha256(void)
  EVP_sha256: { args: [], result: "pointer" },
  // unsigned char *HMAC(const EVP_MD *evp_md, const void *key, int key_len, const unsigned char *data,
  //                     size_t data_len, unsigned char *md, unsigned int *md_len)
  HMAC: { args: ["pointer", "buffer", "i32", "buffer", "u64", "buffer", "pointer"], result: "pointer" },
} as const;

const LIBRARIES = ["libcrypto.so.3", "libcrypto.so.1.1"];
/** A SHA-256 block: longer keys would be hashed, and we have none. */
const KEY_ROOM = 64;
const HASH_LEN = 32;

/** Null where the host has no libcrypto that we know. */
export function libcryptoHmac(): Hmac | null {
  const library = load();
  if (library === null) return null;
  const sha256 = library.EVP_sha256();
  // Over memory of their own: Bun moves small arrays.
  const keyRoom = new Uint8Array(new ArrayBuffer(KEY_ROOM));
  const mac = new Uint8Array(new ArrayBuffer(HASH_LEN));
  return {
    by: "libcrypto",
    digest: (key, b, at, length, out) => {
      if (key.length > KEY_ROOM) throw new RangeError(`A MAC key has at most ${KEY_ROOM} bytes`);
      // C would read wherever we say: a fault of ours ends here.
      if (at < 0 || length < 0 || at + length > b.length) {
        throw new RangeError("No such bytes to make a MAC of");
      }
      keyRoom.set(key);
      const data = b.subarray(at, at + length);
      const done = library.HMAC(sha256, keyRoom, key.length, data, length, mac, 0);
      keyRoom.fill(0);
      if (done === 0) throw new Error("HMAC() of libcrypto failed");
      out.set(mac.subarray(0, out.length));
    },
  };
}

function load(): NativeFunctions<typeof SYMBOLS> | null {
  for (const name of LIBRARIES) {
    try {
      return loadLibrary(name, SYMBOLS);
    } catch {
      continue; // not on this host: the next, and then node:crypto
    }
  }
  return null;
}
