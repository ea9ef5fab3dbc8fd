/**
 * What a sealed mesh adds to a daemon: the Worker's gate and sessions, the control plane's lane, and what the Worker
 * hands up about them. The daemon and the giving back of a stored lease both use it.
 */
import type { Action, ControlEvent } from "../../control/outbox/events.ts";
import type { SealedSetup } from "../../control/links/sealed_links.ts";
import type { NetworkKeys } from "../../crypto/network_keys.ts";
import { wipeKeys } from "../../crypto/network_secret.ts";
import type { AeadProvider } from "../../ports/aead.ts";
import type { DataplaneEvent, Mailbox } from "../../ports/planes.ts";
import { ControlLane } from "./control_lane.ts";

export class SealedSide {
  readonly #mailbox: Mailbox;
  readonly #lane: ControlLane;

  /**
   * Shuts the Worker's gate to all but the network's members, and wipes the keys that were made for this: the control
   * plane makes those it needs from the secrets. Without secrets the keys are all there is, and stay.
   */
  constructor(setup: SealedSetup, provider: AeadProvider, mailbox: Mailbox) {
    this.#mailbox = mailbox;
    this.#lane = new ControlLane(provider);
    this.setGate(setup.keys);
    if (setup.secrets !== undefined && setup.secrets.length > 0) setup.keys.forEach(wipeKeys);
  }

  /** The network secret is changing: these are the keys that count. */
  setGate(keys: readonly NetworkKeys[]): void {
    this.#mailbox.post({ kind: "setGate", macKeys: keys.map(({ macKey }) => macKey) });
  }

  /** Hands a session to the Worker, for the peer in `slot` (null: there is no place for it), and wipes its keys. */
  install(action: Action & { readonly kind: "installSession" }, slot: number | null): void {
    const { receiveIndex, sendIndex, suite, sendKey, receiveKey, confirmed } = action;
    if (slot !== null) {
      this.#lane.install(action);
      const session = { receiveIndex, sendIndex, suite, sendKey, receiveKey, confirmed };
      this.#mailbox.post({ kind: "installSession", slot, ...session });
    }
    sendKey.fill(0);
    receiveKey.fill(0);
  }

  drop(receiveIndex: number): void {
    this.#lane.drop(receiveIndex);
    this.#mailbox.post({ kind: "dropSession", receiveIndex });
  }

  /** The datagram that says `bytes` on a session; null when the session is gone. */
  seal(receiveIndex: number, bytes: Uint8Array): Uint8Array | null {
    return this.#lane.seal(receiveIndex, bytes);
  }

  close(): void {
    this.#lane.close();
  }
}

function toOf({ to }: { readonly to?: string }): { readonly to?: string } {
  return to === undefined ? {} : { to };
}

/** What the control plane is to hear of an event of the Worker; null: nothing. `keyOf` names the peer in a slot. */
export function controlEvent(
  event: DataplaneEvent,
  keyOf: (slot: number) => string | null,
): ControlEvent | null {
  switch (event.kind) {
    case "datagram":
    case "unknownIndex":
    case "badMac":
      return event;
    case "sessionConfirmed":
      return { kind: "sessionConfirmed", receiveIndex: event.receiveIndex };
    case "sessionMessage": {
      const { receiveIndex, bytes, from, at } = event;
      return { kind: "sessionMessage", receiveIndex, bytes, from, at };
    }
    case "sessionWanted":
    case "rekeyWanted": {
      const id = keyOf(event.slot);
      return id === null ? null : { kind: "sessionWanted", id };
    }
    case "roamed": {
      const id = keyOf(event.slot);
      return id === null ? null : { kind: "roamed", id, endpoint: event.endpoint, ...toOf(event) };
    }
    default:
      return null;
  }
}
