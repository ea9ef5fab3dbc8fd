/**
 * The handshake (0x01) and what answers one without a session (0x02: a cookie, a refusal). What the MACs are computed
 * with is crypto's business; here is where they lie. In every version the first 12 bytes and the MACs at the end keep
 * their place, so that two versions can refuse one another by name. Decoders return null; the caller owns every buffer.
 *
 *   0x01 | type 1 | version 1 | message 1 | reserved 1 | sender index 4 | receiver index 4 | noise length 2 | key id 2 |
 *        | noise message | padding | MAC 16 | cookie MAC 16 |
 *   0x02 | type 1 | version 1 | kind 1 | reason 1 | receiver index 4 | nonce 8 | echoed MAC 16 | masked cookie 16 | MAC 16 |
 *
 * The MAC covers everything before it; the cookie MAC covers everything before itself. No answer is longer than its
 * question: first messages are padded for that. What lies in the Noise messages is below.
 */
import { fromHex, putU16, putU32, u16, u32 } from "./bytes.ts";
import { TYPE_COOKIE, TYPE_HANDSHAKE } from "./datagram.ts";
import { packMap, unpackMap } from "./msgpack.ts";
import { endpointOf, fewBytesOf, hexOf, isVersion, isWhole } from "./untrusted.ts";

export const HANDSHAKE_VERSION = 1;
export const HANDSHAKE_LEN = 16;
export const MAC_LEN = 16;
/** Both MACs at the end. */
export const MACS_LEN = 2 * MAC_LEN;
/** Longest handshake datagram: fits in the smallest IPv6 packet (RFC 8200 §5) with its IP and UDP headers. */
export const HANDSHAKE_MAX_LEN = 1232;
export const REPLY_LEN = 64;
/** A first message of XXpsk3 is as long as the longest answer. */
export const XX1_LEN = HANDSHAKE_MAX_LEN;
const SHORTEST = HANDSHAKE_LEN + MACS_LEN;

/** Which message of which pattern; append-only. */
export const XX1 = 1;
export const XX2 = 2;
export const XX3 = 3;
export const IK1 = 4;
export const IK2 = 5;

/** Kinds of 0x02; append-only. */
export const REPLY_COOKIE = 0;
export const REPLY_REFUSAL = 1;

const VERSION_AT = 1;
const MESSAGE_AT = 2;
const RESERVED_AT = 3;
const SENDER_AT = 4;
const RECEIVER_AT = 8;
const NOISE_LENGTH_AT = 12;
const KEY_ID_AT = 14;

const REPLY_REASON_AT = 3;
const REPLY_RECEIVER_AT = 4;
export const REPLY_NONCE_AT = 8;
export const REPLY_NONCE_LEN = 8;
export const REPLY_ECHO_AT = 16;
export const REPLY_COOKIE_AT = 32;
export const REPLY_MAC_AT = 48;

/** A decoded handshake message; `noise` is a copy. */
export interface Handshake {
  /** XX1, XX2, XX3, IK1 or IK2. */
  readonly message: number;
  /** The index by which the sender wants to be answered, u32. */
  readonly sender: number;
  /** The receiver's index, u32; 0 in first messages. */
  readonly receiver: number;
  /** Which generation of the network's keys the MAC and the psk are of, u16. */
  readonly keyId: number;
  readonly noise: Uint8Array;
}

/** Whether a message begins a handshake. */
function isInitiation(message: number): boolean {
  return message === XX1 || message === IK1;
}

/**
 * A handshake datagram with both MACs still zero. XX1 is padded to XX1_LEN; RangeError when the message fits in no
 * datagram.
 */
export function encodeHandshake(h: Handshake): Uint8Array<ArrayBuffer> {
  const least = SHORTEST + h.noise.length;
  const length = h.message === XX1 ? Math.max(XX1_LEN, least) : least;
  if (length > HANDSHAKE_MAX_LEN) throw new RangeError(`A handshake message of ${length} bytes is too long`);
  const b = new Uint8Array(length);
  b[0] = TYPE_HANDSHAKE;
  b[VERSION_AT] = HANDSHAKE_VERSION;
  b[MESSAGE_AT] = h.message;
  b[RESERVED_AT] = 0;
  putU32(b, SENDER_AT, h.sender);
  putU32(b, RECEIVER_AT, h.receiver);
  putU16(b, NOISE_LENGTH_AT, h.noise.length);
  putU16(b, KEY_ID_AT, h.keyId);
  b.set(h.noise, HANDSHAKE_LEN);
  return b;
}

