/**
 * What a node keeps of others from run to run: their signed records, where each last answered, and the directives. The
 * file is a journal of lines, each with a checksum of its own, so that one that was cut anywhere, or has a damaged line in the
 * middle, is readable but for that line; of two lines about one thing the later one counts:
 *
 *   CRC p ID RECORD ENDPOINT     a peer: its record in base64; its endpoint, or "-"
 *   CRC d TARGET DIRECTIVE       a directive, in base64
 */

import { crc32 } from "../../wire/crc32.ts";
import { endpointOf } from "../../wire/untrusted.ts";
import { recordText, type StoredPeer } from "./state.ts";

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
