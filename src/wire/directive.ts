/**
 * A directive: what one member decided about another, for all to obey. It is signed by its issuer and passed on
 * as it came, like a record (control/records/record.ts), in the key `D` of pushes (gossip.ts).
 *
 *   | MessagePack map | Ed25519 signature of the issuer over the map's bytes, 64 |
 *
 * Keys: `i` issuer, `w` network id, `q` number, `k` kind, `t` target, `n` incarnation, `r` revoked, `m` what the target is
 * called. Kinds are append-only (0 = forget); of a kind that is not known here nothing can be obeyed, so it is not taken. The
 * signature is checked by control/forget/directives.ts.
 */

import { fromHex } from "./bytes.ts";
import { packMap } from "./msgpack.ts";
import { decodeSignedMap } from "./signed_map.ts";
import { nameForNode, NODE_NAME_MAX } from "./node_name.ts";
import { hexOf, isVersion, VERSION_LIMIT, wordOf } from "./untrusted.ts";

export const DIRECTIVE_MAX_LEN = 272;
/**
 * No incarnation from here on can be forgotten: whatever a member makes up, the node that it is about has as many lives
 * left to come back in.
 */
export const FORGET_LIMIT = VERSION_LIMIT / 2;
const KINDS = ["forget"] as const;

/** What a directive says; ids are hexadecimal. */
export interface DirectiveContent {
  /** Node id of the issuer. */
  readonly issuer: string;
  /** A directive of one network means nothing in another; 32 digits. */
  readonly networkId: string;
  /** One more than the greatest that the issuer knew of. */
  readonly seq: number;
  readonly kind: typeof KINDS[number];
  /** Node id. */
  readonly target: string;
  /** What the target claimed in this incarnation, or in an earlier one, counts no more. */
  readonly incarnation: number;
  /** Its key is refused from now on, in every incarnation. */
  readonly revoke: boolean;
  /** What the issuer knew the target as, for people: its record is kept nowhere any more. Absent where it knew no name. */
  readonly name?: string;
}

export interface Directive extends DirectiveContent {
  /** The bytes as signed, signature included. Never changed. */
  readonly raw: Uint8Array;
}

/** The bytes to sign. */
export function encodeDirective(content: DirectiveContent): Uint8Array {
  const { issuer, networkId, seq, kind, target, incarnation, revoke, name } = content;
  return packMap({
    i: fromHex(issuer),
    w: fromHex(networkId),
    q: seq,
    k: KINDS.indexOf(kind),
    t: fromHex(target),
    n: incarnation,
    r: revoke,
    ...(name === undefined ? {} : { m: name }),
  });
}

/** A directive's fields, its signature unchecked; null when it is malformed or of a later kind. Never throws. */
export function decodeDirective(raw: Uint8Array): Directive | null {
  const f = decodeSignedMap(raw, DIRECTIVE_MAX_LEN);
  if (f === null) return null;
  const issuer = hexOf(f["i"], 32), networkId = hexOf(f["w"], 16), target = hexOf(f["t"], 32);
  const seq = f["q"], incarnation = f["n"], revoke = f["r"], name = wordOf(f["m"] ?? "", NODE_NAME_MAX);
  const kind = typeof f["k"] === "number" ? KINDS[f["k"]] : undefined;
  if (issuer === null || networkId === null || target === null || kind === undefined) return null;
  if (!isVersion(seq) || !isVersion(incarnation) || typeof revoke !== "boolean") return null;
  if (!revoke && incarnation >= FORGET_LIMIT) return null;
  if (name === null) return null;
  const called = name === "" ? {} : { name: nameForNode(name) };
  return { issuer, networkId, seq, kind, target, incarnation, revoke, ...called, raw: raw.slice() };
}
