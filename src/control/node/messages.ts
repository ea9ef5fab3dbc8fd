// What we say, as datagrams: every message bears the hash of our mesh and fits in one; and the records that go with it,
// each with how we see its node, our own only once it may be told (mesh/life.ts). How a message gets to somebody is in
// voice.ts.

import { fitGossip } from "../../wire/gossip.ts";
import type { GossipBody, Piggyback, RecordItem } from "../../wire/gossip_body.ts";
import { GOSSIP_BUDGET } from "../../wire/gossip_size.ts";
import type { News } from "../members/dissemination.ts";
import type { Membership } from "../members/membership.ts";
import type { Life } from "../mesh/life.ts";
import type { Tally } from "../outbox/tally.ts";
import type { OwnRecord } from "../records/own_record.ts";
import type { Store } from "../records/store.ts";
import type { GroupGossip } from "../secrets/group_gossip.ts";

/** What messages are made of. */
interface MessageParts {
  readonly id: string;
  readonly life: Life;
  readonly own: OwnRecord;
  readonly store: Store;
  readonly membership: Membership;
  /** Sealed meshes: for what must not wait for a session; else null. */
  readonly group: GroupGossip | null;
  readonly tally: Tally;
}

export class Messages {
  readonly #parts: MessageParts;

  constructor(parts: MessageParts) {
    this.#parts = parts;
  }

  /** The datagram of a message for the receiver of this index; null when it is too long, which is counted. */
  datagram(index: number, body: GossipBody): Uint8Array | null {
    const { life, tally } = this.#parts;
    const bytes = fitGossip(index, { mesh: life.meshHash, body }, GOSSIP_BUDGET);
    if (bytes === null) tally.leaveUnsent();
    return bytes;
  }

  /** The datagram of a message under the network's key, of this generation or the one in use; null: there is none. */
  groupDatagram(body: GossipBody, keyId?: number): Uint8Array | null {
    const { group, own } = this.#parts;
    const bytes = group === null ? null : this.datagram(0, body);
    return bytes === null ? null : group!.seal(own.incarnation, bytes, keyId);
  }

  /** Records as they are pushed, each with how we see its node. */
  records(ids: Iterable<string>): RecordItem[] {
    const { id: ownId, life, store, membership } = this.#parts;
    const items: RecordItem[] = [];
    for (const id of ids) {
      const record = store.get(id);
      if (record === undefined || (id === ownId && !life.mayTell)) continue;
      items.push({ raw: record.raw, state: membership.statement(id)?.state ?? 0 });
    }
    return items;
  }

  /** The records and statements that news items stand for now. */
  itemsOf(news: readonly News[]): Required<Pick<Piggyback, "records" | "statements">> {
    const ids = news.filter((n) => n.kind === "record").map((n) => n.id);
    const statements = news.filter((n) => n.kind === "statement").map((n) =>
      this.#parts.membership.statement(n.id)
    );
    return { records: this.records(ids), statements: statements.filter((s) => s !== null) };
  }

  /** Our id while our own record must not be told: what digests leave out. */
  unspoken(): string | null {
    return this.#parts.life.mayTell ? null : this.#parts.id;
  }
}
