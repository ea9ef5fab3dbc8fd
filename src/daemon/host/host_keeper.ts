/**
 * Keeps the host as it is wanted: the device, its address and MTU, the routes, subnet.env. Called when
 * something changed and every few seconds besides, so that what is deleted comes back. Whatever it made
 * is gone after `close`.
 */
import { type Place, placesOf, type Wanted } from "../../control/paths/paths.ts";
import { advertisedBy, type Forwarding } from "../../host/forwarding.ts";
import { removeOwned } from "../../host/cleanup.ts";
import { addTo, attempt, reconcileHost, type Reconciliation } from "../../host/reconcile_host.ts";
import { DeviceDrops } from "./device_drops.ts";
import { renderSubnetEnv, type SubnetFile } from "../../host/subnet_file.ts";
import type { OpenedTun, TunOffloads } from "../../ports/devices.ts";
import type {
  DirectRoute,
  HostNetwork,
  InterfaceAddress,
  InterfaceDrops,
  NetworkInterface,
} from "../../ports/host.ts";
import type { DeviceMaker } from "../../ports/machine.ts";
import type { Mailbox } from "../../ports/planes.ts";
import { addressAlone, type HostState } from "../../host/owned.ts";
import { EAFNOSUPPORT, ENOTSUP, SysError } from "../../ports/sys_error.ts";
import { formatAddress, isIpv4 } from "../../wire/address.ts";
import { isInside, type Prefix, probeAddress } from "../../wire/prefix.ts";
import type { RulesKeeper } from "./rules_keeper.ts";

/** What the device dropped is noted beside the reconciles, for the one that may be deleted next; so old it may be. */
const DROPS_AGE_MS = 1000;

export interface HostKeeperOptions {
  readonly device: string;
  /** Not of others: the start has seen to that. */
  readonly subnetFile: SubnetFile;
  /** What the device is asked for. */
  readonly offloads: TunOffloads;
  /** Tries superframes on the device once it is up, and says what it may carry. */
  readonly testDevice: (tun: OpenedTun) => TunOffloads;
  /** The device gets a queue for each. */
  readonly workers: number;
  /** The networks whose routes an earlier run left in place for this one. */
  readonly networks: readonly Prefix[];
  /** Somebody masquerades what leaves the mesh; containers need not. */
  readonly ipMasq: boolean;
  /** The host is to forward. */
  readonly forward: boolean;
}

/** What it works with. */
export interface HostTools {
  readonly net: HostNetwork;
  readonly rules: RulesKeeper;
  readonly forwarding: Forwarding;
  readonly devices: DeviceMaker;
  readonly mailbox: Mailbox;
}

export class HostKeeper {
  readonly #net: HostNetwork;
  readonly #rules: RulesKeeper;
  readonly #forwarding: Forwarding;
  readonly #devices: DeviceMaker;
  readonly #mailbox: Mailbox;
  readonly #options: HostKeeperOptions;
  #tun: OpenedTun;
  #offloads: TunOffloads;
  #tested = false;
  readonly #drops = new DeviceDrops();
  /** Index of the device; null before it was looked for. */
  #iface: number | null = null;
  /** BOUNDED: emptied as the Workers follow. They may still read from these until they have applied the epoch. */
  #retired: { readonly tun: OpenedTun; readonly epoch: number }[] = [];
  #attached = false;
  #subnetEnv: string | null = null;
  #networks: readonly Prefix[];

  /** Creates the device, down and without address, so that a host that cannot have one is told so at once. */
  constructor({ net, rules, forwarding, devices, mailbox }: HostTools, options: HostKeeperOptions) {
    this.#net = net;
    this.#rules = rules;
    this.#forwarding = forwarding;
    this.#devices = devices;
    this.#mailbox = mailbox;
    this.#options = options;
    this.#offloads = options.offloads;
    this.#networks = options.networks;
    this.#tun = this.#openTun();
  }

