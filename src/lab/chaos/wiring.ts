/**
 * Which bridge each host of a chaos run is on. A split moves cables from one bridge to another; what is on its way to a
 * host that is moved is lost, also between hosts that stay on one side. So as few as possible move. Pure.
 */

/**
 * The bridge of every host when `sides` are apart, given those of now. The biggest side chooses first, and takes the bridge
 * that most of it is on. There must be as many bridges as sides.
 */
export function wiring(
  sides: readonly (readonly string[])[],
  now: ReadonlyMap<string, number>,
  bridges: number,
): Map<string, number> {
  const next = new Map<string, number>(); // BOUNDED: one per host
  const free = new Set(Array.from({ length: bridges }, (_, i) => i)); // BOUNDED: `bridges`
  for (const side of [...sides].sort((a, b) => b.length - a.length)) {
    const there = (bridge: number) => side.filter((host) => now.get(host) === bridge).length;
    const [best] = [...free].sort((a, b) => there(b) - there(a));
    if (best === undefined) {
      throw new RangeError(`${sides.length} sides need as many bridges, not ${bridges}`);
    }
    free.delete(best);
    for (const host of side) next.set(host, best);
  }
  return next;
}
