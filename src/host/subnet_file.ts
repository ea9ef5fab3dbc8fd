/**
 * subnet.env as flannel writes it (flannel, pkg/subnet/subnet.go, WriteSubnetFile): four lines that container runtimes read
 * to learn which subnet is this host's. Replaced in one step, so that it is never read half-written.
 *
 * Its text is flannel's, to the byte, so a file does not show by itself that it is ours: what we wrote is noted in the run
 * directory (the note), before it is written, and a file counts as ours when it says what the note says, or what the stored
 * lease says. Anything else stays as it is: flannel's own file, and whatever `--subnet-file` was mistyped for. A symbolic
 * link is never ours: what it leads to was made by others.
 */

import { lstatSync, mkdirSync, readFileSync, rmSync, type Stats } from "node:fs";
import { basename, dirname, join } from "node:path";
import { addressAt, networkOf, parseInterface, parsePrefix, Prefix, samePrefix } from "../wire/prefix.ts";
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

/** The lease that a file would tell of. */
export interface EnvLease {
  readonly network: Prefix;
  readonly subnet: Prefix;
}

/** What stands at the path: nothing, a file of ours, or anything of others. */
export type Ownership = "absent" | "ours" | "foreign";

/** More is no subnet.env. */
const LENGTH_MAX = 1024;
const SHAPE =
  /^FLANNEL_NETWORK=(\S+)\nFLANNEL_SUBNET=(\S+)\nFLANNEL_MTU=[0-9]+\nFLANNEL_IPMASQ=(?:true|false)\n$/;
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
  const [, network, subnet] = SHAPE.exec(text) ?? [];
  const outer = parsePrefix(network ?? ""), inner = parseInterface(subnet ?? "");
  return outer === null || inner === null ? null : { network: outer, subnet: networkOf(inner) };
}

export function sameLease(a: EnvLease, b: EnvLease): boolean {
  return samePrefix(a.network, b.network) && samePrefix(a.subnet, b.subnet);
}
