/**
 * The one door between the control plane, which knows peers by their ids, and the Workers' tables, which know slots: the
 * owner of slots. Down, what is wanted is compared with what was told before, and the difference is posted; sessions come
 * and go one by one. Up, what a Worker says of a slot is told of its peer. A peer has a slot while a tunnel to it is wanted
 * or a session with it is installed. Peers come before the routes that lead to them, and go after them.
 */
import type { ControlEvent, InstallAction, SessionEffects } from "../../control/outbox/events.ts";
import { type OwnPlace, placesOf, type Wanted } from "../../control/paths/paths.ts";
import { type HostFacts, type PeerKey, sealedTunnel } from "../../control/paths/tunnels.ts";
import { type NetworkKeys, wipeKeys } from "../../crypto/network_secret.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import type { DataplaneEvent, Mailbox, OwnNetwork, Tunnel } from "../../ports/planes.ts";
import { ControlLanes } from "./control_lanes.ts";
import type { SealedParts } from "./sealed_parts.ts";

const NO_NETWORK: OwnNetwork = { networks: [], subnets: [], address: "", mac: "", mtu: 1500 };

/** A peer in a slot. */
interface Place {
  readonly slot: number;
  tunnel: Tunnel;
  /** What the Workers were last told, as text. */
  told: string;
  /** The tunnel is wanted. */
  wanted: boolean;
  /** Receiver indices. BOUNDED: as the control plane has sessions with one peer, ≤ MAX_SESSIONS and one */
  readonly sessions: Set<number>;
}

/** What it needs of a sealed mesh. */
type Sealed = Pick<SealedParts, "setup" | "provider">;

export class DataplaneFeed implements SessionEffects {
  readonly #mailbox: Mailbox;
  readonly #host: () => HostFacts;
  /** BOUNDED: ≤ MAX_PEERS. */
  readonly #places = new Map<PeerKey, Place>();
  /** The same by slot. */
  readonly #keys = new Array<PeerKey | null>(MAX_PEERS).fill(null);
  readonly #free = Array.from({ length: MAX_PEERS }, (_, i) => MAX_PEERS - 1 - i);
  /** BOUNDED: one per route. */
  readonly #routes = new Map<string, PeerKey>();
  #own = "";
  /** Null in a plain mesh. */
  readonly #lanes: ControlLanes | null;

  /**
   * `host`: by which the tunnel of a session is made where none is wanted yet. In a sealed mesh the gate is shut to all but
   * the network's members, and the keys that were made for this are wiped: the control plane makes those it needs from the
   * secrets. Without secrets the keys are all there is, and stay.
   */
  constructor(mailbox: Mailbox, host: () => HostFacts, sealed: Sealed | null) {
    this.#mailbox = mailbox;
    this.#host = host;
    this.#lanes = sealed === null ? null : new ControlLanes(sealed.provider);
    if (sealed === null) return;
    const { keys, secrets = [] } = sealed.setup;
    this.setGate(keys);
    if (secrets.length > 0) keys.forEach(wipeKeys);
  }

  /** Wipes the keys of the control plane's lanes. */
  close(): void {
    this.#lanes?.close();
  }

  /** Peers that have one. */
  get size(): number {
    return this.#places.size;
  }

  /** The slot of a peer, or null while it has none. */
  slotOf(key: PeerKey): number | null {
    return this.#places.get(key)?.slot ?? null;
  }

  /** The peer in a slot, or null. */
  keyOf(slot: number): PeerKey | null {
    return this.#keys[slot] ?? null;
  }

  /** Where packets for the peer in a slot go, or null. */
  endpointOf(slot: number): string | null {
    const key = this.keyOf(slot);
    return key === null ? null : this.#places.get(key)!.tunnel.endpoint;
  }

  /** What the control plane is to hear of an event of a Worker; null: nothing, or of a peer that is gone. */
  controlEvent(event: DataplaneEvent): ControlEvent | null {
    switch (event.kind) {
      case "datagram":
      case "unknownIndex":
      case "badMac":
      case "sessionConfirmed":
      case "sessionMessage":
        return event;
      case "sessionWanted":
      case "rekeyWanted": {
        const id = this.keyOf(event.slot);
        return id === null ? null : { kind: "sessionWanted", id };
      }
      case "roamed": {
        const { slot, ...moved } = event;
        const id = this.keyOf(slot);
        return id === null ? null : { ...moved, id };
      }
      default:
        return null;
    }
  }

