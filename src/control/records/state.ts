/**
 * What a node keeps on disk between two runs. Of itself, in JSON: the mesh it belongs to, its claim with the Lamport
 * stamp, and how far the versions of its record and its counters may have gone. That little is on disk before anything
 * that depends on it is said. The rest, whom it knew, is below. Both are read with suspicion: they may be cut
 * short, edited by hand, or an old backup.
 */
import { endpointOf, fieldsIn, isVersion } from "../../wire/untrusted.ts";
import type { MeshConfig } from "../mesh/mesh_config.ts";
import { readMesh } from "../mesh/mesh.ts";
import type { Claim } from "./record.ts";
import { prefixOf } from "../../wire/prefix.ts";
import { crc32 } from "../../wire/crc32.ts";

export const STATE_VERSION = 1;

/** A peer as remembered, or one that has left: its signed record and where it last answered. */
export interface StoredPeer {
  /** The signed record, base64. */
  readonly record: string;
  readonly endpoint: string | null;
}

/** A version of a node's own record. */
export interface StoredVersion {
  readonly incarnation: number;
  readonly epoch: number;
}

/** Of the node itself. */
export interface StoredOwn {
  readonly version: typeof STATE_VERSION;
  readonly nodeId: string;
  readonly networkName: string;
  /** The host's name in the mesh. */
  readonly name: string;
  readonly mesh: MeshConfig | null;
  readonly claim: Claim | null;
  /** The claim was not confirmed yet. */
  readonly onProbation?: true;
  /** The version of its record that bears this claim first. */
  readonly incarnation: number;
  readonly epoch: number;
  /** No version that was ever said is greater; absent: than that above. */
  readonly reserved?: StoredVersion;
  /** Sealed meshes: every counter of an initiation so far is below it; not in others. */
  readonly initiations?: number;
}

/** With whom it knew. */
export interface StoredState extends StoredOwn {
  readonly peers: readonly StoredPeer[];
  /** The signed directives, base64. */
  readonly directives: readonly string[];
}

/** The JSON of what is of the node itself, in one line. */
export function ownToJson(own: StoredOwn): string {
  return JSON.stringify(own);
}

/** Reads the JSON that ownToJson wrote; throws Error with a sentence that says what is wrong with it. */
export function readOwn(json: unknown): StoredOwn {
  const f = fieldsIn(json);
  if (f === null) throw new Error("The stored lease is not a JSON object");
  if (f["version"] !== STATE_VERSION) {
    throw new Error(`The stored lease has version ${f["version"]}, this program supports ${STATE_VERSION}`);
  }
  const mesh = f["mesh"] === null ? null : readMesh(f["mesh"]);
  if (mesh === null && f["mesh"] !== null) throw wrong("mesh", "is not a valid mesh configuration");
  return {
    version: STATE_VERSION,
    nodeId: textField(f, "nodeId", /^[0-9a-f]{64}$/),
    networkName: textField(f, "networkName", /^.{1,200}$/),
    name: textField(f, "name", /^/).slice(0, 200),
    mesh,
    claim: claimField(f["claim"]),
    ...(f["onProbation"] === true ? { onProbation: true } : {}),
    incarnation: versionField(f["incarnation"], "incarnation"),
    epoch: versionField(f["epoch"], "epoch"),
    ...(f["reserved"] === undefined ? {} : { reserved: reservedField(f["reserved"]) }),
    ...(f["initiations"] === undefined ? {} : { initiations: versionField(f["initiations"], "initiations") }),
  };
}

/** The bytes of a stored record. */
export function storedRecordBytes(peer: StoredPeer): Uint8Array {
  return storedBytes(peer.record);
}

/** The bytes of a stored record or directive. */
export function storedBytes(text: string): Uint8Array {
  const chars = atob(text);
  const bytes = new Uint8Array(chars.length);
  for (let i = 0; i < chars.length; i++) bytes[i] = chars.charCodeAt(i);
  return bytes;
}

/** Bytes of a record or a directive as the file carries them. */
export function recordText(raw: Uint8Array): string {
  return btoa(String.fromCharCode(...raw));
}

function wrong(field: string, what: string): Error {
  return new Error(`The stored lease is damaged: "${field}" ${what}`);
}

function textField(f: Readonly<Record<string, unknown>>, field: string, shape: RegExp): string {
  const value = f[field];
  if (typeof value !== "string" || !shape.test(value)) throw wrong(field, "is missing or malformed");
  return value;
}

