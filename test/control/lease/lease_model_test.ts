/**
 * Every state that three nodes can come to by claims, deliveries in any order, yielding, restarts, forgetting and leaving, a few
 * of each; and from each of them what becomes of it once everything that was told has arrived. See lease_model.ts.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import {
  believes,
  type Budget,
  directiveItem,
  itemsOf,
  learn,
  type ModelNode,
  NODES,
  recordItem,
  type State,
  SUBNETS,
  textOf,
} from "./lease_model.ts";
import { seeds } from "../../made/seeds.ts";

const LONG = { timeout: 300_000 };
const NEW: ModelNode = { life: "new", incarnation: 0, epoch: 0, claim: null, use: "none", knows: 0 };

/** When a claim may be confirmed: with the word of all who run, or, as in a split, without anybody's. */
type Rule = "acknowledged" | "alone";

interface Rules {
  readonly rule: Rule;
  /** The one node that is killed or leaves; null: any. */
  readonly only: number | null;
}

function keyOf({ nodes, told, left }: State): string {
  const words = nodes.map(({ life, incarnation, epoch, claim, use, knows }) =>
    [life, incarnation, epoch, claim?.subnet, claim?.stamp, claim?.incarnation, use, knows].join()
  );
  return `${words.join(" ")} ${told.join()} ${Object.values(left).join()}`;
}

function withNode(state: State, n: number, change: Partial<ModelNode>): State {
  return { ...state, nodes: state.nodes.map((node, at) => at === n ? { ...node, ...change } : node) };
}

/** A node writes its record anew: on disk, into its own store, and to whom it may concern. */
function write(state: State, n: number, change: Partial<ModelNode>): State {
  const before = state.nodes[n]!;
  const epoch = change.incarnation === undefined ? before.epoch + 1 : 0;
  const written = { ...before, epoch, ...change };
  const item = recordItem(n, written);
  const told = state.told.includes(item) ? state.told : [...state.told, item].sort((a, b) => a - b);
  return { ...withNode(state, n, { ...written, knows: learn(before.knows, item) }), told };
}

/** An item arrives at a node, which obeys what is decided about itself. */
function deliver(state: State, n: number, item: number): State {
  const before = state.nodes[n]!;
  const knows = learn(before.knows, item);
  if (knows === before.knows) return state;
  return obey(withNode(state, n, { knows }), n);
}

function obey(state: State, n: number): State {
  const node = state.nodes[n]!;
  const forgotten = believes(node.knows).forgotten[n]!;
  const lost = node.claim !== null && node.claim.incarnation <= forgotten;
  if (forgotten < 0 || (node.incarnation > forgotten && !lost)) return state;
  const incarnation = Math.max(node.incarnation, forgotten) + 1;
  return write(state, n, { incarnation, ...(lost ? { claim: null, use: "none" as const } : {}) });
}

function isLost({ claim, knows }: ModelNode, n: number): boolean {
  return claim !== null && believes(knows).holders[claim.subnet] !== n;
}

function claimFree(state: State, n: number): State | null {
  const node = state.nodes[n]!;
  const { taken, greatestStamp } = believes(node.knows);
  const subnet = taken.indexOf(false);
  if (subnet < 0) return null;
  const claim = { subnet, stamp: greatestStamp + 1, incarnation: node.incarnation };
  return write(state, n, { claim, use: "probation" });
}

// Another node acknowledges what it has merged and does not see contested.
function acknowledges(by: ModelNode, n: number, of: ModelNode): boolean {
  const { versions, holders } = believes(by.knows);
  return versions[n] === 100 * of.incarnation + of.epoch && holders[of.claim!.subnet] === n &&
    by.claim?.subnet !== of.claim!.subnet;
}

function isAcknowledged({ nodes }: State, n: number): boolean {
  return NODES.every((m) => m === n || nodes[m]!.life !== "up" || acknowledges(nodes[m]!, n, nodes[n]!));
}

function spent(state: State, what: keyof Budget): State {
  return { ...state, left: { ...state.left, [what]: state.left[what] - 1 } };
}

/** Everything that may happen next, with a word for it. */
function* next(state: State, { rule, only }: Rules): Iterable<readonly [string, State]> {
  for (const n of NODES) {
    const node = state.nodes[n]!;
    if (node.life === "new" && n > 0) {
      for (const m of NODES) {
        if (state.nodes[m]!.life !== "up" || state.nodes[m]!.claim === null) continue;
        const knows = itemsOf(state.nodes[m]!.knows).reduce(learn, 0);
        yield [`${n} joins by ${m}`, write(withNode(state, n, { life: "up", knows }), n, { incarnation: 1 })];
      }
    }
    if (node.life === "down" && state.left.restarts > 0) {
      const up = withNode(spent(state, "restarts"), n, { life: "up" });
      yield [`${n} starts again`, obey(write(up, n, { incarnation: node.incarnation + 1 }), n)];
    }
    if (node.life !== "up") continue;
    for (const item of state.told) {
      const after = deliver(state, n, item);
      if (after !== state) yield [`${n} hears: ${textOf(item)}`, after];
    }
    if (isLost(node, n)) {
      yield [`${n} yields`, write(state, n, { claim: null, use: "none" })];
      continue;
    }
    if (node.claim === null && state.left.claims > 0) {
      const after = claimFree(spent(state, "claims"), n);
      if (after !== null) yield [`${n} claims`, after];
    }
    if (node.use === "probation" && (rule === "alone" || isAcknowledged(state, n))) {
      yield [`${n} confirms`, withNode(state, n, { use: "confirmed" })];
    }
    const mayGo = only === null || only === n;
    if (state.left.restarts > 0 && mayGo) yield [`${n} is killed`, withNode(state, n, { life: "down" })];
    if (state.left.leaves > 0 && mayGo) {
      yield [`${n} leaves`, write(spent(state, "leaves"), n, { life: "gone", claim: null, use: "none" })];
    }
    for (const m of state.left.forgets > 0 ? NODES : []) {
      const version = believes(node.knows).versions[m]!;
      const issuer = NODES.find((one) => one !== m && state.nodes[one]!.life === "up");
      if (n !== issuer || version < 0) continue; // who does it makes no difference
      const item = directiveItem(n, m, Math.floor(version / 100));
      const told = [...state.told, item].sort((a, b) => a - b);
      yield [`${n} has ${m} forgotten`, deliver({ ...spent(state, "forgets"), told }, n, item)];
    }
  }
}

