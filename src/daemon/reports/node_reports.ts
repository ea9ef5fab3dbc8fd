/**
 * What the API tells of one node: who is meant by a name, an id or an address, and by which paths it was tried.
 * Every answer is a sentence for a person who wonders why something does not work.
 */
import type { PathAttempt, Why } from "../../api/schema.ts";
import type { Forgotten, Reserved, Resolved } from "../../api/outcomes.ts";
import { outcomeText } from "../../control/paths/outcome.ts";
import type { Path } from "../../control/paths/path_choice.ts";
import { staticKey } from "../../control/paths/tunnels.ts";
import type { LeaseView, PeerView } from "../../control/paths/view.ts";
import { addressOf, formatAddress, parseAddress } from "../../wire/address.ts";
import { contains, deviceAddress, type Prefix } from "../../wire/prefix.ts";
import { isCutOff, pathAdvice } from "./path_advice.ts";
import { addressTexts, pathTo, type Snapshot, staticEndpoint, staticPath, subnetTexts } from "./reports.ts";

/** What a name stands for: this node, another node of the mesh, or a static peer. */
type Found =
  | { readonly kind: "self" }
  | { readonly kind: "peer"; readonly peer: PeerView }
  | { readonly kind: "static"; readonly lease: LeaseView };

/** Finds where to ping for a name, a beginning of an id, or an address. Throws a sentence when it cannot. */
export function resolveReport(snapshot: Snapshot, text: string): Resolved {
  const found = find(snapshot, text);
  const { id, name, subnet, second } = identityOf(snapshot, found);
  if (subnet === null) throw new Error(`${name} holds no lease yet`);
  return {
    id,
    name,
    ...subnetTexts({ subnet, ...(second === undefined ? {} : { second }) }),
    address: parseAddress(text) !== null ? text : formatAddress(deviceAddress(subnet)),
    address6: addressTexts({ subnet, ...(second === undefined ? {} : { second }) }).address6,
    endpoint: endpointOf(snapshot, found),
    path: found.kind === "self" ? "none" : pathTo(snapshot, id).path,
    self: found.kind === "self",
  };
}

/** The paths to a node, best first, with what keeps each from being used. Throws a sentence when there is no such node. */
export function whyReport(snapshot: Snapshot, text: string): Why {
  const found = find(snapshot, text);
  if (found.kind === "peer") return whyPeer(snapshot, found.peer);
  const { id, node, name, ...leased } = identityOf(snapshot, found);
  const identity = { id, node, name, ...subnetTexts(leased) };
  if (found.kind === "self") {
    return { ...identity, state: "self", path: "none", summary: selfSummary(snapshot), attempts: [] };
  }
  const path = staticPath(snapshot, found.lease);
  return { ...identity, state: "alive", path: path.path, ...whyStatic(snapshot, found.lease, path) };
}

/**
 * The node to forget: exactly one, dead or alive. Throws a sentence when it is this node, a static peer, unknown or
 * ambiguous.
 */
export function forgetReport(snapshot: Snapshot, text: string, revoke: boolean): Forgotten {
  const { own } = snapshot.view;
  if (own.mesh === null || own.leaseState === "joining") {
    throw new Error("This node has not joined a mesh yet (see: ovltun status)");
  }
  const found = candidates(snapshot, text);
  if (found.length === 0 && revoke && /^[0-9a-f]{64}$/i.test(text)) {
    return { id: text.toLowerCase(), name: null, subnet: null, state: null, revoked: true };
  }
  const one = onlyOne(snapshot, text, found);
  if (one.kind === "self") {
    throw new Error(
      `${own.name} is this node: to leave the mesh and release its lease, run ovltun down --purge`,
    );
  }
  if (one.kind === "static") {
    throw new Error(`${one.lease.name} cannot be forgotten: restart its node without that --static-peer`);
  }
  const { id, name, subnet, second, state } = one.peer;
  const lease = { subnet: subnet?.text ?? null, ...(second === undefined ? {} : { subnet6: second.text }) };
  return { id, name, ...lease, state, revoked: revoke };
}

/** Which node of the mesh is meant. Throws a sentence when none, or a static peer. */
export function nodeMeant(
  snapshot: Snapshot,
  text: string,
): Pick<PeerView, "id" | "name" | "subnet" | "second"> & { readonly state: Reserved["state"] } {
  const found = find(snapshot, text);
  if (found.kind === "static") {
    throw new Error(`${found.lease.name} is no node: it has the subnet it was given`);
  }
  if (found.kind === "peer") return found.peer;
  const { id, name, subnet, second } = snapshot.view.own;
  return { id, name, subnet, ...(second === undefined ? {} : { second }), state: "self" };
}