  #openTun(): OpenedTun {
    return this.#devices.open(this.#options.device, this.#offloads, this.#options.workers);
  }

  get device(): string {
    return this.#tun.name;
  }

  /** What the device dropped since we use it. */
  get drops(): InterfaceDrops {
    if (this.#iface !== null) this.#drops.note(this.#iface, this.#net.interfaceDrops(this.#iface));
    return this.#drops.total;
  }

  /** Applies the difference. */
  apply(wanted: Wanted): Reconciliation {
    this.#closeRetired();
    const report: Reconciliation = { repaired: [], failed: [] };
    if (this.#findDevice() === undefined) report.repaired.push(this.#recreate());
    const iface = this.#findDevice();
    if (iface === undefined) throw new Error(`The device "${this.#tun.name}" was created but is not there`);
    this.#iface = iface.index;
    this.#drops.note(iface.index, this.#net.interfaceDrops(iface.index, DROPS_AGE_MS));
    const own = wanted.own;
    if (own === null) {
      addTo(report, this.withdraw());
      return report;
    }
    const places = placesOf(own);
    this.#networks = places.map(({ network }) => network);
    if (!iface.up && places.some(({ subnet }) => !isIpv4(subnet.address))) {
      report.failed.push(...this.#quieten(iface.index));
    }
    for (const place of places) addTo(report, reconcileHost(this.#net, stateAt(place, iface.index, wanted)));
    if (this.#options.forward) addTo(report, this.#forward(places));
    addTo(report, this.#rules.apply(places, this.#hasWiderLinks(iface.index, wanted.deviceMtu)));
    if (!this.#attached) {
      this.#attached = true;
      this.#testDevice();
      const { queues, tso, uso } = this.#tun;
      this.#mailbox.post({ kind: "attachTun", queues, tso, uso });
    }
    const text = renderSubnetEnv({ ...own, mtu: wanted.deviceMtu, ipMasq: this.#options.ipMasq });
    report.failed.push(...this.#writeSubnetEnv(text));
    return report;
  }

  // Nobody answers router solicitations there, and nothing needs a link-local address. Where the kernel has no IPv6 there is
  // nothing to quieten, which is told when the address is refused.
  #quieten(index: number): string[] {
    try {
      this.#net.setInterface(index, { linkLocal: false });
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      if (![EAFNOSUPPORT, ENOTSUP].includes(error.errno)) return [error.message];
    }
    return [];
  }

  /** Once: a device that takes another's place is of the same kernel. */
  #testDevice(): void {
    if (this.#tested) return;
    this.#tested = true;
    this.#offloads = this.#options.testDevice(this.#tun);
    this.#tun = this.#devices.limit(this.#tun, this.#offloads);
  }

  #forward(places: readonly Place[]): Reconciliation {
    const families = places.map(({ network }) => isIpv4(network.address) ? 4 : 6);
    return this.#forwarding.ensure({ families, advertised: () => advertisedBy(this.#net) });
  }

  /** Whether packets may come by another interface that are too large for the device. */
  #hasWiderLinks(device: number, deviceMtu: number): boolean {
    return this.#net.interfaces().some(({ index, up, loopback, mtu }) =>
      index !== device && up && !loopback && mtu > deviceMtu
    );
  }

  /** By its name, and by its index once that is known: another device of the same name is not ours. */
  #findDevice(): NetworkInterface | undefined {
    const iface = this.#net.interfaces().find((candidate) => candidate.name === this.#tun.name);
    return this.#iface === null || iface?.index === this.#iface ? iface : undefined;
  }

  /** The device was deleted: its descriptors are dead, another takes its place. */
  #recreate(): string {
    this.#retired.push({ tun: this.#tun, epoch: this.#mailbox.post({ kind: "detachTun" }) });
    this.#iface = null;
    this.#tun = this.#openTun();
    this.#attached = false;
    return `Recreated the device ${this.#tun.name}: it had been deleted`;
  }

  #closeRetired(): void {
    const applied = this.#mailbox.appliedEpoch();
    for (const { tun, epoch } of this.#retired) if (epoch <= applied) this.#devices.close(tun);
    this.#retired = this.#retired.filter(({ epoch }) => epoch > applied);
  }

  /** Without a lease nothing of ours stays but the bare device. */
  withdraw(): Reconciliation {
    this.#removeSubnetEnv();
    const report: Reconciliation = { repaired: [], failed: [] };
    for (const network of this.#networks) addTo(report, removeOwned(this.#net, network));
    addTo(report, this.#rules.withdraw(this.#networks));
    addTo(report, this.#forwarding.giveBack());
    // The kernel's link-local address is none of ours.
    const isOurs = (a: InterfaceAddress) => this.#networks.some((one) => isInside(addressAlone(a), one));
    const held = this.#net.addresses().filter((a) => a.iface === this.#iface && isOurs(a));
    for (const address of held) {
      const text = `Removed ${address.address}/${address.prefixLength} from ${this.#tun.name}`;
      attempt(report, text, () => this.#net.deleteAddress(address));
    }
    this.#networks = [];
    return report;
  }

  /** Why it could not be written. Packets flow without the file: that ends nothing, and is tried again. */
  #writeSubnetEnv(text: string): string[] {
    const { subnetFile } = this.#options;
    if (text === this.#subnetEnv && subnetFile.says(text)) return [];
    const quoted = JSON.stringify(subnetFile.path);
    if (subnetFile.owner(null) === "foreign") {
      return [
        `Cannot write ${quoted}: another program wrote that file (flannel?); stop it and remove the file, ` +
        "or choose another --subnet-file",
      ];
    }
    try {
      subnetFile.write(text);
    } catch (error) {
      return [`Cannot write ${quoted}: ${(error as { code?: string }).code ?? String(error)}`];
    }
    this.#subnetEnv = text;
    return [];
  }

  #removeSubnetEnv(): void {
    const { subnetFile } = this.#options;
    this.#subnetEnv = null;
    if (subnetFile.owner(null) === "ours") subnetFile.remove();
    else subnetFile.forget();
  }

  /** The device goes with its descriptors. The Workers must have stopped. */
  close(): void {
    this.#devices.close(this.#tun);
  }
}

/** What the host is to have of one family. */
function stateAt(
  { network, subnet, address }: Place,
  iface: number,
  { deviceMtu, directRoutes, probeRoutes }: Wanted,
): HostState {
  const inside = ({ destination }: DirectRoute) => isInside(destination, network);
  const probed = probeRoutes.some(inside) ? probeAddress(subnet) : null;
  return {
    device: {
      iface,
      address,
      ...(probed === null ? {} : { probed: formatAddress(probed) }),
      mtu: deviceMtu,
    },
    network,
    subnet,
    directRoutes: directRoutes.filter(inside),
    probeRoutes: probeRoutes.filter(inside),
  };
}