/** What comes of a state when all that was told arrives everywhere, and everybody does what follows, until nothing does. */
function settled(from: State): State {
  let state = from;
  for (let turn = 0; turn < 20; turn++) {
    const before = keyOf(state);
    for (const n of NODES) {
      if (state.nodes[n]!.life !== "up") continue;
      for (const item of state.told) state = deliver(state, n, item);
      if (isLost(state.nodes[n]!, n)) state = write(state, n, { claim: null, use: "none" });
      if (state.nodes[n]!.claim === null) state = claimFree(state, n) ?? state;
    }
    if (keyOf(state) === before) return state;
  }
  assert.fail("it never comes to rest");
}

function checkSettled(state: State): void {
  const up = NODES.filter((n) => state.nodes[n]!.life === "up");
  for (const n of up) assert.equal(state.nodes[n]!.knows, state.nodes[up[0]!]!.knows, "all know the same");
  const { holders } = believes(state.nodes[up[0]!]!.knows);
  const subnets = up.map((n) => state.nodes[n]!.claim?.subnet);
  assert.equal(new Set(subnets).size, up.length, `everybody has a subnet of his own: ${subnets}`);
  for (const n of up) assert.equal(holders[state.nodes[n]!.claim!.subnet], n, "and all know whose it is");
  for (const n of NODES) {
    const { life, claim } = state.nodes[n]!;
    if (life === "gone") assert.ok(!holders.includes(n), "who left holds nothing");
    // Who is only away keeps what it has, unless it was forgotten.
    if (life !== "down" || claim === null) continue;
    const forgotten = believes(state.nodes[up[0]!]!.knows).forgotten[n]!;
    if (claim.incarnation <= forgotten) assert.notEqual(holders[claim.subnet], n);
  }
}

/** Two who use one subnet at this moment, though neither was forgotten without having heard of it. */
function doubleUse({ nodes, told }: State): boolean {
  return NODES.some((n) =>
    NODES.some((m) => {
      const [a, b] = [nodes[n]!, nodes[m]!];
      if (m <= n || a.use !== "confirmed" || b.use !== "confirmed") return false;
      if (a.life !== "up" || b.life !== "up" || a.claim?.subnet !== b.claim?.subnet) return false;
      return !told.some((item) => textOf(item).startsWith("forget"));
    })
  );
}

/** A state, and how it was come to. */
interface Visit {
  readonly state: State;
  readonly word: string;
  readonly from: Visit | null;
}

function wayTo({ word, from }: Visit): string {
  return from === null ? word : `${wayTo(from)}; ${word}`;
}

/** Looks at every state; returns how many there are. */
function explore(left: Budget, rules: Rules): number {
  const founder = write({ nodes: [NEW, NEW, NEW], told: [], left }, 0, { life: "up", incarnation: 1 });
  const start = claimFree(founder, 0)!;
  const seen = new Set([keyOf(start)]);
  const queue: Visit[] = [{ state: start, word: "0 founds", from: null }];
  for (const visit of queue) {
    const { state } = visit;
    try {
      if (state.nodes.some(({ life }) => life === "up")) checkSettled(settled(state));
      if (rules.rule === "acknowledged") assert.equal(doubleUse(state), false, "two use one subnet");
    } catch (error) {
      throw new Error(`After: ${wayTo(visit)}`, { cause: error });
    }
    for (const [word, after] of next(state, rules)) {
      const key = keyOf(after);
      if (seen.has(key)) continue;
      seen.add(key);
      queue.push({ state: after, word, from: visit });
    }
  }
  return seen.size;
}

const NOTHING: Budget = { claims: 0, restarts: 0, forgets: 0, leaves: 0 };
const BUDGETS: readonly (readonly [string, Budget, only?: number])[] = [
  ["claims and yielding", { ...NOTHING, claims: 3 }],
  ["a node that leaves for good", { ...NOTHING, claims: 2, leaves: 1 }],
  ["a node that is forgotten", { ...NOTHING, claims: 1, forgets: 1 }],
  ["a node that is killed and starts again", { ...NOTHING, claims: 2, restarts: 1 }, 1],
  ["a node that is forgotten while it is away", { ...NOTHING, claims: 1, restarts: 1, forgets: 1 }, 1],
  ["one leaves, another is forgotten", { ...NOTHING, claims: 1, leaves: 1, forgets: 1 }, 1],
];

for (const seed of seeds(BUDGETS.length)) {
  const [what, budget, only = null] = BUDGETS[seed - 1]!;
  test(
    `In every order of ${what}, three nodes end with a subnet each and one opinion of whose it is`,
    LONG,
    () => {
      assert.ok(explore(budget, { rule: "alone", only }) > 500);
    },
  );

  test(
    `In every order of ${what}, no two use one subnet where a claim waits for everybody's word`,
    LONG,
    () => {
      assert.ok(explore(budget, { rule: "acknowledged", only }) > 300);
    },
  );
}

test("The model has room for as many leases as nodes", () => assert.equal(SUBNETS.length, NODES.length));
