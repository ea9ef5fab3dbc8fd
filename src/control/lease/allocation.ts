/**
 * Which subnet to claim: the user's wish when it is free, else one at random among the free ones between
 * subnetMin and subnetMax. Random, so that nodes which choose at the same moment seldom choose the same; free means
 * that no claim, no reservation for another and no static peer's subnet overlaps it, whether or not its holder is alive.
 */

import type { Random } from "../../ports/time.ts";
import { parseAddress } from "../../wire/address.ts";
import {
  contains,
  isInside,
  networkOf,
  nthSubnet,
  overlaps,
  Prefix,
  subnetIndex,
} from "../../wire/prefix.ts";
import { type LeasableRange, type MeshConfig, rangesOf } from "../mesh/mesh_config.ts";
import { lengthOffset } from "../mesh/mesh.ts";
import type { Countable } from "./claims.ts";

const RANDOM_TRIES = 64;

export type Allocation =
  /** `wish`: as wished, as far as something was. `second`: of the mesh's other family. */
  | { readonly kind: "found"; readonly subnet: Prefix; readonly second?: Prefix; readonly wish: boolean }
  /** `range`: in which nothing is free. */
  | { readonly kind: "exhausted"; readonly total: number; readonly range: LeasableRange };

/** What the user would like of each family of the mesh; null: anything. */
export interface Wishes {
  readonly subnet: Prefix | null;
  readonly second?: Prefix | null;
}

/** The subnets a mesh may lease: `count` of them, the first being number `first` of the network. */
export interface LeaseRange {
  readonly network: Prefix;
  /** 128-based. */
  readonly subnetLength: number;
  readonly first: number;
  readonly count: number;
}

/** The range that a checked configuration describes. */
export function leaseRange(mesh: LeasableRange): LeaseRange {
  const { network } = mesh;
  const subnetLength = mesh.subnetLen + lengthOffset(network);
  const indexOf = (text: string) =>
    subnetIndex(network, subnetLength, networkOf(new Prefix(parseAddress(text)!, subnetLength)));
  const first = indexOf(mesh.subnetMin) ?? 0;
  const last = indexOf(mesh.subnetMax) ?? first;
  return { network, subnetLength, first, count: Math.max(1, last - first + 1) };
}

/** What counts in this mesh, whoever says it. */
export function countableIn(mesh: MeshConfig): Countable {
  const ranges = rangesOf(mesh).map(leaseRange);
  return {
    leases: (subnet) =>
      ranges.some(({ network, subnetLength, first, count }) => {
        if (subnet.length !== subnetLength || !contains(network, subnet.address)) return false;
        const n = subnetIndex(network, subnetLength, subnet);
        return n !== null && n >= first && n < first + count;
      }),
    reserves: (subnet) => !ranges.some(({ network }) => isInside(network, subnet)),
  };
}

/** Why a wish can never be granted in this mesh, or null when it could. */
export function wishProblem(mesh: LeasableRange, wish: Prefix): string | null {
  const range = leaseRange(mesh);
  if (!contains(range.network, wish.address)) return `it is not in ${mesh.network}`;
  const n = subnetIndex(range.network, range.subnetLength, wish);
  if (n === null) return `leases in this mesh are /${mesh.subnetLen}`;
  if (n < range.first || n >= range.first + range.count) {
    return `leases in this mesh range from ${mesh.subnetMin} to ${mesh.subnetMax}`;
  }
  return null;
}

/**
 * Chooses a free subnet, of each family one; `taken` is everything claimed or reserved, in 128-based prefixes. The second has
 * the number in its network that the first has in the other's (10.42.7.0/24, fd00:0:0:7::/64), where there is one of that
 * number and it is free: people read it so. Otherwise it is any other.
 */
export function allocate(
  mesh: MeshConfig,
  taken: readonly Prefix[],
  wishes: Wishes,
  random: Random,
): Allocation {
  const { second } = mesh;
  if (second === undefined) return allocateIn(mesh, taken, [wishes.subnet], random);
  const wished = wishes.second ?? null;
  const twinOfWish = wished === null ? null : sameNumber(second, wished, mesh);
  const one = allocateIn(mesh, taken, [wishes.subnet, twinOfWish], random);
  if (one.kind === "exhausted") return one;
  const other = allocateIn(second, taken, [wished, sameNumber(mesh, one.subnet, second)], random);
  if (other.kind === "exhausted") return other;
  const unmet = (wishes.subnet !== null && !one.wish) || (wished !== null && !other.wish);
  return { kind: "found", subnet: one.subnet, second: other.subnet, wish: !unmet };
}

/** The first of `liked` that is free and may be leased, else one at random; `wish`: the very first. */
function allocateIn(
  within: LeasableRange,
  taken: readonly Prefix[],
  liked: readonly (Prefix | null)[],
  random: Random,
): Allocation {
  const range = leaseRange(within);
  const free = (p: Prefix) => !taken.some((t) => overlaps(t, p));
  for (const one of liked) {
    if (one === null || wishProblem(within, one) !== null || !free(one)) continue;
    return { kind: "found", subnet: one, wish: one === liked[0] };
  }
  for (let i = 0; i < RANDOM_TRIES; i++) {
    const subnet = subnetAt(range, random.below(range.count));
    if (free(subnet)) return { kind: "found", subnet, wish: false };
  }
  return allocateCrowded(within, taken, random);
}

/** The subnet of `there` with the number that `subnet` has in `here`, or null. */
function sameNumber(here: LeasableRange, subnet: Prefix, there: LeasableRange): Prefix | null {
  const n = subnetIndex(here.network, subnet.length, subnet);
  const length = there.subnetLen + lengthOffset(there.network);
  if (n === null || n >= 2 ** (length - there.network.length)) return null;
  return nthSubnet(there.network, length, n);
}

// Few are free: walk once around the range from a random start, skipping what one taken prefix covers.
function allocateCrowded(within: LeasableRange, taken: readonly Prefix[], random: Random): Allocation {
  const range = leaseRange(within);
  const blocked = blockedSpans(range, taken);
  const start = random.below(range.count);
  for (const [from, to] of [[start, range.count], [0, start]] as const) {
    let n = from;
    for (const [low, high] of blocked) {
      if (n < low) break;
      n = Math.max(n, high);
    }
    if (n < to) return { kind: "found", subnet: subnetAt(range, n), wish: false };
  }
  return { kind: "exhausted", total: range.count, range: within };
}

function subnetAt(range: LeaseRange, n: number): Prefix {
  return nthSubnet(range.network, range.subnetLength, range.first + n);
}

// What `taken` covers of the range, as sorted spans [low, high) of numbers counted from its first subnet.
function blockedSpans(range: LeaseRange, taken: readonly Prefix[]): [number, number][] {
  const spans: [number, number][] = [];
  for (const t of taken) {
    if (!overlaps(t, range.network)) continue;
    if (t.length <= range.network.length) return [[0, range.count]];
    const length = Math.min(t.length, range.subnetLength);
    const first = networkOf(new Prefix(t.address, range.subnetLength));
    const n = subnetIndex(range.network, range.subnetLength, first);
    if (n === null) continue;
    const low = n - range.first;
    spans.push([low, low + 2 ** (range.subnetLength - length)]);
  }
  return spans.sort((a, b) => a[0] - b[0]);
}
