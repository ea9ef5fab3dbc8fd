/**
 * The probes of SWIM: each second one member in shuffled round-robin, and some of the suspects, is pinged three times, then
 * through three others. A doubt (a member says that a node is not well) is a probe like any other. Also the pings that we
 * send for another member. What an unanswered probe means is decided in membership.ts.
 */

import type { Random } from "../../ports/time.ts";
import type { Statement } from "../../wire/gossip_body.ts";
import type { LocalHealth } from "./health.ts";
import type { Member, MembershipAction } from "./member.ts";

const PROBE_EVERY_MS = 1000;
const PING_EVERY_MS = 250;
/** However long the probe lasts. */
const PINGS_MAX = 4;
const INDIRECT_AFTER_MS = 500;
const INDIRECT_PEERS = 3;
const SUSPECTS_AT_ONCE = 3;
const DOUBTS_AT_ONCE = 256;
const GRACE_MS = 3000;
const RELAYS_MAX = 256;
const RELAY_MS = 2000;

export interface Probe {
  readonly target: string;
  readonly seq: number;
  startedAt: number;
  nextPingAt: number;
  pings: number;
  asked: boolean;
  /** Another node says it is dead: without an answer we believe it. */
  saidDead: boolean;
  /** … or stopped. */
  saidStopped: boolean;
}

/** What a probe wants said, or that it has gone unanswered for as long as one lasts. */
export type ProbeStep = MembershipAction | { readonly kind: "unanswered"; readonly probe: Probe };

/** Whom we reach. */
export interface Reach {
  /** Whether there is a link to the node. */
  linked(id: string): boolean;
  /** Whether we watch it: we want a link. */
  watched(id: string): boolean;
  /** Members that may reach it and that we reach. */
  helpers(id: string): string[];
  /** Members that are suspect. */
  suspects(): Iterable<Member>;
}

export class Probes {
  readonly #members: ReadonlyMap<string, Member>;
  readonly #hearing: Reach;
  readonly #health: LocalHealth;
  readonly #random: Random;
  // BOUNDED: one probe a second, SUSPECTS_AT_ONCE, and DOUBTS_AT_ONCE
  readonly #probes = new Map<number, Probe>();
  // BOUNDED: ≤ RELAYS_MAX: pings we sent for another node, by our own number
  readonly #relays = new Map<number, { readonly to: string; readonly seq: number; readonly at: number }>();
  // BOUNDED: as #members
  #round: string[] = [];
  #nextAt = 0;
  #seq: number;

  constructor(
    members: ReadonlyMap<string, Member>,
    hearing: Reach,
    health: LocalHealth,
    random: Random,
  ) {
    this.#members = members;
    this.#hearing = hearing;
    this.#health = health;
    this.#random = random;
    this.#seq = random.below(2 ** 30);
  }

  /** Goes on with those under way, one after the other: what comes of one may end the next. */
  *continue(now: number): Iterable<ProbeStep> {
    for (const probe of this.#probes.values()) yield* this.#step(probe, now);
  }

  /** When the next probe begins, or one that is under way goes on. */
  get dueAt(): number {
    let due = this.#nextAt;
    for (const probe of this.#probes.values()) due = Math.min(due, this.#stepAt(probe));
    return due;
  }

  #overAt({ startedAt }: Probe): number {
    const { caution, lagMs } = this.#health;
    return startedAt + PROBE_EVERY_MS * caution + lagMs;
  }

  #stepAt(probe: Probe): number {
    const { startedAt, nextPingAt, pings, asked } = probe;
    const over = this.#overAt(probe);
    return Math.min(
      over,
      pings < PINGS_MAX ? nextPingAt : over,
      asked ? over : startedAt + INDIRECT_AFTER_MS,
    );
  }

