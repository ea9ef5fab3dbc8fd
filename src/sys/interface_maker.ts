/** Interfaces made and joined by rtnetlink: what the lab and live tests do to a host beside what the daemon does. */
import type { HostKernel } from "../ports/host.ts";
import { ENODEV } from "../ports/sys_error.ts";
import { NLM_F_CREATE, NLM_F_EXCL } from "../wire/netlink.ts";
import * as rt from "../wire/rtnetlink.ts";
import * as rtr from "../wire/rtnetlink_route.ts";
import { failed } from "./failed.ts";
import { FAMILIES, KernelNetwork, type Metered } from "./host_network.ts";
import { decoded, fromNeighbour, type Neighbour, textMac, toNeighbour } from "./rtnetlink_text.ts";

const CREATE = NLM_F_CREATE | NLM_F_EXCL;

/** Throws SysError. */
export interface InterfaceMaker {
  /** Makes a bridge, down, and returns its index. */
  addBridge(name: string): number;
  /** Makes a pair of interfaces, both down, the peer in the namespace of that descriptor; returns our end's index. */
  addVeth(name: string, peer: { readonly name: string; readonly namespaceFd: number }): number;
  /** Puts an interface on a bridge, or takes it off. */
  setMaster(index: number, bridge: number | null): void;
  /** Sets an Ethernet address, "02:42:…". */
  setAddress(index: number, mac: string): void;
  /** Sets the largest superframe the interface is handed, bytes and segments. */
  setSegmentation(index: number, maxSize: number, maxSegments: number): void;
  addNeighbour(neighbour: Neighbour): void;
  deleteNeighbour(neighbour: Neighbour): void;
  /** Of both address families, or with `bridge` the forwarding databases. */
  neighbours(bridge?: boolean): Neighbour[];
}

/** As `openHostNetwork`, with what makes interfaces. Throws SysError. */
export function openInterfaceMaker(): HostKernel & InterfaceMaker & Metered {
  return new MakingNetwork(true);
}

class MakingNetwork extends KernelNetwork implements InterfaceMaker {
  addBridge(name: string): number {
    this.#createLink(name, { name, kind: "bridge" });
    return this.#indexOf(name);
  }

  addVeth(name: string, peer: { readonly name: string; readonly namespaceFd: number }): number {
    this.#createLink(name, { name, kind: "veth", peer });
    return this.#indexOf(name);
  }

  setMaster(index: number, bridge: number | null): void {
    this.changeInterface(`Cannot put link ${index} on a bridge`, { index, master: bridge ?? 0 });
  }

  setAddress(index: number, mac: string): void {
    this.changeInterface(`Cannot set the address of link ${index}`, { index, mac: textMac(mac) });
  }

  setSegmentation(index: number, maxSize: number, maxSegments: number): void {
    const change = { index, gsoMaxSize: maxSize, gsoMaxSegments: maxSegments };
    this.changeInterface(`Cannot set the segmentation of link ${index}`, change);
  }

  addNeighbour(n: Neighbour): void {
    const op = `Cannot add neighbour ${n.address ?? n.mac} to link ${n.iface}`;
    this.connection.request({
      op,
      type: rtr.RTM_NEWNEIGH,
      flags: CREATE,
      payload: rtr.encodeNeighbour(fromNeighbour(n)),
    });
  }

  deleteNeighbour(n: Neighbour): void {
    const op = `Cannot delete neighbour ${n.address ?? n.mac} from link ${n.iface}`;
    this.connection.request({ op, type: rtr.RTM_DELNEIGH, payload: rtr.encodeNeighbour(fromNeighbour(n)) });
  }

  neighbours(bridge = false): Neighbour[] {
    const families = bridge ? [rt.AF_BRIDGE] : FAMILIES;
    return families.flatMap((family) => {
      const payload = rtr.encodeNeighbourDump(family);
      const answers = this.dumpFamily({ op: "Cannot list the neighbours", type: rtr.RTM_GETNEIGH, payload });
      return decoded(answers, rtr.RTM_NEWNEIGH, rtr.decodeNeighbour).map(toNeighbour);
    });
  }

  #createLink(name: string, change: rt.LinkChange): void {
    const op = `Cannot make link "${name}"`;
    this.connection.request({ op, type: rt.RTM_NEWLINK, flags: CREATE, payload: rt.encodeLink(change) });
  }

  #indexOf(name: string): number {
    const op = `Cannot find link "${name}"`;
    const answers = this.connection.request({ op, type: rt.RTM_GETLINK, payload: rt.encodeLink({ name }) });
    const [iface] = decoded(answers, rt.RTM_NEWLINK, rt.decodeLink);
    if (iface === undefined) throw failed(op, ENODEV);
    return iface.index;
  }
}
