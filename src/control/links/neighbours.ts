/**
 * Which members a node keeps links with in a large mesh. Up to 128 members: with all of them. Above that with its
 * neighbours, which are drawn by lot: two nodes are neighbours when the hash of both their ids is small enough. Both sides
 * come to the same without a word, and two dozen of them make a random graph, which is connected and a few steps across.
 * What a node wants besides, because packets wait for it, is demand.ts's.
 *
 * How small is enough goes by the number of members in steps of √2, so that a mesh that grows by one node does not draw
 * anew. Two nodes that count differently for a moment differ by one step, and the neighbours of the one are among those
 * of the other: then one of them wants the link, and that is enough. Ids are public keys: their digits are random, and
 * whoever tries keys to be many nodes' neighbour needs as many tries for each.
 */

/** How many links there are. */
export interface Density {
  /** Up to so many members there are links with all. */
  readonly fullMesh: number;
  /** Above that a node has so many on average, at least; and √2 as many at most. */
  readonly degree: number;
}

/** Without a neighbour that lives is one node of e²⁴. */
export const DENSITY: Density = { fullMesh: 128, degree: 24 };
/** A step is left downwards only below this part of it: who comes and goes at the edge moves nothing. */
const DOWN_AT = 0.9;
const STEP = Math.SQRT2;
/** A mesh of which hardly anybody is alive counts as one that is so many times smaller than it is: who starts knows many. */
const DEAD_MOST = 4;

/** A number in [0, 1) that two ids have in common, whichever is named first. */
export function lot(a: string, b: string): number {
  const [x, y] = a < b ? [a, b] : [b, a];
  const mixed = mix(mix(word(x, 0) ^ mix(word(y, 0))) ^ mix(word(x, 8) + mix(word(y, 8))));
  return mixed / 2 ** 32;
}

// 32 bits of an id.
function word(id: string, at: number): number {
  return parseInt(id.slice(at, at + 8), 16) | 0;
}

// The finaliser of MurmurHash3: each bit of what goes in changes half of those that come out.
function mix(n: number): number {
  let h = n | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

export class Neighbours {
  readonly #id: string;
  readonly #density: Density;
  /** Steps of √2 that the mesh is large; −1: links with all. */
  #step = -1;

  /** `id`: our own. */
  constructor(id: string, density = DENSITY) {
    this.#id = id;
    this.#density = density;
  }

  /** Whether there are links with all. */
  get full(): boolean {
    return this.#step < 0;
  }

  /** Whether there are links with all, and so many members are too many for that. */
  outgrownBy(members: number): boolean {
    return this.full && members > this.#density.fullMesh;
  }

  /**
   * There are so many members, and of those so many alive: while a part is out of reach, the rest draws more, so that it
   * stays connected. True when others are neighbours now.
   */
  count(members: number, living: number): boolean {
    const before = this.#step;
    const { fullMesh } = this.#density;
    const full = members <= fullMesh && (before < 0 || members <= fullMesh * DOWN_AT);
    this.#step = full ? -1 : this.#stepFor(Math.max(living, members / DEAD_MOST));
    return this.#step !== before;
  }

  #stepFor(members: number): number {
    const step = Math.ceil(Math.log(members) / Math.log(STEP));
    const stays = step === this.#step - 1 && members > STEP ** step * DOWN_AT;
    return stays ? this.#step : step;
  }

  /** Whether this node and we keep a link whatever happens. */
  has(id: string): boolean {
    return this.areNeighbours(this.#id, id);
  }

  /** Whether two others do, as far as we can tell. */
  areNeighbours(a: string, b: string): boolean {
    return this.full || lot(a, b) < this.#density.degree * STEP / STEP ** this.#step;
  }
}
