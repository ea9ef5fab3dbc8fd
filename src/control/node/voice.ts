/**
 * What we say, and how it gets to its peer. Every message bears the hash of our mesh and fits in one datagram; records go
 * with it, each with how we see its node, our own only once it may be told (mesh/life.ts). It leaves over the link, or in a
 * sealed mesh, where that is a session and may be missing for a moment, under the network's key to where the node was last.
 * Everything that leaves the host by gossip goes through here.
 */

import type { Identity } from "../../crypto/identity.ts";
import { fitGossip, GOSSIP_BUDGET, gossipFor } from "../../wire/gossip.ts";
import type { GossipBody, Piggyback, RecordItem } from "../../wire/gossip_body.ts";
import type { Directives } from "../forget/directives.ts";
import type { Link } from "../links/link_table.ts";
import type { Links } from "../links/links.ts";
import type { News } from "../members/dissemination.ts";
import type { Membership } from "../members/membership.ts";
import type { Life } from "../mesh/life.ts";
import { meshText } from "../mesh/mesh.ts";
import type { Actions, Tally } from "../outbox/outbox.ts";
import type { NameTable } from "../records/name_table.ts";
import type { OwnRecord } from "../records/own_record.ts";
import type { Store } from "../records/store.ts";
import type { GroupGossip } from "../secrets/group_gossip.ts";
import type { KeyRing } from "../secrets/key_ring.ts";
import type { Outside } from "./outside.ts";

/** What messages are made of. */
interface MessageParts {
  readonly identity: Identity;
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
    const { identity, life, store, membership } = this.#parts;
    const items: RecordItem[] = [];
    for (const id of ids) {
      const record = store.get(id);
      if (record === undefined || (id === identity.id && !life.mayTell)) continue;
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
}

/** The links that count for the mesh: validated, of a node that names our own mesh and that is not revoked. */
export class AgreedLinks {
  readonly #links: Links;
  readonly #life: Life;
  readonly #directives: Directives;

  constructor(links: Links, life: Life, directives: Directives) {
    this.#links = links;
    this.#life = life;
    this.#directives = directives;
  }

  has(link: Link): boolean {
    const { meshHash } = this.#life;
    return link.endpoint !== null && meshHash !== null && link.mesh === meshHash &&
      !this.#directives.isRevoked(link.id);
  }

  /** The one to this node, or null. */
  get(id: string): Link | null {
    const link = this.#links.get(id);
    return link !== undefined && this.has(link) ? link : null;
  }

  all(): Link[] {
    return [...this.#links.up()].filter((link) => this.has(link));
  }

  any(): boolean {
    for (const link of this.#links.up()) if (this.has(link)) return true;
    return false;
  }
}

/** What the voice speaks with, and by which it finds whom it speaks to. */
interface VoiceParts {
  readonly messages: Messages;
  readonly actions: Actions;
  readonly links: Links;
  readonly agreed: AgreedLinks;
  readonly store: Store;
  readonly names: NameTable;
  readonly outside: Outside;
}

export class Voice {
  readonly #parts: VoiceParts;

  constructor(parts: VoiceParts) {
    this.#parts = parts;
  }

  /** Sends one message over a link, if it is up. */
  say(link: Link | null | undefined, body: GossipBody): void {
    if (link === null || link === undefined || link.endpoint === null) return;
    const { messages, links } = this.#parts;
    const bytes = messages.datagram(link.sendIndex, body);
    if (bytes !== null) links.send(link, bytes);
  }

  /** Sends one message over several links that are up: it is written once. */
  sayAll(to: readonly Link[], body: GossipBody): void {
    const { messages, links } = this.#parts;
    const bytes = to.length === 0 ? null : messages.datagram(to[0]!.sendIndex, body);
    if (bytes === null) return;
    for (const link of to) links.send(link, link === to[0] ? bytes : gossipFor(link.sendIndex, bytes));
  }

  /** Sends one small message to a member. */
  sayTo(id: string, body: GossipBody): void {
    const link = this.#parts.agreed.get(id);
    if (link !== null) return this.say(link, body);
    const endpoint = this.#lastEndpoint(id);
    if (endpoint !== undefined) this.sayByGroup(endpoint, body);
  }

  /** Sends a message under the network's key to an endpoint (sealed meshes). */
  sayByGroup(endpoint: string, body: GossipBody): void {
    const bytes = this.#parts.messages.groupDatagram(body);
    if (bytes !== null) this.#parts.actions.send(endpoint, bytes);
  }

  #lastEndpoint(id: string): string | undefined {
    const { links, names, store, outside } = this.#parts;
    return links.targets.answeredBy(id).at(-1)?.endpoint ??
      names.expand(store.get(id)?.endpoints ?? []).find((one) => outside.has(one));
  }
}

/** Tells a peer the configuration, once we are part of the mesh ourselves. */
export function tellConfig(
  { life, voice }: { readonly life: Life; readonly voice: Voice },
  link: Link,
): void {
  const { mesh, member } = life;
  if (mesh !== null && member) voice.say(link, { kind: "config", config: meshText(mesh) });
}

/** Other secrets count from now on: on disk and at the gate before anything else is said. */
export function tellSecrets(ring: KeyRing, actions: Actions): void {
  actions.push({ kind: "secrets", secrets: ring.held(), keys: [...ring.keys] });
}

/** Another network secret is in use from now on. */
export function tellSecretUsed(ring: KeyRing, actions: Actions): void {
  tellSecrets(ring, actions);
  actions.log(
    "info",
    `Network secret ${ring.used.seq} is in use; older secrets admit only nodes that were away`,
  );
}
