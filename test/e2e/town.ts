/**
 * A town: hosts on one network, each with a kernel, a disk and a daemon of its own, all in this process and under one
 * clock that stands still between events. `town.host("a")` builds a host, `await a.up({...})` starts the daemon with the
 * flags that a user would give, `await town.run(ms)` lets time pass.
 *
 * Only the machine is a fake (memory_machine.ts): what runs is the daemon of src/daemon with the data plane of
 * src/dataplane, and what it keeps are real files.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { configureLog } from "../../src/log/log.ts";
import { addressOf } from "../../src/wire/address.ts";
import type { Datagram } from "../fakes/lossy_network.ts";
import { Clockwork } from "./clockwork.ts";
import { type Flags, Host } from "./host.ts";

/** A file system in memory, where there is one: state is synced to disk before anybody hears of it. */
const DISKS = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

export class Town extends Clockwork {
  readonly hosts: Host[] = [];
  readonly #directory = mkdtempSync(join(DISKS, "ovltun-e2e-"));

  constructor(seed = 1) {
    super(seed);
  }

  /** A host with one interface, eth0, that has the next address of 192.168.1.0/24. */
  host(name: string): Host {
    const host = new Host(this, name, `192.168.1.${this.hosts.length + 1}`, join(this.#directory, name));
    this.hosts.push(host);
    return host;
  }

  /** Hosts of different groups no longer reach one another; a host in none reaches all. */
  split(...groups: readonly (readonly Host[])[]): void {
    const groupOf = (endpoint: string) => {
      const host = this.at(addressOf(endpoint));
      return groups.findIndex((group) => group.includes(host!));
    };
    this.network.partition(groupOf);
  }

  heal(): void {
    this.network.partition(null);
  }

  /** The host that has an address. */
  at(address: string): Host | undefined {
    return this.hosts.find((host) => host.kernel.addresses().some((one) => one.address === address));
  }

  protected override deliver({ from, to, bytes }: Datagram): void {
    this.at(addressOf(to))?.arrive(from, to, bytes);
  }

  /** All daemons are gone, and their files. */
  close(): void {
    for (const host of this.hosts) host.kill();
    rmSync(this.#directory, { recursive: true, force: true });
    configureLog("error", "text");
  }
}

/** Runs a story in a town of its own. */
export async function inTown(story: (town: Town) => Promise<void>, seed = 1): Promise<void> {
  const town = new Town(seed);
  try {
    await story(town);
  } finally {
    town.close();
  }
}

/** What a founder of a story is given. */
export const NETWORK = "10.42.0.0/16";

/** Starts the founder of a mesh and waits for its lease. */
export async function foundedBy(host: Host, flags: Flags = {}): Promise<Host> {
  await host.up({ network: NETWORK, ...flags });
  await host.town.until(`${host.name} founds`, () => host.lease !== null);
  return host;
}

/** Joins by a token of `member`, and waits until the two reach one another. */
export async function joined(host: Host, member: Host, flags: Flags = {}): Promise<Host> {
  await host.join(member.token(), flags);
  const done = () => host.lease !== null && host.reaches(member) && member.reaches(host);
  await host.town.until(`${host.name} joins`, done);
  return host;
}
