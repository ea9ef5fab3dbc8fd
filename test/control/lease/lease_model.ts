/**
 * Three nodes of a mesh as a state machine that is small enough to be looked at in full: claims, records that arrive whenever
 * and however often they like (old ones too), yielding, restarts from the disk, forgetting, leaving for good. What a node knows
 * and who holds what by it is decided by the real store, directives and holders; the rest, what a node does when, is written
 * down here a second time, as docs/leases.md says it. Knowledge is interned, so that each step of the real code runs once.
 */

import { Directives } from "../../../src/control/forget/directives.ts";
import { Holders } from "../../../src/control/lease/holders.ts";
import { decodeRecord, type NodeRecord } from "../../../src/control/records/record.ts";
import { storedBytes } from "../../../src/control/records/state.ts";
import { Store } from "../../../src/control/records/store.ts";
import type { Directive, Forgetting } from "../../../src/wire/directive.ts";
import { prefix } from "../../../src/wire/prefix.ts";
import { directiveOf } from "../../made/directives.ts";
import { identityOf, recordOf } from "../../made/records.ts";

export const NODES = [0, 1, 2] as const;
export const SUBNETS = [1, 2, 3].map((n) => prefix(`10.42.${n}.0/24`));

type Item = { readonly record: NodeRecord } | { readonly directive: Directive<Forgetting> };

/** A claim of a node: which subnet, its stamp, and in which life it was made. */
interface ModelClaim {
  readonly subnet: number;
  readonly stamp: number;
  readonly incarnation: number;
}

export interface ModelNode {
  /** `new`: never started; `gone`: left for good. */
  readonly life: "new" | "up" | "down" | "gone";
  readonly incarnation: number;
  readonly epoch: number;
  readonly claim: ModelClaim | null;
  readonly use: "none" | "probation" | "confirmed";
  /** The number of what it knows; its disk has the same. */
  readonly knows: number;
}

/** How often what may still happen. */
export interface Budget {
  readonly claims: number;
  readonly restarts: number;
  readonly forgets: number;
  readonly leaves: number;
}

export interface State {
  readonly nodes: readonly ModelNode[];
  /** Numbers of the items that were ever told, in order. */
  readonly told: readonly number[];
  readonly left: Budget;
}

/** What a node believes by what it knows. */
export interface Belief {
  /** By subnet: the node that holds it, or −1. */
  readonly holders: readonly number[];
  /** Subnets that somebody claims, whether he holds them or not. */
  readonly taken: readonly boolean[];
  /** By node: the version of its record, as a number that grows; −1: none. */
  readonly versions: readonly number[];
  /** By node: up to which life it is forgotten; −1: not at all. */
  readonly forgotten: readonly number[];
  readonly greatestStamp: number;
}

const SEEDS = [1, 2, 3];
const IDS = SEEDS.map((seed) => identityOf(seed).id);

// BOUNDED: what the model can reach
const items: Item[] = [];
const itemNumbers = new Map<string, number>();
const knowledge: (readonly number[])[] = [[]];
const knowledgeNumbers = new Map<string, number>([["", 0]]);
const learned = new Map<string, number>();
const beliefs: (Belief | undefined)[] = [];
const texts: (string | undefined)[] = [];

function itemNumber(key: string, make: () => Item): number {
  let number = itemNumbers.get(key);
  if (number === undefined) {
    number = items.push(make()) - 1;
    itemNumbers.set(key, number);
  }
  return number;
}

/** The record that a node writes of itself. */
export function recordItem(node: number, { incarnation, epoch, claim, life }: ModelNode): number {
  const gone = life === "gone";
  return itemNumber(`r${node} ${incarnation}.${epoch} ${gone} ${JSON.stringify(claim)}`, () => {
    const claims = claim === null ? [] : [{ ...claim, subnet: SUBNETS[claim.subnet]! }];
    return { record: recordOf(SEEDS[node]!, { incarnation, epoch, claims, gone, left: incarnation }) };
  });
}

export function directiveItem(issuer: number, target: number, incarnation: number): number {
  const change = { incarnation, seq: 1 };
  return itemNumber(`d${issuer} ${target} ${incarnation}`, () => ({
    directive: directiveOf(SEEDS[issuer]!, SEEDS[target]!, change),
  }));
}

/** What a node knows after it has taken in an item, as node/record_steps.ts and node/forget_steps.ts do. */
export function learn(knows: number, item: number): number {
  const key = `${knows} ${item}`;
  const known = learned.get(key);
  if (known !== undefined) return known;
  const { store, directives } = replica([...knowledge[knows]!, item]);
  const bytes = [
    ...[...store.records()].map(({ raw }) => raw.join()),
    ...[...store.tombstones()].map((text) => storedBytes(text).join()),
    ...directives.all().map(({ raw }) => raw.join()),
  ];
  const kept = [...knowledge[knows]!, item].filter((n, at, all) =>
    all.indexOf(n) === at && bytes.includes(rawOf(items[n]!).join())
  ).sort((a, b) => a - b);
  const text = kept.join();
  let number = knowledgeNumbers.get(text);
  if (number === undefined) {
    number = knowledge.push(kept) - 1;
    knowledgeNumbers.set(text, number);
  }
  learned.set(key, number);
  return number;
}

function rawOf(item: Item): Uint8Array {
  return "record" in item ? item.record.raw : item.directive.raw;
}

function replica(list: readonly number[]): { readonly store: Store; readonly directives: Directives } {
  const store = new Store(), directives = new Directives();
  for (const item of list.map((n) => items[n]!)) {
    if ("record" in item) {
      if (!directives.isForgotten(item.record)) store.insert(item.record);
    } else if (directives.insert(item.directive) !== null) {
      const record = store.get(item.directive.target);
      if (record !== undefined && directives.isForgotten(record)) store.drop(record.id);
    }
  }
  return { store, directives };
}

/** What follows from what a node knows. */
export function believes(knows: number): Belief {
  return beliefs[knows] ??= (() => {
    const { store, directives } = replica(knowledge[knows]!);
    const holders = new Holders(store, directives);
    const { held } = holders.now();
    const claimed = new Set(holders.besides("").map(({ subnet }) => subnet.text));
    return {
      holders: SUBNETS.map(({ text }) => IDS.indexOf(held.find((c) => c.subnet.text === text)?.nodeId ?? "")),
      taken: SUBNETS.map(({ text }) => claimed.has(text)),
      versions: IDS.map((id) => {
        const record = store.get(id);
        return record === undefined ? -1 : 100 * record.incarnation + record.epoch;
      }),
      forgotten: IDS.map((id) => directives.about(id)?.incarnation ?? -1),
      greatestStamp: store.greatestStamp,
    };
  })();
}

/** What a node's knowledge is made of. */
export function itemsOf(knows: number): readonly number[] {
  return knowledge[knows]!;
}

/** For a message. */
export function textOf(item: number): string {
  return texts[item] ??= textOfItem(items[item]!);
}

function textOfItem(one: Item): string {
  if ("directive" in one) {
    return `forget ${IDS.indexOf(one.directive.target)} up to life ${one.directive.incarnation}`;
  }
  const { id, incarnation, epoch, claims, gone } = decodeRecord(one.record.raw)!;
  const claim = claims[0] === undefined ? "nothing" : `${claims[0].subnet} at ${claims[0].stamp}`;
  return `record of ${IDS.indexOf(id)}, ${incarnation}.${epoch}: ${gone ? "gone" : claim}`;
}
