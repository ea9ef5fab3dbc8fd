/**
 * The UDP sockets of a daemon, one for each Worker on each port: our own port from the start, VXLAN's and flannel's
 * once they are wanted.
 */
import { type Config, DEFAULT_FLANNEL_PORT, DEFAULT_VXLAN_PORT } from "../config/config.ts";
import type { MeshConfig } from "../control/settings.ts";
import type { Wanted } from "../control/reconcile.ts";
import type { Mailbox, SocketRole } from "../ports.ts";
import { closeUdpGroup, openUdpGroup, type UdpGroup } from "../sys/udp_group.ts";
import { type OpenedSocket, sendDatagram } from "../sys/udp_socket.ts";

export class Sockets {
  readonly #mailbox: Mailbox;
  readonly #workers: number;
  /** Worker 0's, whose port is the one that peers know. */
  readonly #own: OpenedSocket;
  /** BOUNDED: one per role. */
  readonly #open = new Map<SocketRole, UdpGroup>();

  /** Opens our own port and hands it to the Workers. Throws SysError when it is taken. */
  constructor(mailbox: Mailbox, port: number, workers: number) {
    this.#mailbox = mailbox;
    this.#workers = workers;
    const { family, sockets } = this.#attach("own", port, "--port");
    this.#own = { fd: sockets[0]!.fd, family };
  }

  /** Sends a datagram of the control plane from our own port. What the network refuses is tried again by its owner. */
  send(to: string, bytes: Uint8Array): void {
    sendDatagram(this.#own, bytes, to);
  }

  /** Opens what is wanted and not yet open. */
  ensure(sockets: Wanted["sockets"]): void {
    if (sockets.vxlan !== null && !this.#open.has("vxlan")) {
      this.#attach("vxlan", sockets.vxlan, "--vxlan-port");
    }
    if (sockets.flannel && !this.#open.has("flannel")) {
      this.#attach("flannel", DEFAULT_FLANNEL_PORT, "--static-peer port");
    }
  }

  #attach(role: SocketRole, port: number, flag: string): UdpGroup {
    const group = openUdpGroup(port, flag, this.#workers, role === "own");
    this.#open.set(role, group);
    this.#mailbox.post({ kind: "attachSocket", role, ...group });
    return group;
  }

  /** The Workers must have stopped. */
  close(): void {
    for (const group of this.#open.values()) closeUdpGroup(group);
    this.#open.clear();
  }
}

/** What we know to need before there is a mesh: a taken port is told before anything is founded. */
export function expectedSockets(config: Config, mesh: MeshConfig | null): Wanted["sockets"] {
  const { backend, vxlanPort, staticPeers } = config;
  const vxlan = (mesh?.backend ?? backend) === "vxlan" ||
    staticPeers.some((peer) => peer.backend === "vxlan");
  return {
    vxlan: vxlan ? mesh?.vxlanPort ?? vxlanPort ?? DEFAULT_VXLAN_PORT : null,
    flannel: staticPeers.some((peer) => peer.backend === "udp"),
  };
}
