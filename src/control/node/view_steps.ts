/**
 * Builds the view: everything that the daemon and the API may know, and what is wanted is made of, copied out of the
 * tables. Called on request or after a change, never per packet.
 */

import { shortId } from "../../crypto/identity.ts";
import { formatAddress } from "../../wire/address.ts";
import { reservationKey } from "../../wire/directive.ts";
import { comparePrefixes, deviceAddress, type Prefix, samePrefix } from "../../wire/prefix.ts";
import { type Contender, contestedIn, type Loss } from "../lease/claims.ts";
import type { Core } from "./core.ts";
import { namesOf } from "../records/name_table.ts";
import { withoutNewest } from "./rotation_steps.ts";
import { DIRECT_ROUTES, type Leased, type NodeRecord, subnetsOf, translatedOf } from "../records/record.ts";
import type {
  LeaseView,
  NodeView,
  OwnView,
  PeerView,
  ReservationView,
  TriedEndpoint,
} from "../paths/view.ts";
import { waitingFor } from "./waiting_steps.ts";
import type { WayView } from "../paths/way.ts";

const CONFLICTS_TOLD = 16;
/** How long a call may take before the packets that wait for it are refused. */
const CALLING_MS = 10_000;

/** A snapshot of what is known. */
export function buildView(core: Core, now: number): NodeView {
  const { held, lost } = core.holders.now();
  // BOUNDED: one per claim
  const leased = new Map<string, Leased>();
  for (const c of held) if (c.reserved === null) leased.set(c.nodeId, c);
  const peers: PeerView[] = [];
  for (const record of core.store.records()) {
    if (record.id === core.identity.id || record.gone || core.directives.isForgotten(record)) continue;
    peers.push(peerView(core, record, leased.get(record.id) ?? null));
  }
  peers.sort((a, b) => (a.id < b.id ? -1 : 1));
  const isLease = ({ reserved }: Contender) => reserved !== "directive";
  const beaten = lost.map(({ claim }) => claim);
  const leases = [
    ...held.filter(isLease).map((c) => leaseView(core, c, false)),
    ...beaten.filter(isLease).map((claim) => leaseView(core, claim, true)),
  ].sort((a, b) => comparePrefixes(a.subnet, b.subnet));
  const reserved = [...held, ...beaten].filter((one) => !isLease(one));
  return {
    own: ownView(core, now),
    peers,
    leases,
    ...reservationsView(core, reserved),
    ...forgottenView(core),
  };
}

function reservationsView(core: Core, reserved: readonly Contender[]): Pick<NodeView, "reservations"> {
  if (reserved.length === 0) return {};
  const held = new Set(core.holders.now().held);
  const reservations = reserved.map((one): ReservationView => {
    const { nodeId, subnet } = one;
    const { issuer, moves, name } = core.directives.standingOf(reservationKey(subnet))!;
    const lease = core.holders.leaseOf(nodeId);
    const taken = lease !== null && subnetsOf(lease).some((leased) => samePrefix(leased, subnet));
    const called = core.store.get(nodeId)?.name ?? name ?? shortId(nodeId);
    const state = !held.has(one) ? "conflict" : taken ? "taken" : "free";
    return { subnet, nodeId, name: called, by: core.nameOf(issuer), moves, state };
  });
  return { reservations: reservations.sort((a, b) => comparePrefixes(a.subnet, b.subnet)) };
}

function conflictWords(core: Core, { claim, to }: Loss): string {
  const [name, rival] = [core.nameOf(claim.nodeId), core.nameOf(to.nodeId)];
  const subnet = contestedIn(claim, to);
  if (claim.reserved !== null) {
    return `${subnet} is reserved for ${name}, but a static peer of ${rival} has it`;
  }
  if (to.reserved === "directive") return `${name} claims ${subnet}, which is reserved for ${rival}`;
  return `${name} and ${rival} both claim ${subnet}; ${rival} holds it`;
}

