// Who is alive: SWIM (Das, Gupta, Motivala 2002) with suspicion and refutation. Each second one member, in shuffled
// round-robin, is pinged, three times in that second, then through three others; who does not answer is suspect,
// and dead when nobody refutes in time. Only a node itself refutes, by a greater incarnation of its record. The dead
// stay known: their leases stay taken, and links.ts keeps trying them. A member remembered from before a start is
// dead by hearsay (incarnation −1) until it is heard of.
//
// Others are believed, but not against our own ears: who was cut off comes back with statements about everybody. While
// we hear a node, what others say of it changes nothing here: it is told, so that it refutes, and probed at once. When
// we have a link and did not hear it just now, "dead" makes it suspect, and dead if that probe fails. That a node was
// stopped is believed at once from itself alone; from others it is their "dead". What is said of an incarnation that no
// signed record tells is dropped before it comes here (record_steps.ts): no member is of a greater one than its record.

import type { Random } from "../../ports/time.ts";
import type { Liveness, Statement } from "../../wire/gossip_body.ts";
import type { PeerState } from "../paths/view.ts";

const PROBE_EVERY_MS = 1000;
const PING_EVERY_MS = 250;
const INDIRECT_AFTER_MS = 500;
const INDIRECT_PEERS = 3;
const SUSPECTS_AT_ONCE = 3;
const DOUBTS_AT_ONCE = 256;
const GRACE_MS = 3000;
const SUSPICION_BASE_MS = 3000;
const SUSPICION_MAX_MS = 6000;
const RELAYS_MAX = 256;
const RELAY_MS = 2000;
const HEARSAY = -1;

/** So long a node that we heard over its link counts as heard now. */
export const HEARD_MS = 3000;

export interface Member {
  readonly id: string;
  state: PeerState;
  /** Dead by its own word. */
  stopped: boolean;
  /** The incarnation the state is about; −1 = remembered only. */
  incarnation: number;
  since: number;
  /** First heard of in this run. */
  readonly knownSince: number;
  /** It counted as alive or suspect in this run. */
  seen: boolean;
  /** Our own last probe went unanswered. */
  silent: boolean;
}

/** What membership wants said or done. */
export type MembershipAction =
  | { readonly kind: "ping"; readonly to: string; readonly seq: number }
  | { readonly kind: "ask"; readonly via: string; readonly target: string; readonly seq: number }
  | { readonly kind: "pong"; readonly to: string; readonly seq: number }
  /** A state changed and others should hear of it. */
  | { readonly kind: "changed"; readonly member: Member; readonly before: PeerState; readonly tell: boolean }
  /** Others say that of a node that we hear: it must hear so, for only it can refute. */
  | { readonly kind: "tell"; readonly to: string; readonly statement: Statement }
  /** Somebody thinks we are not alive: our record needs an incarnation greater than this. */
  | { readonly kind: "refute"; readonly above: number };

interface Probe {
  readonly target: string;
  readonly seq: number;
  readonly startedAt: number;
  nextPingAt: number;
  asked: boolean;
  /** Somebody says it is dead: without an answer we believe it. */
  saidDead: boolean;
  /** … or stopped. */
  saidStopped: boolean;
}

export class Membership {
  readonly #id: string;
  readonly #random: Random;
  readonly #linked: (id: string) => boolean;
  readonly #heardAt: (id: string) => number;
  // BOUNDED: as the store, ≤ MAX_PEERS
  readonly #members = new Map<string, Member>();
  // BOUNDED: one probe a second, SUSPECTS_AT_ONCE, and DOUBTS_AT_ONCE
  readonly #probes = new Map<number, Probe>();
  // BOUNDED: ≤ RELAYS_MAX: pings we sent for somebody else, by our own number
  readonly #relays = new Map<number, { readonly to: string; readonly seq: number; readonly at: number }>();
  #round: string[] = [];
  #nextProbeAt = 0;
  #seq = 0;

  /** `heardAt`: when a linked node was heard last; −Infinity when it is not linked. */
  constructor(
    id: string,
    random: Random,
    linked: (id: string) => boolean,
    heardAt: (id: string) => number = () => -Infinity,
  ) {
    this.#id = id;
    this.#random = random;
    this.#linked = linked;
    this.#heardAt = heardAt;
    this.#seq = random.below(2 ** 30);
  }

  get(id: string): Member | undefined {
    return this.#members.get(id);
  }

