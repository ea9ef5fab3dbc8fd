/**
 * The MACs of handshake datagrams (wire/handshake.ts says where they lie): HMAC-SHA256 cut to 16 bytes, under the
 * network's MAC key; the cookie MAC under the cookie that the receiver handed out; and the mask under which a cookie
 * travels, so that a listener does not learn it. Both planes use this, each with its own Hmac.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Hmac } from "../ports/aead.ts";
import {
  cookieMacAt,
  MAC_LEN,
  macAt,
  REPLY_COOKIE_AT,
  REPLY_ECHO_AT,
  REPLY_LEN,
  REPLY_MAC_AT,
  REPLY_NONCE_AT,
} from "../wire/handshake.ts";

const MASK_FROM = REPLY_NONCE_AT;
const MASK_LEN = REPLY_COOKIE_AT - REPLY_NONCE_AT;

/** Writes the MAC of a handshake, and the cookie MAC under `cookie` (null: zeroes). */
export function stampHandshake(hmac: Hmac, key: Uint8Array, b: Uint8Array, cookie: Uint8Array | null): void {
  const mac = macOf(hmac, key, b, 0, macAt(b.length));
  b.set(mac, macAt(b.length));
  const second = cookie === null ? new Uint8Array(MAC_LEN) : macOf(hmac, cookie, b, 0, cookieMacAt(b.length));
  b.set(second, cookieMacAt(b.length));
}

/** Whether the handshake at `at` to `end` bears a MAC of this key. */
export function checkHandshake(hmac: Hmac, key: Uint8Array, b: Uint8Array, at: number, end: number): boolean {
  return checkMac(hmac, key, b, at, macAt(end));
}

/** Whether it bears a cookie MAC of this cookie. */
export function checkCookie(hmac: Hmac, cookie: Uint8Array, b: Uint8Array, at: number, end: number): boolean {
  return checkMac(hmac, cookie, b, at, cookieMacAt(end));
}

/** The MAC that a handshake bears, 16 bytes: what a reply to it echoes. */
export function borneMac(b: Uint8Array, end: number): Uint8Array {
  return b.slice(macAt(end), macAt(end) + MAC_LEN);
}

/** Masks the cookie of the reply at `at` (or unmasks it: the same), by its nonce and the MAC that it echoes. */
export function maskCookie(hmac: Hmac, key: Uint8Array, b: Uint8Array, at: number): void {
  const mask = new Uint8Array(new ArrayBuffer(2 * MAC_LEN));
  hmac.digest(key, b, at + MASK_FROM, MASK_LEN, mask);
  // The first half of this HMAC is never shown; the MAC of the reply covers other bytes.
  for (let i = 0; i < MAC_LEN; i++) b[at + REPLY_COOKIE_AT + i]! ^= mask[MAC_LEN + i]!;
}

/** Writes the MAC of a reply. */
export function stampReply(hmac: Hmac, key: Uint8Array, b: Uint8Array, at: number): void {
  b.set(macOf(hmac, key, b, at, at + REPLY_MAC_AT), at + REPLY_MAC_AT);
}

/** Whether the reply at `at` bears a MAC of this key. */
export function checkReply(hmac: Hmac, key: Uint8Array, b: Uint8Array, at: number): boolean {
  return checkMac(hmac, key, b, at, at + REPLY_MAC_AT);
}

/** The cookie in a reply to the message that bore `mac`; null when it answers another or bears no MAC of this key. */
export function openCookie(
  hmac: Hmac,
  key: Uint8Array,
  reply: Uint8Array,
  mac: Uint8Array,
): Uint8Array | null {
  if (reply.length !== REPLY_LEN || !checkReply(hmac, key, reply, 0)) return null;
  if (!timingSafeEqual(reply.subarray(REPLY_ECHO_AT, REPLY_ECHO_AT + MAC_LEN), mac)) return null;
  const b = reply.slice();
  maskCookie(hmac, key, b, 0);
  return b.slice(REPLY_COOKIE_AT, REPLY_COOKIE_AT + MAC_LEN);
}

function macOf(hmac: Hmac, key: Uint8Array, b: Uint8Array, at: number, end: number): Uint8Array {
  const mac = new Uint8Array(new ArrayBuffer(MAC_LEN));
  hmac.digest(key, b, at, end - at, mac);
  return mac;
}

// The MAC lies right behind what it covers.
function checkMac(hmac: Hmac, key: Uint8Array, b: Uint8Array, at: number, end: number): boolean {
  return timingSafeEqual(macOf(hmac, key, b, at, end), b.subarray(end, end + MAC_LEN));
}

// ----------------------------------------------------------------------------------------------------
// HMAC-SHA256 by node:crypto: what the control thread uses, and the Worker where there is no libcrypto.

export const nodeHmac: Hmac = {
  by: "node:crypto",
  digest: (key, b, at, length, out) => {
    const mac = createHmac("sha256", key).update(b.subarray(at, at + length)).digest();
    out.set(mac.subarray(0, out.length));
  },
};
