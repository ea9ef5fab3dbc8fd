/**
 * What the two sides of a handshake tell each other inside the Noise messages: one MessagePack map, so that later
 * versions can add keys (unknown ones are ignored). All of it is under the handshake hash.
 *
 *   i  the sender's receiver index, as in the header in the clear
 *   o  where the sender sees the receiver, "192.168.1.10:8473"; nil when it cannot say
 *   u  AEAD suites it can do: [number, megabits a second], ≤ 8
 *   c  counter of initiations, < 2^48
 *   f  flags: 1 = a member of a mesh
 *   r  the sender's signed record; nil where the other side has it
 *   b  in IK2, which has no record: the sender's boot nonce, 8 bytes; absent elsewhere
 */

import { fromHex } from "./bytes.ts";
import { packMap, unpackMap } from "./msgpack.ts";
import { endpointOf, fewBytesOf, hexOf, isVersion, isWhole } from "./untrusted.ts";

/** AEAD suites by their number on the wire, append-only. */
export const SUITE_NAMES = ["aes-256-gcm", "chacha20-poly1305", "xsalsa20-poly1305"] as const;
export type SuiteName = (typeof SUITE_NAMES)[number];

/** A suite and how fast it is on this host. */
export interface SuiteOffer {
  readonly suite: SuiteName;
  /** Megabits a second, a whole number. */
  readonly mbps: number;
}

export interface HandshakeOffer {
  readonly index: number;
  readonly seen: string | null;
  readonly suites: readonly SuiteOffer[];
  readonly counter: number;
  readonly member: boolean;
  readonly record: Uint8Array | null;
  /** The sender's boot nonce, 16 hexadecimal digits; in IK2 alone, where no record says it. */
  readonly life: string | null;
}

const SUITES_MAX = 8;
const RECORD_MAX = 960;
const LIFE_LEN = 8;
const FLAG_MEMBER = 1;

export function encodeOffer(offer: HandshakeOffer): Uint8Array {
  return packMap({
    i: offer.index,
    o: offer.seen,
    u: offer.suites.map(({ suite, mbps }) => [SUITE_NAMES.indexOf(suite), mbps]),
    c: offer.counter,
    f: offer.member ? FLAG_MEMBER : 0,
    r: offer.record,
    ...(offer.life === null ? {} : { b: fromHex(offer.life) }),
  });
}

/** Null when anything but an unknown key or an unknown suite is malformed; never throws. */
export function decodeOffer(b: Uint8Array): HandshakeOffer | null {
  const f = unpackMap(b);
  if (f === null) return null;
  const { i: index, o, u, c: counter, f: flags, r, b: boot } = f;
  if (!isWhole(index, 2 ** 32) || index === 0 || !isVersion(counter) || !isWhole(flags, 2 ** 32)) return null;
  const suites = suitesOf(u);
  const seen = endpointOf(o), record = fewBytesOf(r, RECORD_MAX), life = hexOf(boot, LIFE_LEN);
  if (suites === null || (seen === null && o !== null) || (record === null && r !== null)) return null;
  if (life === null && boot !== undefined) return null;
  return { index, seen, suites, counter, member: (flags & FLAG_MEMBER) !== 0, record, life };
}

/**
 * The suite that both can do and that is the fastest for the slower side; equals go to the greater sum, then to the
 * smaller number. Symmetric: both sides come to the same. Null when they share none.
 */
export function chooseSuite(ours: readonly SuiteOffer[], theirs: readonly SuiteOffer[]): SuiteName | null {
  let best: { suite: SuiteName; least: number; sum: number } | null = null;
  for (const suite of SUITE_NAMES) {
    const a = ours.find((offer) => offer.suite === suite)?.mbps;
    const b = theirs.find((offer) => offer.suite === suite)?.mbps;
    if (a === undefined || b === undefined) continue;
    const [least, sum] = [Math.min(a, b), a + b];
    if (best === null || least > best.least || (least === best.least && sum > best.sum)) {
      best = { suite, least, sum };
    }
  }
  return best?.suite ?? null;
}

// A suite of a later version is left out; the first of two with one number counts.
function suitesOf(value: unknown): SuiteOffer[] | null {
  if (!Array.isArray(value) || value.length > SUITES_MAX) return null;
  const list: SuiteOffer[] = [];
  for (const item of value as unknown[]) {
    if (!Array.isArray(item) || !isWhole(item[0], 256) || !isWhole(item[1], 2 ** 32)) return null;
    const suite = SUITE_NAMES[item[0]];
    if (suite === undefined || list.some((known) => known.suite === suite)) continue;
    list.push({ suite, mbps: item[1] });
  }
  return list;
}
