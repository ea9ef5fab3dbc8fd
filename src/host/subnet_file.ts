/**
 * subnet.env as flannel writes it (flannel, pkg/subnet/subnet.go, WriteSubnetFile): lines that container runtimes read to
 * learn which subnets are this host's, two for each family that the mesh has, IPv4 first, and two more. Replaced in one
 * step, so that it is never read half-written.
 *
 * Its text is flannel's, to the byte, so a file does not show by itself that it is ours: what we wrote is noted in the run
 * directory (the note), before it is written, and a file counts as ours when it says what the note says, or what the stored
 * lease says. Anything else stays as it is: flannel's own file, and whatever `--subnet-file` was mistyped for. A symbolic
 * link is never ours: what it leads to was made by others.
 */

import { lstatSync, mkdirSync, readFileSync, rmSync, type Stats } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isIpv4 } from "../wire/address.ts";
import { addressAt, networkOf, parseInterface, parsePrefix, Prefix, samePrefix } from "../wire/prefix.ts";
import { replaceFile } from "./atomic_file.ts";

/** What is leased of one family. */
export interface EnvPlace {
  readonly network: Prefix;
  readonly subnet: Prefix;
}

/** The lease that a file would tell of. */
export interface EnvLease extends EnvPlace {
  /** Of IPv6, in a mesh of both families. */
  readonly second?: EnvPlace;
}

/** What subnet.env tells. */
export interface SubnetEnv extends EnvLease {
  readonly mtu: number;
  readonly ipMasq: boolean;
}

/** What is leased of each family, IPv4 first. */
export function envPlaces(lease: EnvLease): readonly EnvPlace[] {
  return lease.second === undefined ? [lease] : [lease, lease.second];
}

/**
 * The text. A subnet is shown as flannel does, by its first host address: "10.42.7.1/24", "fd42:0:0:7::1/64"; a subnet of one
 * address by that address.
 */
export function renderSubnetEnv(env: SubnetEnv): string {
  return envPlaces(env).map(placeText).join("") +
    `FLANNEL_MTU=${env.mtu}\n` +
    `FLANNEL_IPMASQ=${env.ipMasq}\n`;
}

function placeText({ network, subnet }: EnvPlace): string {
  const first = new Prefix(addressAt(subnet, subnet.length === 128 ? 0 : 1), subnet.length);
  const family = isIpv4(network.address) ? "" : "IPV6_";
  return `FLANNEL_${family}NETWORK=${network}\nFLANNEL_${family}SUBNET=${first}\n`;
}

/** Writes the file in one step, making its directory if need be. Throws what node:fs throws, and leaves nothing. */
export function writeSubnetEnv(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  replaceFile(path, text, { temporary: join(dirname(path), `.${basename(path)}.ovltun`), mode });
}

/** What stands at the path: nothing, a file of ours, or anything of others. */
export type Ownership = "absent" | "ours" | "foreign";

/** More is no subnet.env. */
const LENGTH_MAX = 1024;
const SHAPE =
  /^(?:FLANNEL_NETWORK=(\S+)\nFLANNEL_SUBNET=(\S+)\n)?(?:FLANNEL_IPV6_NETWORK=(\S+)\nFLANNEL_IPV6_SUBNET=(\S+)\n)?FLANNEL_MTU=[0-9]+\nFLANNEL_IPMASQ=(?:true|false)\n$/;
/** The last two: the process may end between the note and the file. */
const NOTED = 2;

interface Note {
  readonly path: string;
  readonly texts: readonly string[];
}

export class SubnetFile {
  readonly path: string;
  readonly #notePath: string;
  readonly #ownPlace: boolean;

  /**
   * `notePath`: a file of the run directory, where what is written to `path` is noted. `ownPlace`: no program but ovltun
   * has a subnet.env there, so that one of flannel's shape is ours without a note.
   */
  constructor(path: string, notePath: string, ownPlace = false) {
    this.path = path;
    this.#notePath = notePath;
    this.#ownPlace = ownPlace;
  }

