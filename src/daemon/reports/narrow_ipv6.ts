/**
 * Where IPv6 inside the mesh is narrower than IPv6 may be: hosts believe in 1280 bytes (RFC 8200 §5) and take no less from
 * Packet Too Big. On such a path, IPv4 goes on in smaller packets, and larger ones of IPv6 are lost.
 */
import { byFamily } from "../../control/mesh/mesh.ts";
import { type Wanted } from "../../control/paths/paths.ts";
import type { NodeView } from "../../control/paths/view.ts";
import { IPV6_MTU_MIN } from "../../wire/ipv6.ts";

/** Peers that a sentence names. */
const NAMED = 4;

/** What is to be told of it, sentences. `asked`: of --mtu, or null. */
export function narrowIpv6({ own, peers }: NodeView, wanted: Wanted, asked: number | null): string[] {
  if (own.mesh === null || byFamily(own.mesh).six === null) return [];
  const told: string[] = [];
  if (asked !== null && asked < IPV6_MTU_MIN) {
    told.push(`--mtu ${asked} is too small for IPv6: the device has ${IPV6_MTU_MIN}`);
  }
  const narrow = peers.flatMap(({ id, name }) => {
    const mtu = wanted.tunnels.get(id)?.mtu ?? IPV6_MTU_MIN;
    return mtu < IPV6_MTU_MIN && mtu > 0 ? [`${name} (${mtu})`] : [];
  });
  if (narrow.length > 0) {
    const more = narrow.length > NAMED ? ` and ${narrow.length - NAMED} more` : "";
    told.push(
      `IPv6 needs packets of ${IPV6_MTU_MIN} bytes, and less gets through to ${
        narrow.slice(0, NAMED).join(", ")
      }${more}: larger ones are lost on the way (raise the MTU of the underlay)`,
    );
  }
  return told;
}
