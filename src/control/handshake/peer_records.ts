// Whose handshake it is: the signed record that comes with it must name the Noise static key that made it. A session
// belongs to a node only then.

import { toHex } from "../../wire/bytes.ts";
import type { OwnNode } from "../outbox/own_node.ts";
import { decodeRecord, type NodeRecord, openRecord } from "../records/record.ts";

/**
 * The record in `raw` when it is of our network, names `staticKey`, and is signed by its owner; else null. A record
 * that we hold already, byte for byte, is not verified again.
 */
export function recordOfHandshake(
  own: Pick<OwnNode, "networkId" | "known">,
  raw: Uint8Array,
  staticKey: Uint8Array,
): NodeRecord | null {
  const decoded = decodeRecord(raw);
  if (decoded === null || decoded.networkId !== own.networkId) return null;
  if (decoded.staticKey !== toHex(staticKey)) return null;
  const known = own.known(decoded.id);
  if (known !== undefined && toHex(known.raw) === toHex(raw)) return known;
  return openRecord(raw);
}
