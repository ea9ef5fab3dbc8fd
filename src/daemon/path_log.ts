/**
 * What the log says of paths that change: which way now and why, and when less fits than before. Of peers that never had a
 * path lost_paths.ts tells.
 */
import type { Path, PeerKey, Wanted } from "../control/reconcile.ts";
import type { NodeView } from "../control/view.ts";
import { logger } from "./log.ts";

export class PathLog {
  /** BOUNDED: one per peer, ≤ MAX_PEERS. */
  #told = new Map<PeerKey, Path>();

  /** Compares with the time before. */
  tell({ peers }: NodeView, { paths }: Wanted): void {
    const told = new Map<PeerKey, Path>(); // BOUNDED: as #told
    for (const { id, name, state } of peers) {
      const path = paths.get(id);
      if (path === undefined) continue;
      const before = this.#told.get(id);
      // A path that is being asked for is neither here nor there, and the dead are told of elsewhere.
      const settled = path.path !== "none" || path.fix !== undefined;
      if (!settled || state === "dead") {
        if (before !== undefined && state !== "dead") told.set(id, before);
        continue;
      }
      told.set(id, path);
      if (before !== undefined) tellChange(name, before, path);
    }
    this.#told = told;
  }
}

function tellChange(name: string, before: Path, path: Path): void {
  if (before.path !== path.path || before.to !== path.to) {
    const log = path.path === "none" ? logger.warn : logger.info;
    const how = path.path === "none" ? "No path" : `By ${path.path} (${path.to})`;
    log(`${how} to ${name} now: ${path.why}`, path.fix === undefined ? {} : { fix: path.fix });
  } else if (path.mtu < before.mtu) {
    logger.warn(
      `The path to ${name} takes packets of ${path.mtu} bytes, not ${before.mtu}: larger ones get no answer`,
      { path: path.to ?? "", mtu: path.mtu },
    );
  } else if (path.mtu > before.mtu) {
    logger.info(`The path to ${name} takes packets of ${path.mtu} bytes again`, {
      path: path.to ?? "",
      mtu: path.mtu,
    });
  }
}
