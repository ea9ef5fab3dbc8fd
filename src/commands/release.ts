/**
 * Gives a lease back when no daemon runs (`down --purge` after a crash): wakes the control plane from the state
 * directory for as long as it takes to tell one living peer (control_only.ts).
 */
import type { Release } from "../api/outcomes.ts";
import { NOTHING_ASKED, type Settings } from "../control/mesh/mesh_config.ts";
import { Directives, openDirective } from "../control/forget/directives.ts";
import { decodeRecord, leasedText } from "../control/records/record.ts";
import {
  storedBytes,
  type StoredPeer,
  storedRecordBytes,
  type StoredState,
} from "../control/records/state.ts";
import { shortId } from "../crypto/identity.ts";
import type { Machine } from "../ports/machine.ts";
import { type SealedParts, sealedParts } from "../daemon/planes/sealed_parts.ts";
import type { StateStore } from "../daemon/state/state_store.ts";
import { VERSION } from "../version.ts";
import { ControlOnly } from "./control_only.ts";

/** What became of a lease, for people. */
export function releaseSentence({ subnet, subnet6, outcome }: Release): string {
  const lease = subnet6 === undefined ? subnet : `${subnet} and ${subnet6}`;
  switch (outcome) {
    case "heard":
      return `Released the lease ${lease}; the mesh has confirmed it`;
    case "alone":
      return `Released the lease ${lease}; no other node knew of it`;
    case "unheard":
      return `No member answered: the mesh still counts ${lease} as leased to this node; to free it, run ` +
        `on a member: ovltun forget ${subnet}`;
  }
}

/**
 * Why a stored claim is no lease any more, as far as the directives tell that this node has heard; null: it still is.
 * Such a lease became free when the mesh was told, whether or not any member answers its former holder.
 */
export function lostLeaseSentence(
  { claim, peers }: StoredState,
  directives: readonly string[],
  id: string,
): string | null {
  const heard = new Directives();
  for (const text of directives) {
    const directive = openDirective(storedBytes(text));
    if (directive !== null) heard.insert(directive);
  }
  const about = heard.about(id);
  if (claim === null || about === undefined || !heard.isClaimForgotten(id, claim)) return null;
  const issuer = peers.map((peer) => decodeRecord(storedRecordBytes(peer))).find((r) =>
    r?.id === about.issuer
  );
  const by = issuer?.name ?? shortId(about.issuer);
  const did = about.revoke ? "revoked this node's key" : "had the mesh forget this node";
  return `No lease to release: ${by} ${did}, which freed ${leasedText(claim)}`;
}

/** Tells the mesh that the stored lease is free. Resolves to a sentence about how it went. */
export async function releaseStoredLease(machine: Machine, state: StateStore): Promise<string> {
  const stored = state.stored;
  if (stored === null || stored.claim === null) return "No lease to release";
  const { subnet: { text: subnet }, second } = stored.claim;
  const lease = { subnet, ...(second === undefined ? {} : { subnet6: second.text }) };
  const { id } = state.identity;
  const lost = lostLeaseSentence(stored, stored.directives, id);
  if (lost !== null) return lost;
  if (!stored.peers.some(isMember)) return releaseSentence({ ...lease, outcome: "alone" });
  const ciphers = sealedPartsOf(machine, state, stored);
  if (ciphers === "lost") {
    return `The secret of this mesh is gone from the state directory, so no member can be told that ${subnet} is free; ` +
      `run on a member: ovltun forget ${stored.name}`;
  }
  const node = new ControlOnly(machine, { state, settings: settingsOf(stored), ciphers });
  const heard = await node.release();
  if (heard) return releaseSentence({ ...lease, outcome: "heard" });
  return lostLeaseSentence(stored, [...stored.directives, ...node.heard], id) ??
    releaseSentence({ ...lease, outcome: "unheard" });
}

// Nodes that released their leases are remembered too, but are no one to tell.
function isMember(peer: StoredPeer): boolean {
  return decodeRecord(storedRecordBytes(peer))?.gone === false;
}

/** "lost": the mesh is sealed, and its secret is not here. */
function sealedPartsOf(
  { planes }: Machine,
  state: StateStore,
  stored: StoredState,
): SealedParts | null | "lost" {
  if (stored.mesh?.security !== "sealed") return null;
  if (state.secret === null) return "lost";
  const { secrets } = state;
  const { networkName } = stored;
  return sealedParts(planes.ciphers(), { secrets, networkName, cipher: "auto", pinnedNode: null });
}

function settingsOf({ name, networkName, mesh }: StoredState): Settings {
  const plain = mesh?.security !== "sealed";
  return { ...NOTHING_ASKED, name, networkName, plain, version: VERSION, ownEndpoints: [] };
}
