/**
 * One round of a synchronisation (sync.ts) as the asker keeps it: what was asked and has not been answered, what differs and
 * is to be asked for, what the peer has and we lack. How these follow from an answer, and what is asked for again; when a
 * round begins, and how many there are, is decided by sync.ts.
 */

import {
  DIGEST_ENTRIES_MAX,
  type GossipBody,
  SPANS_MAX,
  TABLE_DIRECTIVES,
  TABLE_RECORDS,
  TREE_FANOUT,
  TREE_HASH_LEN,
  WANT_MAX,
} from "../../wire/gossip_body.ts";
import { encodeSpans, EVERYTHING, type Span, type Wanted } from "./digest.ts";
import type { HashTree } from "./hash_tree.ts";

export type Body<K extends GossipBody["kind"]> = GossipBody & { readonly kind: K };

const ROUND_AGAIN_MS = 400;
/**
 * Half as long again each time that nothing came of it: who is asked may be slow, and its answer is good for the round that it
 * is of. No more than that, for it may as well have been lost.
 */
const ROUND_AGAIN_GROWTH = 1.5;
const ROUND_AGAIN_MAX_MS = 12_800;
/** An answer that has not come by then is asked for again, … */
export const ASK_AGAIN_MS = 400;
/** … so often; then the round is over. */
export const TRIES = 6;
/** A group of so few is listed at once. */
const LIST_MAX = 24;
export const REQUESTS_MAX = 8;
/** Records and directives that are under way to us. */
export const WANTED_MAX = 128;
/** Messages that are under way to us because we asked: each record may come in one of its own. */
const ANSWERS_MAX = WANTED_MAX + REQUESTS_MAX;
const ALL_ANSWERED = (1 << TABLE_RECORDS) | (1 << TABLE_DIRECTIVES);

type Question =
  | { readonly kind: "expand"; readonly table: number; readonly group: number }
  | {
    readonly kind: "list";
    readonly table: number;
    readonly spans: readonly Span[];
    readonly after: string | null;
  };

interface Asked {
  readonly question: Question;
  at: number;
  tries: number;
}

export interface Missing extends Wanted {
  askedAt: number;
  tries: number;
}

export interface Round {
  readonly number: number;
  readonly startedAt: number;
  /** When something last came of it. */
  heardAt: number;
  /** As long as nothing has come of it, no other begins before. */
  readonly againMs: number;
  /** Bit n: what differs in table n is known. */
  answered: number;
  pushed: number;
  /** So many messages may yet come that were asked for. */
  credit: number;
  /** BOUNDED: one per group and per leaf of each table, at most */
  readonly queue: Question[];
  /** BOUNDED: ≤ REQUESTS_MAX, by number */
  readonly asked: Map<number, Asked>;
  /** By prefix, for each table. BOUNDED: ≤ MISSING_MAX and what is listed meanwhile */
  readonly missing: readonly Map<string, Missing>[];
  /** Those of them that were not asked for yet. BOUNDED: as `missing` */
  readonly unasked: readonly Set<string>[];
}

/** A round that begins; `last`: the one before it with this peer. */
export function newRound(number: number, last: Round | undefined, now: number): Round {
  return {
    number,
    startedAt: now,
    heardAt: now,
    againMs: againMs(last),
    answered: 0,
    pushed: 0,
    credit: ANSWERS_MAX,
    queue: [],
    asked: new Map(),
    missing: [new Map(), new Map()],
    unasked: [new Set(), new Set()],
  };
}

/** Whether this was asked for, which it is no more then: the top answers the sync, once. */
export function takeExpected(round: Round, { table, at }: Body<"tree">): boolean {
  if (at === 0) {
    if ((round.answered & (1 << table)) !== 0) return false;
    round.answered |= 1 << table;
    return true;
  }
  for (const [number, { question }] of round.asked) {
    if (question.kind !== "expand" || question.table !== table || question.group !== at - 1) continue;
    return round.asked.delete(number);
  }
  return false;
}

/** All is compared, and everything that was promised has come. */
export function isComplete(round: Round): boolean {
  return round.answered === ALL_ANSWERED && !isFetching(round);
}

/** Where the peer's hashes differ from ours it is asked on: for entries, or for the leaves of a large group. */
export function queueDifferences(round: Round, tree: HashTree, body: Body<"tree">): void {
  const { table, at, hashes, counts } = body;
  const ours = tree.children(at);
  const listed: { span: Span; count: number }[] = [];
  for (let n = 0; n < TREE_FANOUT; n++) {
    if (sameHash(ours.hashes, hashes, n)) continue;
    const [count, first] = [counts[n]!, at === 0 ? n * TREE_FANOUT : (at - 1) * TREE_FANOUT + n];
    const few = at > 0 || count <= LIST_MAX || ours.counts[n] === 0;
    if (few) listed.push({ span: { first, last: at === 0 ? first + TREE_FANOUT - 1 : first }, count });
    else round.queue.push({ kind: "expand", table, group: n });
  }
  for (const spans of batches(listed)) round.queue.push({ kind: "list", table, spans, after: null });
}

