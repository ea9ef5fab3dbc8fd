/**
 * The lab's wires: a network namespace for each host and one for a bridge between them, so that nothing of the machine itself
 * is touched, but for the size of its neighbour table (neighbour_room.ts). Namespaces and interfaces live by file descriptors
 * alone; when the last one closes, also by a killed process, the kernel takes everything down.
 */
import { openInterfaceMaker } from "../sys/interface_maker.ts";
import { neighbourRoom } from "./neighbour_room.ts";
import { createNamespace, inNamespace, type Namespace } from "../sys/namespaces.ts";

const GREEK = ["alpha", "beta", "gamma", "delta", "epsilon"];
/** The underlay is 10.99.0.0/24, and where it has IPv6 fd00:99::/64. */
export const MAX_HOSTS = 250;
const SCOPE_UNIVERSE = 0;

export interface LabHost {
  readonly name: string;
  /** "10.99.0.1", on eth0. */
  readonly underlay: string;
  /** Runs `start` inside the host's network namespace. Children that it starts stay there. */
  inside<T>(start: () => T): T;
  /** Plugs or unplugs the host's cable at the bridge. */
  setCable(plugged: boolean): void;
  /**
   * Puts the cable on that bridge, from 0: hosts on different ones do not hear of each other. Nothing on the host shows it,
   * its link stays up.
   */
  moveTo(bridge: number): void;
}

export interface Topology {
  readonly hosts: readonly LabHost[];
  /** Runs `start` in the namespace of the bridge, between the hosts: its ports are `to-NAME`. */
  between<T>(start: () => T): T;
  close(): void;
}

/** Names of the first `count` hosts: alpha … epsilon, host6, host7, … */
export function hostNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => GREEK[i] ?? `host${i + 1}`);
}

export interface Wires {
  /** As many, with all hosts on the first of them; 1 if not said. */
  readonly bridges?: number;
  /** The underlay has IPv6, too. */
  readonly ipv6?: boolean;
}

/** Makes bridges and `count` hosts, up and addressed. Throws SysError, with nothing left behind. */
export function buildTopology(count: number, { bridges = 1, ipv6 = false }: Wires = {}): Topology {
  const opened: { close(): void }[] = [];
  const close = () => opened.splice(0).reverse().forEach((part) => part.close());
  try {
    opened.push(neighbourRoom(count));
    const hub = createNamespace();
    opened.push(hub);
    const network = inNamespace(hub, openInterfaceMaker);
    opened.push(network);
    const switches = Array.from({ length: bridges }, (_, i) => {
      const index = network.addBridge(`br${i}`);
      network.setInterface(index, { up: true });
      return index;
    });
    const hosts = hostNames(count).map((name, i) => {
      const namespace = createNamespace();
      opened.push(namespace);
      const port = `to-${name}`;
      const index = network.addVeth(port, { name: "eth0", namespaceFd: namespace.fd });
      network.setMaster(index, switches[0]!);
      network.setInterface(index, { up: true });
      const underlay = `10.99.0.${i + 1}`;
      configureHost(namespace, [
        { address: underlay, prefixLength: 24 },
        ...(ipv6 ? [{ address: `fd00:99::${(i + 1).toString(16)}`, prefixLength: 64 }] : []),
      ]);
      return {
        name,
        underlay,
        inside: <T>(start: () => T) => inNamespace(namespace, start),
        setCable: (plugged: boolean) => network.setInterface(index, { up: plugged }),
        moveTo: (bridge: number) => network.setMaster(index, switches[bridge]!),
      };
    });
    return { hosts, between: <T>(start: () => T) => inNamespace(hub, start), close };
  } catch (error) {
    close();
    throw error;
  }
}

function configureHost(
  namespace: Namespace,
  addresses: readonly { readonly address: string; readonly prefixLength: number }[],
): void {
  const network = inNamespace(namespace, openInterfaceMaker);
  try {
    const ethernet = linkIndex(network, "eth0");
    for (const one of addresses) network.addAddress({ iface: ethernet, ...one, scope: SCOPE_UNIVERSE });
    network.setInterface(ethernet, { up: true });
  } finally {
    network.close();
  }
}

function linkIndex(network: ReturnType<typeof openInterfaceMaker>, name: string): number {
  const iface = network.interfaces().find((candidate) => candidate.name === name);
  if (iface === undefined) throw new Error(`The kernel did not make the link "${name}"`);
  return iface.index;
}
