/**
 * Who holds a subnet: a pure function of the merged records and directives, so that every node gives the same answer. The
 * subnets of static peers come first, then reservations; among claims the lower Lamport stamp, then the smaller id. They
 * are accepted in that order, each unless it overlaps one accepted before that is not for the same node; what is left over
 * has lost.
 */

import { isIpv4 } from "../../wire/address.ts";
import { overlaps, type Prefix } from "../../wire/prefix.ts";
import { Directives } from "../forget/directives.ts";
import { type Leased, leasedText, type NodeRecord, subnetsOf } from "../records/record.ts";

/**
 * A claim by a node, of both families together where the mesh has both: whoever loses one subnet loses the other with it, so
 * that each number has one holder. What is reserved is one subnet, and counts before all claims.
 */
export interface Contender extends Leased {
  /** Who claims it, has the static peer, or is the only one that may claim it. */
  readonly nodeId: string;
  readonly stamp: number;
  /** In which incarnation of its node it was claimed; 0: it is reserved. */
  readonly incarnation: number;
  /** `static`: by a node, for its static peer. `directive`: for the node, by a member. Null: claimed. */
  readonly reserved: "static" | "directive" | null;
}

/** What lost, and to whom. */
export interface Loss {
  readonly claim: Contender;
  readonly to: Contender;
}

export interface Holdings {
  /** Accepted, in the total order. */
  readonly held: readonly Contender[];
  readonly lost: readonly Loss[];
}

/** Negative when `a` comes before `b`. Total: no two contenders of one set are equal. */
export function compareContenders(a: Contender, b: Contender): number {
  if (a.reserved !== b.reserved) return rankOf(a) - rankOf(b);
  if (a.stamp !== b.stamp) return a.stamp - b.stamp;
  if (a.nodeId !== b.nodeId) return a.nodeId < b.nodeId ? -1 : 1;
  const [left, right] = [leasedText(a), leasedText(b)];
  return left === right ? 0 : left < right ? -1 : 1;
}

function rankOf({ reserved }: Contender): number {
  return reserved === "static" ? 0 : reserved === "directive" ? 1 : 2;
}

// Two nodes may have one static peer; and what is reserved for a node is there for it to claim.
function goTogether(a: Contender, b: Contender): boolean {
  if (a.reserved === "static" || b.reserved === "static") return a.reserved === b.reserved;
  return a.nodeId === b.nodeId && a.reserved !== b.reserved;
}

/** Which subnet of one is in the way of the other: of both families together they may clash in one alone. */
export function contestedIn(one: Leased, other: Leased): Prefix {
  const clashes = (subnet: Prefix) => subnetsOf(other).some((theirs) => overlaps(subnet, theirs));
  return subnetsOf(one).find(clashes) ?? one.subnet;
}

/** What a mesh lets count. */
export interface Countable {
  /** Whether its leases look like this subnet. */
  leases(subnet: Prefix): boolean;
  /** Whether a static peer may have it: less than a whole network of the mesh. */
  reserves(subnet: Prefix): boolean;
}

/** No mesh is known: everything counts. */
export const ALL_COUNT: Countable = { leases: () => true, reserves: () => true };

/** Everything that the records claim or reserve, and is not forgotten. */
export function contenders(records: Iterable<NodeRecord>, directives = new Directives()): Contender[] {
  return [...records].flatMap((record) => contendersOf(record, directives));
}

/** All that a record claims or reserves, whether or not it counts. */
export function contendedBy({ id: nodeId, reserved, claims }: NodeRecord): readonly Contender[] {
  return [
    ...reserved.map((subnet) => ({ nodeId, subnet, stamp: 0, incarnation: 0, reserved: "static" as const })),
    ...claims.map((claim) => ({ nodeId, ...claim, reserved: null })),
  ];
}

/**
 * What counts of `contended`, all that a record claims or reserves: what is not forgotten. A claim that no lease of the mesh
 * looks like, such as one of half the network, is none, nor is a reservation of a whole network: they would take from
 * others what nobody can hold.
 */
export function contendersOf(
  record: NodeRecord,
  directives: Directives,
  countable = ALL_COUNT,
  contended = contendedBy(record),
): readonly Contender[] {
  if (directives.isForgotten(record)) return [];
  const counts = (one: Contender) =>
    one.reserved !== null
      ? countable.reserves(one.subnet)
      : !directives.isClaimForgotten(one.nodeId, one) && subnetsOf(one).every(countable.leases);
  return contended.every(counts) ? contended : contended.filter(counts);
}

/** What the reservation with this key stands for. Of no other length or network than a lease: it is there to be leased. */
export function reservedBy(key: string, directives: Directives, countable = ALL_COUNT): Contender[] {
  const one = directives.standingOf(key);
  if (one === null || !countable.leases(one.subnet)) return [];
  return [{ nodeId: one.holder, subnet: one.subnet, stamp: 0, incarnation: 0, reserved: "directive" }];
}

/** Decides among contenders. The order in which they are given does not matter. */
export function holdings(all: readonly Contender[]): Holdings {
  const sorted = [...all].sort(compareContenders);
  const held: Contender[] = [];
  const lost: Loss[] = [];
  const index = new ContenderIndex();
  for (const claim of sorted) {
    const to = index.overlapping(claim);
    if (to === null) {
      held.push(claim);
      index.add(claim);
    } else lost.push({ claim, to });
  }
  return { held, lost };
}

// What is accepted, of each family for itself: as a rule the prefixes of a family have one length.
class ContenderIndex {
  readonly #four = new PrefixIndex();
  readonly #six = new PrefixIndex();

  add(c: Contender): void {
    for (const subnet of subnetsOf(c)) this.#of(subnet).add(subnet, c);
  }

  /** The accepted contender that `c` cannot go together with: for its first subnet, else for its second. */
  overlapping(c: Contender): Contender | null {
    for (const subnet of subnetsOf(c)) {
      const other = this.#of(subnet).overlapping(subnet, c);
      if (other !== null) return other;
    }
    return null;
  }

  #of({ address }: Prefix): PrefixIndex {
    return isIpv4(address) ? this.#four : this.#six;
  }
}

// Accepted prefixes by length and text: equal ones, by far the common case, are found without a scan.
class PrefixIndex {
  // BOUNDED: one per accepted claim, ≤ MAX_PEERS × claims of a record
  readonly #byText = new Map<string, { readonly subnet: Prefix; readonly holders: Contender[] }>();
  readonly #lengths = new Set<number>();

  add(subnet: Prefix, holder: Contender): void {
    const there = this.#byText.get(subnet.text);
    if (there === undefined) this.#byText.set(subnet.text, { subnet, holders: [holder] });
    else there.holders.push(holder);
    this.#lengths.add(subnet.length);
  }

  /** The accepted contender that shares an address with `subnet` and leaves no room for `c`; the first in the total order. */
  overlapping(subnet: Prefix, c: Contender): Contender | null {
    const inTheWay = (holder: Contender) => !goTogether(holder, c);
    const same = this.#byText.get(subnet.text)?.holders.find(inTheWay);
    if (same !== undefined) return same;
    if (this.#lengths.size === 0 || (this.#lengths.size === 1 && this.#lengths.has(subnet.length))) {
      return null;
    }
    for (const other of this.#byText.values()) {
      const holder = overlaps(other.subnet, subnet) ? other.holders.find(inTheWay) : undefined;
      if (holder !== undefined) return holder;
    }
    return null;
  }
}
