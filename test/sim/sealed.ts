/** Sealed nodes for the simulated world, and what tests ask of their sessions. */

import type { SealedSetup } from "../../src/control/links/sealed_links.ts";
import { sealedSetup } from "../made/network_keys.ts";
import type { SimNode } from "./sim_node.ts";
import type { World } from "./world.ts";

/** A host of a sealed mesh, not started yet. */
export function addSealed(
  world: World,
  name: string,
  seeds: readonly string[] = [],
  change: Partial<SealedSetup> = {},
): SimNode {
  const node = world.add(name, seeds, { plain: false });
  node.sealed = sealedSetup(change);
  return node;
}

/** Whether two nodes send to each other on one and the same session. */
export function agreedSession(a: SimNode, b: SimNode): boolean {
  const ours = a.sessions.sending(b.identity.id);
  const theirs = b.sessions.sending(a.identity.id);
  return ours !== undefined && theirs !== undefined && ours.receiveIndex === theirs.sendIndex &&
    ours.sendIndex === theirs.receiveIndex;
}
