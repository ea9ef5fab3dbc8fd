/**
 * One line in the log for a peer that is alive and to which there is no path, with what `why` advises, and one when there
 * is. SWIM keeps such a peer alive, for others hear it: without the line nothing tells that its containers are out of
 * reach from here. Pure.
 */
import type { Wanted } from "../../control/paths/paths.ts";
import type { Path } from "../../control/paths/path_choice.ts";
import { pathAdvice, type Surroundings } from "./path_advice.ts";

/** A path takes a moment: nothing is said before. */
export const LOST_AFTER_MS = 15_000;

export interface PathLine {
  readonly level: "info" | "warn";
  readonly message: string;
  readonly peer: string;
}

export class LostPaths {
  // BOUNDED: one per peer, ≤ MAX_PEERS: since when there is no path, and whether that was said
  readonly #since = new Map<string, { readonly at: number; told: boolean }>();

  /** What is to be logged about the paths as they are now. */
  look(surroundings: Surroundings, wanted: Wanted, now: number): PathLine[] {
    const lines: PathLine[] = [];
    const { own, peers } = surroundings.view;
    const known = new Set(peers.map(({ id }) => id));
    for (const id of this.#since.keys()) if (!known.has(id)) this.#since.delete(id);
    for (const peer of peers) {
      const path = wanted.paths.get(peer.id);
      const lost = this.#since.get(peer.id);
      const line = { peer: peer.id.slice(0, 8) };
      if (
        path === undefined || own.leaseState !== "confirmed" || peer.state !== "alive" || path.path !== "none"
      ) {
        // Dead, it is told as that; and back with a path, as alive.
        if (lost?.told && peer.state === "alive" && path !== undefined && path.path !== "none") {
          lines.push({ ...line, level: "info", message: `${peer.name} has a path again: ${path.path}` });
        }
        if (peer.state !== "suspect") this.#since.delete(peer.id);
        continue;
      }
      if (lost === undefined) this.#since.set(peer.id, { at: now, told: false });
      else if (!lost.told && now - lost.at >= LOST_AFTER_MS) {
        lost.told = true;
        const fix = adviceFor(surroundings, peer, path);
        const words = `${peer.name} is alive, but this host has no path to it: ${path.why}`;
        lines.push({ ...line, level: "warn", message: fix === null ? words : `${words}; fix: ${fix}` });
      }
    }
    return lines;
  }
}

function adviceFor(
  surroundings: Surroundings,
  peer: Surroundings["view"]["peers"][number],
  path: Path,
): string | null {
  return path.fix ?? pathAdvice(surroundings, peer)?.fix ?? null;
}
