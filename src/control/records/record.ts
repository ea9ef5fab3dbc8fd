// A node's signed record: who it is, what it claims, where it may be reached. Only its owner writes it, under a
// version (incarnation, epoch) that only grows; everybody else passes the bytes on as they came. The bytes are a
// MessagePack map with short keys, followed by the Ed25519 signature over them, so that fields of later versions
// survive nodes which do not know them. A record fits in one gossip datagram.

import { type Identity, SIGNATURE_LEN, verifySignature } from "../../crypto/identity.ts";
import { formatPrefix, isIpv4, parseMac, parsePrefix } from "../../wire/address.ts";
import { fromHex } from "../../wire/bytes.ts";
import { nameForNode, NODE_NAME_MAX } from "../../wire/node_name.ts";
import { anyEndpoint } from "../../wire/named_endpoint.ts";
import { decodeSignedMap, encodeMap, hexOf } from "../../wire/signed_map.ts";
import type { Security } from "../mesh/settings.ts";

/** A subnet and the Lamport stamp of its claim: 1 + the greatest stamp seen when it was claimed. */
export interface Claim {
  readonly subnet: string;
  readonly stamp: number;
  /** In which incarnation of its node it was made; not told by versions before directives. */
  readonly incarnation?: number;
}

/** What a record says; its owner's id and keys are hexadecimal. */
export interface RecordContent {
  readonly id: string;
  readonly staticKey: string;
  /** Network id, so that a record of one network means nothing in another. */
  readonly networkId: string;
  readonly name: string;
  readonly incarnation: number;
  readonly epoch: number;
  /** Random, new at every start: tells two hosts with one identity apart; 16 hexadecimal digits. */
  readonly bootNonce: string;
  readonly claims: readonly Claim[];
  /** Subnets of static peers, which nobody may claim. */
  readonly reserved: readonly string[];
  /** "192.168.1.10:8473", or with a name that whoever calls looks up: "home.example:8473". */
  readonly endpoints: readonly string[];
  /**
   * How many of the endpoints, from the first, the node knows of itself; the rest is where others see it, and what a
   * router made up. Absent: it does not say.
   */
  readonly ownEndpoints?: number;
  readonly vtepMac: string;
  /** Version of the program. */
  readonly version: string;
  readonly capabilities: readonly string[];
  readonly security: Security;
  /** Sealed meshes: whether packets in the clear are right with its user; not told by versions before it was asked. */
  readonly clearPaths?: boolean;
  /** The node gave its lease back and is gone for good. */
  readonly gone: boolean;
  /** How long its process had been running when it was signed, seconds: which of two clones came first. */
  readonly age?: number;
  /** A lease that it used and gave up, and to whose claim that came first: so that the winner hears of the double claim. */
  readonly yielded?: { readonly subnet: string; readonly to: string };
}

export interface NodeRecord extends RecordContent {
  /** The bytes as signed, signature included. Never changed. */
  readonly raw: Uint8Array;
}

/** Versions and stamps stay below this. */
export const VERSION_LIMIT = 2 ** 48;
export const RECORD_MAX_LEN = 960;
export const RESERVED_MAX = 16;
export const ENDPOINTS_MAX = 8;
const CLAIMS_MAX = 8;
const PREFIX_LEN = 17;
const UNNAMED = "unnamed";

/** The capability of a node whose user gave --direct-routing: a direct route needs both ends. */
export const DIRECT_ROUTES = "direct-routes";

/** Whether a record that says this is short enough. */
export function recordFits(content: RecordContent): boolean {
  return encodeRecord(content).length + SIGNATURE_LEN <= RECORD_MAX_LEN;
}

/** Signs what a record says. RangeError when it does not fit in a datagram. */
export function signRecord(content: RecordContent, identity: Identity): NodeRecord {
  const payload = encodeRecord(content);
  const raw = new Uint8Array(payload.length + SIGNATURE_LEN);
  raw.set(payload);
  raw.set(identity.sign(raw.slice(0, payload.length)), payload.length);
  if (raw.length > RECORD_MAX_LEN) {
    throw new RangeError(`A record of ${raw.length} bytes fits in no datagram`);
  }
  return { ...content, raw };
}

function encodeRecord(content: RecordContent): Uint8Array {
  return encodeMap({
    d: fromHex(content.id),
    x: fromHex(content.staticKey),
    w: fromHex(content.networkId),
    n: content.name,
    i: content.incarnation,
    e: content.epoch,
    b: fromHex(content.bootNonce),
    c: content.claims.map(({ subnet, stamp, incarnation }) =>
      incarnation === undefined ? [prefixField(subnet), stamp] : [prefixField(subnet), stamp, incarnation]
    ),
    r: content.reserved.map(prefixField),
    p: content.endpoints,
    ...(content.ownEndpoints === undefined ? {} : { o: content.ownEndpoints }),
    m: content.vtepMac,
    v: content.version,
    f: content.capabilities,
    s: content.security,
    g: content.gone,
    ...(content.clearPaths === undefined ? {} : { u: content.clearPaths }),
    ...(content.age === undefined ? {} : { a: content.age }),
    ...(content.yielded === undefined
      ? {}
      : { y: [prefixField(content.yielded.subnet), fromHex(content.yielded.to)] }),
  });
}

