/**
 * Who is alive: SWIM (Das, Gupta, Motivala 2002) with suspicion and refutation. Members are probed in turns
 * (probes.ts); who does not answer is suspect, and dead if it does not refute in time. Only a node itself refutes, by a
 * greater incarnation of its record. The dead stay known: their leases stay taken, and links.ts keeps trying them. A
 * member remembered from before a start is dead by hearsay (incarnation −1) until it is heard of.
 *
 * Others are believed, but not against our own ears: a node that was cut off comes back with statements about all
 * others. While we hear a node, what others say of it changes nothing here: it is told, so that it refutes, and probed
 * at once. When we have a link and did not hear it just now, "dead" makes it suspect, and dead if that probe fails.
 * That a node was stopped is believed at once from itself alone; from others it is their "dead". What is said of an
 * incarnation that no signed record tells is dropped before it comes here (record_steps.ts): no member is of a greater
 * one than its record.
 */

import { sha256 } from "../../crypto/sha256.ts";
import type { Random } from "../../ports/time.ts";
import { type Liveness, type Statement, TREE_HASH_LEN } from "../../wire/gossip_body.ts";
import type { PeerState } from "../paths/view.ts";
import { LocalHealth } from "./health.ts";
import { type Member, type MembershipAction, UNCONFIRMED_BY } from "./member.ts";
import { type Probe, Probes, type ProbeStep } from "./probes.ts";
import { confirm, suspicionMs } from "./suspicion.ts";

const HEARSAY = -1;

/** So long a node that we heard over its link counts as heard now. */
const HEARD_MS = 3000;

/** What our links tell of a node. */
interface Hearing {
  linked(id: string): boolean;
  /** When a linked node was heard last; −Infinity when it is not linked. */
  heardAt(id: string): number;
  /** Whether we watch it: we want a link. Absent: we watch all. */
  watched?(id: string): boolean;
  /** Members that may reach it and that we reach. Absent: all that are linked. */
  helpers?(id: string): string[];
}

export class Membership {
  readonly #id: string;
  readonly #hearing: Hearing;
  // BOUNDED: as the store, ≤ MAX_PEERS
  readonly #members = new Map<string, Member>();
  // BOUNDED: as #members
  readonly #suspects = new Set<Member>();
  // BOUNDED: as #members
  readonly #dead = new Set<Member>();
  /** Of #dead; null: it has changed. */
  #deadHash: Uint8Array | null = null;
  readonly #probes: Probes;
  readonly health = new LocalHealth();