// A node that came back since counts again, and is not listed.
function forgottenView(core: Core): Pick<NodeView, "forgotten"> {
  const { directives, store } = core;
  const latestFirst = directives.forgettings().sort((a, b) => b.seq - a.seq);
  const forgotten = latestFirst.flatMap(({ target: id, issuer, revoke: revoked, name }) => {
    const record = store.get(id);
    if (record !== undefined && !directives.isForgotten(record)) return [];
    return [{ id, name: record?.name ?? name ?? null, by: core.nameOf(issuer), revoked }];
  });
  return forgotten.length === 0 ? {} : { forgotten };
}

/** What is known of one other node; null: nothing, or it has left. */
export function viewOfPeer(core: Core, id: string): PeerView | null {
  const record = core.store.get(id);
  if (record === undefined || id === core.identity.id || record.gone) return null;
  if (core.directives.isForgotten(record)) return null;
  return peerView(core, record, core.holders.leaseOf(id));
}

/** How many other nodes are alive and hold a lease, as far as is known. */
export function leasedSize({ membership, holders }: Core): number {
  let size = 0;
  for (const { id, state } of membership.all()) if (state === "alive" && holders.leaseOf(id) !== null) size++;
  return size;
}

/** This node itself. */
export function ownView(core: Core, now: number): OwnView {
  const { claim } = core.lease;
  const subnet = claim?.subnet ?? null;
  const conflicts = core.holders.now().lost.slice(0, CONFLICTS_TOLD).map((loss) => conflictWords(core, loss));
  return {
    id: core.identity.id,
    name: core.settings.name,
    networkId: core.networkId,
    leaseState: core.lease.state,
    subnet,
    ...secondOf(claim),
    address: subnet === null ? null : formatAddress(deviceAddress(subnet)),
    vtepMac: core.own.vtepMac,
    mesh: core.life.mesh,
    endpoints: core.own.endpoints,
    translated: core.own.translated,
    waitingFor: waitingFor(core, now),
    rejected: core.tally.rejected,
    unsent: core.tally.unsent,
    warnings: [...core.warnings.at(now), ...core.links.refusedHere.sentences(), ...conflicts],
    startedAt: core.startedAt,
    ...secretView(core),
  };
}

function secondOf(leased: Leased | null): { readonly second?: Prefix } {
  return leased?.second === undefined ? {} : { second: leased.second };
}

function secretView(core: Core): Pick<OwnView, "secret"> {
  if (core.ring === null) return {};
  const { newest, underWay, keys } = core.ring;
  const { alive, away } = withoutNewest(core);
  const names = (records: NodeRecord[]) => records.map(({ name }) => name).sort();
  const older = { olderAccepted: keys.length - 1, without: names(alive), away: names(away) };
  return { secret: { generation: newest.seq, underWay, ...older } };
}

function peerView(core: Core, record: NodeRecord, leased: Leased | null): PeerView {
  const member = core.membership.get(record.id);
  const link = core.agreed.get(record.id);
  const session = core.sealed?.sessions.current(record.id) ?? null;
  return {
    id: record.id,
    name: record.name,
    subnet: leased?.subnet ?? null,
    ...secondOf(leased),
    state: member?.state ?? "dead",
    stopped: member?.stopped ?? false,
    since: member?.since ?? core.startedAt,
    endpoint: link?.endpoint ?? null,
    session: session === null ? null : { suite: session.suite, at: session.at },
    link: link === null ? null : { sendIndex: link.sendIndex, receiveIndex: link.receiveIndex },
    ...onDemand(core, record.id, link !== null),
    lastHelloAt: link?.lastHelloAt ?? null,
    rttMs: core.roundTrips.rttMs(record.id),
    ways: {
      own: ownWay(core, record.id),
      vxlan: core.ways.view(record.id, "vxlan", core.now),
      direct: core.ways.view(record.id, "direct", core.now),
      direct6: core.ways.view(record.id, "direct6", core.now),
    },
    vtepMac: record.vtepMac,
    clearPaths: record.clearPaths ?? true,
    directRoutes: record.capabilities.includes(DIRECT_ROUTES),
    endpoints: record.endpoints,
    translated: translatedOf(record),
    get tried() {
      return triedEndpoints(core, record);
    },
    version: record.version,
  };
}

