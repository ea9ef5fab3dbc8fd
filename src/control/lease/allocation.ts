/**
 * Which subnet to claim: the user's wish when it is free, else one at random among the free ones between
 * subnetMin and subnetMax. Random, so that nodes which choose at the same moment seldom choose the same; free means
 * that no claim and no static peer's subnet overlaps it, whether or not its holder is alive.
 */

import type { Random } from "../../ports/time.ts";
import { parseAddress } from "../../wire/address.ts";
import { contains, networkOf, nthSubnet, overlaps, Prefix, subnetIndex } from "../../wire/prefix.ts";
import type { MeshConfig } from "../mesh/mesh_config.ts";
import { lengthOffset } from "../mesh/mesh.ts";

const RANDOM_TRIES = 64;

export type Allocation =
  | { readonly kind: "found"; readonly subnet: Prefix; readonly wish: boolean }
  | { readonly kind: "exhausted"; readonly total: number };

/** The subnets a mesh may lease: `count` of them, the first being number `first` of the network. */
export interface LeaseRange {
  readonly network: Prefix;
  /** 128-based. */
  readonly subnetLength: number;
  readonly first: number;
  readonly count: number;
}

/** The range that a checked configuration describes. */
export function leaseRange(mesh: MeshConfig): LeaseRange {
  const { network } = mesh;
  const subnetLength = mesh.subnetLen + lengthOffset(network);
  const indexOf = (text: string) =>
    subnetIndex(network, subnetLength, networkOf(new Prefix(parseAddress(text)!, subnetLength)));
  const first = indexOf(mesh.subnetMin) ?? 0;
  const last = indexOf(mesh.subnetMax) ?? first;
  return { network, subnetLength, first, count: Math.max(1, last - first + 1) };
}

/** Why a wish can never be granted in this mesh, or null when it could. */
export function wishProblem(mesh: MeshConfig, wish: Prefix): string | null {
  const range = leaseRange(mesh);
  if (!contains(range.network, wish.address)) return `it is not in ${mesh.network}`;
  const n = subnetIndex(range.network, range.subnetLength, wish);
  if (n === null) return `leases in this mesh are /${mesh.subnetLen}`;
  if (n < range.first || n >= range.first + range.count) {
    return `leases in this mesh range from ${mesh.subnetMin} to ${mesh.subnetMax}`;
  }
  return null;
}

/** Chooses a free subnet; `taken` is everything claimed or reserved, in 128-based prefixes. */
export function allocate(
  mesh: MeshConfig,
  taken: readonly Prefix[],
  wish: Prefix | null,
  random: Random,
): Allocation {
  const range = leaseRange(mesh);
  const free = (p: Prefix) => !taken.some((t) => overlaps(t, p));
  if (wish !== null && wishProblem(mesh, wish) === null && free(wish)) {
    return { kind: "found", subnet: wish, wish: true };
  }
  for (let i = 0; i < RANDOM_TRIES; i++) {
    const subnet = subnetAt(range, random.below(range.count));
    if (free(subnet)) return { kind: "found", subnet, wish: false };
  }
  return allocateCrowded(range, taken, random);
}

// Few are free: walk once around the range from a random start, skipping what one taken prefix covers.
function allocateCrowded(range: LeaseRange, taken: readonly Prefix[], random: Random): Allocation {
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
  return { kind: "exhausted", total: range.count };
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
