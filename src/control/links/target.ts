/**
 * One endpoint that we try to reach: who names it, the nonces under way, and its backoff. The table of them is targets.ts.
 */

import type { Outcome, SendRefusal } from "../paths/outcome.ts";
import type { Punching } from "./punching.ts";

export interface Target {
  readonly endpoint: string;
  /** The how many-th of the table's: of those that are due at once, the oldest is tried first. */
  readonly ordinal: number;
  /** Seeds (the user's words) that resolve to it. */
  readonly seeds: Set<string>;
  /** Nodes whose record or memory names it. BOUNDED: nodes behind one address, few */
  readonly nodes: Set<string>;
  /** A hello came from there, and we answer with our own until then. */
  knockUntil: number;
  /** Who answered there last. Changed by the table alone, which finds targets by it. */
  readonly answeredBy: string | null;
  /** A node has answered there, in this run or a former one. */
  proven: boolean;
  nonces: { readonly nonce: string; readonly at: number }[];
  /** Hellos since the last answer. */
  tries: number;
  nextAt: number;
  /** When it is looked at next (targets.ts); Infinity: once something changes. */
  lookAt: number;
  /** Where it is in its rounds, when both sides are behind NAT; else null. */
  punching: Punching | null;
  firstTriedAt: number | null;
  lastTriedAt: number | null;
  outcome: Outcome;
}

export function newTarget(endpoint: string, ordinal: number, now: number): Target {
  return {
    endpoint,
    ordinal,
    seeds: new Set(),
    nodes: new Set(),
    knockUntil: -Infinity,
    answeredBy: null,
    proven: false,
    nonces: [],
    tries: 0,
    nextAt: now,
    lookAt: Infinity,
    punching: null,
    firstTriedAt: null,
    lastTriedAt: null,
    outcome: { kind: "untried" },
  };
}

/** Whether a seed or a node names it. */
export function isNamed({ seeds, nodes }: Pick<Target, "seeds" | "nodes">): boolean {
  return seeds.size > 0 || nodes.size > 0;
}

/** Why this host does not send to the target; null: it does. */
export function refusalOf({ outcome }: Target): SendRefusal | null {
  return outcome.kind === "not-sent" ? outcome : null;
}

/** How a target is tried from now on. */
export interface Pace {
  /** The wait does not grow. */
  readonly steady: boolean;
  /** From the first time on. */
  readonly minMs: number;
  readonly maxMs: number;
  /** Both sides are behind NAT, and whether our id is the smaller one (punching.ts); null: they are not. */
  readonly punches: { readonly smaller: boolean } | null;
}