// ------------------------------------------------------------------------------------------------ who is meant

function find(snapshot: Snapshot, text: string): Found {
  return onlyOne(snapshot, text, notDead(candidates(snapshot, text)));
}

function candidates(snapshot: Snapshot, text: string): Found[] {
  const address = parseAddress(text);
  return address !== null
    ? holdersOf(snapshot, (subnet) => contains(subnet, address))
    : [...called(snapshot, text), ...holdersOf(snapshot, text)];
}

function onlyOne(snapshot: Snapshot, text: string, meant: readonly Found[]): Found {
  if (meant.length === 1) return meant[0]!;
  if (meant.length === 0) throw new Error(unknownNode(snapshot, text, parseAddress(text) !== null));
  const names = meant.map((one) => {
    const { id, name } = identityOf(snapshot, one);
    return `${name} (${one.kind === "static" ? one.lease.subnet.text : distinctId(snapshot, id)})`;
  }).join(", ");
  throw new Error(`"${text}" matches more than one node: ${names}; use the id in parentheses instead`);
}

/** As much of an id as is unambiguous: a node may be called like the beginning of another's. */
function distinctId(snapshot: Snapshot, id: string): string {
  let length = 8;
  while (length < id.length && called(snapshot, id.slice(0, length)).length > 1) length++;
  return id.slice(0, length);
}

/** Ourselves and nodes, with or without a lease, by name or by a beginning of the id that is long enough. */
function called({ view }: Snapshot, text: string): Found[] {
  const means = (name: string, id: string) =>
    name === text || (text.length >= 4 && id.startsWith(text.toLowerCase()));
  const peers = view.peers.filter(({ name, id }) => means(name, id));
  return [
    ...means(view.own.name, view.own.id) ? [{ kind: "self" } as const] : [],
    ...peers.map((peer) => ({ kind: "peer", peer } as const)),
  ];
}

/** Who holds a lease that fits, or that is `wanted` by its subnet; a static peer also by key or name. */
function holdersOf(
  { view }: Snapshot,
  wanted: string | ((subnet: Prefix) => boolean),
): Found[] {
  const fits = (lease: LeaseView) => {
    if (typeof wanted === "string") {
      return lease.subnet.text === wanted || lease.second?.text === wanted ||
        (lease.nodeId === null && [staticKey(lease), lease.name].includes(wanted));
    }
    return wanted(lease.subnet) || (lease.second !== undefined && wanted(lease.second));
  };
  // A claim that lost its subnet to another, or a static peer that two nodes name, is one answer too many.
  const leases = new Map(
    view.leases.filter((lease) => lease.state !== "conflict" && fits(lease)).map((l) => [l.subnet.text, l]),
  );
  return [...leases.values()].flatMap((lease): Found[] => {
    if (lease.nodeId === null) return [{ kind: "static", lease }];
    if (lease.nodeId === view.own.id) return [{ kind: "self" }];
    const peer = view.peers.find(({ id }) => id === lease.nodeId);
    return peer === undefined ? [] : [{ kind: "peer", peer }];
  });
}

/** A host that lost its state comes back as a new node: its living self is meant, where there is one. */
function notDead(found: readonly Found[]): readonly Found[] {
  const living = found.filter((one) => one.kind !== "peer" || one.peer.state !== "dead");
  return living.length > 0 ? living : found;
}

function unknownNode({ view }: Snapshot, text: string, isAddress: boolean): string {
  if (view.own.mesh === null && view.own.leaseState === "joining") {
    const what = isAddress ? `No lease holds ${text}` : `No node is called "${text}"`;
    return `${what}: this node has not joined a mesh yet (see: ovltun status)`;
  }
  if (isAddress) {
    const outer = view.peers.find((peer) => peer.endpoints.some((one) => isAt(one, text)));
    if (outer !== undefined) {
      return `No lease holds ${text}: it is an underlay address of ${outer.name} (try: ovltun why ` +
        `${outer.name})`;
    }
    return `No lease holds ${text}; ovltun leases shows who holds what`;
  }
  const names = [`${view.own.name} (this node)`, ...view.peers.map((peer) => peer.name)].join(", ");
  return `No node is called "${text}"; known: ${names}`;
}

function isAt(endpoint: string, address: string): boolean {
  return addressOf(endpoint) === address;
}

