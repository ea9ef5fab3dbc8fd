/**
 * A node's signed record: who it is, what it claims, where it may be reached. Only its owner writes it, under a
 * version (incarnation, epoch) that only grows; other nodes pass the bytes on as they came. The bytes are a
 * MessagePack map with short keys, followed by the Ed25519 signature over them, so that fields of later versions
 * survive nodes which do not know them. A record fits in one gossip datagram.
 */

import { type Identity, SIGNATURE_LEN, verifySignature } from "../../crypto/identity.ts";
import { ipVersion, isIpv4, parseMac } from "../../wire/address.ts";
import { networkOf, Prefix, prefixOf, samePrefix } from "../../wire/prefix.ts";
import { fromHex } from "../../wire/bytes.ts";
import { decodeSignedMap, packMap } from "../../wire/msgpack.ts";
import { anyEndpoint } from "../../wire/named_endpoint.ts";
import { nameForNode, NODE_NAME_MAX } from "../../wire/node_name.ts";
import { hexOf, isPrintable, isVersion, isWhole, listOf, wordOf } from "../../wire/untrusted.ts";
import type { Security } from "../mesh/mesh_config.ts";

/** What a node leases: of each family of the mesh one subnet. Both are claimed, held and lost together. */
export interface Leased {
  readonly subnet: Prefix;
  /** Of IPv6, where the mesh has both families: `subnet` is of IPv4 then. */
  readonly second?: Prefix;
}

/** The subnets of a lease, IPv4 first. */
export function subnetsOf({ subnet, second }: Leased): readonly Prefix[] {
  return second === undefined ? [subnet] : [subnet, second];
}

/** "10.42.7.0/24", "10.42.7.0/24 and fd00:0:0:7::/64". */
export function leasedText(leased: Leased): string {
  return subnetsOf(leased).join(" and ");
}

/** A lease and the Lamport stamp of its claim: 1 + the greatest stamp seen when it was claimed. */
export interface Claim extends Leased {
  readonly stamp: number;
  /** In which incarnation of its node it was made. */
  readonly incarnation: number;
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
  /** Subnets of static peers, which no node may claim. */
  readonly reserved: readonly Prefix[];
  /** "192.168.1.10:8473", or with a name that its user resolves: "home.example:8473". */
  readonly endpoints: readonly string[];
  /**
   * How many of the endpoints, from the first, the node knows of itself; the rest is where others see it, and what a
   * router made up.
   */
  readonly ownEndpoints: number;
  readonly vtepMac: string;
  /** Version of the program. */
  readonly version: string;
  readonly capabilities: readonly string[];
  readonly security: Security;
  /** Sealed meshes: whether packets in the clear are right with its user. */
  readonly clearPaths?: boolean;
  /** The node gave its lease back and is gone for good: a tombstone, which says little else and is short. */
  readonly gone: boolean;
  /** Of a tombstone: the greatest stamp that the node had seen when it left, by which the oldest are let go. */
  readonly left?: number;
  /** How long its process had been running when it was signed, seconds: which of two clones came first. */
  readonly age: number;
  /** A lease that it used and gave up, and to whose claim that came first: so that the winner hears of the double claim. */
  readonly yielded?: { readonly subnet: Prefix; readonly to: string };
}

export interface NodeRecord extends RecordContent {
  /** The bytes as signed, signature included. Never changed. */
  readonly raw: Uint8Array;
}

export const RECORD_MAX_LEN = 960;
/** A tombstone's: tens of thousands are kept. */
export const TOMBSTONE_MAX_LEN = 300;
export const RESERVED_MAX = 16;
export const ENDPOINTS_MAX = 8;
const CLAIMS_MAX = 8;
const IPV6_PREFIX_LEN = 17;
const UNNAMED = "unnamed";

/** The capability of a node whose user gave --direct-routing: a direct route needs both ends. */
export const DIRECT_ROUTES = "direct-routes";

/** Whether a record that says this is short enough. */
export function recordFits(content: RecordContent): boolean {
  return encodeRecord(content).length + SIGNATURE_LEN <= RECORD_MAX_LEN;
}