/** Null when it is cut short, padded too little, of another type or version, or of an unknown message. */
export function decodeHandshake(b: Uint8Array): Handshake | null {
  if (!isHandshake(b, 0, b.length) || b[VERSION_AT] !== HANDSHAKE_VERSION) return null;
  const message = b[MESSAGE_AT]!;
  const end = HANDSHAKE_LEN + u16(b, NOISE_LENGTH_AT);
  if (message < XX1 || message > IK2 || end > b.length - MACS_LEN) return null;
  if (message === XX1 ? b.length < XX1_LEN : end + MACS_LEN < REPLY_LEN) return null;
  if (isInitiation(message) && u32(b, RECEIVER_AT) !== 0) return null;
  return {
    message,
    sender: u32(b, SENDER_AT),
    receiver: u32(b, RECEIVER_AT),
    keyId: u16(b, KEY_ID_AT),
    noise: b.slice(HANDSHAKE_LEN, end),
  };
}

/**
 * Whether a datagram has the length and type of a handshake, of whatever version: no Noise message makes one as short as
 * a reply, so no reply is longer than what it answers.
 */
export function isHandshake(b: Uint8Array, at: number, end: number): boolean {
  return end - at >= REPLY_LEN && end - at <= HANDSHAKE_MAX_LEN && b[at] === TYPE_HANDSHAKE;
}

/** Whether a datagram has the length and type of a reply, of whatever version. */
export function isReply(b: Uint8Array, at: number, end: number): boolean {
  return end - at === REPLY_LEN && b[at] === TYPE_COOKIE;
}

/** Version of a handshake or a reply. */
export function handshakeVersion(b: Uint8Array, at: number): number {
  return b[at + VERSION_AT]!;
}

/** The message number, of whatever version. */
export function handshakeMessage(b: Uint8Array, at: number): number {
  return b[at + MESSAGE_AT]!;
}

/** The sender's index, of whatever version. */
export function handshakeSender(b: Uint8Array, at: number): number {
  return u32(b, at + SENDER_AT);
}

/** The receiver's index, of whatever version. */
export function handshakeReceiver(b: Uint8Array, at: number): number {
  return u32(b, at + RECEIVER_AT);
}

/** The generation of keys that the sender used, u16. */
export function handshakeKeyId(b: Uint8Array, at: number): number {
  return u16(b, at + KEY_ID_AT);
}

/** Where the first MAC begins, in a handshake that ends at `end`. */
export function macAt(end: number): number {
  return end - MACS_LEN;
}

/** Where the cookie MAC begins. */
export function cookieMacAt(end: number): number {
  return end - MAC_LEN;
}

/** A decoded reply. */
export interface Reply {
  /** REPLY_COOKIE or REPLY_REFUSAL. */
  readonly kind: number;
  /** Of a refusal: a REFUSE_ number of hello.ts. */
  readonly reason: number;
  /** The sender index of the message that it answers. */
  readonly receiver: number;
  /** The MAC of the message that it answers. */
  readonly echoedMac: Uint8Array;
}

/** Writes a reply at `at` but for its MAC; the masked cookie is `cookie`, or zeroes. Returns REPLY_LEN. */
export function encodeReply(
  b: Uint8Array,
  at: number,
  reply: Reply,
  nonce: Uint8Array,
  cookie: Uint8Array | null,
): number {
  b[at] = TYPE_COOKIE;
  b[at + VERSION_AT] = HANDSHAKE_VERSION;
  b[at + MESSAGE_AT] = reply.kind;
  b[at + REPLY_REASON_AT] = reply.reason;
  putU32(b, at + REPLY_RECEIVER_AT, reply.receiver);
  b.set(nonce, at + REPLY_NONCE_AT);
  b.set(reply.echoedMac, at + REPLY_ECHO_AT);
  b.fill(0, at + REPLY_COOKIE_AT, at + REPLY_LEN);
  if (cookie !== null) b.set(cookie, at + REPLY_COOKIE_AT);
  return REPLY_LEN;
}

/** Null when it is no reply, or of an unknown kind. A refusal may come from another version. */
export function decodeReply(b: Uint8Array): Reply | null {
  if (!isReply(b, 0, b.length)) return null;
  const kind = b[MESSAGE_AT]!;
  if (kind !== REPLY_COOKIE && kind !== REPLY_REFUSAL) return null;
  if (kind === REPLY_COOKIE && b[VERSION_AT] !== HANDSHAKE_VERSION) return null;
  return {
    kind,
    reason: b[REPLY_REASON_AT]!,
    receiver: u32(b, REPLY_RECEIVER_AT),
    echoedMac: b.slice(REPLY_ECHO_AT, REPLY_ECHO_AT + MAC_LEN),
  };
}

// ----------------------------------------------------------------------------------------------------
// What the two sides of a handshake tell each other inside the Noise messages: one MessagePack map, so that later
// versions can add keys (unknown ones are ignored). All of it is under the handshake hash.
// i  the sender's receiver index, as in the header in the clear
// o  where the sender sees the receiver, "192.168.1.10:8473"; nil when it cannot say
// u  AEAD suites it can do: [number, megabits a second], ≤ 8
// c  counter of initiations, < 2^48
// f  flags: 1 = a member of a mesh
// r  the sender's signed record; nil where the other side has it
// b  in IK2, which has no record: the sender's boot nonce, 8 bytes; absent elsewhere

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
