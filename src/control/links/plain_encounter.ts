/**
 * A sealed node meets plain hellos: it refuses them by name, so that both sides log why they do not meet. Of itself it
 * says one, now and then, where a `--peers` entry answers no handshake: a plain node there refuses that by name. Such
 * hellos name no network, and nothing that comes back is believed but for the log.
 */

import { shortId } from "../../crypto/identity.ts";
import * as hello from "../../wire/hello.ts";
import { makeHello } from "./hello_frame.ts";
import type { Actions, Outlets, OwnNode, Schedule, Tally, Throttle } from "../outbox/outbox.ts";
import { MIXED_SECURITY, RefusalLog } from "./refusals.ts";
import type { Target } from "./target.ts";
import type { Targets } from "./targets.ts";

const NO_NETWORK = "0".repeat(32);
const SEALED = { index: 0, echoedIndex: 0, flags: hello.FLAG_SEALED, networkId: NO_NETWORK };

export class PlainEncounter {
  readonly #own: OwnNode;
  readonly #actions: Actions;
  readonly #schedule: Schedule;
  readonly #throttle: Throttle;
  readonly #tally: Tally;
  readonly #targets: Targets;
  readonly #refusals: RefusalLog;

  constructor(own: OwnNode, targets: Targets, outlets: Outlets) {
    this.#refusals = new RefusalLog(outlets);
    this.#own = own;
    this.#actions = outlets.actions;
    this.#schedule = outlets.schedule;
    this.#throttle = outlets.throttle;
    this.#tally = outlets.tally;
    this.#targets = targets;
  }

  /** Asks in plain words whether a plain node is there. */
  ask(target: Target, now: number): void {
    const nonce = this.#targets.freshNonce(target, now);
    this.#send(target.endpoint, { ...SEALED, kind: hello.HELLO_ASK, nonce });
  }

  /** Takes in a datagram of type 0x03. Returns the target where our hello was refused because we are sealed. */
  receive(bytes: Uint8Array, from: string, now: number): Target | null {
    const h = hello.decodeHello(bytes);
    const sealedToo = h !== null && (h.flags & hello.FLAG_SEALED) !== 0;
    if (h === null || h.nodeId === this.#own.identity.id || (sealedToo && h.kind === hello.HELLO_ASK)) {
      this.#tally.reject(); // it asks whether we are plain, as we would
      return null;
    }
    if (h.kind === hello.HELLO_ASK) {
      this.#refuse(h, bytes, from, now);
      return null;
    }
    const target = this.#targets.asked(h.echoedNonce, now);
    if (h.kind !== hello.HELLO_REFUSE || h.reason !== hello.REFUSE_SECURITY || target === undefined) {
      return null;
    }
    return this.#targets.redeem(target, h.echoedNonce, now) ? target : null;
  }

  #refuse(h: hello.Hello, bytes: Uint8Array, from: string, now: number): void {
    // Verifying and signing cost: at most so many refusals a second, and to one address.
    if (!this.#schedule.due(`refusal ${from}`, 200, now) || !this.#throttle.allows("plain hellos", 20, now)) {
      return;
    }
    if (!this.#own.reader.verify(h.nodeId, hello.helloSigned(bytes), hello.helloSignature(bytes))) return;
    const fields = { nonce: hello.NO_NONCE, echoedNonce: h.nonce, reason: hello.REFUSE_SECURITY };
    this.#send(from, { ...SEALED, kind: hello.HELLO_REFUSE, ...fields });
    const why = `its mesh is plain, ours is sealed (${MIXED_SECURITY})`;
    this.#refusals.refused(from, why, now, { peer: shortId(h.nodeId) });
  }

  #send(to: string, fields: Parameters<typeof makeHello>[2]): void {
    const b = makeHello(this.#own, to, fields);
    if (b !== null) this.#actions.send(to, b);
  }
}
