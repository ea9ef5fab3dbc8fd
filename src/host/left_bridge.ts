// Bridges that hold an address of a lease that this node does not have (any more): README's own cbr0 after `down --purge`,
// Docker's after another lease. They are the user's, so ovltun names them and the command, and never removes one. A host
// that joins for the first time is not refused because of one: nothing of the host is hidden, and the mesh has it for
// good that a node leases another subnet than the last time. Pure.

import type { Link, LinkAddress } from "../ports/host.ts";
import {
  addressAt,
  comparePrefixes,
  formatAddress,
  formatPrefix,
  isIpv4,
  networkOf,
  parseInterface,
  parsePrefix,
} from "../wire/address.ts";
import { linkName } from "./describe.ts";
import { isInside } from "./owned.ts";
import { removeBridge } from "./shadows.ts";

const IPV4_BITS_AT = 96;

/** What a mesh gives to its nodes. */
export interface Leasable {
  readonly network: string;
  readonly subnetLen: number;
  /** First addresses of the first and the last subnet; null: of the network. */
  readonly subnetMin: string | null;
  readonly subnetMax: string | null;
}

export interface LeftBridge {
  readonly link: number;
  /** "10.42.7.0/24" */
  readonly subnet: string;
}

/** The bridges that look as README has them made: the first address of a subnet that the mesh could lease. */
export function leftBridges(
  links: readonly Link[],
  addresses: readonly LinkAddress[],
  mesh: Leasable,
): LeftBridge[] {
  return addresses.flatMap(({ link, address, prefixLength }) => {
    if (links.find(({ index }) => index === link)?.kind !== "bridge") return [];
    const held = parseInterface(`${address}/${prefixLength}`);
    if (held === null || !isIpv4(held.address) || prefixLength !== mesh.subnetLen || prefixLength > 30) {
      return [];
    }
    const prefix = networkOf(held);
    const subnet = formatPrefix(prefix);
    const first = formatAddress(addressAt(prefix, 1)) === address;
    return first && isInside(subnet, mesh.network) && isLeasable(subnet, mesh) ? [{ link, subnet }] : [];
  });
}

function isLeasable(subnet: string, { network, subnetLen, subnetMin, subnetMax }: Leasable): boolean {
  // Without a --subnet-min the first subnet stays free, where there are more than two (control/mesh/mesh.ts).
  const many = subnetLen - (parsePrefix(network)!.length - IPV4_BITS_AT) > 1;
  if (subnetMin === null && many && subnet.split("/")[0] === network.split("/")[0]) return false;
  const at = (address: string) => `${address}/${subnetLen}`;
  return (subnetMin === null || comparePrefixes(subnet, at(subnetMin)) >= 0) &&
    (subnetMax === null || comparePrefixes(subnet, at(subnetMax)) <= 0);
}

/** For `down --purge`: what on the host still holds addresses of the network or lease that is given up. */
export function stillHolding(
  links: readonly Link[],
  addresses: readonly LinkAddress[],
  network: string,
): string[] {
  return addresses.flatMap((a) => {
    if (!isInside(`${a.address}/${a.address.includes(":") ? 128 : 32}`, network)) return [];
    const name = linkName(a.link, links);
    const held = `${a.address}/${a.prefixLength}`;
    const bridge = links.find(({ index }) => index === a.link)?.kind === "bridge";
    const command = bridge ? removeBridge(name, true) : `ip addr del ${held} dev ${name}`;
    return [
      `${bridge ? `The bridge ${name}` : name} still has ${held} of this mesh; to remove it: ${command}`,
    ];
  });
}