  /** Posts whatever differs from the last time. */
  apply(wanted: Wanted): void {
    const routes = new Map(wanted.routes.map(({ subnet, peerKey }) => [subnet.text, peerKey]));
    // A subnet may pass from a peer to us: its route is gone before it becomes our own, and the other way about.
    this.#dropRoutes((prefix) => !routes.has(prefix));
    this.#setOwn(wanted.own === null ? NO_NETWORK : ownNetwork(wanted.own));
    for (const [key, tunnel] of wanted.tunnels) {
      // A session that was made meanwhile knows where its packets go.
      const made = tunnel.encapsulation === "waiting" ? this.#places.get(key) : undefined;
      if (made !== undefined && made.sessions.size > 0) made.wanted = true;
      else this.#setPeer(key, tunnel, true);
    }
    this.#addRoutes(routes);
    for (const [key, place] of this.#places) place.wanted = wanted.tunnels.has(key);
    this.#dropUnused();
  }

  /** Gives a session its lanes in the Workers, where its peer is, and here; or, when there are too many peers, none. */
  install(session: InstallAction): void {
    const { id, endpoint, receiveIndex, sendIndex, suite, sendKey, receiveKey, confirmed } = session;
    const place = this.#placeAt(id, endpoint);
    if (place === null) return;
    place.sessions.add(receiveIndex);
    const { slot } = place;
    const message = { receiveIndex, sendIndex, suite, sendKey, receiveKey, confirmed };
    this.#mailbox.post({ kind: "installSession", slot, ...message });
    this.#lanes?.add(session);
  }

  confirm(receiveIndex: number): void {
    this.#mailbox.post({ kind: "confirmSession", receiveIndex });
  }

  drop(id: PeerKey, receiveIndex: number): void {
    this.#lanes?.drop(receiveIndex);
    this.#mailbox.post({ kind: "dropSession", receiveIndex });
    const place = this.#places.get(id);
    if (place?.sessions.delete(receiveIndex) && isUnused(place)) this.#dropUnused();
  }

  /** As `ControlLanes.seal`. */
  seal(receiveIndex: number, bytes: Uint8Array): Uint8Array | null {
    return this.#lanes?.seal(receiveIndex, bytes) ?? null;
  }

  /** Lets handshakes pass that bear a MAC of any of these keys. */
  setGate(keys: readonly NetworkKeys[]): void {
    this.#mailbox.post({ kind: "setGate", macKeys: keys.map(({ macKey }) => macKey) });
  }

  #setOwn(own: OwnNetwork): void {
    const text = JSON.stringify(own);
    if (text === this.#own) return;
    this.#own = text;
    this.#mailbox.post({ kind: "setOwn", own });
  }

  /** A peer that stays where it was keeps what was found out about the way there. */
  #placeAt(key: PeerKey, endpoint: string): Place | null {
    const known = this.#places.get(key);
    if (known?.tunnel.endpoint === endpoint) return known;
    return this.#setPeer(key, sealedTunnel(endpoint, this.#host()), known?.wanted ?? false);
  }

  #setPeer(key: PeerKey, tunnel: Tunnel, wanted: boolean): Place | null {
    const place = this.#places.get(key) ?? this.#takePlace(key, tunnel);
    if (place === null) return null; // control admits no more than MAX_PEERS
    place.wanted = wanted;
    if (place.told !== "" && place.tunnel === tunnel) return place; // the one of all that have no link
    place.tunnel = tunnel;
    const text = JSON.stringify(tunnel);
    if (place.told === text) return place;
    place.told = text;
    this.#mailbox.post({ kind: "setPeer", slot: place.slot, tunnel });
    return place;
  }

  #takePlace(key: PeerKey, tunnel: Tunnel): Place | null {
    const slot = this.#free.pop();
    if (slot === undefined) return null;
    const place: Place = { slot, tunnel, told: "", wanted: false, sessions: new Set() };
    this.#places.set(key, place);
    this.#keys[slot] = key;
    return place;
  }

  #addRoutes(routes: ReadonlyMap<string, PeerKey>): void {
    for (const [prefix, key] of routes) {
      const place = this.#places.get(key);
      if (place === undefined || this.#routes.get(prefix) === key) continue;
      this.#routes.set(prefix, key);
      this.#mailbox.post({ kind: "addRoute", prefix, slot: place.slot });
    }
  }

  #dropRoutes(goes: (prefix: string, key: PeerKey) => boolean): void {
    for (const [prefix, key] of this.#routes) {
      if (!goes(prefix, key)) continue;
      this.#routes.delete(prefix);
      this.#mailbox.post({ kind: "dropRoute", prefix });
    }
  }

  #dropUnused(): void {
    const gone = new Map([...this.#places].filter(([, place]) => isUnused(place)));
    if (gone.size === 0) return;
    // A route must not outlive its peer: the slot will be another peer's.
    this.#dropRoutes((_, holder) => gone.has(holder));
    for (const [key, { slot }] of gone) {
      this.#places.delete(key);
      this.#keys[slot] = null;
      this.#free.push(slot);
      this.#mailbox.post({ kind: "dropPeer", slot });
    }
  }
}

/** What the data plane is told of it: messages have texts. */
function ownNetwork(own: OwnPlace): OwnNetwork {
  const { address, mac, mtu } = own;
  const places = placesOf(own);
  const networks = places.map(({ network }) => network.text);
  return { networks, subnets: places.map(({ subnet }) => subnet.text), address, mac, mtu };
}

function isUnused({ wanted, sessions }: Place): boolean {
  return !wanted && sessions.size === 0;
}
