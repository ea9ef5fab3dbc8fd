/**
 * What an interface of this host is to the overlay: a way to the others, a network of this host's own guests, a tunnel, or
 * nothing. By rtnetlink's kinds and, where those do not tell, by the names that container and VM hosts give.
 */

import type { NetworkInterface } from "../ports/host.ts";

/**
 * `lan`: others may be behind it. `host`: its addresses are the host's own, wherever they are reached by (lo, dummy).
 * `vpn`: a tunnel of another program. `guests`: only containers or VMs of this host are behind it. `tun`: another TUN
 * or TAP device. `own`: ours. `down`: not up.
 */
export type InterfaceRole = "lan" | "host" | "vpn" | "guests" | "tun" | "own" | "down";

const VPN_KINDS = ["wireguard", "ppp", "gre", "gretap", "ip6gre", "ip6tnl", "ipip", "sit", "vti", "xfrm"];
const OVERLAY_KINDS = ["vxlan", "geneve"];

/** Devices of Docker, Podman, CNI plugins, Kubernetes, libvirt, LXC, Incus, VirtualBox and VMware. */
const GUEST_NAMES = new RegExp(
  "^(docker|br-[0-9a-f]{12}$|podman|cni|cbr\\d|cilium_|flannel|vxlan\\.calico|cali|tunl0|kube-|nodelocaldns|virbr" +
    "|lxc|lxdbr|incusbr|mpqemubr|hassio|nerdctl|weave|vmnet|vboxnet|waydroid)",
);
/** The host's ends of what leads to one guest. */
const GUEST_PORTS = /^(veth|vnet|tap|cali|lxc|fwpr|fwln)/;

/** What an interface is to the overlay; `own` is the name of our device, or null. */
export function interfaceRole(
  iface: NetworkInterface,
  interfaces: readonly NetworkInterface[],
  own: string | null,
): InterfaceRole {
  if (iface.name === own) return "own";
  if (!iface.up) return "down";
  if (GUEST_NAMES.test(iface.name)) return "guests";
  if (iface.loopback || iface.kind === "dummy") return "host";
  if (iface.kind === "tun") return "tun";
  if (iface.kind === "bridge") return isUplinked(iface, interfaces, own) ? "lan" : "guests";
  if (iface.kind !== null && VPN_KINDS.includes(iface.kind)) return "vpn";
  return iface.kind !== null && OVERLAY_KINDS.includes(iface.kind) ? "guests" : "lan";
}

/** A bridge leads to others by any port that is not a guest's: a NIC, a bond, a VLAN. */
function isUplinked(
  bridge: NetworkInterface,
  interfaces: readonly NetworkInterface[],
  own: string | null,
): boolean {
  return interfaces.some((port) =>
    port.master === bridge.index && port.name !== own && port.kind !== "tun" && !GUEST_PORTS.test(port.name)
  );
}
