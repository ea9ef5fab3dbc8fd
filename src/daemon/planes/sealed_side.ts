/**
 * What a sealed mesh adds to a node: sessions, each with its lanes in the Workers and the control plane's own lane here, and
 * the gate that handshakes have to pass. The daemon and the giving back of a stored lease both use it.
 */
import type { SealedSetup } from "../../control/links/sealed_links.ts";
import type { InstallAction, SessionEffects } from "../../control/outbox/perform.ts";
import type { NetworkKeys } from "../../crypto/network_keys.ts";
import { wipeKeys } from "../../crypto/network_secret.ts";
import type { AeadProvider } from "../../ports/aead.ts";
import { ControlLane } from "./control_lane.ts";
import type { DataplaneFeed } from "./dataplane_feed.ts";

export class SealedSide implements SessionEffects {
  readonly #feed: DataplaneFeed;
  readonly #lane: ControlLane;

  /**
   * Shuts the Workers' gate to all but the network's members, and wipes the keys that were made for this: the control
   * plane makes those it needs from the secrets. Without secrets the keys are all there is, and stay.
   */
  constructor(setup: SealedSetup, provider: AeadProvider, feed: DataplaneFeed) {
    this.#feed = feed;
    this.#lane = new ControlLane(provider);
    this.setGate(setup.keys);
    if (setup.secrets !== undefined && setup.secrets.length > 0) setup.keys.forEach(wipeKeys);
  }

  install(session: InstallAction): void {
    if (this.#feed.installSession(session)) this.#lane.install(session);
  }

  confirm(receiveIndex: number): void {
    this.#feed.confirmSession(receiveIndex);
  }

  drop(id: string, receiveIndex: number): void {
    this.#lane.drop(receiveIndex);
    this.#feed.dropSession(id, receiveIndex);
  }

  seal(receiveIndex: number, bytes: Uint8Array): Uint8Array | null {
    return this.#lane.seal(receiveIndex, bytes);
  }

  setGate(keys: readonly NetworkKeys[]): void {
    this.#feed.setGate(keys);
  }

  close(): void {
    this.#lane.close();
  }
}