/** How long after its beginning another may begin with this peer. */
export function restMs({ answered, againMs }: Round): number {
  return answered === 0 ? againMs : ROUND_AGAIN_MS;
}

function againMs(last: Round | undefined): number {
  return last === undefined || last.answered !== 0
    ? ROUND_AGAIN_MS
    : Math.min(ROUND_AGAIN_GROWTH * last.againMs, ROUND_AGAIN_MAX_MS);
}

/** So many messages more may come because they were asked for. */
export function grant(round: Round, answers: number): void {
  round.credit = Math.min(ANSWERS_MAX, round.credit + answers);
}

/** Whether something that was promised, or asked for, has not come. */
export function isFetching(round: Round): boolean {
  return round.queue.length > 0 || round.asked.size > 0 || missingOf(round) > 0;
}

/** Whether all of one table is compared and has come. */
export function hasAll({ answered, queue, asked, missing }: Round, table: number): boolean {
  if ((answered & (1 << table)) === 0 || missing[table]!.size > 0) return false;
  return !queue.some((one) => one.table === table) &&
    ![...asked.values()].some(({ question }) => question.table === table);
}

function missingOf({ missing }: Round): number {
  return missing.reduce((sum, { size }) => sum + size, 0);
}

/** Which part of the tables a digest answers for; null: it was not asked for. */
export function scopeOf(round: Round, { request, table }: Body<"digest">): {
  readonly spans: readonly Span[];
  readonly after: string | null;
} | null {
  if (request === 0) {
    return (round.answered & (1 << table)) === 0 ? { spans: EVERYTHING, after: null } : null;
  }
  const question = round.asked.get(request)?.question;
  return question?.kind === "list" && question.table === table ? question : null;
}

// Spans as many together as one answer has room for their entries.
function batches(listed: readonly { readonly span: Span; readonly count: number }[]): Span[][] {
  const list: Span[][] = [];
  let entries = 0;
  for (const { span, count } of listed) {
    const last = list[list.length - 1];
    if (last === undefined || entries + count > DIGEST_ENTRIES_MAX || last.length === SPANS_MAX) {
      list.push([span]);
      entries = count;
    } else {
      last.push(span);
      entries += count;
    }
  }
  return list;
}

/** A question as a message. */
export function bodyOf(round: number, request: number, question: Question): GossipBody {
  const { table } = question;
  if (question.kind === "expand") return { kind: "expand", round, table, group: question.group };
  return { kind: "list", round, table, request, spans: encodeSpans(question.spans), after: question.after };
}

/** What has not come for `waitMs` is asked for again; null: that was done too often. */
export function askAgain(round: Round, waitMs: number, now: number): GossipBody[] | null {
  const say: GossipBody[] = [];
  let over = false;
  for (const [request, asked] of round.asked) {
    if (now - asked.at < waitMs) continue;
    if (asked.tries >= TRIES) return null;
    asked.tries++;
    asked.at = now;
    say.push(bodyOf(round.number, request, asked.question));
  }
  grant(round, say.length);
  round.missing.forEach((missing, table) => {
    const wanted = [...missing.values()].filter(({ prefix, askedAt }) =>
      !round.unasked[table]!.has(prefix) && now - askedAt >= waitMs
    );
    for (const one of wanted) {
      one.tries++;
      one.askedAt = now;
    }
    over ||= wanted.some(({ tries }) => tries > TRIES);
    grant(round, wanted.length);
    say.push(...wantsOf(table, wanted));
  });
  return over ? null : say;
}

/** As many messages as it takes to ask for these. */
export function wantsOf(table: number, wanted: readonly Missing[]): GossipBody[] {
  const say: GossipBody[] = [];
  for (let at = 0; at < wanted.length; at += WANT_MAX) {
    const prefixes = wanted.slice(at, at + WANT_MAX).map(({ prefix }) => prefix);
    say.push({ kind: "want", table, prefixes });
  }
  return say;
}

function sameHash(a: Uint8Array, b: Uint8Array, n: number): boolean {
  for (let i = n * TREE_HASH_LEN; i < (n + 1) * TREE_HASH_LEN; i++) if (a[i] !== b[i]) return false;
  return true;
}
