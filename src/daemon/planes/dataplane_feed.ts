/**
 * From what is wanted to what the Worker is told: gives each peer a slot, compares with what was posted
 * before, posts the difference. Peers come before the routes that lead to them, and go after them.
 */
import type { OwnPlace, Wanted } from "../../control/paths/paths.ts";
import type { PeerKey } from "../../control/paths/peer_key.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import type { Mailbox, OwnNetwork, Tunnel } from "../../ports/planes.ts";

/** What the data plane is told of it: messages have texts. */
function ownNetwork({ network, subnet, address, mac, mtu }: OwnPlace): OwnNetwork {
  return { network: network.text, subnets: [subnet.text], address, mac, mtu };
}

const NO_NETWORK: OwnNetwork = { network: "", subnets: [], address: "", mac: "", mtu: 1500 };

export class DataplaneFeed {
  readonly #mailbox: Mailbox;
  /** BOUNDED: one per peer with a tunnel, ≤ MAX_PEERS. */
  readonly #slots = new Map<PeerKey, number>();
  /** BOUNDED: as #slots. What the Worker was last told, as text. */
  readonly #tunnels = new Map<PeerKey, string>();
  /** BOUNDED: one per route. */
  readonly #routes = new Map<string, PeerKey>();
  readonly #free = Array.from({ length: MAX_PEERS }, (_, i) => MAX_PEERS - 1 - i);
  #own = "";

  constructor(mailbox: Mailbox) {
    this.#mailbox = mailbox;
  }

  /** The slot of a peer, or null while it has no tunnel. */
  slotOf(key: PeerKey): number | null {
    return this.#slots.get(key) ?? null;
  }

  /** The peer in a slot, or null. */
  keyOf(slot: number): PeerKey | null {
    for (const [key, held] of this.#slots) if (held === slot) return key;
    return null;
  }

  /** Posts whatever differs from the last time. */
  apply(wanted: Wanted): void {
    this.#setOwn(wanted.own === null ? NO_NETWORK : ownNetwork(wanted.own));
    for (const [key, tunnel] of wanted.tunnels) this.setPeer(key, tunnel);
    this.#setRoutes(wanted);
    for (const key of [...this.#slots.keys()]) if (!wanted.tunnels.has(key)) this.#dropPeer(key);
  }

  #setOwn(own: OwnNetwork): void {
    const text = JSON.stringify(own);
    if (text === this.#own) return;
    this.#own = text;
    this.#mailbox.post({ kind: "setOwn", own });
  }

  /** Tells of one peer, as for a session that is about to be installed. Its slot; null when there are too many. */
  setPeer(key: PeerKey, tunnel: Tunnel): number | null {
    const text = JSON.stringify(tunnel);
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = this.#free.pop();
      if (slot === undefined) return null; // control admits no more than MAX_PEERS
      this.#slots.set(key, slot);
    }
    if (this.#tunnels.get(key) === text) return slot;
    this.#tunnels.set(key, text);
    this.#mailbox.post({ kind: "setPeer", slot, tunnel });
    return slot;
  }

  #setRoutes(wanted: Wanted): void {
    const next = new Map(wanted.routes.map(({ subnet, peerKey }) => [subnet.text, peerKey]));
    for (const prefix of [...this.#routes.keys()]) {
      if (next.has(prefix)) continue;
      this.#routes.delete(prefix);
      this.#mailbox.post({ kind: "dropRoute", prefix });
    }
    for (const [prefix, key] of next) {
      const slot = this.#slots.get(key);
      if (slot === undefined || this.#routes.get(prefix) === key) continue;
      this.#routes.set(prefix, key);
      this.#mailbox.post({ kind: "addRoute", prefix, slot });
    }
  }

  #dropPeer(key: PeerKey): void {
    const slot = this.#slots.get(key)!;
    // A route must not outlive its peer: the slot will be somebody else's.
    for (const [prefix, holder] of [...this.#routes]) {
      if (holder !== key) continue;
      this.#routes.delete(prefix);
      this.#mailbox.post({ kind: "dropRoute", prefix });
    }
    this.#slots.delete(key);
    this.#tunnels.delete(key);
    this.#free.push(slot);
    this.#mailbox.post({ kind: "dropPeer", slot });
  }
}
