/**
 * What a node keeps on disk between two runs. Of itself, in JSON: the mesh it belongs to, its claim with the Lamport
 * stamp, and how far the versions of its record and its counters may have gone. That little is on disk before anything
 * that depends on it is said. The rest, whom it knew, is in kept.ts. Both are read with suspicion: they may be cut
 * short, edited by hand, or an old backup.
 */

import { fieldsIn, isVersion } from "../../wire/untrusted.ts";
import type { MeshConfig } from "../mesh/mesh_config.ts";
import { readMesh } from "../mesh/mesh.ts";
import type { Claim } from "./record.ts";
import { prefixOf } from "../../wire/prefix.ts";

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
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
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
