/**
 * What the log says of paths: of those that change, which way now and why, and when less fits than before; of peers that are
 * alive and have none, what to do about it.
 */
import type { Path } from "../../control/paths/path_choice.ts";
import type { Wanted } from "../../control/paths/paths.ts";
import type { PeerKey } from "../../control/paths/tunnels.ts";
import type { NodeView } from "../../control/paths/view.ts";
import { logger } from "../../log/log.ts";
import { pathAdvice, type Surroundings } from "./path_advice.ts";

/** A path that is being measured takes more and more: told is what it comes to. */
const SETTLED_MS = 2000;
/** A path takes a moment: nothing is said of peers without one before. */
export const LOST_AFTER_MS = 15_000;

interface Told {
  readonly path: Path;
  /** What is to be told once it lasts. */
  mtu: number;
  mtuSince: number;
}

export class PathLog {
  /** BOUNDED: one per peer, ≤ MAX_PEERS. */
  #told = new Map<PeerKey, Told>();

  /** Compares with the time before. */
  tell({ peers }: NodeView, { paths }: Wanted, now: number): void {
    const told = new Map<PeerKey, Told>(); // BOUNDED: as #told
    for (const { id, name, state } of peers) {
      const path = paths.get(id);
      if (path === undefined || state === "dead") continue;
      const before = this.#told.get(id);
      // A path that is being asked for is neither here nor there, and one that packets make is as good as the one before;
      // the dead are told of elsewhere.
      if (path.path === "idle" || (path.path === "none" && path.fix === undefined)) {
        if (before !== undefined) told.set(id, before);
      } else told.set(id, before === undefined ? newOf(path, now) : compare(name, before, path, now));
    }
    this.#told = told;
  }
}

const newOf = (path: Path, now: number): Told => ({ path, mtu: path.mtu, mtuSince: now });

function compare(name: string, before: Told, path: Path, now: number): Told {
  if (before.path.path !== path.path || before.path.to !== path.to) {
    const log = path.path === "none" ? logger.warn : logger.info;
    const how = path.path === "none" ? "No path" : `New path, ${path.path} (${path.to}),`;
    log(`${how} to ${name}: ${path.why}`, path.fix === undefined ? {} : { fix: path.fix });
    return newOf(path, now);
  }
  if (path.mtu !== before.mtu) return { path: before.path, mtu: path.mtu, mtuSince: now };
  if (path.mtu === before.path.mtu || now - before.mtuSince < SETTLED_MS) return before;
  const fields = { path: path.to ?? "", mtu: path.mtu };
  const takes = `The path MTU to ${name} is ${path.mtu}`;
  if (path.mtu > before.path.mtu) logger.info(`${takes} again`, fields);
  else logger.warn(`${takes}, down from ${before.path.mtu}: larger packets get no answer`, fields);
  return newOf(path, now);
}

export interface PathLine {
  readonly level: "info" | "warn";
  readonly message: string;
  readonly peer: string;
}

/**
 * One line in the log for a peer that is alive and to which there is no path, with what `why` advises, and one when there
 * is. SWIM keeps such a peer alive, for others hear it: without the line nothing tells that its containers are out of
 * reach from here. Pure.
 */
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
