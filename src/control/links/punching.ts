/**
 * When to call a node that is behind NAT, as we are, and has not answered.
 *
 * Each side's first datagram opens its own router for the answers of the other: that is all there is to it where both
 * routers drop unsolicited packets. A router that takes such a datagram for itself (a VM or container host without a
 * firewall) remembers it in its connection tracking, and the tuple is then not free for its own host: what that host
 * sends comes out of another port, which the other side's router does not let in. Every further try keeps both entries
 * alive, so that two hosts which begin in the wrong order never meet. The entries end after 30 s without a datagram
 * (nf_conntrack_udp_timeout). So, after a few tries in a row, both sides are silent for longer than that and begin again
 * in an order that both know: the host behind the router that accepts has to be first, and since nobody knows which that
 * is, the two take turns, the smaller id first. One round, in seconds:
 *
 *   first of the round   0 opens                12 calls … 15.5      silent       50 next round
 *   second of the round             6 opens     12 calls … 15.5      silent       50 next round
 *
 * Their clocks agree because both hear of one another within a second, by gossip, and begin to call then. Should they
 * not (one has started again), later rounds are of random length, until an order fits. Where both routers accept and
 * nothing lies between them, no order does: then a port has to be forwarded.
 */

import type { Random } from "../../ports/time.ts";

/** Tries that follow one another as to any host, the last one 8 s after the first. */
const TRIES_AT_ONCE = 5;
/** The same where it has answered before: what was in the way may be gone any moment, and no order is wrong. */
const TRIES_AGAIN = 20;
/** Conntrack's 30 s, and what the clocks of both may differ. */
const SILENCE_MS = 34_000;
const ROUND_MS = 50_000;
/** So many rounds are as long as said; each later one up to LONGER_MS longer. */
const EVEN_ROUNDS = 4;
const LONGER_MS = 20_000;
const CALLS_MS = [12_000, 12_500, 13_500, 15_500];
const FIRST_MS = [0, 500, ...CALLS_MS];
const SECOND_MS = [6000, 6500, ...CALLS_MS];

/** Where a target is in its rounds. */
export interface Punching {
  round: number;
  /** Of the next try within the round. */
  step: number;
  /** When the round began, or will. */
  startsAt: number;
}

/** What is known of a target when it has been tried once more. */
export interface Tried {
  /** Since the last answer. */
  readonly tries: number;
  /** It has answered before. */
  readonly answered: boolean;
  /** Whether our id is the smaller one. */
  readonly smaller: boolean;
}

/**
 * When the next try is due after the one just made; null: as to any host. `state` is null before the first round.
 */
export function nextPunch(
  state: Punching | null,
  { tries, answered, smaller }: Tried,
  random: Random,
  now: number,
): { readonly state: Punching; readonly at: number } | null {
  if (tries < (answered ? TRIES_AGAIN : TRIES_AT_ONCE)) return null;
  if (state === null) return placed({ round: 0, step: 0, startsAt: now + SILENCE_MS }, smaller);
  const last = state.step + 1 === FIRST_MS.length;
  if (!last) return placed({ ...state, step: state.step + 1 }, smaller);
  const round = state.round + 1;
  const longer = round < EVEN_ROUNDS ? 0 : random.below(LONGER_MS);
  // Not from when it was due: a host that was suspended would catch up on all the rounds that it missed.
  const startsAt = Math.max(state.startsAt + ROUND_MS, now + SILENCE_MS) + longer;
  return placed({ round, step: 0, startsAt }, smaller);
}

function placed(state: Punching, smaller: boolean): { readonly state: Punching; readonly at: number } {
  const first = smaller === (state.round % 2 === 0);
  return { state, at: state.startsAt + (first ? FIRST_MS : SECOND_MS)[state.step]! };
}
