/**
 * The UDP sockets of a daemon, one for each Worker on each port: our own port from the start, VXLAN's and flannel's
 * once something uses them. Without our own port there is no node. Without one of the others a founder does not begin, for
 * it can still choose; a member goes on, says who holds the port, and tries again.
 */
import type { Config } from "../../config/config.ts";
import type { MeshConfig } from "../../control/mesh/mesh_config.ts";
import { socketsFor, type Wanted } from "../../control/paths/paths.ts";
import type { SocketRole } from "../../ports/devices.ts";
import type { NetworkInterface } from "../../ports/host.ts";
import type { UdpMaker, UdpPort } from "../../ports/machine.ts";
import type { Mailbox } from "../../ports/planes.ts";
import { EADDRINUSE, SysError } from "../../ports/sys_error.ts";
import { FLANNEL_PORT, VXLAN_PORT } from "../../wire/udp.ts";

const AGAIN_MS = 5000;
/** Looking for the process that holds a port goes through all of /proc: not at each try. */
const SEARCH_AGAIN_MS = 60_000;

/** What a user can do about a port that is taken. */
const REMEDIES: Readonly<Record<SocketRole, { readonly founding: string; readonly member: string }>> = {
  own: { founding: "stop it or choose another --port", member: "stop it or choose another --port" },
  vxlan: {
    founding: "stop it, or found the mesh with another --vxlan-port",
    member:
      "ovltun takes it as soon as it is free; --vxlan-port is the same in the whole mesh, so do not change " +
      "it here",
  },
  flannel: {
    founding: "stop it, or remove the static peer with backend=udp",
    member: "ovltun takes it as soon as it is free",
  },
};

export interface SocketsOptions {
  /** Our own. */
  readonly port: number;
  /** Each gets a socket on every port. */
  readonly workers: number;
  /** Tells whose device holds a port. */
  readonly interfaces: () => readonly NetworkInterface[];
}

export class Sockets {
  readonly #udp: UdpMaker;
  readonly #mailbox: Mailbox;
  readonly #workers: number;
  readonly #interfaces: () => readonly NetworkInterface[];
  readonly #own: UdpPort;
  /** BOUNDED: one per role. */
  readonly #open = new Map<SocketRole, UdpPort>();
  /** BOUNDED: one per role. Who holds its port, as it was found out last. */
  readonly #holders = new Map<SocketRole, { readonly words: string; readonly until: number }>();
  /** BOUNDED: one per role. */
  readonly #refused = new Map<SocketRole, { readonly sentence: string; readonly at: number }>();

  /** Opens our own port and hands it to the Workers. Throws SysError when it is taken. */
  constructor(udp: UdpMaker, mailbox: Mailbox, { port, workers, interfaces }: SocketsOptions) {
    this.#udp = udp;
    this.#mailbox = mailbox;
    this.#workers = workers;
    this.#interfaces = interfaces;
    this.#own = this.#attach("own", port, true);
  }

  /**
   * Sends a datagram of the control plane from our own port, and from our address `local` where one is given, here and
   * below. Returns 0 or the errno of the refusal; what cannot be sent now is tried again by its owner.
   */
  send(to: string, bytes: Uint8Array, local = ""): number {
    return this.#own.send(to, bytes, local);
  }

  /** Sends a probe from the VXLAN port; nothing happens while that is not open. */
  sendVxlan(to: string, bytes: Uint8Array, local: string): void {
    this.#open.get("vxlan")?.sendProbe(to, bytes, { local });
  }

  /** Sends a probe from our own port: whole or not at all. */
  sendProbe(to: string, bytes: Uint8Array, local: string): void {
    this.#own.sendProbe(to, bytes, { local });
  }

  /** The same by the kernel's routes for that Type of Service. */
  sendProbeByTos(to: string, bytes: Uint8Array, tos: number): void {
    this.#own.sendProbe(to, bytes, { tos });
  }

  /** Opens what is wanted. Throws SysError when a port is taken: for a founder, who can choose another. */
  demand(wanted: Wanted["sockets"]): void {
    for (const [role, port] of portsOf(wanted)) if (!this.#open.has(role)) this.#attach(role, port, true);
  }

  /** Opens what is wanted and not yet open. Returns what cannot be for now, sentences; it is tried again every few seconds. */
  ensure(wanted: Wanted["sockets"], now: number): string[] {
    return portsOf(wanted).flatMap(([role, port]) => {
      const refused = this.#refused.get(role);
      if (this.#open.has(role)) return [];
      if (refused !== undefined && now - refused.at < AGAIN_MS) return [refused.sentence];
      try {
        this.#attach(role, port, false, now);
        this.#refused.delete(role);
        return [];
      } catch (error) {
        if (!(error instanceof SysError)) throw error;
        this.#refused.set(role, { sentence: error.message, at: now });
        return [error.message];
      }
    });
  }

  #attach(role: SocketRole, port: number, founding: boolean, now = -Infinity): UdpPort {
    const opened = this.#bind(role, port, REMEDIES[role][founding ? "founding" : "member"], now);
    this.#open.set(role, opened);
    const { family, sockets } = opened;
    this.#mailbox.post({ kind: "attachSocket", role, family, sockets });
    return opened;
  }

  #bind(role: SocketRole, port: number, remedy: string, now: number): UdpPort {
    try {
      const use = { workers: this.#workers, byLane: role === "own", zeroChecksums: role === "vxlan" };
      return this.#udp.open(port, use);
    } catch (error) {
      if (!(error instanceof SysError) || error.errno !== EADDRINUSE) throw error;
      const hint = `${this.#holderOf(role, port, now)} is using it; ${remedy}`;
      throw new SysError(error.op, error.errno, error.detail, hint);
    }
  }

  #holderOf(role: SocketRole, port: number, now: number): string {
    const known = this.#holders.get(role);
    if (known !== undefined && now < known.until) return known.words;
    const words = this.#udp.holderOf(port, this.#interfaces());
    this.#holders.set(role, { words, until: now + SEARCH_AGAIN_MS });
    return words;
  }

  /** Datagrams that the kernel had no room for, of each kind of socket that is open. */
  dropped(): Partial<Record<SocketRole, number>> {
    return Object.fromEntries([...this.#open].map(([role, opened]) => [role, opened.dropped()]));
  }

  /** The Workers must have stopped. */
  close(): void {
    for (const opened of this.#open.values()) opened.close();
    this.#open.clear();
  }
}

function portsOf({ vxlan, flannel }: Wanted["sockets"]): [SocketRole, number][] {
  return [
    ...(vxlan === null ? [] : [["vxlan", vxlan]] as [SocketRole, number][]),
    ...(flannel ? [["flannel", FLANNEL_PORT]] as [SocketRole, number][] : []),
  ];
}

/** What a founder will need besides its own port: a taken one is told before anything is founded. */
export function foundersSockets({ backend, plain, vxlanPort, staticPeers }: Config): Wanted["sockets"] {
  const mesh: Pick<MeshConfig, "backend" | "security" | "vxlanPort"> = {
    backend: backend ?? "udp",
    security: plain ? "plain" : "sealed",
    vxlanPort: vxlanPort ?? VXLAN_PORT,
  };
  return socketsFor(mesh, staticPeers);
}
