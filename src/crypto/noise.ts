/**
 * Noise_XXpsk3_25519_AESGCM_SHA256 and Noise_IKpsk2_25519_AESGCM_SHA256 (Noise Protocol Framework, revision 34): one
 * machine without input or output that interprets the token lists of the patterns. The caller carries the
 * messages. A message that does not verify leaves the machine as it was, so that a forgery cannot end a handshake of ours
 * with a forged answer. Randomness is an argument: the ephemeral key comes as a key pair.
 */

import { DH_LEN, type DhKeys, sharedSecret, SymmetricState, TAG_LEN } from "./noise_state.ts";

export type Pattern = "XXpsk3" | "IKpsk2";

type Token = "e" | "s" | "ee" | "es" | "se" | "ss" | "psk";

/** `known`: the initiator knows the responder's static key beforehand (`<- s` before the dots). */
const PATTERNS: Readonly<Record<Pattern, { known: boolean; messages: readonly (readonly Token[])[] }>> = {
  XXpsk3: { known: false, messages: [["e"], ["e", "ee", "s", "es"], ["s", "se", "psk"]] },
  IKpsk2: { known: true, messages: [["e", "es", "s", "ss"], ["e", "ee", "se", "psk"]] },
};

export interface NoiseSetup {
  readonly pattern: Pattern;
  readonly initiator: boolean;
  /** What both sides must have seen alike. */
  readonly prologue: Uint8Array;
  /** 32 bytes. */
  readonly psk: Uint8Array;
  readonly staticKeys: DhKeys;
  /** Fresh for each handshake. */
  readonly ephemeralKeys: DhKeys;
  /** The responder's static key: the initiator of IKpsk2 needs it. */
  readonly remoteStatic?: Uint8Array;
}

export class NoiseHandshake {
  readonly #setup: NoiseSetup;
  readonly #psk: Uint8Array;
  #state: SymmetricState;
  #remoteStatic: Uint8Array | null;
  #remoteEphemeral: Uint8Array | null = null;
  #next = 0;

  /** TypeError when the pattern needs a key that is missing. */
  constructor(setup: NoiseSetup) {
    const { known } = PATTERNS[setup.pattern];
    this.#setup = setup;
    this.#psk = setup.psk.slice();
    this.#remoteStatic = setup.remoteStatic?.slice() ?? null;
    this.#state = new SymmetricState(`Noise_${setup.pattern}_25519_AESGCM_SHA256`);
    this.#state.mixHash(setup.prologue);
    if (!known) return;
    const responder = setup.initiator ? this.#remoteStatic : setup.staticKeys.publicKey;
    if (responder === null) throw new TypeError(`${setup.pattern} needs the responder's static key`);
    this.#state.mixHash(responder);
  }

  /** The other side's static key, once a message told it (or it was known); 32 bytes. */
  get remoteStatic(): Uint8Array | null {
    return this.#remoteStatic?.slice() ?? null;
  }

  /** All messages have been written and read. */
  get complete(): boolean {
    return this.#next === this.#messages.length;
  }

  /** The handshake hash: unique to this handshake, the same on both sides. */
  get hash(): Uint8Array {
    return this.#state.hash;
  }

  /** The next message, with `payload` in it; null when a curve operation is refused. TypeError out of turn. */
  write(payload: Uint8Array): Uint8Array | null {
    this.#demandTurn(true);
    const state = this.#state.copy();
    const parts: Uint8Array[] = [];
    for (const token of this.#messages[this.#next]!) {
      if (token === "e") {
        const { publicKey } = this.#setup.ephemeralKeys;
        parts.push(publicKey);
        state.mixHash(publicKey);
        state.mixKey(publicKey); // §9.2: in handshakes with a psk
      } else if (token === "s") parts.push(state.encryptAndHash(this.#setup.staticKeys.publicKey));
      else if (!this.#mix(state, token, this.#remoteEphemeral, this.#remoteStatic)) return null;
    }
    parts.push(state.encryptAndHash(payload));
    this.#commit(state);
    return joined(parts);
  }

  /** The payload of the next message, or null when it does not verify. TypeError out of turn. */
  read(message: Uint8Array): Uint8Array | null {
    this.#demandTurn(false);
    const state = this.#state.copy();
    let ephemeral = this.#remoteEphemeral;
    let remoteStatic = this.#remoteStatic;
    let at = 0;
    for (const token of this.#messages[this.#next]!) {
      if (token === "e") {
        ephemeral = message.slice(at, at += DH_LEN);
        if (ephemeral.length !== DH_LEN) return null;
        state.mixHash(ephemeral);
        state.mixKey(ephemeral);
      } else if (token === "s") {
        remoteStatic = state.decryptAndHash(message.slice(at, at += DH_LEN + TAG_LEN));
        if (remoteStatic?.length !== DH_LEN) return null;
      } else if (!this.#mix(state, token, ephemeral, remoteStatic)) return null;
    }
    const payload = state.decryptAndHash(message.slice(at));
    if (payload === null) return null;
    this.#remoteEphemeral = ephemeral;
    this.#remoteStatic = remoteStatic;
    this.#commit(state);
    return payload;
  }

  /** The keys to send and to receive with, 32 bytes each, for the caller to wipe. TypeError before the end. */
  split(): { readonly send: Uint8Array; readonly receive: Uint8Array } {
    if (!this.complete) throw new TypeError("The handshake is not complete");
    const [forth, back] = this.#state.split();
    return this.#setup.initiator ? { send: forth, receive: back } : { send: back, receive: forth };
  }

  /** Zeroes what JavaScript can; the machine is of no more use. */
  wipe(): void {
    this.#state.wipe();
    this.#psk.fill(0);
    this.#next = Infinity;
  }

  /** Whether the next message is to be read, not written. */
  get awaits(): boolean {
    return this.#next < this.#messages.length && (this.#next % 2 === 0) !== this.#setup.initiator;
  }

  get #messages(): readonly (readonly Token[])[] {
    return PATTERNS[this.#setup.pattern].messages;
  }

  #demandTurn(write: boolean): void {
    const ours = (this.#next % 2 === 0) === this.#setup.initiator;
    if (this.#next >= this.#messages.length || ours !== write) {
      throw new TypeError(
        `Message ${this.#next + 1} of ${this.#setup.pattern} is not to be ${write ? "written" : "read"} here`,
      );
    }
  }

  // §7.3: the first letter names the initiator's key, the second the responder's. False: a point is refused.
  #mix(
    state: SymmetricState,
    token: Token,
    remoteEphemeral: Uint8Array | null,
    remoteStatic: Uint8Array | null,
  ): boolean {
    if (token === "psk") {
      state.mixKeyAndHash(this.#psk);
      return true;
    }
    const [ours, theirs] = this.#setup.initiator ? [token[0], token[1]] : [token[1], token[0]];
    const remote = theirs === "e" ? remoteEphemeral : remoteStatic;
    const secret = remote === null
      ? null
      : sharedSecret(ours === "e" ? this.#setup.ephemeralKeys : this.#setup.staticKeys, remote);
    if (secret === null) return false;
    state.mixKey(secret);
    secret.fill(0);
    return true;
  }

  #commit(state: SymmetricState): void {
    this.#state.wipe();
    this.#state = state;
    this.#next++;
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
