/**
 * What this host itself refuses to send, and to whom: the errno that a send came back with is the one thing that tells a
 * firewall in front of the peer from one here, a missing route, or a datagram that is too long. Of its own datagrams the
 * control plane is told each change, and shows it beside the endpoint (control/links/links.ts). Of data it is told here.
 */
import { BoundedMap } from "../../bounds/bounded_map.ts";
import type { SendRefusal } from "../../control/paths/outcome.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import {
  EACCES,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EHOSTUNREACH,
  EINVAL,
  EMSGSIZE,
  ENETDOWN,
  ENETUNREACH,
  ENOBUFS,
  EPERM,
  errnoName,
} from "../../ports/sys_error.ts";
import { addressOf, portOf } from "../../wire/address.ts";
import { LogLimit } from "../../log/log.ts";

const AGAIN_MS = 60_000;
/** What was refused once, and not tried again since, is told no longer than that. */
const FORGET_MS = 15_000;

/** What does not depend on the address: no other one of the peer will do. */
const EVERYWHERE: readonly number[] = [EPERM, EACCES, EMSGSIZE];

interface Refused {
  readonly errno: number;
  readonly at: number;
}

export class SendRefusals {
  /** BOUNDED: ≤ MAX_PEERS, the oldest go first. By endpoint, of the control plane. */
  readonly #errnos = new BoundedMap<string, number>(MAX_PEERS);
  /** BOUNDED: ≤ MAX_PEERS, the oldest go first. By endpoint, of data. */
  readonly #data = new BoundedMap<string, Refused>(MAX_PEERS);
  readonly #limit = new LogLimit(AGAIN_MS);
  readonly #tellControl: (to: string, refusal: SendRefusal | null) => void;
  readonly #warn: (sentence: string) => void;

  constructor(
    tellControl: (to: string, refusal: SendRefusal | null) => void,
    warn: (sentence: string) => void,
  ) {
    this.#tellControl = tellControl;
    this.#warn = warn;
  }

  /** How a send to `to` of the control plane went: 0, or an errno. */
  control(to: string, errno: number): void {
    const before = this.#errnos.get(to) ?? 0;
    if (before === errno) return;
    this.#errnos.delete(to);
    if (errno !== 0) this.#errnos.set(to, errno);
    const avoidable = !EVERYWHERE.includes(errno);
    this.#tellControl(to, errno === 0 ? null : { why: whyRefused(to, errno), avoidable });
  }

  /** The kernel refused data. What is too long, or more than the link takes, is dealt with where it was sent. */
  data(to: string, errno: number, now: number): void {
    if (errno === EMSGSIZE || errno === ENOBUFS || errno === EAGAIN) return;
    this.#data.renew(to, { errno, at: now });
    const sentence = sentenceOf(to, errno);
    if (this.#limit.admit(sentence, now) !== null) this.#warn(sentence);
  }

  /** What data is refused at the moment, a sentence each. */
  at(now: number): string[] {
    for (const [to, { at }] of this.#data) if (now - at >= FORGET_MS) this.#data.delete(to);
    return [...this.#data].map(([to, { errno }]) => sentenceOf(to, errno));
  }
}

function sentenceOf(to: string, errno: number): string {
  return `Cannot send data to ${to}: ${whyRefused(to, errno)}`;
}

/** The errno, and what to do about it. */
export function whyRefused(to: string, errno: number): string {
  return `${errnoName(errno)}, ${adviceFor(to, errno)}`;
}

function adviceFor(to: string, errno: number): string {
  const address = addressOf(to);
  switch (errno) {
    case EPERM:
    case EACCES:
      return `this host's firewall or a prohibit route blocks it: allow outgoing udp to port ${portOf(to)} ` +
        `(nft list ruleset; ip route get ${address})`;
    case ENETUNREACH:
    case ENETDOWN:
      return `this host has no route to it (ip route get ${address})`;
    case EHOSTUNREACH:
      return `a route of this host makes it unreachable (ip route get ${address})`;
    case EMSGSIZE:
      return `the datagram is too long for the path: raise the MTU of the link (ip route get ${address}; ` +
        "ip link)";
    case ENOBUFS:
    case EAGAIN:
      return "the link's queue is full: it is slower than the traffic sent";
    case EAFNOSUPPORT:
      return "this host has no IPv6";
    case EADDRNOTAVAIL:
      return `no address of this host can be the source (ip -brief address; ip route get ${address})`;
    case EINVAL:
      return `a blackhole route of this host drops it, or there is no source address to send it from ` +
        `(ip route get ${address})`;
    default:
      return `check the route and the firewall (ip route get ${address}; nft list ruleset)`;
  }
}