  constructor(id: string, random: Random, hearing: Hearing) {
    this.#id = id;
    this.#hearing = hearing;
    this.#probes = new Probes(
      this.#members,
      {
        linked: (other) => hearing.linked(other),
        watched: (other) => hearing.watched?.(other) ?? true,
        helpers: (target) => hearing.helpers?.(target) ?? this.#linkedBut(target),
        suspects: () => this.#suspects,
      },
      this.health,
      random,
    );
  }

  #linkedBut(target: string): string[] {
    return this.living().map(({ id }) => id).filter((id) => id !== target && this.#hearing.linked(id));
  }

  get(id: string): Member | undefined {
    return this.#members.get(id);
  }

  all(): Iterable<Member> {
    return this.#members.values();
  }

  /** How many members there are, ourselves left out. */
  get size(): number {
    return this.#members.size;
  }

  /** How many of them are alive. */
  get alive(): number {
    return this.#members.size - this.#suspects.size - this.#dead.size;
  }

  /** How many are alive or suspect. */
  get livingSize(): number {
    return this.#members.size - this.#dead.size;
  }

  /** Those that are known from a former run and were not heard of since. */
  remembered(): Member[] {
    return [...this.#dead].filter(({ incarnation }) => incarnation === HEARSAY);
  }

  /** Members alive or suspect, ourselves left out. */
  living(): Member[] {
    return [...this.#members.values()].filter((m) => m.state !== "dead");
  }

  /** A member from the stored state: not alive before it is heard of. */
  remember(id: string, now: number): void {
    if (id === this.#id || this.#members.has(id)) return;
    this.#put({
      id,
      state: "dead",
      stopped: false,
      incarnation: HEARSAY,
      since: now,
      knownSince: now,
      seen: false,
      silent: false,
      confirmedBy: UNCONFIRMED_BY,
    });
  }

  #put(member: Member): void {
    this.#members.set(member.id, member);
    this.#sort(member);
  }

  #sort(member: Member): void {
    const { state } = member;
    if (state === "suspect") this.#suspects.add(member);
    else this.#suspects.delete(member);
    const changed = state === "dead" ? !this.#dead.has(member) : this.#dead.delete(member);
    if (state === "dead") this.#dead.add(member);
    if (changed) this.#deadHash = null;
  }

  /** Those that count as dead, those that died last at the end. */
  get dead(): Iterable<Member> {
    return this.#dead;
  }

  /** The same for all that hold the same members for dead. */
  deadHash(): Uint8Array {
    const ids = () => [...this.#dead].map(({ id }) => id).sort();
    return this.#deadHash ??= sha256(...ids()).slice(0, TREE_HASH_LEN);
  }

  /** A node that gave its lease back and is gone. */
  remove(id: string): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    this.#suspects.delete(member);
    if (this.#dead.delete(member)) this.#deadHash = null;
    this.#members.delete(id);
  }

  /** A record was merged; `hint` is how its bringer sees the node. A greater incarnation is alive. */
  onRecord(id: string, incarnation: number, hint: Liveness, now: number): MembershipAction[] {
    if (id === this.#id) return [];
    const member = this.#members.get(id);
    if (member === undefined) {
      const state = hint === 0 ? "alive" : hint === 1 ? "suspect" : "dead";
      const seen = state !== "dead";
      const known = { since: now, knownSince: now, seen, silent: false, confirmedBy: UNCONFIRMED_BY };
      const fresh: Member = { id, state, stopped: false, incarnation, ...known };
      this.#put(fresh);
      return [{ kind: "changed", member: fresh, before: "dead", tell: false }];
    }
    if (incarnation <= member.incarnation) return [];
    const hearsay = member.incarnation === HEARSAY && hint !== 0;
    member.incarnation = incarnation;
    return hearsay ? [] : this.#become(member, "alive", false, now);
  }

  /** A link to the node itself came up: it lives, unless others had said otherwise of this incarnation. */
  onLink(id: string, incarnation: number, now: number): MembershipAction[] {
    const member = this.#members.get(id);
    if (member === undefined || member.incarnation !== HEARSAY) return [];
    member.incarnation = incarnation;
    return this.#become(member, "alive", false, now);
  }

  /**
   * What is said about a node, of an incarnation that its record tells; `by`: who says it, the node itself or another.
   */
  onStatement(s: Statement, ownIncarnation: number, now: number, by = s.id): MembershipAction[] {
    const hearsay = by !== s.id;
    if (s.id === this.#id) {
      // No one can know more than our record says, so it need not be refuted.
      if (s.state === 0 || s.incarnation !== ownIncarnation) return [];
      this.health.refutes();
      return [{ kind: "refute", above: s.incarnation }];
    }
    const member = this.#members.get(s.id);
    if (member === undefined || s.state === 0 || s.incarnation < member.incarnation) return [];
    const rank = rankOf(member.state);
    const goodbye = s.state === 2 && s.stopped === true && !member.stopped;
    if (s.incarnation === member.incarnation && s.state <= rank && !goodbye) {
      if (hearsay && s.state === 1) confirm(member, by);
      return [];
    }
    if ((!goodbye || hearsay) && rank !== 2) {
      if (this.#hearing.linked(s.id) && now - this.#hearing.heardAt(s.id) <= HEARD_MS) {
        return this.#contest(member, s, now);
      }
      if (this.#hearing.linked(s.id) && s.state === 2 && !member.silent) {
        member.incarnation = s.incarnation;
        return [
          ...this.#become(member, "suspect", false, now),
          ...this.#probed(this.#probes.doubt(member.id, s, now), now),
        ];
      }
    }
    member.incarnation = s.incarnation;
    if (goodbye) member.stopped = true;
    if (goodbye && rank === 2) return [{ kind: "changed", member, before: "dead", tell: true }];
    return this.#become(member, s.state === 1 ? "suspect" : "dead", true, now);
  }

  // We hear it, others say it is not well: nothing changes but that it is told and probed.
  #contest(member: Member, said: Statement, now: number): MembershipAction[] {
    return [
      { kind: "tell", to: member.id, statement: said },
      ...this.#probed(this.#probes.doubt(member.id, null, now), now),
    ];
  }

  /** What we would say of a node. */
  statement(id: string): Statement | null {
    const member = this.#members.get(id);
    if (member === undefined || member.incarnation === HEARSAY) return null;
    const told = { id, incarnation: member.incarnation, state: rankOf(member.state) };
    return member.stopped ? { ...told, stopped: true } : told;
  }

  /** A ping was answered. */
  onPong(from: string, seq: number): MembershipAction[] {
    const member = this.#members.get(this.#probes.answered(seq) ?? "");
    if (member !== undefined) {
      member.silent = false;
      if (member.state === "alive") this.health.probed(true);
    }
    return this.#probes.relayed(from, seq);
  }

  /** A node asks us to ping `target` for it. */
  onPingRequest(from: string, target: string, seq: number, now: number): MembershipAction[] {
    return this.#probes.relay(from, target, seq, now);
  }

  /** `dueAt`: when this tick should have come; absent: as LocalHealth has it. */
  tick(now: number, dueAt?: number): MembershipAction[] {
    this.#excuse(this.health.ticks(now, dueAt));
    const actions = this.#probed(this.#probes.continue(now), now);
    if (this.#suspects.size > 0) actions.push(...this.#bury(now));
    return [...actions, ...this.#probed(this.#probes.start(now), now)];
  }

  /** When the next tick has something to do; −Infinity: with every tick. */
  get dueAt(): number {
    return this.#suspects.size > 0 ? -Infinity : this.#probes.dueAt;
  }

  // Suspects that had their time.
  #bury(now: number): MembershipAction[] {
    const { caution, lagMs } = this.health;
    return [...this.#suspects].flatMap((member) => {
      const mesh = {
        members: this.#members.size,
        able: this.alive,
        confirmations: member.confirmedBy.length,
      };
      const over = now - lagMs - member.since >= caution * suspicionMs(mesh);
      return over ? this.#become(member, "dead", true, now) : [];
    });
  }

  // For so long we were not there: nobody was silent then.
  #excuse(ms: number): void {
    if (ms === 0) return;
    this.#probes.excuse(ms);
    for (const member of this.#suspects) member.since += ms;
  }

  // What probes want said, and what follows when one has gone unanswered.
  #probed(steps: Iterable<ProbeStep>, now: number): MembershipAction[] {
    const actions: MembershipAction[] = [];
    for (const step of steps) {
      if (step.kind === "unanswered") actions.push(...this.#unanswered(step.probe, now));
      else actions.push(step);
    }
    return actions;
  }

  #unanswered({ target, saidDead, saidStopped }: Probe, now: number): MembershipAction[] {
    const member = this.#members.get(target);
    if (member === undefined) return [];
    member.silent = true;
    if (saidDead && saidStopped) member.stopped = true;
    if (member.state === "alive") this.health.probed(false);
    if (saidDead) return this.#become(member, "dead", true, now);
    if (member.state !== "alive") return [];
    const changed = this.#become(member, "suspect", true, now);
    // It hears of it first: it alone can refute.
    const statement = this.statement(target);
    return statement === null ? changed : [...changed, { kind: "tell", to: target, statement }];
  }

  #become(member: Member, state: PeerState, tell: boolean, now: number): MembershipAction[] {
    const before = member.state;
    if (before === state) return [];
    member.state = state;
    this.#sort(member);
    if (state !== "dead") {
      member.stopped = false;
      member.seen = true;
      if (state === "alive") member.silent = false;
    }
    member.since = now;
    member.confirmedBy = UNCONFIRMED_BY;
    return [{ kind: "changed", member, before, tell }];
  }
}

function rankOf(state: PeerState): Liveness {
  return state === "alive" ? 0 : state === "suspect" ? 1 : 2;
}
