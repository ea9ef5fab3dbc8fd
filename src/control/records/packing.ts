/**
 * What goes into one message: as many items as its room takes, by their real length (wire/gossip.ts), in their order
 * and never by number alone. An item that no message takes goes alone, and is counted where it is to be sent (node/voice.ts).
 */

import { DIRECTIVES_MAX, ITEMS_MAX } from "../../wire/gossip_body.ts";
import type { Piggyback, RecordItem, Statement } from "../../wire/gossip_body.ts";
import { directiveLen, GOSSIP_ROOM, recordItemLen, statementLen } from "../../wire/gossip.ts";

/** Records and statements of one message. */
export type Items = Required<Pick<Piggyback, "records" | "statements">>;

/** What fits into one message, the first first; what does not is left out, and something shorter may follow it. */
export function fill({ records, statements }: Items): Items {
  let room = GOSSIP_ROOM;
  const takes = (length: number) => {
    if (length > room) return false;
    room -= length;
    return true;
  };
  return {
    statements: statements.slice(0, ITEMS_MAX).filter((s) => takes(statementLen(s))),
    records: records.slice(0, ITEMS_MAX).filter((item) => takes(recordItemLen(item))),
  };
}

/** Splits items over as many messages as their lengths need. */
export function pack(records: readonly RecordItem[], statements: readonly Statement[]): Items[] {
  type Item = { readonly record: RecordItem } | { readonly statement: Statement };
  const items: Item[] = [
    ...records.map((record) => ({ record })),
    ...statements.map((statement) => ({ statement })),
  ];
  const length = (item: Item) => "record" in item ? recordItemLen(item.record) : statementLen(item.statement);
  return parcels(items, length, GOSSIP_ROOM, ITEMS_MAX).map((parcel) => ({
    records: parcel.flatMap((item) => "record" in item ? [item.record] : []),
    statements: parcel.flatMap((item) => "statement" in item ? [item.statement] : []),
  }));
}

/** The signed bytes of directives, as many together as one message takes. */
export function packDirectives(directives: readonly Uint8Array[]): Uint8Array[][] {
  return parcels(directives, directiveLen, GOSSIP_ROOM, DIRECTIVES_MAX);
}

/** Whether a record and a directive go together in one message. */
export function fitTogether(records: readonly RecordItem[], directive: Uint8Array): boolean {
  return records.reduce((sum, item) => sum + recordItemLen(item), directiveLen(directive)) <= GOSSIP_ROOM;
}

function parcels<T>(items: readonly T[], lengthOf: (item: T) => number, room: number, most: number): T[][] {
  const list: T[][] = [];
  let left = 0;
  for (const item of items) {
    const length = lengthOf(item);
    if (list.length === 0 || length > left || list[list.length - 1]!.length >= most) {
      list.push([]);
      left = room;
    }
    list[list.length - 1]!.push(item);
    left -= length;
  }
  return list;
}
