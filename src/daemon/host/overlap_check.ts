/**
 * What the host has where the mesh's network is. A founder, or a host that joins for the first time, is refused; a node
 * that held a lease before goes on, says what it does not reach, and says when that is over (host/shadows.ts).
 */
import { type Config, ConfigError } from "../../config/config.ts";
import type { NodeView } from "../../control/paths/view.ts";
import { ROUTE_PROTOCOL } from "../../host/owned.ts";
import { type Leasable, leftBridges } from "../../host/left_bridge.ts";
import {
  describeOverlap,
  FOUNDING_RANGES,
  overlappingRoutes,
  type OwnMarks,
  randomNetwork,
  randomNetwork6,
  UNIQUE_LOCAL,
} from "../../host/overlap.ts";
import { interfaceName } from "../../host/describe.ts";
import { describeShadows, removeBridge, type Shadow, shadows } from "../../host/shadows.ts";
import type { HostNetwork, NetworkInterface, Route } from "../../ports/host.ts";
import type { Random } from "../../ports/time.ts";
import { isIpv4 } from "../../wire/address.ts";
import { isInside, type Prefix } from "../../wire/prefix.ts";
import { Grounds } from "./grounds.ts";
import { type Begun, founds } from "../state/unfinished_join.ts";

/**
 * Throws ConfigError that names a route of the host where this mesh is. A node that held a lease before is never refused for
 * it: it goes on, and says what it does not reach. Nor is a bridge that looks left from an earlier lease a reason against
 * joining, where the network cannot be chosen; a founder has one, and is told of both.
 */
export function refuseOverlap(
  net: HostNetwork,
  run: Pick<Begun, "stored"> & { readonly config: Pick<Config, "found" | "peers" | "device"> },
  mesh: Leasable,
): void {
  if ((run.stored?.claim ?? null) !== null) return;
  const settled = !founds(run);
  const interfaces = net.interfaces();
  const addresses = net.addresses();
  const bridges = leftBridges(interfaces, addresses, mesh);
  const bridgeOf = ({ iface, destination }: Route) =>
    bridges.find((bridge) => bridge.iface === iface && isInside(destination, bridge.subnet));
  const route = overlappingRoutes(
    net.routes({ overlapping: mesh.network }),
    addresses,
    mesh.network,
    marks(interfaces, run.config.device, null),
  )
    .find((one) => !settled || bridgeOf(one) === undefined);
  if (route === undefined) return;
  const bridge = bridgeOf(route);
  const left = bridge === undefined
    ? ""
    : `, or remove the bridge if it is a leftover of an earlier lease: ${
      removeBridge(interfaceName(bridge.iface, interfaces))
    }`;
  const field = isIpv4(mesh.network.address) ? "network" : "network6";
  throw new ConfigError(field, describeOverlap(mesh.network, route, interfaces, settled) + left);
}

function marks(interfaces: readonly NetworkInterface[], device: string, subnet: Prefix | null): OwnMarks {
  const own = interfaces.find((iface) => iface.name === device)?.index ?? null;
  const others = interfaces.filter((iface) => iface.kind === "tun" && iface.index !== own).map((iface) =>
    iface.index
  );
  return { protocol: ROUTE_PROTOCOL, device: own, subnet, otherDevices: others };
}

/** A network that nothing of this host touches, or why there is none: for who founds without `--network`. */
export function drawNetwork(random: Random, net: HostNetwork): { network: Prefix } | { problem: string } {
  try {
    const routes = FOUNDING_RANGES.flatMap((overlapping) => net.routes({ overlapping }, true));
    return { network: randomNetwork(random, routes, net.addresses()) };
  } catch (error) {
    if (!(error instanceof Error) || "errno" in error) throw error;
    return { problem: error.message };
  }
}

/** The same for `--network6 auto`. */
export function drawNetwork6(random: Random, net: HostNetwork): { network: Prefix } | { problem: string } {
  try {
    return {
      network: randomNetwork6(random, net.routes({ overlapping: UNIQUE_LOCAL }, true), net.addresses()),
    };
  } catch (error) {
    if (!(error instanceof Error) || "errno" in error) throw error;
    return { problem: error.message };
  }
}

/** Between two looks through the whole host: what changes in one moment comes together. */
const LOOK_MS = 1000;

/** A network of the mesh, and what is ours of it. */
interface Half {
  readonly network: Prefix;
  readonly lease: Prefix;
}

/** What was found of one family, and what that rests on. */
interface Found {
  readonly restsOn: Grounds;
  shadows: readonly Shadow[];
}

/** Looks for overlaps while the node runs. */
export class OverlapWatch {
  readonly #net: HostNetwork;
  #lookedAt = -LOOK_MS;
  #again = false;
  #now: readonly string[] = [];
  /** Of each family. BOUNDED: two */
  readonly #found = new Map<string, Found>();

  constructor(net: HostNetwork) {
    this.#net = net;
  }

  /** Whether a look was put off, and its time has come. */
  due(now: number): boolean {
    return this.#again && now - this.#lookedAt >= LOOK_MS;
  }

  /** What this host does not reach of the mesh at the moment, a sentence each. Empty without a lease. */
  look(view: NodeView, device: string, now: number): readonly string[] {
    const { mesh, subnet, second } = view.own;
    if (mesh === null || subnet === null) return this.#now = [];
    this.#again = now - this.#lookedAt < LOOK_MS;
    if (this.#again) return this.#now;
    this.#lookedAt = now;
    const halves = [{ network: mesh.network, lease: subnet }];
    if (mesh.second !== undefined && second !== undefined) {
      halves.push({ network: mesh.second.network, lease: second });
    }
    return this.#now = halves.flatMap((half) => this.#find(view, half, device));
  }

  #find(view: NodeView, { network, lease }: Half, device: string): string[] {
    const net = this.#net;
    const interfaces = net.interfaces();
    const family = isIpv4(network.address) ? "IPv4" : "IPv6";
    const found = this.#found.get(family) ?? { restsOn: new Grounds(), shadows: [] };
    this.#found.set(family, found);
    if (found.restsOn.news(net.revision(), network.text, lease.text, device)) {
      found.shadows = this.#compare(network, marks(interfaces, device, lease));
    }
    const holders = view.leases.filter(({ nodeId }) => nodeId !== view.own.id).flatMap(
      ({ name, subnet, second }) =>
        [subnet, second].filter((one) => one !== undefined && isInside(one, network))
          .map((one) => ({ name, subnet: one! })),
    );
    return describeShadows(found.shadows, { network, interfaces, lease, holders });
  }

  #compare(network: Prefix, own: OwnMarks): Shadow[] {
    const net = this.#net;
    const host = {
      interfaces: net.interfaces(),
      addresses: net.addresses(),
      routes: net.routes({ overlapping: network }),
      rules: isIpv4(network.address) ? net.rules() : [], // those of IPv6 are not asked for
    };
    return shadows(host, network, own);
  }
}
