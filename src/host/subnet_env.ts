/**
 * subnet.env as flannel writes it (flannel, pkg/subnet/subnet.go, WriteSubnetFile): four lines that container
 * runtimes read to learn which subnet is this host's. Replaced in one step, so that it is never read half-written.
 */

import { mkdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { addressAt, Prefix } from "../wire/prefix.ts";
import { replaceFile } from "./atomic_file.ts";

/** What subnet.env tells. */
export interface SubnetEnv {
  readonly network: Prefix;
  readonly subnet: Prefix;
  readonly mtu: number;
  readonly ipMasq: boolean;
}

/**
 * The text. The subnet is shown as flannel does, by its first host address: "10.42.7.1/24"; a subnet of one
 * address by that address.
 */
export function renderSubnetEnv(env: SubnetEnv): string {
  const { subnet } = env;
  const first = new Prefix(addressAt(subnet, subnet.length === 128 ? 0 : 1), subnet.length);
  return `FLANNEL_NETWORK=${env.network}\n` +
    `FLANNEL_SUBNET=${first}\n` +
    `FLANNEL_MTU=${env.mtu}\n` +
    `FLANNEL_IPMASQ=${env.ipMasq}\n`;
}

/** Writes the file in one step, making its directory if need be. Throws what node:fs throws, and leaves nothing. */
export function writeSubnetEnv(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  replaceFile(path, text, { temporary: join(dirname(path), `.${basename(path)}.ovltun`), mode });
}
