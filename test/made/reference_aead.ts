/**
 * What a sealed packet must look like, written from the specifications alone (RFC 8439, FIPS 197, NIST SP 800-38D, the
 * NaCl paper "Extending the Salsa20 nonce"): slow, over BigInt and plain loops, sharing no code with src/.
 */
import type { CipherSuite } from "../../src/ports/aead.ts";

const P = (1n << 130n) - 5n;

/** Ciphertext and tag of `plain` under `key`, with the 16-byte header of our data datagrams. */
export function referenceSeal(
  suite: CipherSuite,
  key: Uint8Array,
  header: Uint8Array,
  plain: Uint8Array,
): Uint8Array {
  if (suite === "xsalsa20-poly1305") return sealXsalsa(key, header, plain);
  const nonce = join(new Uint8Array(4), header.slice(8));
  return suite === "aes-256-gcm" ? sealGcm(key, nonce, header, plain) : sealChacha(key, nonce, header, plain);
}

function join(...parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ b[i]!);
}

// ------------------------------------------------------------------------------------------ ChaCha20, Salsa20

const SIGMA = new TextEncoder().encode("expand 32-byte k");

function words(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true));
}

function unwords(values: Uint32Array): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => view.setUint32(4 * i, value, true));
  return bytes;
}

function rotate(v: number, n: number): number {
  return (v << n) | (v >>> (32 - n));
}

function chachaBlock(key: Uint8Array, counter: number, nonce: Uint8Array): Uint8Array {
  const input = words(join(SIGMA, key, unwords(Uint32Array.of(counter)), nonce));
  const s = input.slice();
  const quarter = (a: number, b: number, c: number, d: number) => {
    for (const [x, y, z, n] of [[a, b, d, 16], [c, d, b, 12], [a, b, d, 8], [c, d, b, 7]] as const) {
      s[x] = s[x]! + s[y]!;
      s[z] = rotate(s[z]! ^ s[x]!, n);
    }
  };
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 4; i++) quarter(i, i + 4, i + 8, i + 12);
    for (let i = 0; i < 4; i++) quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
  }
  return unwords(s.map((v, i) => v + input[i]!));
}

function salsaRounds(input: Uint32Array): Uint32Array {
  const s = input.slice();
  const step = (to: number, a: number, b: number, n: number) => s[to]! ^= rotate((s[a]! + s[b]!) | 0, n);
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 4; i++) {
      const at = (k: number) => (5 * i + 4 * k) % 16;
      step(at(1), at(0), at(3), 7);
      step(at(2), at(1), at(0), 9);
      step(at(3), at(2), at(1), 13);
      step(at(0), at(3), at(2), 18);
    }
    for (let i = 0; i < 4; i++) {
      const at = (k: number) => 4 * i + (i + k) % 4;
      step(at(1), at(0), at(3), 7);
      step(at(2), at(1), at(0), 9);
      step(at(3), at(2), at(1), 13);
      step(at(0), at(3), at(2), 18);
    }
  }
  return s;
}

function salsaInput(key: Uint8Array, middle: Uint8Array): Uint32Array {
  const c = words(SIGMA), k = words(key), m = words(middle);
  return Uint32Array.of(c[0]!, ...k.slice(0, 4), c[1]!, ...m, c[2]!, ...k.slice(4), c[3]!);
}

function sealXsalsa(key: Uint8Array, header: Uint8Array, plain: Uint8Array): Uint8Array {
  const h = salsaRounds(salsaInput(key, header));
  const subkey = unwords(Uint32Array.of(h[0]!, h[5]!, h[10]!, h[15]!, ...h.slice(6, 10)));
  const blocks: Uint8Array[] = [];
  for (let i = 0; i * 64 < plain.length + 32; i++) {
    const input = salsaInput(subkey, join(new Uint8Array(8), unwords(Uint32Array.of(i, 0))));
    blocks.push(unwords(salsaRounds(input).map((v, j) => v + input[j]!)));
  }
  const stream = join(...blocks);
  const sealed = xor(plain, stream.subarray(32));
  return join(sealed, poly1305(stream.slice(0, 32), sealed));
}

