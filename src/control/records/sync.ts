/**
 * Synchronisation from the asker's side: one round with a peer finds what differs, group by group and leaf by leaf
 * (digest.ts), and fetches what we lack, so many at a time as the way there can be expected to carry; what gets lost is asked
 * for again (sync_round.ts: one round). A joiner may claim only when a round is complete, so it repeats rounds until one is; a
 * member runs one with a random peer every few seconds and does not insist. Decides and sends nothing: the steps return what to say.
 */

import { BoundedMap } from "../../bounds/bounded_map.ts";
import { type GossipBody, TABLE_DIRECTIVES, TABLE_RECORDS, WANT_MAX } from "../../wire/gossip_body.ts";
import { compareDigest, rootsOf, type Trees } from "./digest.ts";
import { compareEntries, idPrefix } from "./hash_tree.ts";
import {
  ASK_AGAIN_MS,
  askAgain,
  type Body,
  bodyOf,
  grant,
  hasAll,
  isComplete,
  isFetching,
  type Missing,
  newRound,
  queueDifferences,
  REQUESTS_MAX,
  restMs,
  type Round,
  scopeOf,
  takeExpected,
  TRIES,
  WANTED_MAX,
  wantsOf,
} from "./sync_round.ts";

const MAX_ROUNDS = 64;
/** Rounds in which something is fetched at a time: when a split heals, everybody is a peer to ask. */
const FETCHING_MAX = 3;
/** Nothing more is listed while so much of what was listed has not come. */
const MISSING_MAX = 1024;
/** What the other side lacks and is told unasked, of one round; for more it asks itself. */
const PUSH_MAX = 64;
/** So long nothing has come of a round: another may begin. */
const STALLED_MS = 1000;
/** No peer keeps us longer, whatever it goes on promising. */
const ROUND_MAX_MS = 30_000;
/** Peers whose promises came to nothing: with them, one round at a time fetches, so that they do not keep us from others. */
const POOR_MAX = 64;

/** What a step of a round asks for. */
export interface Next {
  /** To be said to the peer. */
  readonly say: readonly GossipBody[];
  /** Ids of what the peer lacks, by table. */
  readonly push: readonly (readonly string[])[];
}

const NOTHING: Next = { say: [], push: [[], []] };

export class Sync {
  readonly #trees: Trees;
  // BOUNDED: ≤ MAX_ROUNDS; one more has to wait
  readonly #rounds = new Map<string, Round>();
  /** BOUNDED: ≤ POOR_MAX, the oldest go first; whose last round came to nothing */
  readonly #poor = new BoundedMap<string, true>(POOR_MAX);
  #last = 0;
  #request = 0;

  constructor(trees: Trees) {
    this.#trees = trees;
  }

