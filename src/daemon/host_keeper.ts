/**
 * Keeps the host as reconcile wants it: the device, its address and MTU, the routes, subnet.env. Called when
 * something changed and every few seconds besides, so that what somebody deletes comes back. Whatever it made
 * is gone after `close`.
 */
import { existsSync } from "node:fs";
import type { Wanted } from "../control/reconcile.ts";
import { removeOwned } from "../host/cleanup.ts";
import { applyHostState } from "../host/reconcile_host.ts";
import { removeSubnetEnv, renderSubnetEnv, writeSubnetEnv } from "../host/subnet_env.ts";
import type { HostNetwork, Link, Mailbox, Offloads } from "../ports.ts";
import { closeDescriptor } from "../sys/libc.ts";
import { type OpenedTun, openTun } from "../sys/tun.ts";

export interface HostKeeperOptions {
  readonly device: string;
  /** `--mtu`, or null: what the underlay leaves. */
  readonly mtu: number | null;
  readonly subnetFile: string;
  readonly offloads: Offloads;
}

export class HostKeeper {
  readonly #net: HostNetwork;
  readonly #mailbox: Mailbox;
  readonly #options: HostKeeperOptions;
  #tun: OpenedTun;
  /** BOUNDED: emptied as the Worker follows. It may still read from these until it has applied the epoch. */
  #retired: { readonly fd: number; readonly epoch: number }[] = [];
  #attached = false;
  #subnetEnv: string | null = null;
  #network: string | null = null;

  /** Creates the device, down and without address, so that a host that cannot have one is told so at once. */
  constructor(net: HostNetwork, mailbox: Mailbox, options: HostKeeperOptions) {
    this.#net = net;
    this.#mailbox = mailbox;
    this.#options = options;
    this.#tun = openTun(options.device, options.offloads);
  }

  /** The superframes that the device carries: what was wanted and the kernel knows. */
  get superframes(): { readonly tso: boolean; readonly uso: boolean } {
    return { tso: this.#tun.tso, uso: this.#tun.uso };
  }

  get device(): string {
    return this.#tun.name;
  }

  /** MTU of the device for what is wanted. */
  mtu(wanted: Wanted): number {
    return this.#options.mtu ?? wanted.deviceMtu;
  }

  /** Applies the difference. Returns what was changed or could not be, a sentence each. */
  apply(wanted: Wanted): string[] {
    this.#closeRetired();
    const lines: string[] = [];
    if (this.#deviceLink() === undefined) lines.push(this.#recreate());
    const link = this.#deviceLink();
    if (link === undefined) throw new Error(`The device "${this.#tun.name}" was made and is not there`);
    const own = wanted.own;
    if (own === null) return [...lines, ...this.withdraw()];
    this.#network = own.network;
    lines.push(...applyHostState(this.#net, {
      device: { link: link.index, address: own.address, mtu: this.mtu(wanted) },
      network: own.network,
      subnet: own.subnets[0]!,
      directRoutes: wanted.directRoutes,
    }));
    if (!this.#attached) {
      this.#attached = true;
      this.#mailbox.post({ kind: "attachTun", fd: this.#tun.fd, tso: this.#tun.tso, uso: this.#tun.uso });
    }
    this.#writeSubnetEnv(own.network, own.subnets[0]!, this.mtu(wanted));
    return lines;
  }

  #deviceLink(): Link | undefined {
    return this.#net.links().find((candidate) => candidate.name === this.#tun.name);
  }

  /** Somebody deleted the device: its descriptor is dead, another takes its place. */
  #recreate(): string {
    this.#retired.push({ fd: this.#tun.fd, epoch: this.#mailbox.post({ kind: "detachTun" }) });
    this.#tun = openTun(this.#options.device, this.#options.offloads);
    this.#attached = false;
    return `Made the device ${this.#tun.name} again: somebody had deleted it`;
  }

  #closeRetired(): void {
    const applied = this.#mailbox.appliedEpoch();
    for (const { fd, epoch } of this.#retired) if (epoch <= applied) closeDescriptor(fd);
    this.#retired = this.#retired.filter(({ epoch }) => epoch > applied);
  }

  /** Without a lease nothing of ours stays but the bare device. */
  withdraw(): string[] {
    if (this.#network === null) return [];
    const lines = removeOwned(this.#net, { device: "", network: this.#network });
    for (const address of this.#net.addresses()) {
      const link = this.#net.links().find((candidate) => candidate.index === address.link);
      if (link?.name === this.#tun.name && !address.address.includes(":")) this.#net.deleteAddress(address);
    }
    this.#network = null;
    this.#subnetEnv = null;
    removeSubnetEnv(this.#options.subnetFile);
    return lines;
  }

  #writeSubnetEnv(network: string, subnet: string, mtu: number): void {
    const text = renderSubnetEnv({ network, subnet, mtu, ipMasq: false });
    if (text === this.#subnetEnv && existsSync(this.#options.subnetFile)) return;
    writeSubnetEnv(this.#options.subnetFile, text);
    this.#subnetEnv = text;
  }

  /** The device goes with its descriptor. The Worker must have stopped. */
  close(): void {
    closeDescriptor(this.#tun.fd);
  }
}