function poly1305(key: Uint8Array, message: Uint8Array): Uint8Array {
  const r = little(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  let sum = 0n;
  for (let at = 0; at < message.length; at += 16) {
    const block = message.subarray(at, at + 16);
    sum = ((sum + little(block) + (1n << BigInt(8 * block.length))) * r) % P;
  }
  sum += little(key.subarray(16));
  return Uint8Array.from({ length: 16 }, (_, i) => Number((sum >> BigInt(8 * i)) & 255n));
}

function little(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  return value;
}

function padded(bytes: Uint8Array): Uint8Array {
  return join(bytes, new Uint8Array((16 - bytes.length % 16) % 16));
}

function sealChacha(key: Uint8Array, nonce: Uint8Array, header: Uint8Array, plain: Uint8Array): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let i = 0; i * 64 < plain.length; i++) blocks.push(chachaBlock(key, i + 1, nonce));
  const sealed = xor(plain, join(...blocks));
  const lengths = unwords(Uint32Array.of(header.length, 0, sealed.length, 0));
  const tag = poly1305(chachaBlock(key, 0, nonce).slice(0, 32), join(header, padded(sealed), lengths));
  return join(sealed, tag);
}

// ------------------------------------------------------------------------------------------------- AES-256-GCM

function gfDouble(v: number): number {
  return ((v << 1) ^ (v & 0x80 ? 0x11b : 0)) & 0xff;
}

const SBOX = sbox();

function sbox(): Uint8Array {
  const box = new Uint8Array(256);
  let p = 1, q = 1;
  do {
    p ^= gfDouble(p);
    q ^= q << 1;
    q ^= q << 2;
    q ^= q << 4;
    q &= 0xff;
    if (q & 0x80) q ^= 0x09;
    const turn = (n: number) => ((q << n) | (q >>> (8 - n))) & 0xff;
    box[p] = q ^ turn(1) ^ turn(2) ^ turn(3) ^ turn(4) ^ 0x63;
  } while (p !== 1);
  box[0] = 0x63;
  return box;
}

/** FIPS 197 §5.2 for 256 bits: 15 round keys of 16 bytes. */
function expandKey(key: Uint8Array): Uint8Array {
  const w = join(key, new Uint8Array(240 - 32));
  let rcon = 1;
  for (let i = 8; i < 60; i++) {
    let word = w.slice(4 * (i - 1), 4 * i);
    if (i % 8 === 0) {
      word = Uint8Array.of(word[1]!, word[2]!, word[3]!, word[0]!).map((v) => SBOX[v]!);
      word[0]! ^= rcon;
      rcon = gfDouble(rcon);
    } else if (i % 8 === 4) word = word.map((v) => SBOX[v]!);
    w.set(xor(word, w.subarray(4 * (i - 8))), 4 * i);
  }
  return w;
}

function aes(keys: Uint8Array, block: Uint8Array): Uint8Array {
  let s = xor(block, keys);
  for (let round = 1; round <= 14; round++) {
    const t = s.map((_, i) => SBOX[s[(i + 4 * (i % 4)) % 16]!]!); // SubBytes, ShiftRows
    s = t.slice();
    if (round < 14) {
      for (let c = 0; c < 16; c += 4) {
        const all = t[c]! ^ t[c + 1]! ^ t[c + 2]! ^ t[c + 3]!;
        for (let r = 0; r < 4; r++) s[c + r] = t[c + r]! ^ all ^ gfDouble(t[c + r]! ^ t[c + (r + 1) % 4]!);
      }
    }
    s = xor(s, keys.subarray(16 * round));
  }
  return s;
}

/** SP 800-38D §6.3: bit 0 is the most significant. */
function gmul(x: bigint, y: bigint): bigint {
  let z = 0n, v = y;
  for (let i = 127n; i >= 0n; i--) {
    if ((x >> i) & 1n) z ^= v;
    v = v & 1n ? (v >> 1n) ^ (0xe1n << 120n) : v >> 1n;
  }
  return z;
}

function big(bytes: Uint8Array): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function sealGcm(key: Uint8Array, nonce: Uint8Array, header: Uint8Array, plain: Uint8Array): Uint8Array {
  const keys = expandKey(key);
  const counter = (i: number) => join(nonce, Uint8Array.of(i >>> 24, i >>> 16, i >>> 8, i));
  const blocks: Uint8Array[] = [];
  for (let i = 0; i * 16 < plain.length; i++) blocks.push(aes(keys, counter(i + 2)));
  const sealed = xor(plain, join(...blocks));
  const h = big(aes(keys, new Uint8Array(16)));
  const bits = (n: number) => Uint8Array.of(0, 0, 0, 0, n >>> 24, n >>> 16, n >>> 8, n);
  const hashed = join(padded(header), padded(sealed), bits(8 * header.length), bits(8 * sealed.length));
  let y = 0n;
  for (let at = 0; at < hashed.length; at += 16) y = gmul(y ^ big(hashed.subarray(at, at + 16)), h);
  const hash = Uint8Array.from({ length: 16 }, (_, i) => Number((y >> BigInt(120 - 8 * i)) & 255n));
  return join(sealed, xor(hash, aes(keys, counter(1))));
}
