/**
 * Our own end of each peer's path: by which of this host's addresses the peer calls us, and whether what goes to it has
 * to leave from there, since the kernel itself would choose another (a second address, another interface, a floating
 * address). One entry a slot, 16 bytes each, IPv4 mapped. The sender reads it for every message, the receiver compares.
 */
import { type LocalEnd, REPLY_SLOT } from "../ports/devices.ts";
import { type Address, isIpv4, isLinkLocal, isMulticast, parseAddress } from "../wire/address.ts";
import { putU32le } from "../wire/bytes.ts";
import { CMSG_DATA_AT, CMSG_LEVEL_AT, CMSG_TYPE_AT, PKTINFO_ROOM } from "./mmsghdr.ts";
import { IP_PKTINFO, IPPROTO_IP, IPPROTO_IPV6, IPV6_PKTINFO } from "./linux.ts";

export const ADDRESS_LEN = 16;
const IPV4_AT = 12;
/** struct in_pktinfo: where a send looks for the source. */
const SPEC_DST_AT = 4;
const IN_PKTINFO_LEN = 12;
const IN6_PKTINFO_LEN = 20;

const UNKNOWN = 0;
const KNOWN = 1;
const PINNED = 2;
/** It was pinned, and the kernel refused it. */
const REFUSED = 3;

export class LocalEnds {
  readonly bytes = new Uint8Array(new ArrayBuffer((REPLY_SLOT + 1) * ADDRESS_LEN));
  readonly #state = new Uint8Array(REPLY_SLOT + 1);

  /** Null: it is not known by which address the peer calls us, and the kernel chooses. */
  set(slot: number, local: LocalEnd | null): void {
    const address = local === null ? null : parseAddress(local.address);
    this.#state[slot] = address === null ? UNKNOWN : local!.pinned ? PINNED : KNOWN;
    if (address !== null) this.bytes.set(address, slot * ADDRESS_LEN);
  }

  /** Takes the address at `at` of `b`: what goes to the peer leaves from there. */
  pin(slot: number, b: Uint8Array, at: number): void {
    this.#state[slot] = PINNED;
    this.bytes.set(b.subarray(at, at + ADDRESS_LEN), slot * ADDRESS_LEN);
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

  /** Whether the address at `at` of `b` is the one by which the peer calls us. One that was refused is to be tried again. */
  is(slot: number, b: Uint8Array, at: number): boolean {
    const state = this.#state[slot];
    if (state === UNKNOWN || state === REFUSED) return false;
    const known = slot * ADDRESS_LEN;
    for (let i = 0; i < ADDRESS_LEN; i++) if (this.bytes[known + i] !== b[at + i]) return false;
    return true;
  }
}

/** Whether datagrams can leave from an address that one came to: no group, and none that needs an interface with it. */
export function canBeSource(address: Address): boolean {
  return !isMulticast(address) && (isIpv4(address) || !isLinkLocal(address));
}

/** Length of the control message for a socket of this family. */
export function pktinfoLength(family: 4 | 6): number {
  return CMSG_DATA_AT + (family === 4 ? IN_PKTINFO_LEN : IN6_PKTINFO_LEN);
}

/** Writes the head of the control message at `at`, for any interface; the address is still missing. */
export function encodePktinfo(b: Uint8Array, at: number, family: 4 | 6): void {
  b.fill(0, at, at + PKTINFO_ROOM);
  putU32le(b, at, pktinfoLength(family));
  putU32le(b, at + CMSG_LEVEL_AT, family === 4 ? IPPROTO_IP : IPPROTO_IPV6);
  putU32le(b, at + CMSG_TYPE_AT, family === 4 ? IP_PKTINFO : IPV6_PKTINFO);
}

/** Writes the source, from `from` of `address`, into the control message at `at`. No allocation. */
export function putPktinfoSource(
  b: Uint8Array,
  at: number,
  family: 4 | 6,
  address: Uint8Array,
  from: number,
): void {
  const data = at + CMSG_DATA_AT;
  if (family === 6) { for (let i = 0; i < ADDRESS_LEN; i++) b[data + i] = address[from + i]!; }
  else for (let i = 0; i < 4; i++) b[data + SPEC_DST_AT + i] = address[from + IPV4_AT + i]!;
}

/** Reads the local address of a received datagram out of the control message at `at`, mapped, to `to` of `address`. */
export function readPktinfo(
  b: Uint8Array,
  at: number,
  family: 4 | 6,
  address: Uint8Array,
  to: number,
): void {
  const data = at + CMSG_DATA_AT;
  if (family === 6) {
    for (let i = 0; i < ADDRESS_LEN; i++) address[to + i] = b[data + i]!;
    return;
  }
  address.fill(0, to, to + 10);
  address[to + 10] = address[to + 11] = 0xff;
  for (let i = 0; i < 4; i++) address[to + IPV4_AT + i] = b[data + SPEC_DST_AT + i]!;
}
