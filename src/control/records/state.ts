/**
 * What a node keeps on disk between two runs, as plain JSON: the mesh it belongs to, its claim with the Lamport
 * stamp, the version of its own record, and whom it knew. It is written before anything that depends on it is
 * said, and read with suspicion: it may be cut short, edited by hand, or an old backup.
 */

import { endpointOf, fieldsIn, isVersion } from "../../wire/untrusted.ts";
import type { MeshConfig } from "../mesh/mesh_config.ts";
import { readMesh } from "../mesh/mesh.ts";
import type { Claim } from "./record.ts";
import { prefixOf } from "../../wire/prefix.ts";

export const STATE_VERSION = 1;

/** A peer as remembered: its signed record and where it last answered. */
export interface StoredPeer {
  /** The signed record, base64. */
  readonly record: string;
  readonly endpoint: string | null;
}

export interface StoredState {
  readonly version: typeof STATE_VERSION;
  readonly nodeId: string;
  readonly networkName: string;
  /** The host's name in the mesh. */
  readonly name: string;
  readonly mesh: MeshConfig | null;
  readonly claim: Claim | null;
  /** The claim was not confirmed yet. */
  readonly onProbation?: true;
  readonly incarnation: number;
  readonly epoch: number;
  /** Sealed meshes: every counter of an initiation so far is below it; not in others. */
  readonly initiations?: number;
  readonly peers: readonly StoredPeer[];
  /** The tombstones of who has left, base64. */
  readonly gone: readonly string[];
  /** The signed directives, base64. */
  readonly directives: readonly string[];
}

/** The text of the state file. */
export function stateToJson(state: StoredState): string {
  return JSON.stringify(state, null, 1) + "\n";
}

/** Reads the JSON that stateToJson wrote; throws Error with a sentence that says what is wrong with it. */
export function readState(json: unknown): StoredState {
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
    ...(f["initiations"] === undefined ? {} : { initiations: versionField(f["initiations"], "initiations") }),
    peers: peersField(f["peers"]),
    gone: textsField(f["gone"], "gone"),
    directives: textsField(f["directives"], "directives"),
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

function peersField(value: unknown): StoredPeer[] {
  if (!Array.isArray(value)) throw wrong("peers", "is missing or malformed");
  return (value as unknown[]).map((item) => {
    const { record, endpoint } = fieldsIn(item) ?? {};
    if (!isBase64(record)) throw wrong("peers", "holds a record that is not base64");
    return { record, endpoint: endpointOf(endpoint) };
  });
}

function textsField(value: unknown, field: string): string[] {
  if (!Array.isArray(value) || !value.every(isBase64)) throw wrong(field, "is not a list of base64 strings");
  return value;
}

function isBase64(value: unknown): value is string {
  return typeof value === "string" && /^[A-Za-z0-9+/]+={0,2}$/.test(value) && value.length % 4 === 0;
}
