/**
 * Addresses inside the mesh itself, given as where a node is: by --peers, by a name that resolves to one, by a static peer,
 * or by the record of another node. Datagrams there would leave by our own device, into the link that they are to keep
 * up. None of them is used (outside.ts); here is what is said about it.
 */

import { shortId } from "../../crypto/identity.ts";
import { addressOf, parseAddress } from "../../wire/address.ts";
import { networkAround, type Prefix } from "../../wire/prefix.ts";
import { askedNetworks, networksOf } from "../mesh/mesh_config.ts";
import type { Core } from "./core.ts";
import { isNamed } from "../../wire/named_endpoint.ts";
import type { NodeRecord } from "../records/record.ts";

const LOOK_EVERY_MS = 1000;
/** A warning goes when it has not been renewed for so long. */
const HOLDS_MS = 3000;
const RECORD_AGAIN_MS = 3_600_000;

/** Warns of what the user named, once in the log and in `status` for as long as it holds. */
export function tellInside(core: Core, now: number): void {
  if (!core.schedule.due("look inside", LOOK_EVERY_MS, now)) return;
  for (const { text, endpoints } of core.seeds) {
    const inside = endpoints.find((endpoint) => !core.outside.has(endpoint));
    if (inside === undefined) continue;
    const all = !endpoints.some((endpoint) => core.outside.has(endpoint));
    tell(core, all ? `--peers ${text}` : `${inside} of --peers ${text}`, inside, now);
  }
  for (const { subnet, address } of core.settings.staticPeers) {
    const named = `--static-peer ${subnet}=${address}`;
    if (networkAt(core, address) !== null) tell(core, named, address, now);
  }
}

function tell(core: Core, named: string, inside: string, now: number): void {
  const sentence = `${named} is not used: ${whyInside(core, inside)}. Give an address of that host outside ` +
    "the mesh";
  core.warnings.set(`inside ${named}`, sentence, now + HOLDS_MS);
  if (core.schedule.due(`inside ${named}`, Infinity, now)) core.actions.log("warning", sentence);
}

/** Logs, rarely, that a node tells others an address of this kind. */
export function noteInside(core: Core, record: NodeRecord, now: number): void {
  const inside = record.endpoints.find((endpoint) => !isNamed(endpoint) && !core.outside.has(endpoint));
  if (inside === undefined || !core.schedule.due(`inside ${record.id}`, RECORD_AGAIN_MS, now)) return;
  core.actions.log("warning", `${record.name} is not contacted at ${inside}: ${whyInside(core, inside)}`, {
    peer: shortId(record.id),
  });
}

function whyInside(core: Core, inside: string): string {
  const network = networkAt(core, addressAlone(inside));
  return network !== null
    ? `${inside} is in the mesh's own network ${network}`
    : `the route to ${inside} leads into the mesh`;
}

/** The network of the mesh in which the address lies: of the mesh as it is known, or as the user says. */
function networkAt({ life, settings }: Core, address: string): Prefix | null {
  const networks = life.mesh === null ? askedNetworks(settings) : networksOf(life.mesh);
  return networkAround(networks, address);
}

/** Of an endpoint or an address. */
function addressAlone(text: string): string {
  return parseAddress(text) === null ? addressOf(text) : text;
}