/** The record in bytes from outside: shape and signature checked. Null when either is wrong; never throws. */
export function openRecord(raw: Uint8Array): NodeRecord | null {
  const content = decodeRecord(raw);
  if (content === null) return null;
  const end = raw.length - SIGNATURE_LEN;
  return verifySignature(content.id, raw.slice(0, end), raw.slice(end)) ? content : null;
}

/** The record's fields with the signature unchecked: to see whether it is worth the check. */
export function decodeRecord(raw: Uint8Array): NodeRecord | null {
  const f = decodeSignedMap(raw, RECORD_MAX_LEN);
  if (f === null) return null;
  const id = hexOf(f["d"], 32), staticKey = hexOf(f["x"], 32);
  const networkId = hexOf(f["w"], 16), bootNonce = hexOf(f["b"], 8);
  const claims = listOf(f["c"], CLAIMS_MAX, claimOf);
  const reserved = listOf(f["r"], RESERVED_MAX, prefixOf);
  const endpoints = listOf(f["p"], ENDPOINTS_MAX, endpointOf);
  const capabilities = listOf(f["f"], 16, (c) => wordOf(c, 32));
  const name = nameOf(f["n"]), version = wordOf(f["v"], 32), vtepMac = macOf(f["m"]);
  const incarnation = f["i"], epoch = f["e"];
  if (id === null || staticKey === null || networkId === null || bootNonce === null) return null;
  if (claims === null || reserved === null || endpoints === null || capabilities === null) return null;
  if (name === null || version === null || vtepMac === null) return null;
  const security = f["s"];
  if (security !== "plain" && security !== "sealed") return null;
  if (!isVersion(incarnation) || !isVersion(epoch)) return null;
  const content = {
    id,
    staticKey,
    networkId,
    name,
    incarnation,
    epoch,
    bootNonce,
    claims,
    reserved,
    endpoints,
  };
  return {
    ...content,
    vtepMac,
    version,
    capabilities,
    security,
    gone: f["g"] === true,
    ...(isVersion(f["o"]) && f["o"] <= ENDPOINTS_MAX ? { ownEndpoints: f["o"] } : {}),
    ...(typeof f["u"] === "boolean" ? { clearPaths: f["u"] } : {}),
    ...(isVersion(f["a"]) ? { age: f["a"] } : {}),
    ...yieldedOf(f["y"]),
    raw: raw.slice(),
  };
}

/** A host's name as a record may carry it: printable, at most 63 characters, and like no address. */
export function recordName(name: string): string {
  return nameForNode([...name].filter(isPrintable).join("").slice(0, NODE_NAME_MAX) || UNNAMED);
}

// Whatever a node calls itself: an address that is asked for is an address, never a node of that name.
function nameOf(value: unknown): string | null {
  const name = wordOf(value, NODE_NAME_MAX);
  return name === null ? null : nameForNode(name || UNNAMED);
}

function isPrintable(character: string): boolean {
  return character > " " && character < "\x7f";
}

function isVersion(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < VERSION_LIMIT;
}

function wordOf(value: unknown, max: number): string | null {
  return typeof value === "string" && value.length <= max && [...value].every(isPrintable) ? value : null;
}

function macOf(value: unknown): string | null {
  const mac = typeof value === "string" ? parseMac(value) : null;
  return mac === null || (mac[0]! & 1) === 1 ? null : (value as string).toLowerCase();
}

// IPv4 as text; IPv6 as its length and its 16 bytes, for sixteen of them have to fit as text does not.
function prefixField(text: string): string | Uint8Array {
  const prefix = text.includes(":") ? parsePrefix(text) : null;
  return prefix === null ? text : Uint8Array.from([prefix.length, ...prefix.address]);
}

function prefixOf(value: unknown): string | null {
  if (value instanceof Uint8Array && value.length === PREFIX_LEN) {
    const read = { length: value[0]!, address: value.slice(1) };
    const text = read.length > 128 || isIpv4(read.address) ? null : formatPrefix(read);
    return text === null || parsePrefix(text) === null ? null : text;
  }
  const prefix = typeof value === "string" && value.length < 64 ? parsePrefix(value) : null;
  return prefix === null ? null : formatPrefix(prefix);
}

function endpointOf(value: unknown): string | null {
  return typeof value === "string" ? anyEndpoint(value) : null;
}

function claimOf(value: unknown): Claim | null {
  if (!Array.isArray(value)) return null;
  const subnet = prefixOf(value[0]);
  const stamp: unknown = value[1];
  if (subnet === null || !isVersion(stamp)) return null;
  return isVersion(value[2]) ? { subnet, stamp, incarnation: value[2] } : { subnet, stamp };
}

// For people only: what cannot be read is left out.
function yieldedOf(value: unknown): Pick<RecordContent, "yielded"> {
  if (!Array.isArray(value)) return {};
  const [subnet, to] = [prefixOf(value[0]), hexOf(value[1], 32)];
  return subnet === null || to === null ? {} : { yielded: { subnet, to } };
}

// Null when one element is malformed: half a record is none.
function listOf<T>(value: unknown, max: number, read: (item: unknown) => T | null): T[] | null {
  if (!Array.isArray(value) || value.length > max) return null;
  const list: T[] = [];
  for (const item of value as unknown[]) {
    const read1 = read(item);
    if (read1 === null) return null;
    list.push(read1);
  }
  return list;
}
