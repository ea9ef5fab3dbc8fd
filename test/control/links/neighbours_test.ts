/** Who keeps links with whom in a large mesh: the same on both sides, few, and all connected. */

import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { DENSITY, lot, Neighbours } from "../../../src/control/links/neighbours.ts";
import { toHex } from "../../../src/wire/bytes.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";

const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex);

function idsOf(seed: number, count: number): string[] {
  const random = new SeededRandom(seed);
  return Array.from({ length: count }, () => toHex(random.bytes(32)));
}

function graphOf(ids: readonly string[], living = ids.length): string[][] {
  return ids.map((own) => {
    const neighbours = new Neighbours(own);
    neighbours.count(ids.length, living);
    return ids.filter((other) => other !== own && neighbours.has(other));
  });
}

function reached(ids: readonly string[], graph: readonly string[][]): number {
  const places = new Map(ids.map((one, n) => [one, n]));
  const seen = new Set([ids[0]!]);
  for (const one of seen) for (const other of graph[places.get(one)!]!) seen.add(other);
  return seen.size;
}

test("lot() is one number of two ids, whichever is named first, in [0, 1)", () => {
  fc.assert(fc.property(id, id, (a, b) => {
    const drawn = lot(a, b);
    assert.equal(lot(b, a), drawn);
    assert.ok(drawn >= 0 && drawn < 1);
  }));
});

test("lot() is spread evenly, for one id with others, and between ids that differ little", () => {
  const [own, ...others] = idsOf(1, 4001) as [string, ...string[]];
  const alike = others.map((_, n) => own.slice(0, 4) + n.toString(16).padStart(4, "0") + own.slice(8));
  for (const drawn of [others.map((one) => lot(own, one)), alike.map((one) => lot(own, one))]) {
    for (let tenth = 0; tenth < 10; tenth++) {
      const share = drawn.filter((n) => Math.floor(n * 10) === tenth).length / drawn.length;
      assert.ok(share > 0.08 && share < 0.12, `${share} in tenth ${tenth}`);
    }
  }
});

test("Up to 128 members all are neighbours; above that between 24 and 34 on average, mutual, and connected", () => {
  assert.ok(graphOf(idsOf(2, 128)).every((neighbours) => neighbours.length === 127));
  for (const count of [129, 181, 182, 300, 512, 513, 1000]) {
    const ids = idsOf(count, count);
    const graph = graphOf(ids);
    const places = new Map(ids.map((one, n) => [one, n]));
    graph.forEach((neighbours, n) => {
      for (const other of neighbours) assert.ok(graph[places.get(other)!]!.includes(ids[n]!));
    });
    const mean = graph.reduce((sum, { length }) => sum + length, 0) / count;
    assert.ok(
      mean > DENSITY.degree * 0.95 && mean < DENSITY.degree * Math.SQRT2 * 1.05,
      `${mean} of ${count}`,
    );
    assert.equal(reached(ids, graph), count);
  }
});

test("Those that are alive are connected while half of the mesh is out of reach", () => {
  const ids = idsOf(5, 600);
  const graph = graphOf(ids, 300);
  const side = ids.slice(0, 300);
  const left = graph.slice(0, 300).map((neighbours) => neighbours.filter((one) => side.includes(one)));
  assert.equal(reached(side, left), 300);
});

test("Two nodes that count differently have neighbours of which the one's are among the other's", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 129, max: 20_000 }),
      fc.double({ min: 0.3, max: 1, noNaN: true }),
      (many, part) => {
        const [own, ...others] = idsOf(7, 300) as [string, ...string[]];
        const [large, small] = [new Neighbours(own), new Neighbours(own)];
        large.count(many, many);
        small.count(many, Math.ceil(many * part));
        for (const other of others) {
          if (large.has(other)) assert.ok(small.has(other));
        }
      },
    ),
  );
});

test("Who comes and goes at the edge of a step moves nothing", () => {
  for (const edge of [128, 256, 362, 512, 1024]) {
    const neighbours = new Neighbours(idsOf(1, 1)[0]!);
    for (let n = 1; n <= edge + 1; n++) neighbours.count(n, n);
    for (let n = 0; n < 20; n++) {
      const members = edge + (n % 2 === 0 ? -Math.floor(edge * 0.05) : 1);
      assert.equal(neighbours.count(members, members), false, `${members} members`);
    }
    assert.equal(neighbours.count(Math.floor(edge * 0.8), Math.floor(edge * 0.8)), true);
  }
});
