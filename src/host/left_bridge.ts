/**
 * Bridges that hold an address of a lease that this node does not have (any more): README's own cbr0 after `down --purge`,
 * Docker's after another lease. They are the user's, so ovltun names them and the command, and never removes one. A host
 * that joins for the first time is not refused because of one: nothing of the host is hidden, and the mesh has it for
 * good that a node leases another subnet than the last time. Pure.
 */

import type { InterfaceAddress, NetworkInterface } from "../ports/host.ts";
import { equalBytes } from "../wire/bytes.ts";
import { isIpv4, parseAddress } from "../wire/address.ts";
import { addressAt, comparePrefixes, isInside, networkOf, Prefix, writtenLength } from "../wire/prefix.ts";
import { interfaceName } from "./describe.ts";
import { addressAlone, heldPrefix } from "./owned.ts";
import { removeBridge } from "./shadows.ts";

/** A /30 of IPv4, a /126 of IPv6: the longest that has a bridge and a container. */
const ROOM_FOR_A_BRIDGE = 126;

/** What a mesh gives to its nodes. */
export interface Leasable {
  readonly network: Prefix;
  readonly subnetLen: number;
  /** First addresses of the first and the last subnet; null: of the network. */
  readonly subnetMin: string | null;
  readonly subnetMax: string | null;
}

export interface LeftBridge {
  readonly iface: number;
  readonly subnet: Prefix;
}

/** The bridges that look as README has them made: the first address of a subnet that the mesh could lease. */
export function leftBridges(
  interfaces: readonly NetworkInterface[],
  addresses: readonly InterfaceAddress[],
  mesh: Leasable,
): LeftBridge[] {
  return addresses.flatMap((a) => {
    const { iface, prefixLength } = a;
    if (interfaces.find(({ index }) => index === iface)?.kind !== "bridge") return [];
    const held = heldPrefix(a);
    if (isIpv4(held.address) !== isIpv4(mesh.network.address)) return [];
    if (prefixLength !== mesh.subnetLen || held.length > ROOM_FOR_A_BRIDGE) return [];
    const subnet = networkOf(held);
    const first = equalBytes(addressAt(subnet, 1), held.address);
    return first && isInside(subnet, mesh.network) && isLeasable(subnet, mesh) ? [{ iface, subnet }] : [];
  });
}

function isLeasable(subnet: Prefix, { network, subnetLen, subnetMin, subnetMax }: Leasable): boolean {
  // Without a --subnet-min the first subnet stays free, where there are more than two (control/mesh/mesh.ts).
  const many = subnetLen - writtenLength(network) > 1;
  if (subnetMin === null && many && equalBytes(subnet.address, network.address)) return false;
  const at = (address: string) => new Prefix(parseAddress(address)!, subnet.length);
  return (subnetMin === null || comparePrefixes(subnet, at(subnetMin)) >= 0) &&
    (subnetMax === null || comparePrefixes(subnet, at(subnetMax)) <= 0);
}

/** For `down --purge`: what on the host still holds addresses of the network or lease that is given up. */
export function stillHolding(
  interfaces: readonly NetworkInterface[],
  addresses: readonly InterfaceAddress[],
  network: Prefix,
): string[] {
  return addresses.flatMap((a) => {
    if (!isInside(addressAlone(a), network)) return [];
    const name = interfaceName(a.iface, interfaces);
    const held = heldPrefix(a).text;
    const bridge = interfaces.find(({ index }) => index === a.iface)?.kind === "bridge";
    const command = bridge ? removeBridge(name, true) : `ip addr del ${held} dev ${name}`;
    return [
      `${bridge ? `The bridge ${name}` : name} still has ${held} of this mesh; to remove it: ${command}`,
    ];
  });
}