  /** Begins those of this second, when it is time. */
  *start(now: number): Iterable<ProbeStep> {
    if (now < this.#nextAt) return;
    this.#nextAt = now + PROBE_EVERY_MS * this.#health.caution;
    // Answers to the former ones may wait in our own socket: more questions would only make more wait.
    if (this.#health.behind) return;
    const targets = new Set<string>();
    const next = this.#nextTarget(now);
    if (next !== null) targets.add(next);
    for (const suspect of this.#hearing.suspects()) {
      if (targets.size >= 1 + SUSPECTS_AT_ONCE) break;
      if (this.#isOurs(suspect)) targets.add(suspect.id);
    }
    for (const target of targets) {
      if (this.#underWay(target) === undefined) yield* this.#begin(target, null, now);
    }
  }

  /** Probes a node at once, unless that is under way. `dead`: what a member said, and is believed without an answer. */
  *doubt(id: string, dead: Statement | null, now: number): Iterable<ProbeStep> {
    const probe = this.#underWay(id);
    if (probe !== undefined) {
      probe.saidDead ||= dead !== null;
      probe.saidStopped ||= dead?.stopped === true;
    } else if (this.#probes.size < DOUBTS_AT_ONCE) yield* this.#begin(id, dead, now);
  }

  #underWay(id: string): Probe | undefined {
    for (const probe of this.#probes.values()) if (probe.target === id) return probe;
    return undefined;
  }

  /** For so long we were not there to hear an answer. */
  excuse(ms: number): void {
    for (const probe of this.#probes.values()) probe.startedAt += ms;
  }

  /** A ping was answered. Whose probe that ends; null: none's. */
  answered(seq: number): string | null {
    const probe = this.#probes.get(seq);
    this.#probes.delete(seq);
    return probe?.target ?? null;
  }

  /** A node asks us to ping `target` for it. */
  relay(to: string, target: string, seq: number, now: number): MembershipAction[] {
    if (!this.#hearing.linked(target)) return [];
    for (const [key, relay] of this.#relays) if (now - relay.at > RELAY_MS) this.#relays.delete(key);
    if (this.#relays.size >= RELAYS_MAX) return [];
    const own = ++this.#seq;
    this.#relays.set(own, { to, seq, at: now });
    return [{ kind: "ping", to: target, seq: own }];
  }

  /** The answer to a ping that we sent for another member, on its way to them. */
  relayed(from: string, seq: number): MembershipAction[] {
    const relay = this.#relays.get(seq);
    if (relay === undefined || from === relay.to) return [];
    this.#relays.delete(seq);
    return [{ kind: "pong", to: relay.to, seq: relay.seq }];
  }

  *#begin(target: string, dead: Statement | null, now: number): Iterable<ProbeStep> {
    const said = { saidDead: dead !== null, saidStopped: dead?.stopped === true };
    const probe = {
      target,
      seq: ++this.#seq,
      startedAt: now,
      nextPingAt: now,
      pings: 0,
      asked: false,
      ...said,
    };
    this.#probes.set(probe.seq, probe);
    yield* this.#step(probe, now);
  }

  *#step(probe: Probe, now: number): Iterable<ProbeStep> {
    const { target, seq } = probe;
    const state = this.#members.get(target)?.state ?? "dead";
    if (state === "dead" || now >= this.#overAt(probe)) {
      this.#probes.delete(seq);
      if (state !== "dead") yield { kind: "unanswered", probe };
      return;
    }
    const linked = this.#hearing.linked(target);
    if (linked && now >= probe.nextPingAt && probe.pings < PINGS_MAX) {
      probe.pings++;
      probe.nextPingAt = now + PING_EVERY_MS;
      yield { kind: "ping", to: target, seq };
    }
    if (probe.asked || (linked && now < probe.startedAt + INDIRECT_AFTER_MS)) return;
    probe.asked = true;
    for (const via of shuffled(this.#hearing.helpers(target), this.#random).slice(0, INDIRECT_PEERS)) {
      yield { kind: "ask", via, target, seq };
    }
  }

  // Round-robin over a shuffled list: every member is reached once in a round, in no order an outsider can guess.
  #nextTarget(now: number): string | null {
    for (let fresh = 0; fresh < 2; fresh++) {
      while (this.#round.length > 0) {
        const m = this.#members.get(this.#round.pop()!);
        if (m === undefined || m.state === "dead") continue;
        if (!this.#isOurs(m)) continue; // its link is on its way out
        if (this.#hearing.linked(m.id) || now - m.knownSince >= GRACE_MS) return m.id;
      }
      const living = [...this.#members.values()].filter((m) => m.state !== "dead" && this.#isOurs(m));
      this.#round = shuffled(living.map((m) => m.id), this.#random);
    }
    return null;
  }

  // Others watch the rest: each node is watched by its neighbours.
  #isOurs({ id }: Member): boolean {
    return this.#hearing.watched(id);
  }
}

function shuffled(ids: string[], random: Random): string[] {
  for (let i = ids.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [ids[i], ids[j]] = [ids[j]!, ids[i]!];
  }
  return ids;
}
