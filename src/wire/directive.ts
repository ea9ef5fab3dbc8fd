/**
 * A directive: what one member decided, for all to obey: about another node, or about a subnet. It is signed by its issuer and
 * passed on as it came, like a record (control/records/record.ts), in the key `D` of pushes (gossip.ts).
 *
 *   | MessagePack map | Ed25519 signature of the issuer over the map's bytes, 64 |
 *
 * Keys of both kinds: `i` issuer, `w` network id, `q` number, `k` kind, `m` what the node that it is about is called.
 *   k = 0, forget:   `t` target, `n` incarnation, `r` revoked
 *   k = 1, reserve:  `s` subnet (its length and its 16 bytes), `h` the node that it is reserved for (absent: nobody any more),
 *                    `o` that node leaves another lease for it
 *
 * Kinds are append-only; of a kind that is not known here nothing can be obeyed, so it is not taken. The signature is checked by
 * control/forget/directives.ts.
 */

import { fromHex, putU32, toHex } from "./bytes.ts";
import { crc32 } from "./crc32.ts";
import { decodeSignedMap, packMap } from "./msgpack.ts";
import { networkOf, Prefix, samePrefix } from "./prefix.ts";
import { nameForNode, NODE_NAME_MAX } from "./node_name.ts";
import { bytesOf, hexOf, isVersion, VERSION_LIMIT, wordOf } from "./untrusted.ts";

export const DIRECTIVE_MAX_LEN = 272;
/**
 * No incarnation from here on can be forgotten: whatever a member makes up, the node that it is about has as many lives
 * left to come back in.
 */
export const FORGET_LIMIT = VERSION_LIMIT / 2;
const KINDS = ["forget", "reserve"] as const;
const SUBNET_LEN = 17;
/** Of what `reservationKey` makes, and of no node id: those are public keys. */
const KEY_END = "00".repeat(7);

/** What every directive says; ids are hexadecimal. */
interface Said {
  /** Node id of the issuer. */
  readonly issuer: string;
  /** A directive of one network means nothing in another; 32 digits. */
  readonly networkId: string;
  /** One more than the greatest that the issuer knew of. */
  readonly seq: number;
  /** What the issuer knew the node as that it is about, for people: its record may be kept nowhere. Absent: by no name. */
  readonly name?: string;
}

/** A node counts no more. */
export interface Forgetting extends Said {
  readonly kind: "forget";
  /** Node id. */
  readonly target: string;
  /** What the target claimed in this incarnation, or in an earlier one, counts no more. */
  readonly incarnation: number;
  /** Its key is refused from now on, in every incarnation. */
  readonly revoke: boolean;
}

/** A subnet is for one node alone, or for anybody again. */
export interface Reservation extends Said {
  readonly kind: "reserve";
  readonly subnet: Prefix;
  /** Node id; null: the reservation is lifted. */
  readonly holder: string | null;
  /** The holder gives up what else it leases. */
  readonly moves: boolean;
}

export type DirectiveContent = Forgetting | Reservation;

export type Directive<C extends DirectiveContent = DirectiveContent> = C & {
  /** The bytes as signed, signature included. Never changed. */
  readonly raw: Uint8Array;
};

/** What a directive is about, under one name of 64 digits for both kinds: a node id, or what `reservationKey` makes. */
export function aboutOf(directive: DirectiveContent): string {
  return directive.kind === "forget" ? directive.target : reservationKey(directive.subnet);
}

/**
 * A subnet's place among the node ids: its checksums forwards and backwards, so that keys are spread as ids are, then the
 * subnet itself, so that no two are alike.
 */
export function reservationKey(subnet: Prefix): string {
  const key = new Uint8Array(32);
  const field = subnetField(subnet);
  putU32(key, 0, crc32(field));
  putU32(key, 4, crc32(field.toReversed()));
  key.set(field, 8);
  return toHex(key);
}

function subnetField({ address, length }: Prefix): Uint8Array {
  return Uint8Array.from([length, ...address]);
}

/** The bytes to sign. */
export function encodeDirective(content: DirectiveContent): Uint8Array {
  const { issuer, networkId, seq, kind, name } = content;
  const head = { i: fromHex(issuer), w: fromHex(networkId), q: seq, k: KINDS.indexOf(kind) };
  const called = name === undefined ? {} : { m: name };
  if (content.kind === "forget") {
    const { target, incarnation, revoke } = content;
    return packMap({ ...head, t: fromHex(target), n: incarnation, r: revoke, ...called });
  }
  const { subnet, holder, moves } = content;
  const held = holder === null ? {} : { h: fromHex(holder), o: moves };
  return packMap({ ...head, s: subnetField(subnet), ...held, ...called });
}

/** A directive's fields, its signature unchecked; null when it is malformed or of a later kind. Never throws. */
export function decodeDirective(raw: Uint8Array): Directive | null {
  const f = decodeSignedMap(raw, DIRECTIVE_MAX_LEN);
  if (f === null) return null;
  const issuer = hexOf(f["i"], 32), networkId = hexOf(f["w"], 16);
  const seq = f["q"], name = wordOf(f["m"] ?? "", NODE_NAME_MAX);
  if (issuer === null || networkId === null || !isVersion(seq) || name === null) return null;
  const said = { issuer, networkId, seq, ...(name === "" ? {} : { name: nameForNode(name) }) };
  const kind = typeof f["k"] === "number" ? KINDS[f["k"]] : undefined;
  if (kind === undefined) return null;
  const rest = kind === "forget" ? forgettingOf(f) : reservationOf(f);
  return rest === null ? null : { ...said, ...rest, raw: raw.slice() };
}

type Fields = Readonly<Record<string, unknown>>;

function forgettingOf(f: Fields): Omit<Forgetting, keyof Said> | null {
  const target = hexOf(f["t"], 32);
  const incarnation = f["n"], revoke = f["r"];
  if (target === null || target.endsWith(KEY_END)) return null;
  if (!isVersion(incarnation) || typeof revoke !== "boolean") return null;
  if (!revoke && incarnation >= FORGET_LIMIT) return null;
  return { kind: "forget", target, incarnation, revoke };
}

function reservationOf(f: Fields): Omit<Reservation, keyof Said> | null {
  const field = bytesOf(f["s"], SUBNET_LEN);
  if (field === null || field[0]! > 128) return null;
  const subnet = new Prefix(field.slice(1), field[0]!);
  if (!samePrefix(subnet, networkOf(subnet))) return null;
  if (f["h"] === undefined) return { kind: "reserve", subnet, holder: null, moves: false };
  const holder = hexOf(f["h"], 32), moves = f["o"];
  if (holder === null || typeof moves !== "boolean") return null;
  return { kind: "reserve", subnet, holder, moves };
}