  all(): Iterable<Member> {
    return this.#members.values();
  }

  /** Members alive or suspect, ourselves left out. */
  living(): Member[] {
    return [...this.#members.values()].filter((m) => m.state !== "dead");
  }

  /** A member from the stored state: not alive before it is heard of. */
  remember(id: string, now: number): void {
    if (id === this.#id || this.#members.has(id)) return;
    this.#members.set(id, {
      id,
      state: "dead",
      stopped: false,
      incarnation: HEARSAY,
      since: now,
      knownSince: now,
      seen: false,
      silent: false,
    });
  }

  /** A node that gave its lease back and is gone. */
  remove(id: string): void {
    this.#members.delete(id);
  }

  /** A record was merged; `hint` is how its bringer sees the node. A greater incarnation is alive. */
  onRecord(id: string, incarnation: number, hint: Liveness, now: number): MembershipAction[] {
    if (id === this.#id) return [];
    const member = this.#members.get(id);
    if (member === undefined) {
      const state = hint === 0 ? "alive" : hint === 1 ? "suspect" : "dead";
      const seen = state !== "dead";
      const known = { since: now, knownSince: now, seen, silent: false };
      const fresh: Member = { id, state, stopped: false, incarnation, ...known };
      this.#members.set(id, fresh);
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
   * What is said about a node, of an incarnation that its record tells; `hearsay`: another says it than the node itself.
   */
  onStatement(s: Statement, ownIncarnation: number, now: number, hearsay = false): MembershipAction[] {
    if (s.id === this.#id) {
      // More than our record says nobody can know, so it need not be refuted.
      return s.state !== 0 && s.incarnation === ownIncarnation
        ? [{ kind: "refute", above: s.incarnation }]
        : [];
    }
    const member = this.#members.get(s.id);
    if (member === undefined || s.state === 0 || s.incarnation < member.incarnation) return [];
    const rank = rankOf(member.state);
    const goodbye = s.state === 2 && s.stopped === true && !member.stopped;
    if (s.incarnation === member.incarnation && s.state <= rank && !goodbye) return [];
    if ((!goodbye || hearsay) && rank !== 2) {
      if (this.#linked(s.id) && now - this.#heardAt(s.id) <= HEARD_MS) return this.#contest(member, s, now);
      if (this.#linked(s.id) && s.state === 2 && !member.silent) {
        member.incarnation = s.incarnation;
        return [...this.#become(member, "suspect", false, now), ...this.#doubt(member, s, now)];
      }
    }
    member.incarnation = s.incarnation;
    if (goodbye) member.stopped = true;
    if (goodbye && rank === 2) return [{ kind: "changed", member, before: "dead", tell: true }];
    return this.#become(member, s.state === 1 ? "suspect" : "dead", true, now);
  }

  // We hear it, others say it is not well: nothing changes but that it is told and probed.
  #contest(member: Member, said: Statement, now: number): MembershipAction[] {
    return [{ kind: "tell", to: member.id, statement: said }, ...this.#doubt(member, null, now)];
  }

  // `dead`: what somebody said, and is believed without an answer.
  #doubt(member: Member, dead: Statement | null, now: number): MembershipAction[] {
    for (const probe of this.#probes.values()) {
      if (probe.target !== member.id) continue;
      probe.saidDead ||= dead !== null;
      probe.saidStopped ||= dead?.stopped === true;
      return [];
    }
    return this.#probes.size >= DOUBTS_AT_ONCE ? [] : this.#probe(member.id, dead, now);
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
    const probe = this.#probes.get(seq);
    if (probe !== undefined) {
      this.#probes.delete(seq);
      const member = this.#members.get(probe.target);
      if (member !== undefined) member.silent = false;
    }
    const relay = this.#relays.get(seq);
    if (relay === undefined || from === relay.to) return [];
    this.#relays.delete(seq);
    return [{ kind: "pong", to: relay.to, seq: relay.seq }];
  }

  /** Somebody asks us to ping `target` for them. */
  onPingRequest(from: string, target: string, seq: number, now: number): MembershipAction[] {
    if (!this.#linked(target)) return [];
    for (const [key, relay] of this.#relays) if (now - relay.at > RELAY_MS) this.#relays.delete(key);
    if (this.#relays.size >= RELAYS_MAX) return [];
    const own = ++this.#seq;
    this.#relays.set(own, { to: from, seq, at: now });
    return [{ kind: "ping", to: target, seq: own }];
  }

  tick(now: number): MembershipAction[] {
    const actions: MembershipAction[] = [];
    for (const probe of this.#probes.values()) actions.push(...this.#continue(probe, now));
    const patience = suspicionMs(this.#members.size);
    for (const member of this.#members.values()) {
      if (member.state === "suspect" && now - member.since >= patience) {
        actions.push(...this.#become(member, "dead", true, now));
      }
    }
    if (now >= this.#nextProbeAt) {
      this.#nextProbeAt = now + PROBE_EVERY_MS;
      actions.push(...this.#startProbes(now));
    }
    return actions;
  }

  #startProbes(now: number): MembershipAction[] {
    const targets = new Set<string>();
    const next = this.#nextTarget(now);
    if (next !== null) targets.add(next);
    for (const m of this.#members.values()) {
      if (m.state === "suspect" && targets.size < 1 + SUSPECTS_AT_ONCE) targets.add(m.id);
    }
    const actions: MembershipAction[] = [];
    for (const target of targets) actions.push(...this.#probe(target, null, now));
    return actions;
  }

  #probe(target: string, dead: Statement | null, now: number): MembershipAction[] {
    const said = { saidDead: dead !== null, saidStopped: dead?.stopped === true };
    const probe = { target, seq: ++this.#seq, startedAt: now, nextPingAt: now, asked: false, ...said };
    this.#probes.set(probe.seq, probe);
    return this.#continue(probe, now);
  }

  // Round-robin over a shuffled list: every member is reached once in a round, in no order an outsider can guess.
  #nextTarget(now: number): string | null {
    for (let fresh = 0; fresh < 2; fresh++) {
      while (this.#round.length > 0) {
        const m = this.#members.get(this.#round.pop()!);
        if (m === undefined || m.state === "dead") continue;
        if (this.#linked(m.id) || now - m.knownSince >= GRACE_MS) return m.id;
      }
      this.#round = this.#shuffled(this.living().map((m) => m.id));
    }
    return null;
  }

  #continue(probe: Probe, now: number): MembershipAction[] {
    const member = this.#members.get(probe.target);
    const elapsed = now - probe.startedAt;
    if (member === undefined || member.state === "dead") {
      this.#probes.delete(probe.seq);
      return [];
    }
    if (elapsed >= PROBE_EVERY_MS) {
      this.#probes.delete(probe.seq);
      member.silent = true;
      if (probe.saidDead && probe.saidStopped) member.stopped = true;
      if (probe.saidDead) return this.#become(member, "dead", true, now);
      return member.state === "alive" ? this.#become(member, "suspect", true, now) : [];
    }
    const actions: MembershipAction[] = [];
    const linked = this.#linked(probe.target);
    if (linked && now >= probe.nextPingAt) {
      probe.nextPingAt = now + PING_EVERY_MS;
      actions.push({ kind: "ping", to: probe.target, seq: probe.seq });
    }
    if (!probe.asked && (!linked || elapsed >= INDIRECT_AFTER_MS)) {
      probe.asked = true;
      const others = this.living().filter((m) => m.id !== probe.target && this.#linked(m.id)).map((m) =>
        m.id
      );
      for (const via of this.#shuffled(others).slice(0, INDIRECT_PEERS)) {
        actions.push({ kind: "ask", via, target: probe.target, seq: probe.seq });
      }
    }
    return actions;
  }

  #become(member: Member, state: PeerState, tell: boolean, now: number): MembershipAction[] {
    const before = member.state;
    if (before === state) return [];
    member.state = state;
    if (state !== "dead") {
      member.stopped = false;
      member.seen = true;
      if (state === "alive") member.silent = false;
    }
    member.since = now;
    return [{ kind: "changed", member, before, tell }];
  }

  #shuffled(ids: string[]): string[] {
    for (let i = ids.length - 1; i > 0; i--) {
      const j = this.#random.below(i + 1);
      [ids[i], ids[j]] = [ids[j]!, ids[i]!];
    }
    return ids;
  }
}

/** How long a suspect has for its refutation: a little longer in a large mesh, where news travels further. */
export function suspicionMs(members: number): number {
  return Math.min(SUSPICION_MAX_MS, SUSPICION_BASE_MS + 500 * Math.log2(members + 1));
}

function rankOf(state: PeerState): Liveness {
  return state === "alive" ? 0 : state === "suspect" ? 1 : 2;
}
