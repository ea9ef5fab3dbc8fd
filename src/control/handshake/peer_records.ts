// Whose handshake it is: the signed record that comes with it must name the Noise static key that made it. A session
// belongs to a node only then.

import { toHex } from "../../wire/bytes.ts";
import { decodeRecord, type NodeRecord, openRecord } from "../records/record.ts";

/** What is needed to judge a record. */
export interface RecordJudge {
  readonly networkId: string;
  /** The record of this node that was verified before, if any. */
  known(id: string): NodeRecord | undefined;
}

/**
 * The record in `raw` when it is of our network, names `staticKey`, and is signed by its owner; else null. A record
 * that we hold already, byte for byte, is not verified again.
 */
export function recordOfHandshake(
  judge: RecordJudge,
  raw: Uint8Array,
  staticKey: Uint8Array,
): NodeRecord | null {
  const decoded = decodeRecord(raw);
  if (decoded === null || decoded.networkId !== judge.networkId) return null;
  if (decoded.staticKey !== toHex(staticKey)) return null;
  const known = judge.known(decoded.id);
  if (known !== undefined && toHex(known.raw) === toHex(raw)) return known;
  return openRecord(raw);
}