function versionField(value: unknown, field: string): number {
  if (!isVersion(value)) throw wrong(field, "is not a whole number below 2^48");
  return value;
}

function claimField(value: unknown): StoredState["claim"] {
  if (value === null) return null;
  const f = fieldsIn(value);
  if (f === null) throw wrong("claim", "is missing or malformed");
  const { subnet, second, stamp, incarnation } = f;
  const prefix = prefixOf(subnet), other = prefixOf(second);
  if (prefix === null) throw wrong("claim.subnet", `is not a subnet: ${JSON.stringify(subnet)}`);
  if (second !== undefined && other === null) {
    throw wrong("claim.second", `is not a subnet: ${JSON.stringify(second)}`);
  }
  return {
    subnet: prefix,
    ...(other === null ? {} : { second: other }),
    stamp: versionField(stamp, "claim.stamp"),
    incarnation: versionField(incarnation, "claim.incarnation"),
  };
}

function reservedField(value: unknown): StoredVersion {
  const { incarnation, epoch } = fieldsIn(value) ?? {};
  return {
    incarnation: versionField(incarnation, "reserved.incarnation"),
    epoch: versionField(epoch, "reserved.epoch"),
  };
}

// ----------------------------------------------------------------------------------------------------
// What a node keeps of others from run to run: their signed records, where each last answered, and the directives. The
// file is a journal of lines, each with a checksum of its own, so that one that was cut anywhere, or has a damaged line in the
// middle, is readable but for that line; of two lines about one thing the later one counts:
// CRC p ID RECORD ENDPOINT     a peer: its record in base64; its endpoint, or "-"
// CRC d TARGET DIRECTIVE       a directive, in base64

/** One thing to keep. */
export type Kept =
  | { readonly kind: "peer"; readonly id: string; readonly raw: Uint8Array; readonly endpoint: string | null }
  | { readonly kind: "directive"; readonly target: string; readonly raw: Uint8Array };

/** What a journal holds. */
export interface Journal {
  readonly peers: readonly StoredPeer[];
  readonly directives: readonly string[];
  /** The lines that count. */
  readonly lines: readonly string[];
  /** Lines that count for nothing, because a later one is about the same thing. */
  readonly outdated: number;
  /** Lines that were cut or damaged. */
  readonly damaged: number;
}

/** No line of ours is longer, characters. */
const LINE_MAX = 4096;
const CRC_LEN = 8;

const encoder = new TextEncoder();

/** The line of one thing, with its line feed. */
export function keptLine(kept: Kept): string {
  const text = kept.kind === "peer"
    ? `p ${kept.id} ${recordText(kept.raw)} ${kept.endpoint ?? "-"}`
    : `d ${kept.target} ${recordText(kept.raw)}`;
  return `${crcOf(text)} ${text}\n`;
}

/** Reads what keptLine wrote; what is damaged is left out. Never throws. */
export function readJournal(text: string): Journal {
  // BOUNDED: by the file, which is of this node
  const counting = new Map<string, readonly string[]>();
  let outdated = 0, damaged = 0;
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const fields = fieldsOf(line);
    if (fields === null) damaged++;
    else {
      const about = `${fields[0]} ${fields[1]}`;
      if (counting.delete(about)) outdated++;
      counting.set(about, [...fields, line]);
    }
  }
  const peers: StoredPeer[] = [], directives: string[] = [], lines: string[] = [];
  for (const fields of counting.values()) {
    const [kind, , raw, endpoint] = fields;
    if (kind === "p") peers.push({ record: raw!, endpoint: endpointOf(endpoint) });
    else directives.push(raw!);
    lines.push(fields.at(-1)!);
  }
  return { peers, directives, lines, outdated, damaged };
}

function fieldsOf(line: string): readonly string[] | null {
  const text = line.slice(CRC_LEN + 1);
  if (line.length > LINE_MAX || line.slice(0, CRC_LEN) !== crcOf(text)) return null;
  const fields = text.split(" ");
  const [kind, key, raw] = fields;
  if (kind === "p" ? fields.length !== 4 : kind !== "d" || fields.length !== 3) return null;
  if (!/^[0-9a-f]{64}$/.test(key ?? "")) return null;
  return isBase64(raw ?? "") ? fields : null;
}

function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0;
}

function crcOf(text: string): string {
  return crc32(encoder.encode(text)).toString(16).padStart(CRC_LEN, "0");
}
