// subnet.env as flannel writes it (flannel, pkg/subnet/subnet.go, WriteSubnetFile): four lines that container
// runtimes read to learn which subnet is this host's. Replaced in one step, so that nobody reads half of it.

import { Buffer } from "node:buffer";
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { addressAt, formatAddress, parsePrefix } from "../wire/address.ts";

/** What subnet.env tells. */
export interface SubnetEnv {
  readonly network: string;
  readonly subnet: string;
  readonly mtu: number;
  readonly ipMasq: boolean;
}

/**
 * The text. The subnet is shown as flannel does, by its first host address: "10.42.7.1/24"; a subnet of one
 * address by that address. Throws RangeError when it is no prefix.
 */
export function renderSubnetEnv(env: SubnetEnv): string {
  const subnet = parsePrefix(env.subnet);
  if (subnet === null) throw new RangeError(`Not a subnet: "${env.subnet}"`);
  const first = formatAddress(addressAt(subnet, subnet.length === 128 ? 0 : 1));
  const length = env.subnet.slice(env.subnet.indexOf("/"));
  return `FLANNEL_NETWORK=${env.network}\n` +
    `FLANNEL_SUBNET=${first}${length}\n` +
    `FLANNEL_MTU=${env.mtu}\n` +
    `FLANNEL_IPMASQ=${env.ipMasq}\n`;
}

/** Writes the file in one step, making its directory if need be. Throws what node:fs throws, and leaves nothing. */
export function writeSubnetEnv(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  // In the same directory, for rename(2) does not cross file systems, by a name that nobody else's file has.
  const temporary = join(dirname(path), `.${basename(path)}.ovltun`);
  try {
    rmSync(temporary, { force: true });
    const fd = openSync(temporary, "wx", mode);
    try {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