function identityOf(
  snapshot: Snapshot,
  found: Found,
): {
  readonly id: string;
  readonly node: string;
  readonly name: string;
  readonly subnet: Prefix | null;
  readonly second?: Prefix;
} {
  switch (found.kind) {
    case "self":
    case "peer": {
      const { id, name, subnet, second } = found.kind === "self" ? snapshot.view.own : found.peer;
      return { id, node: name, name, subnet, ...(second === undefined ? {} : { second }) };
    }
    case "static": {
      const { name, subnet } = found.lease;
      return { id: staticKey(found.lease), node: name, name, subnet };
    }
  }
}

function endpointOf(snapshot: Snapshot, found: Found): string | null {
  if (found.kind === "self") return null;
  if (found.kind === "static") return staticEndpoint(snapshot, found.lease);
  return pathTo(snapshot, found.peer.id).to ?? found.peer.endpoint;
}

// ------------------------------------------------------------------------------------------------------- why

function selfSummary({ view: { own } }: Snapshot): string {
  if (own.leaseState === "confirmed") {
    return `${own.name} is this node; it holds ${
      [own.subnet, own.second].filter((one) => one != null).join(" and ")
    }`;
  }
  return `${own.name} is this node; its lease is not confirmed (state: ${own.leaseState}; see: ovltun status)`;
}

function whyStatic(snapshot: Snapshot, lease: LeaseView, path: Path): Pick<Why, "summary" | "attempts"> {
  if (path.path === "none") return { summary: `${lease.subnet}: no path; ${path.why}`, attempts: [] };
  const endpoint = staticEndpoint(snapshot, lease);
  return {
    summary: `${lease.subnet}: via ${path.path} to ${endpoint}; ${path.why}`,
    attempts: [{
      path: path.path,
      ok: true,
      result: `${endpoint}: packets are sent, but delivery is not verified (try ovltun ping)`,
      fix: null,
    }],
  };
}

function whyPeer(snapshot: Snapshot, peer: PeerView): Why {
  const path = pathTo(snapshot, peer.id);
  const advice = pathAdvice(snapshot, peer);
  // With host-gw only the link is there: it carries no data.
  const only = snapshot.view.own.mesh?.backend === "host-gw"
    ? " (host-gw has no tunnel: it carries no data)"
    : "";
  const tunnel = peer.tried.map((tried, i): PathAttempt => ({
    path: "tunnel",
    ok: tried.endpoint === peer.endpoint && peer.state !== "dead" && only === "",
    result: `${tried.endpoint}: ${outcomeText(tried.outcome)}${
      tried.outcome.kind === "answered" ? only : ""
    }`,
    fix: advice?.at === i ? advice.fix : null,
  }));
  const { silent } = path;
  const reason = silent?.direct ?? path;
  const direct: PathAttempt = {
    path: "direct-route",
    ok: path.path === "direct-route",
    result: reason.why,
    fix: reason.fix ?? null,
  };
  if (silent !== undefined) {
    tunnel.unshift({
      path: "tunnel",
      ok: false,
      result: `${silent.endpoint}: no answer`,
      fix: path.fix ?? null,
    });
  }
  return {
    node: peer.name,
    id: peer.id,
    ...subnetTexts(peer),
    state: peer.state,
    path: path.path,
    summary: path.path === "none" && isCutOff(snapshot)
      ? cutOffSummary(peer)
      : summary(peer, path) + narrow(snapshot, path),
    // Without a link a direct route has not been considered yet.
    attempts: peer.link === null ? tunnel : [direct, ...tunnel],
  };
}

/** Where less passes than the device says. */
function narrow({ mtu }: Snapshot, path: Path): string {
  return path.mtu > 0 && path.mtu < mtu
    ? `; packets above ${path.mtu} bytes do not get through (the MTU of the device is ${mtu})`
    : "";
}

function summary(peer: PeerView, path: Path): string {
  const lease = peer.subnet === null ? "; it has no lease yet, so nothing is routed to it" : "";
  if (path.path === "idle") return `${peer.name}: idle; ${path.why}${lease}`;
  if (path.path !== "none") {
    return `${peer.name}: via ${path.path}${via(path.to ?? peer.endpoint)}; ${path.why}${lease}`;
  }
  const where = peer.endpoints.length === 0
    ? "it advertises no endpoint"
    : `it advertises ${peer.endpoints.join(", ")}`;
  return `${peer.name}: no path; ${path.why}; ${where}${lease}`;
}

function cutOffSummary(peer: PeerView): string {
  return `${peer.name}: no path; this host has no address that others can reach: its own link is down or ` +
    "has lost its address";
}

function via(to: string | null): string {
  return to === null ? "" : ` to ${to}`;
}