/** Signs what a record says; a tombstone says less. RangeError when it does not fit in a datagram. */
export function signRecord(content: RecordContent, identity: Identity): NodeRecord {
  const payload = encodeRecord(content);
  const raw = new Uint8Array(payload.length + SIGNATURE_LEN);
  raw.set(payload);
  raw.set(identity.sign(raw.slice(0, payload.length)), payload.length);
  if (raw.length > RECORD_MAX_LEN) {
    throw new RangeError(`A record of ${raw.length} bytes fits in no datagram`);
  }
  return content.gone ? decodeRecord(raw)! : { ...content, raw };
}

function encodeRecord(content: RecordContent): Uint8Array {
  const head = {
    d: fromHex(content.id),
    x: fromHex(content.staticKey),
    w: fromHex(content.networkId),
    n: content.name,
    i: content.incarnation,
    e: content.epoch,
    b: fromHex(content.bootNonce),
    s: content.security,
    g: content.gone,
    a: content.age,
  };
  if (content.gone) return packMap({ ...head, l: content.left ?? 0 });
  return packMap({
    ...head,
    c: content.claims.map(({ subnet, second, stamp, incarnation }) => [
      prefixField(subnet),
      stamp,
      incarnation,
      ...(second === undefined ? [] : [prefixField(second)]),
    ]),
    r: content.reserved.map(prefixField),
    p: content.endpoints,
    o: content.ownEndpoints,
    m: content.vtepMac,
    v: content.version,
    f: content.capabilities,
    ...(content.clearPaths === undefined ? {} : { u: content.clearPaths }),
    ...(content.yielded === undefined
      ? {}
      : { y: [prefixField(content.yielded.subnet), fromHex(content.yielded.to)] }),
  });
}

/**
 * The record in bytes from outside: shape and signature checked. Null when either is wrong; never throws. `content`: what
 * decodeRecord made of these bytes.
 */
export function openRecord(
  raw: Uint8Array,
  verify = verifySignature,
  content = decodeRecord(raw),
): NodeRecord | null {
  if (content === null) return null;
  const end = raw.length - SIGNATURE_LEN;
  return verify(content.id, raw.slice(0, end), raw.slice(end)) ? content : null;
}

/** How bytes become records. A simulation of thousands of nodes has one that verifies the same bytes once for all. */
export interface RecordReader {
  /** As decodeRecord. */
  decode(raw: Uint8Array): NodeRecord | null;
  /** As openRecord; `decoded`: what `decode` made of these bytes. */
  open(raw: Uint8Array, decoded?: NodeRecord): NodeRecord | null;
  /** As verifySignature, of whatever a node signs. */
  verify(id: string, bytes: Uint8Array, signature: Uint8Array): boolean;
}

/** That of every host. */
export const RECORD_READER: RecordReader = {
  decode: decodeRecord,
  open: (raw, decoded) => openRecord(raw, verifySignature, decoded),
  verify: verifySignature,
};

/** The record's fields with the signature unchecked: to see whether it is worth the check. */
export function decodeRecord(raw: Uint8Array): NodeRecord | null {
  const f = decodeSignedMap(raw, RECORD_MAX_LEN);
  const head = f === null ? null : headOf(f);
  if (f === null || head === null) return null;
  if (head.gone) return tombstoneOf(head, f["l"], raw);
  const body = bodyOf(f);
  return body === null ? null : { ...head, ...body, raw: raw.slice() };
}

type Fields = Readonly<Record<string, unknown>>;
type Head = Pick<
  RecordContent,
  | "id"
  | "staticKey"
  | "networkId"
  | "name"
  | "incarnation"
  | "epoch"
  | "bootNonce"
  | "security"
  | "gone"
  | "age"
>;

