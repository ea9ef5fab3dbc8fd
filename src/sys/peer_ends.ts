/**
 * Both ends of each peer's path, one entry a slot. The far one: the sockaddr that its datagrams go to. Our own: by which
 * of this host's addresses the peer calls us, 16 bytes, IPv4 mapped, and whether what goes to it has to leave from there,
 * since the kernel itself would choose another (a second address, another interface, a floating address). The sender
 * reads them for every message, the receiver compares in words of 32 bits.
 */
import type { LocalEnd } from "../ports/devices.ts";
import {
  type Address,
  isIpv4,
  isLinkLocal,
  isMulticast,
  parseAddress,
  parseEndpoint,
} from "../wire/address.ts";
import { encodeSockaddr, sameSockaddr, SOCKADDR_ROOM, SOCKADDR_WORDS } from "./sockaddr.ts";

export const ADDRESS_LEN = 16;
/** The same in words of 32 bits. */
export const ADDRESS_WORDS = ADDRESS_LEN / 4;

const UNKNOWN = 0;
const KNOWN = 1;
const PINNED = 2;
/** It was pinned, and the kernel refused it. */
const REFUSED = 3;

export class PeerEnds {
  readonly #family: 4 | 6;
  readonly destinations: Uint8Array;
  readonly #destinationWords: Int32Array;
  readonly locals: Uint8Array;
  readonly #localWords: Int32Array;
  readonly #state: Uint8Array;

  /** For the slots below `slots`. */
  constructor(family: 4 | 6, slots: number) {
    this.#family = family;
    this.destinations = new Uint8Array(new ArrayBuffer(slots * SOCKADDR_ROOM));
    this.#destinationWords = new Int32Array(this.destinations.buffer);
    this.locals = new Uint8Array(new ArrayBuffer(slots * ADDRESS_LEN));
    this.#localWords = new Int32Array(this.locals.buffer);
    this.#state = new Uint8Array(slots);
  }

  setDestination(slot: number, endpoint: string): void {
    const parsed = parseEndpoint(endpoint);
    if (parsed === null) throw new TypeError(`Not an endpoint: "${endpoint}"`);
    const at = slot * SOCKADDR_ROOM;
    // An IPv6 endpoint on an IPv4 socket: without a family and a port the kernel refuses it, and nothing comes
    // from there. 0.0.0.0 would be this host.
    if (!encodeSockaddr(this.destinations, at, this.#family, parsed)) {
      this.destinations.fill(0, at, at + SOCKADDR_ROOM);
    }
  }

  /** Takes the sockaddr at word `at` of `words`. */
  follow(slot: number, words: Int32Array, at: number): void {
    this.#destinationWords.set(words.subarray(at, at + SOCKADDR_WORDS), slot * SOCKADDR_WORDS);
  }

  /** Whether the sockaddr at word `at` of `words` is where the peer's datagrams go. */
  isDestination(slot: number, words: Int32Array, at: number, withPort: boolean): boolean {
    const known = slot * SOCKADDR_WORDS;
    return sameSockaddr(words, at, this.#destinationWords, known, this.#family, withPort);
  }

  /** Null: it is not known by which address the peer calls us, and the kernel chooses. */
  setLocal(slot: number, local: LocalEnd | null): void {
    const address = local === null ? null : parseAddress(local.address);
    this.#state[slot] = address === null ? UNKNOWN : local!.pinned ? PINNED : KNOWN;
    if (address !== null) this.locals.set(address, slot * ADDRESS_LEN);
  }

  /** Takes the address at word `at` of `words`: what goes to the peer leaves from there. */
  pin(slot: number, words: Int32Array, at: number): void {
    this.#state[slot] = PINNED;
    this.#localWords.set(words.subarray(at, at + ADDRESS_WORDS), slot * ADDRESS_WORDS);
  }

  isPinned(slot: number): boolean {
    return this.#state[slot] === PINNED;
  }

  /** The kernel refuses that address as a source: it chooses, until the peer calls us by it again. */
  unpin(slot: number): void {
    this.#state[slot] = REFUSED;
  }

  /** As before `unpin`. */
  repin(slot: number): void {
    if (this.#state[slot] === REFUSED) this.#state[slot] = PINNED;
  }

  /**
   * Whether the address at word `at` of `words` is the one by which the peer calls us. One that was refused is to be tried
   * again.
   */
  isLocal(slot: number, words: Int32Array, at: number): boolean {
    const state = this.#state[slot];
    if (state === UNKNOWN || state === REFUSED) return false;
    const own = this.#localWords;
    const known = slot * ADDRESS_WORDS;
    return own[known + 3] === words[at + 3] && own[known + 2] === words[at + 2] &&
      own[known + 1] === words[at + 1] && own[known] === words[at];
  }
}

/** Whether datagrams can leave from an address that one came to: no group, and none that needs an interface with it. */
export function canBeSource(address: Address): boolean {
  return !isMulticast(address) && (isIpv4(address) || !isLinkLocal(address));
}