  /** Opens a round with a peer: its number and our roots; null while the last one is young, or fetches. */
  begin(peer: string, now: number): { readonly round: number; readonly roots: Uint8Array } | null {
    const last = this.#rounds.get(peer);
    if (last !== undefined) {
      const young = now - last.startedAt < restMs(last);
      if (young || (isFetching(last) && now - last.heardAt < STALLED_MS)) return null;
    }
    if (this.#fetching() >= this.#slotsFor(peer)) return null;
    this.#rounds.delete(peer);
    if (this.#rounds.size >= MAX_ROUNDS && !this.#makeRoom(now)) return null;
    const number = ++this.#last;
    this.#rounds.set(peer, newRound(number, last, now));
    return { round: number, roots: rootsOf(this.#trees) };
  }

  /** Some tables are the same on both sides. */
  onSame(peer: string, { round, tables }: Body<"same">): void {
    const opened = this.#opened(peer, round);
    if (opened !== null) opened.answered |= tables;
  }

  /** The hashes of groups or leaves came. */
  onTree(peer: string, body: Body<"tree">, now: number): Next {
    const round = this.#opened(peer, body.round);
    if (round === null || !takeExpected(round, body) || !this.#mayFetch(peer, round)) return NOTHING;
    queueDifferences(round, this.#trees[body.table]!, body);
    return { ...NOTHING, say: this.#pump(round, now) };
  }

  /** Entries came. */
  onDigest(peer: string, body: Body<"digest">, now: number): Next {
    const round = this.#opened(peer, body.round);
    const scope = round === null ? null : scopeOf(round, body);
    if (round === null || scope === null) return NOTHING;
    const { table } = body;
    if (body.to !== null && scope.after !== null && body.to <= scope.after) return NOTHING; // it leads nowhere
    const { push, want } = compareDigest(this.#trees[table]!, scope, body);
    if (want.length > 0 && !this.#mayFetch(peer, round)) return NOTHING;
    round.asked.delete(body.request);
    if (body.request === 0) round.answered |= 1 << table;
    else if (body.to !== null) {
      round.queue.unshift({ kind: "list", table, spans: scope.spans, after: body.to });
    }
    for (const wanted of want) {
      round.missing[table]!.set(wanted.prefix, { ...wanted, askedAt: now, tries: 0 });
      round.unasked[table]!.add(wanted.prefix);
    }
    const pushed: string[][] = [[], []];
    pushed[table] = push.slice(0, PUSH_MAX - round.pushed);
    round.pushed += pushed[table].length;
    return { say: this.#pump(round, now), push: pushed };
  }

  /** We have something newer of this id, or (`settled`) want nothing of it any more: no round waits for less. */
  learned(table: number, id: string, settled = false): void {
    if (this.#rounds.size === 0) return;
    const prefix = idPrefix(id);
    const have = this.#trees[table]!.get(id);
    for (const round of this.#rounds.values()) {
      const missing = round.missing[table]!.get(prefix);
      if (missing === undefined) continue;
      if (!settled && (have === undefined || compareEntries(have, missing) < 0)) continue;
      round.missing[table]!.delete(prefix);
      round.unasked[table]!.delete(prefix);
    }
  }

  /**
   * Whether one message more may come of this peer because it was asked for, which is counted: a limit on what a peer says
   * unasked must not lose what we wait for, each loss being seen after ASK_AGAIN_MS only.
   */
  takeAnswer(peer: string): boolean {
    const round = this.#rounds.get(peer);
    if (round === undefined || round.credit === 0) return false;
    round.credit--;
    return true;
  }

  /** What there is to ask for next, once something came. */
  next(peer: string, now: number): readonly GossipBody[] {
    const round = this.#rounds.get(peer);
    return round === undefined || !isFetching(round) ? [] : this.#pump(round, now);
  }

  /** Whether something that was asked for has not come yet. */
  get fetches(): boolean {
    return this.#fetching() > 0;
  }

  /** What was lost on the way is asked for again, by peer. `patience`: how many times as long a host that is late waits. */
  tick(now: number, patience = 1): { readonly peer: string; readonly say: readonly GossipBody[] }[] {
    const again: { peer: string; say: GossipBody[] }[] = [];
    for (const [peer, round] of this.#rounds) {
      const waitMs = ASK_AGAIN_MS * patience;
      const fetching = isFetching(round);
      const silent = fetching && now - round.heardAt >= TRIES * waitMs;
      const over = silent || now - round.startedAt >= ROUND_MAX_MS;
      const say = over ? null : askAgain(round, waitMs, now);
      if (say !== null) {
        if (say.length > 0) again.push({ peer, say });
        continue;
      }
      this.#rounds.delete(peer);
      if (fetching) this.#poor.renew(peer, true);
    }
    return again;
  }

  /** Whether the round with this peer is complete: all is compared, and everything that it promised has come. */
  complete(peer: string): boolean {
    const round = this.#rounds.get(peer);
    const complete = round !== undefined && isComplete(round);
    if (complete) this.#poor.delete(peer);
    return complete;
  }

  forget(peer: string): void {
    this.#rounds.delete(peer);
  }

  #makeRoom(now: number): boolean {
    for (const [peer, round] of this.#rounds) {
      if (now - round.heardAt >= STALLED_MS) this.#rounds.delete(peer);
    }
    return this.#rounds.size < MAX_ROUNDS;
  }

  #opened(peer: string, number: number): Round | null {
    const round = this.#rounds.get(peer);
    return round === undefined || round.number !== number ? null : round;
  }

  // With enough others already, this one is left for later.
  #mayFetch(peer: string, round: Round): boolean {
    if (isFetching(round) || this.#fetching() < this.#slotsFor(peer)) return true;
    this.#rounds.delete(peer);
    return false;
  }

  #slotsFor(peer: string): number {
    return this.#poor.has(peer) ? 1 : FETCHING_MAX;
  }

  #fetching(): number {
    let fetching = 0;
    for (const round of this.#rounds.values()) if (isFetching(round)) fetching++;
    return fetching;
  }

  #pump(round: Round, now: number): GossipBody[] {
    round.heardAt = now;
    const say: GossipBody[] = [];
    while (round.asked.size < REQUESTS_MAX) {
      const at = round.queue.findIndex(({ table }) => round.missing[table]!.size < MISSING_MAX);
      if (at < 0) break;
      const question = round.queue.splice(at, 1)[0]!;
      const request = ++this.#request;
      round.asked.set(request, { question, at: now, tries: 1 });
      say.push(bodyOf(round.number, request, question));
    }
    grant(round, say.length);
    return [...say, ...this.#wants(round, now)];
  }

  // Directives last: they count only if their issuers are known.
  #wants(round: Round, now: number): GossipBody[] {
    const table = hasAll(round, TABLE_RECORDS) ? TABLE_DIRECTIVES : TABLE_RECORDS;
    const missing = round.missing[table]!, unasked = round.unasked[table]!;
    const underWay = missing.size - unasked.size;
    const room = WANTED_MAX - underWay;
    // Not for each record that comes a message that asks for another.
    if (unasked.size === 0 || (room < WANT_MAX && underWay > 0)) return [];
    const wanted: Missing[] = [];
    for (const prefix of unasked) {
      if (wanted.length >= room) break;
      unasked.delete(prefix);
      const one = missing.get(prefix)!;
      one.askedAt = now;
      if (this.#isUnderWay(round, table, prefix, now)) continue;
      one.tries = 1;
      wanted.push(one);
    }
    grant(round, wanted.length);
    return wantsOf(table, wanted);
  }

  // Whether another peer was asked for it a moment ago.
  #isUnderWay(round: Round, table: number, prefix: string, now: number): boolean {
    for (const other of this.#rounds.values()) {
      if (other === round) continue;
      const missing = other.missing[table]!.get(prefix);
      if (missing !== undefined && missing.tries > 0 && now - missing.askedAt < ASK_AGAIN_MS) return true;
    }
    return false;
  }
}