// In a large mesh. Whom we have called for longer without an answer is out of reach, as anybody else.
function onDemand(
  { demand, membership, now }: Core,
  id: string,
  linked: boolean,
): Pick<PeerView, "onDemand"> {
  if (linked || demand.full || (membership.get(id)?.state ?? "dead") === "dead") return {};
  const since = demand.askedSince(id);
  if (since !== null) return now - since < CALLING_MS ? { onDemand: "calling" } : {};
  return demand.needs(id) ? {} : { onDemand: "idle" };
}

// Our own port answers the probes of the link, too.
function ownWay(core: Core, id: string): WayView | null {
  const way = core.ways.view(id, "own", core.now);
  const link = core.roundTrips.answeredAt(id);
  if (way === null && link === null) return null;
  const at = Math.max(link ?? -Infinity, way?.answeredAt ?? -Infinity);
  const answeredAt = at === -Infinity ? null : at;
  return {
    state: answeredAt === null ? "unknown" : "answered",
    answeredAt,
    peerReady: true,
    mtu: way?.mtu ?? null,
  };
}

function triedEndpoints({ links, membership, names, outside }: Core, record: NodeRecord): TriedEndpoint[] {
  const at = links.get(record.id)?.endpoint ?? null;
  const stopped = membership.get(record.id)?.stopped ?? false;
  const known = names.expand(record.endpoints);
  const endpoints = new Set(at === null ? known : [at, ...known]);
  const tried: TriedEndpoint[] = [];
  for (const endpoint of endpoints) {
    const target = links.targets.get(endpoint);
    const lastTriedAt = target?.lastTriedAt ?? null;
    const refused = target?.outcome.kind === "not-sent";
    if (endpoint === at && !refused) tried.push({ endpoint, lastTriedAt, outcome: { kind: "answered" } });
    else if (!outside.has(endpoint)) {
      tried.push({ endpoint, lastTriedAt, outcome: { kind: "inside" } });
    } else if (stopped) tried.push({ endpoint, lastTriedAt, outcome: { kind: "stopped" } });
    // While there is a link, what was never tried is of no interest.
    else if (at === null || lastTriedAt !== null) {
      tried.push({ endpoint, lastTriedAt, outcome: target?.outcome ?? { kind: "untried" } });
    }
  }
  for (const name of at === null && !stopped ? namesOf(record) : []) {
    const found = names.known(name);
    const kind = found === null ? "not-looked-up" : found.failed ? "unresolved" : null;
    if (kind !== null) tried.push({ endpoint: name, lastTriedAt: null, outcome: { kind } });
  }
  return tried;
}

function leaseView(core: Core, c: Contender, lost: boolean): LeaseView {
  const own = c.nodeId === core.identity.id;
  if (c.reserved === "static") {
    const name = `static peer of ${core.store.nameOf(c.nodeId)}`;
    return {
      subnet: c.subnet,
      nodeId: null,
      name,
      state: "static",
      reserved: true,
      endpoint: null,
      vtepMac: null,
    };
  }
  const member = core.membership.get(c.nodeId);
  return {
    subnet: c.subnet,
    ...secondOf(c),
    nodeId: c.nodeId,
    name: core.store.nameOf(c.nodeId),
    state: lost ? "conflict" : own ? core.lease.state : member?.state ?? "dead",
    reserved: false,
    endpoint: own ? core.own.endpoints[0] ?? null : core.agreed.get(c.nodeId)?.endpoint ?? null,
    vtepMac: own ? core.own.vtepMac : core.store.get(c.nodeId)?.vtepMac ?? null,
  };
}
