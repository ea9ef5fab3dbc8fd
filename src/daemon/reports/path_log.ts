/**
 * What the log says of paths that change: which way now and why, and when less fits than before. Of peers that never had a
 * path lost_paths.ts tells.
 */
import type { Wanted } from "../../control/paths/paths.ts";
import type { Path } from "../../control/paths/path_choice.ts";
import type { PeerKey } from "../../control/paths/peer_key.ts";
import type { NodeView } from "../../control/paths/view.ts";
import { logger } from "../../log/log.ts";

/** A path that is being measured takes more and more: told is what it comes to. */
const SETTLED_MS = 2000;

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
      // A path that is being asked for is neither here nor there; the dead are told of elsewhere.
      if (path.path === "none" && path.fix === undefined) {
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