// What every record says.
function headOf(f: Fields): Head | null {
  const id = hexOf(f["d"], 32), staticKey = hexOf(f["x"], 32);
  const networkId = hexOf(f["w"], 16), bootNonce = hexOf(f["b"], 8);
  const name = nameOf(f["n"]);
  const incarnation = f["i"], epoch = f["e"], age = f["a"], security = f["s"];
  if (id === null || staticKey === null || networkId === null || bootNonce === null || name === null) {
    return null;
  }
  if (security !== "plain" && security !== "sealed") return null;
  if (!isVersion(incarnation) || !isVersion(epoch) || !isVersion(age)) return null;
  const version = { incarnation, epoch, bootNonce };
  return { id, staticKey, networkId, name, ...version, security, gone: f["g"] === true, age };
}

/** What a tombstone does not say. */
const NOTHING_SAID = {
  claims: [],
  reserved: [],
  endpoints: [],
  ownEndpoints: 0,
  vtepMac: "02:00:00:00:00:00",
  version: "",
  capabilities: [],
};

function tombstoneOf(head: Head, left: unknown, raw: Uint8Array): NodeRecord | null {
  if (raw.length > TOMBSTONE_MAX_LEN || !isVersion(left)) return null;
  return { ...head, ...NOTHING_SAID, left, raw: raw.slice() };
}

// What the record of a node says that is there.
function bodyOf(f: Fields): Omit<RecordContent, keyof Head> | null {
  const claims = listOf(f["c"], CLAIMS_MAX, claimOf);
  const reserved = listOf(f["r"], RESERVED_MAX, subnetOf);
  const endpoints = listOf(f["p"], ENDPOINTS_MAX, endpointOf);
  const capabilities = listOf(f["f"], 16, (c) => wordOf(c, 32));
  const version = wordOf(f["v"], 32), vtepMac = macOf(f["m"]);
  const ownEndpoints = f["o"];
  if (claims === null || reserved === null || endpoints === null || capabilities === null) return null;
  if (version === null || vtepMac === null || !isWhole(ownEndpoints, ENDPOINTS_MAX + 1)) return null;
  return {
    claims,
    reserved,
    endpoints,
    ownEndpoints,
    vtepMac,
    version,
    capabilities,
    ...(typeof f["u"] === "boolean" ? { clearPaths: f["u"] } : {}),
    ...yieldedOf(f["y"]),
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

function macOf(value: unknown): string | null {
  const mac = typeof value === "string" ? parseMac(value) : null;
  return mac === null || (mac[0]! & 1) === 1 ? null : (value as string).toLowerCase();
}

// IPv4 as text; IPv6 as its length and its 16 bytes, for sixteen of them have to fit as text does not.
function prefixField({ address, length, text }: Prefix): string | Uint8Array {
  return isIpv4(address) ? text : Uint8Array.from([length, ...address]);
}

function subnetOf(value: unknown): Prefix | null {
  if (!(value instanceof Uint8Array)) return prefixOf(value);
  if (value.length !== IPV6_PREFIX_LEN || value[0]! > 128 || isIpv4(value.subarray(1))) return null;
  const read = new Prefix(value.slice(1), value[0]!);
  return samePrefix(read, networkOf(read)) ? read : null;
}

function endpointOf(value: unknown): string | null {
  return typeof value === "string" ? anyEndpoint(value) : null;
}

function claimOf(value: unknown): Claim | null {
  if (!Array.isArray(value)) return null;
  const subnet = subnetOf(value[0]);
  const [, stamp, incarnation, other] = value as unknown[];
  if (subnet === null || !isVersion(stamp) || !isVersion(incarnation)) return null;
  if (other === undefined) return { subnet, stamp, incarnation };
  const second = subnetOf(other);
  return second === null || isIpv4(second.address) ? null : { subnet, second, stamp, incarnation };
}

// For people only: what cannot be read is left out.
function yieldedOf(value: unknown): Pick<RecordContent, "yielded"> {
  if (!Array.isArray(value)) return {};
  const [subnet, to] = [subnetOf(value[0]), hexOf(value[1], 32)];
  return subnet === null || to === null ? {} : { yielded: { subnet, to } };
}

/** Where others see a node and it is not: what a router in between made of its address. IPv6 is not translated. */
export function translatedOf({ endpoints, ownEndpoints }: RecordContent): readonly string[] {
  return endpoints.slice(ownEndpoints).filter((one) => ipVersion(one) === 4);
}
