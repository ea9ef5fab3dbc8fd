// How a message gets to somebody: over the link, or in a sealed mesh, where that is a session and may be missing for a
// moment, under the network's key to where the node was last. Everything that leaves the host by gossip goes through here.

import type { GossipBody } from "../../wire/gossip_body.ts";
import type { Link } from "../links/link_table.ts";
import type { Links } from "../links/links.ts";
import type { Actions } from "../outbox/actions.ts";
import type { NameTable } from "../records/name_table.ts";
import type { Store } from "../records/store.ts";
import type { AgreedLinks } from "./agreed.ts";
import type { Messages } from "./messages.ts";
import type { Outside } from "./outside.ts";

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
    for (const target of links.targets.all()) if (target.answeredBy === id) return target.endpoint;
    return names.expand(store.get(id)?.endpoints ?? []).find((one) => outside.has(one));
  }
}
