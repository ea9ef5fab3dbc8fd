/**
 * Which suites this host has, who computes each best, and how fast: measured at start, a few milliseconds each, and
 * what two hosts then agree on. An implementation is trusted only after it has sealed a known packet to known bytes
 * and refused a forged one; a libcrypto that does not is as good as none.
 */

import type { AeadMaker, AeadProvider, CipherSuite, MeasuredSuite } from "../ports/aead.ts";
import type { Clock } from "../ports/time.ts";
import { equalBytes, fromHex } from "../wire/bytes.ts";
import { DATA_LEN } from "../wire/data_header.ts";
import { AEAD_TAG_LEN } from "../wire/overhead.ts";

export type { AeadKey, AeadMaker, AeadProvider, CipherSuite, MeasuredSuite } from "../ports/aead.ts";

const KEY_LEN = 32;
/** A full packet of an Ethernet underlay. */
const PACKET_LEN = 1400;
const PASSES = 3;
const MEASURE_MS = 1.5;
/** Packets between two looks at the clock: at first, for who is so slow that it shows, and at last, some 40 µs. */
const FIRST_ROUND = 4;
const ROUND = 64;

/**
 * The packet of KNOWN: bytes 0 to 31 as the key, 0x10 to 0x1f as the header, 0x20 to 0x32 as the plaintext; then the
 * ciphertext and the tag.
 */
const KNOWN: Readonly<Record<CipherSuite, string>> = {
  "aes-256-gcm": "f8b76162df6b79486032ace13276496e9d26c0adea020392cfa3ae573c08c46cb1ba2d",
  "chacha20-poly1305": "7f4e1239903f1d65205f5d28927247bc04ac752085465af5f3c19699bcf4a4f91c15e6",
  "xsalsa20-poly1305": "de1d4cf7b163373d790b119cec2d51a11de2dba595e349acc054dc5950b9c9eac66c5e",
};
const KNOWN_LEN = 19;

/**
 * Measures every suite of every maker with `clock` and keeps the fastest maker of each, the fastest suite first.
 * About 5 ms for each pair of the two.
 */
export function measureSuites(makers: readonly AeadMaker[], clock: Clock): MeasuredSuite[] {
  /** BOUNDED: one per suite. */
  const best = new Map<CipherSuite, MeasuredSuite>();
  const pairs = makers.flatMap((maker) => maker.suites.map((suite) => ({ maker, suite })));
  const working = pairs.filter(({ maker, suite }) => works(maker, suite));
  // In turn: the first would be measured before the runtime has compiled what all of them use.
  for (let pass = 0; pass < PASSES; pass++) {
    for (const { maker, suite } of working) {
      const measured = { suite, by: maker.by, mbps: measure(maker, suite, clock) };
      if (measured.mbps > (best.get(suite)?.mbps ?? -1)) best.set(suite, measured);
    }
  }
  return [...best.values()].sort((a, b) => b.mbps - a.mbps);
}

/** The suites that were measured, each by its best maker. Another thread may have measured them. */
export function aeadProvider(makers: readonly AeadMaker[], suites: readonly MeasuredSuite[]): AeadProvider {
  return {
    suites: () => suites,
    key: (suite, key, memory) => {
      const by = suites.find((measured) => measured.suite === suite)?.by;
      const maker = makers.find((candidate) => candidate.by === by);
      if (maker === undefined) throw new TypeError(`This host has no ${suite}`);
      return maker.key(suite, key, memory);
    },
  };
}

/**
 * Whether the maker seals the known packet correctly, opens it, and refuses it forged. One that throws does
 * not: a libcrypto of a host with strict policies (FIPS) has ChaCha20-Poly1305 by name and gives no key.
 */
export function works(maker: AeadMaker, suite: CipherSuite): boolean {
  try {
    return sealsTheKnown(maker, suite);
  } catch {
    return false; // the suites that are left say it
  }
}

function sealsTheKnown(maker: AeadMaker, suite: CipherSuite): boolean {
  const memory = new Uint8Array(new ArrayBuffer(1024));
  const key = maker.key(suite, Uint8Array.from({ length: KEY_LEN }, (_, i) => i), memory);
  const expected = fromHex(KNOWN[suite])!;
  const at = DATA_LEN;
  for (let i = 0; i < DATA_LEN + KNOWN_LEN; i++) memory[i] = DATA_LEN + i;
  const plain = memory.slice(at, at + KNOWN_LEN);
  key.seal(memory, 0, at, KNOWN_LEN, at);
  const sealed = equalBytes(memory.subarray(at, at + expected.length), expected);
  const opened = key.open(memory, 0, at, expected.length) === KNOWN_LEN &&
    equalBytes(memory.subarray(at, at + KNOWN_LEN), plain);
  memory.set(expected, at);
  memory[at + KNOWN_LEN]! ^= 1;
  const refused = key.open(memory, 0, at, expected.length) === -1;
  key.wipe();
  return sealed && opened && refused;
}

/** Megabits a second that the maker seals, by its quickest round: at a start, other programs take the processor, too. */
function measure(maker: AeadMaker, suite: CipherSuite, clock: Clock): number {
  const memory = new Uint8Array(new ArrayBuffer(4096));
  const key = maker.key(suite, new Uint8Array(KEY_LEN), memory);
  const end = clock.now() + MEASURE_MS;
  /** Milliseconds a packet. */
  let quickest = Infinity;
  let round = FIRST_ROUND;
  do {
    const began = clock.now();
    // The counter stands: the key is thrown away.
    for (let i = 0; i < round; i++) key.seal(memory, 0, DATA_LEN, PACKET_LEN, DATA_LEN);
    const took = clock.now() - began;
    if (took > 0) quickest = Math.min(quickest, took / round);
    round = Math.min(ROUND, 2 * round);
  } while (clock.now() < end);
  key.wipe();
  return Math.round(((PACKET_LEN + AEAD_TAG_LEN) * 8) / (quickest * 1000));
}
