/**
 * Gives a lease back when no daemon runs (`down --purge` after a crash): wakes the control plane from the state
 * directory for as long as it takes to tell one living peer. No device, no routes: only words.
 */
import type { Release } from "../api/schema.ts";
import type { Action, ControlEvent, Settings } from "../control/outbox/events.ts";
import { Directives, isClaimForgotten, openDirective } from "../control/forget/directives.ts";
import { ControlPlane } from "../control/node/node.ts";
import { sealedTunnel } from "../control/paths/tunnels.ts";
import { decodeRecord } from "../control/records/record.ts";
import {
  storedBytes,
  type StoredPeer,
  storedRecordBytes,
  type StoredState,
} from "../control/records/state.ts";
import { shortId } from "../crypto/identity.ts";
import type { Machine } from "../ports/machine.ts";
import { Lookup } from "../daemon/host/lookup.ts";
import { DataplaneFeed } from "../daemon/planes/dataplane_feed.ts";
import { type SealedParts, sealedParts } from "../daemon/planes/sealed_parts.ts";
import { controlEvent, SealedSide } from "../daemon/planes/sealed_side.ts";
import type { StateStore } from "../daemon/state/state_store.ts";
import { VERSION } from "../version.ts";
import { WorkerHandle } from "../daemon/planes/worker_handle.ts";

const NO_OFFLOADS = { tso: false, uso: false, gso: false, gro: false };
/** Nothing but control messages leaves here, which fit anywhere. */
const NO_HOST = { underlayMtu: 1500, pathMtu: () => 1500, onLink: () => null };
const TICK_MS = 50;
const GIVE_UP_MS = 4000;
/** Time to meet a peer before the lease is given back: a release nobody hears is none. */
const MEET_MS = 1500;

/** What became of a lease, for people. */
export function releaseSentence({ subnet, outcome }: Release): string {
  switch (outcome) {
    case "heard":
      return `Gave the lease ${subnet} back; the mesh has heard it`;
    case "alone":
      return `Gave the lease ${subnet} back; nobody else knew of it`;
    case "unheard":
      return `Nobody answered: the mesh still believes that this node holds ${subnet}; ` +
        `if the mesh goes on, run on a member: ovltun forget ${subnet}`;
  }
}

/**
 * Why a stored claim is no lease any more, as far as the directives tell that this node has heard; null: it still is.
 * Such a lease was free the moment that the mesh was told, whether or not anybody answers its former holder.
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
  if (claim === null || about === undefined || !isClaimForgotten(heard, id, claim)) return null;
  const issuer = peers.map((peer) => decodeRecord(storedRecordBytes(peer))).find((r) =>
    r?.id === about.issuer
  );
  const by = issuer?.name ?? shortId(about.issuer);
  const did = about.revoke ? "revoked the key of this node" : "made the mesh forget this node";
  return `No lease to give back: ${by} ${did}, and the mesh freed ${claim.subnet} then`;
}

/** Tells the mesh that the stored lease is free. Resolves to a sentence about how it went. */
export async function releaseStoredLease(machine: Machine, state: StateStore): Promise<string> {
  const stored = state.stored;
  if (stored === null || stored.claim === null) return "No lease to give back";
  const subnet = stored.claim.subnet.text;
  const { id } = state.identity;
  let directives = stored.directives;
  const lost = lostLeaseSentence(stored, directives, id);
  if (lost !== null) return lost;
  if (!stored.peers.some(isMember)) return releaseSentence({ subnet, outcome: "alone" });
  const parts = sealedPartsOf(machine, state, stored);
  if (parts === "lost") {
    return `The secret of this mesh is gone from the state directory: nobody can be told that ${subnet} is free; ` +
      `on a member: ovltun forget ${stored.name}`;
  }
  const { clock } = machine;
  const port = machine.udp.open(0, { workers: 1, byLane: true, zeroChecksums: false });
  const control = new ControlPlane(
    settingsOf(stored),
    state.identity,
    stored,
    machine.random,
    clock.now(),
    parts?.setup ?? null,
  );
  let finish = (_heard: boolean): void => {};
  const finished = new Promise<boolean>((resolve) => finish = resolve);
  const perform = (action: Action): void => {
    if (action.kind === "send") {
      const local = action.by === undefined ? action.local ?? "" : "";
      port.send(action.to, action.bytes, local);
    } else if (action.kind === "sendSealed") {
      const datagram = sealed?.seal(action.receiveIndex, action.bytes) ?? null;
      if (datagram !== null) port.send(action.to, datagram, "");
    } else if (action.kind === "installSession") {
      sealed?.install(action, feed.setPeer(action.id, sealedTunnel(action.endpoint, NO_HOST)));
    } else if (action.kind === "dropSession") sealed?.drop(action.receiveIndex);
    else if (action.kind === "secrets") {
      state.writeSecrets(action.secrets);
      sealed?.setGate(action.keys);
    } else if (action.kind === "persist") {
      state.save(action.state);
      directives = action.state.directives;
    } else if (action.kind === "released") finish(action.heard);
    else if (action.kind === "resolve") void resolve(action.name);
    else if (action.kind === "refuse") finish(false); // revoked while it was away, for one
  };
  const event = (e: ControlEvent): void => control.handle(e, clock.now()).forEach(perform);
  const lookup = new Lookup(0, machine.surroundings.resolve);
  const resolve = async (name: string): Promise<void> => {
    const endpoints = await lookup.endpoints(name);
    event({ kind: "resolved", name, endpoints });
  };
  const worker = new WorkerHandle(machine, (e) => {
    const known = controlEvent(e, (slot) => feed.keyOf(slot));
    if (known !== null) event(known);
  });
  worker.start(NO_OFFLOADS, parts?.provider.suites());
  const feed = new DataplaneFeed(worker.mailbox);
  const sealed = parts === null ? null : new SealedSide(parts.setup, parts.provider, worker.mailbox);
  const { family, sockets } = port;
  worker.mailbox.post({ kind: "attachSocket", role: "own", family, sockets });
  const startedAt = clock.now();
  event({ kind: "release", meetMs: MEET_MS });
  const callOff = machine.timers.every(TICK_MS, () => {
    event({ kind: "tick" });
    if (clock.now() - startedAt > GIVE_UP_MS) finish(false);
  });
  const heard = await finished;
  callOff();
  sealed?.close();
  await worker.stop();
  port.close();
  if (heard) return releaseSentence({ subnet, outcome: "heard" });
  return lostLeaseSentence(stored, directives, id) ?? releaseSentence({ subnet, outcome: "unheard" });
}

// Those who gave their leases back are remembered too, and nobody to tell.
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

function settingsOf(stored: StoredState): Settings {
  return {
    name: stored.name,
    version: VERSION,
    networkName: stored.networkName,
    found: false,
    network: null,
    networkExplicit: false,
    subnetLen: null,
    subnetMin: null,
    subnetMax: null,
    subnetWish: null,
    backend: null,
    vni: null,
    vxlanPort: null,
    hasSeeds: false,
    directRouting: false,
    allowPlainDirect: false,
    security: stored.mesh?.security ?? "plain",
    staticPeers: [],
    ownEndpoints: [],
  };
}