  /** The file that the note is about, whatever this run is configured for; null without a note. */
  static noted(notePath: string): SubnetFile | null {
    const path = noteIn(notePath)?.path;
    return path === undefined ? null : new SubnetFile(path, notePath);
  }

  /** Whose it is. `stored` is the lease that the state directory holds, or null. */
  owner(stored: EnvLease | null): Ownership {
    const found = entryAt(this.path);
    if (found === undefined) return "absent";
    const text = found.isFile() ? textOf(this.path) : null;
    if (text === null) return "foreign";
    if (this.#note()?.texts.includes(text)) return "ours";
    const lease = leaseOf(text);
    if (lease === null) return "foreign";
    return this.#ownPlace || (stored !== null && sameLease(lease, stored)) ? "ours" : "foreign";
  }

  /** The lease in it, whichever program wrote it; null without one. */
  lease(): EnvLease | null {
    const found = entryAt(this.path);
    return found?.isFile() === true ? leaseOf(textOf(this.path) ?? "") : null;
  }

  /** What was written last, as noted, also when the file is gone. */
  leases(): EnvLease[] {
    return (this.#note()?.texts ?? []).flatMap((text) => leaseOf(text) ?? []);
  }

  /** Whether it says `text`. */
  says(text: string): boolean {
    return entryAt(this.path)?.isFile() === true && textOf(this.path) === text;
  }

  /** Writes it in one step. Throws what node:fs throws; whose it is, the caller has asked. */
  write(text: string): void {
    const before = this.#note()?.texts ?? [];
    const texts = [...before.filter((one) => one !== text), text].slice(-NOTED);
    this.#noteDown(texts);
    writeSubnetEnv(this.path, text);
  }

  #noteDown(texts: readonly string[]): void {
    writeSubnetEnv(this.#notePath, JSON.stringify({ path: this.path, texts } satisfies Note), 0o600);
  }

  /** Notes what it says as ours: an earlier run wrote it, and this one goes on with its lease. */
  adopt(): void {
    const text = textOf(this.path);
    if (text !== null) this.#noteDown([text]);
  }

  /** Takes it away, and the note. */
  remove(): void {
    rmSync(this.path, { force: true });
    this.forget();
  }

  /** Takes the note away. */
  forget(): void {
    if (this.#note() !== null) rmSync(this.#notePath, { force: true });
  }

  /** Null when there is none about this path. */
  #note(): Note | null {
    const note = noteIn(this.#notePath);
    return note?.path === this.path ? note : null;
  }
}

/** Null when there is none, or something else in its place. */
function noteIn(notePath: string): Note | null {
  try {
    const { path, texts } = JSON.parse(textOf(notePath, 4 * LENGTH_MAX) ?? "") as Partial<Note>;
    if (typeof path !== "string" || !Array.isArray(texts)) return null;
    return { path, texts: texts.filter((text) => typeof text === "string") };
  } catch {
    return null;
  }
}

/** What stands at a path itself, links not followed; undefined: nothing, also where a file has a directory's place. */
export function entryAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as { code?: string }).code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Null when it cannot be read, or is too long to be one of these. */
function textOf(path: string, max = LENGTH_MAX): string | null {
  try {
    return lstatSync(path).size > max ? null : readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function leaseOf(text: string): EnvLease | null {
  const [, network, subnet, network6, subnet6] = SHAPE.exec(text) ?? [];
  const four = placeOf(network, subnet), six = placeOf(network6, subnet6);
  if (four === null || six === null) return four ?? six;
  return { ...four, second: six };
}

function placeOf(network = "", subnet = ""): EnvPlace | null {
  const outer = parsePrefix(network), inner = parseInterface(subnet);
  return outer === null || inner === null ? null : { network: outer, subnet: networkOf(inner) };
}

export function sameLease(a: EnvLease, b: EnvLease): boolean {
  const [mine, others] = [envPlaces(a), envPlaces(b)];
  return mine.length === others.length &&
    mine.every(({ network, subnet }, i) =>
      samePrefix(network, others[i]!.network) && samePrefix(subnet, others[i]!.subnet)
    );
}
