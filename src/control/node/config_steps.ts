/**
 * The configuration of the mesh between nodes: a member tells it to a node that has none, a joiner takes it, and two that have
 * different ones say so and do not mix.
 */

import { shortId } from "../../crypto/identity.ts";
import type { Link } from "../links/link_table.ts";
import { contradiction, meshDifference, noPathAllowed, publicNetwork, readMesh } from "../mesh/mesh.ts";
import { type MeshConfig, networksOf } from "../mesh/mesh_config.ts";
import type { Core } from "./core.ts";
import { beginSync } from "./sync_steps.ts";
import { tellConfig } from "./voice.ts";

const REFUSED_CONFIG_EVERY_MS = 5000;
const LOG_EVERY_MS = 60_000;

/** A member told us the configuration of its mesh. */
export function onConfig(core: Core, link: Link, text: string, now: number): void {
  const mesh = parseConfig(text);
  if (mesh === null) return;
  if (core.life.mesh !== null) return otherMesh(core, link, mesh, now);
  const problem = contradiction(core.settings, mesh);
  if (problem !== null) return core.refuse(problem);
  const noPath = noPathAllowed(core.settings, mesh);
  if (noPath !== null) {
    return core.refuse(`${noPath} (start with it, like every node of this mesh)`);
  }
  core.life.learn(mesh, now);
  core.enterMesh(mesh);
  link.informed = true; // only who is tells
  core.actions.log("info", `Learned the mesh from ${link.endpoint}: ${networksOf(mesh).join(" and ")}`, {
    network: mesh.network.text,
  });
  core.warnOf(publicNetwork(mesh), "public network");
  core.sync.forget(link.id); // the round that was answered with this is of no use
  beginSync(core, link, now);
}

/** Our mesh and the peer's are not the same: both say so, and neither listens to the other. */
export function otherMesh(core: Core, link: Link, theirs: MeshConfig | null, now: number): void {
  if (core.schedule.due(`config ${link.id}`, REFUSED_CONFIG_EVERY_MS, now)) tellConfig(core, link);
  const ours = core.life.mesh;
  if (theirs === null || ours === null) return;
  const difference = meshDifference(ours, theirs);
  if (difference === "") return;
  const alone = core.store.size <= 1;
  const remedy = alone
    ? "This node is alone in its mesh: run ovltun down --purge here, then start it with that host in --peers"
    : "Run ovltun down --purge on one of the two, then start it with the other in --peers";
  const message =
    `${link.endpoint} belongs to a different mesh of the same name: ${difference}. The two cannot merge. ` +
    `${remedy}`;
  core.warnings.set(`mesh ${link.id}`, message);
  if (core.schedule.due(`other mesh ${link.id}`, LOG_EVERY_MS, now)) {
    core.actions.log("error", message, { peer: shortId(link.id), from: link.endpoint });
  }
}

function parseConfig(text: string): MeshConfig | null {
  try {
    return readMesh(JSON.parse(text));
  } catch {
    return null;
  }
}
