/**
 * Small messages of a sealed mesh that need no session, under the network's gossip key (0x20): any holder of the secret
 * can make them, so they say no more than what any member may say of a node (SWIM's probes and statements), and never carry
 * what a session is for. A directive is signed by its issuer: one that revokes a node goes this way to that node,
 * which has no session any more. Each counts once: a sequence number grows within the sender's incarnation. Only the
 * incarnation of its signed record is remembered: a greater one may be a life that we have not heard of yet, and may be
 * forged.
 */

import { BoundedMap } from "../../bounds/bounded_map.ts";
import { CONTROL_CIPHERS, type ControlCiphers } from "../../crypto/control_ciphers.ts";
import type { NetworkKeys } from "../../crypto/network_secret.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import type { Random } from "../../ports/time.ts";
import * as wire from "../../wire/group_message.ts";

/** Messages that overtook one another are still taken. */
const WINDOW = 32;

interface Heard {
  incarnation: number;
  greatest: number;
  /** Bit n: the one n before the greatest has come. */
  window: number;
}

export class GroupGossip {
  /** They change. */
  readonly #keys: readonly NetworkKeys[];
  readonly #own: string;
  readonly #random: Random;
  readonly #ciphers: Pick<ControlCiphers, "sealGossip" | "openGossip">;
  #sequence = 0;
  // By key, then by member: a holder of an old secret uses up none of the newest's sequence. BOUNDED: by the key ring, and
  // ≤ MAX_PEERS each, the longest unheard go first: only in the life that their records tell
  readonly #heard = new WeakMap<NetworkKeys, BoundedMap<string, Heard>>();

  constructor(
    keys: readonly NetworkKeys[],
    own: string,
    random: Random,
    ciphers: ControlCiphers = CONTROL_CIPHERS,
  ) {
    this.#ciphers = ciphers;
    this.#keys = keys;
    this.#own = own;
    this.#random = random;
  }

  /**
   * The datagram for a message of type 0x21, sealed under this key, or the one in use; null when we do not have that key,
   * or the message is too long for this way.
   */
  seal(incarnation: number, gossip: Uint8Array, keyId = this.#keys[0]?.keyId): Uint8Array | null {
    const keys = this.#keys.find((k) => k.keyId === keyId);
    if (keys === undefined || gossip.length > wire.GROUP_MESSAGE_MAX) return null;
    const header = wire.encodeGroupHeader({ keyId: keys.keyId, sender: this.#own });
    const plaintext = wire.encodeGroupMessage({ incarnation, sequence: this.#sequence++, gossip });
    return this.#ciphers.sealGossip(
      keys.gossipKey,
      header,
      this.#random.bytes(wire.GROUP_NONCE_LEN),
      plaintext,
    );
  }

  /**
   * Opens a datagram of type 0x20. `incarnationOf` gives that of a member's signed record, or null for non-members.
   * Null when it is forged, of an unknown node, of a former life, or has come before. What is of a later life than the
   * record is taken and not remembered: it may come again until the record has come.
   */
  open(
    b: Uint8Array,
    incarnationOf: (sender: string) => number | null,
  ): { sender: string; keyId: number; gossip: Uint8Array } | null {
    const header = wire.decodeGroupHeader(b);
    const keys = this.#keys.find((k) => k.keyId === header?.keyId);
    if (header === null || keys === undefined || header.sender === this.#own) return null;
    const known = incarnationOf(header.sender);
    const plaintext = known === null
      ? null
      : this.#ciphers.openGossip(keys.gossipKey, b, wire.GROUP_HEADER_LEN);
    const message = plaintext === null ? null : wire.decodeGroupMessage(plaintext);
    if (message === null || known === null || message.incarnation < known) return null;
    if (message.incarnation === known && !this.#isNew(keys, header.sender, message)) return null;
    return { sender: header.sender, keyId: keys.keyId, gossip: message.gossip };
  }

  #isNew(keys: NetworkKeys, sender: string, { incarnation, sequence }: wire.GroupMessage): boolean {
    const heardOf = this.#heardUnder(keys);
    let heard = heardOf.get(sender);
    if (heard === undefined || incarnation !== heard.incarnation) {
      heard = { incarnation, greatest: sequence, window: 1 };
    } else {
      const age = heard.greatest - sequence;
      if (age >= WINDOW) return false;
      if (age >= 0 && (heard.window >>> age & 1) === 1) return false;
      if (age >= 0) heard.window |= 1 << age;
      else {
        heard.window = -age >= WINDOW ? 1 : heard.window << -age | 1;
        heard.greatest = sequence;
      }
    }
    heardOf.renew(sender, heard);
    return true;
  }

  #heardUnder(keys: NetworkKeys): BoundedMap<string, Heard> {
    let heard = this.#heard.get(keys);
    if (heard === undefined) this.#heard.set(keys, heard = new BoundedMap(MAX_PEERS));
    return heard;
  }
}
