/**
 * One way to a peer: what is known of it, and what an answer to a probe changes. When it is asked is decided in ways.ts.
 */

import { type Address, isIpv4 } from "../../wire/address.ts";
import { deviceAddress, type Prefix, probeAddress } from "../../wire/prefix.ts";
import { PROBE_READY } from "../../wire/datagram.ts";
import type { PathMtuSearch } from "./path_mtu_search.ts";

/** `direct` carries the peer's IPv4 subnet, `direct6` its IPv6 subnet. */
export type DirectKind = "direct" | "direct6";
export type WayKind = "own" | "vxlan" | DirectKind;

/** Where the holder of a subnet is asked by a direct route; null: nowhere. */
export function askedAt(subnet: Prefix): Address | null {
  return isIpv4(subnet.address) ? deviceAddress(subnet) : probeAddress(subnet);
}

export function isDirect(kind: WayKind): kind is DirectKind {
  return kind === "direct" || kind === "direct6";
}

/** A value for each way; absent for `direct6`, as null: there is no such way. */
export type OfWays<T> = Readonly<
  Record<Exclude<WayKind, "direct6">, T | null> & { readonly direct6?: T | null }
>;

/** Outer packet sizes that our own link takes on each way to a peer, bytes; null: there is no such way. */
export type WayLimits = OfWays<number>;

/** The ways to one peer, and the version of IP that its endpoint has. */
export interface PeerWays {
  readonly limits: WayLimits;
  readonly family: 4 | 6;
  /** The next hop of the direct route for IPv4; null: there is none. */
  readonly gateway: string | null;
  /** The same for IPv6. */
  readonly gateway6?: string;
}

/** What is known of a way. `unknown`: it was not asked long enough to say. */
export interface WayView {
  readonly state: "unknown" | "answered" | "silent";
  /** When a probe was answered last; null: never. */
  readonly answeredAt: number | null;
  /** `direct`: the peer has had an answer, too. */
  readonly peerReady: boolean;
  /** What passes, an outer packet, where that is less than our own link takes; else null. */
  readonly mtu: number | null;
}

/** The state of one way. */
export interface Way {
  /** Node id of the peer. */
  readonly id: string;
  readonly kind: WayKind;
  readonly search: PathMtuSearch;
  answeredAt: number | null;
  unanswered: number;
  peerReady: boolean;
  nextAt: number;
  askedAt: number;
  /** When it was new. */
  since: number;
  /** `direct`: when a packet of full size is sent next. */
  checkAt: number;
}

/** Unanswered in a row, a way is silent: after so many that had answered, and after so many that never had. */
const LOST = 3;
const NEVER = 4;
/** How long after an answer the next question is not yet due, and how long one that answers is left alone. */
export const FIRST_MS = 300;
export const KEEP_MS = 10_000;
/** How long a direct route that answers waits for the peer's word before it counts as one-sided. */
const BOTH_MS = 3000;

export function newWay(way: Pick<Way, "id" | "kind" | "search">, now: number): Way {
  return {
    ...way,
    answeredAt: null,
    unanswered: 0,
    peerReady: false,
    nextAt: now,
    askedAt: -Infinity,
    since: now,
    checkAt: now,
  };
}

/** Whether it counts no more: too many probes in a row came back from nowhere. */
export function isSilent(way: Way): boolean {
  return way.unanswered > (way.answeredAt === null ? NEVER : LOST);
}

/** What others are told of it. */
export function viewOf(way: Way, now: number): WayView {
  const { answeredAt, peerReady, search } = way;
  const mtu = search.lowered ? search.mtu : null;
  if (isSilent(way)) return { state: "silent", answeredAt, peerReady: false, mtu };
  // Both sides ask at about the same time; the other's answer is a moment away.
  const oneSided = isDirect(way.kind) && !peerReady && now - way.since < BOTH_MS;
  return { state: answeredAt === null || oneSided ? "unknown" : "answered", answeredAt, peerReady, mtu };
}

/** A probe came back. True when that changes what counts. */
export function noteAnswer(way: Way, flags: number, now: number): boolean {
  const before = way.answeredAt === null || isSilent(way);
  const readyBefore = way.peerReady;
  way.unanswered = 0;
  if (isDirect(way.kind)) way.peerReady = (flags & PROBE_READY) !== 0;
  if (before && way.answeredAt !== null) way.search.check(now); // it may be another way by now
  way.answeredAt = now;
  if (before) way.nextAt = isDirect(way.kind) ? now : now + KEEP_MS; // the peer is to hear that we had an answer
  else way.nextAt = Math.max(way.nextAt, now + FIRST_MS);
  return before || way.peerReady !== readyBefore;
}
