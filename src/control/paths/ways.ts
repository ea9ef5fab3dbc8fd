/**
 * The ways that data may take to each peer, and whether a probe along each came back: `own` (our port's), `vxlan` (the VXLAN
 * port's), `direct` and `direct6` (a route around the tunnel, for each family inside). A firewall, a switch or the kernel's
 * source check can swallow one of them while the others answer, so a path counts only by its own way. Each way also has its
 * path MTU (path_mtu_search.ts). Decides what to ask and when; way_steps.ts makes datagrams of it. Round trips and the life
 * of a link are rtt.ts's.
 *
 * A direct route works for both or for neither: with strict source checks (rp_filter 1) a host drops what comes by
 * another device than its own route back leads by. So each side says with its probes whether it has had an answer, and
 * uses the route while both have.
 */

import { BoundedMap } from "../../bounds/bounded_map.ts";
import type { Random } from "../../ports/time.ts";
import { toHex, u32 } from "../../wire/bytes.ts";
import {
  decodeProbe,
  PROBE_ANSWER,
  PROBE_READY,
  PROBE_WAY_ANSWER,
  probeFlags,
  probeNonceHigh,
  probeNonceLow,
} from "../../wire/datagram.ts";
import { PathMtuSearch, SMALL } from "./path_mtu_search.ts";
import {
  type DirectKind,
  FIRST_MS,
  isDirect,
  isSilent,
  KEEP_MS,
  newWay,
  noteAnswer,
  type PeerWays,
  viewOf,
  type Way,
  type WayKind,
  type WayView,
} from "./way.ts";

/** A probe to send: `size` is that of the outer packet, or SMALL. */
export interface WayProbe {
  readonly id: string;
  readonly kind: WayKind;
  readonly size: number;
  readonly ready: boolean;
  readonly nonceHigh: number;
  readonly nonceLow: number;
}

interface Asked {
  readonly id: string;
  readonly kind: WayKind;
  readonly size: number;
  readonly at: number;
}

const DIRECT: readonly DirectKind[] = ["direct", "direct6"];
const KINDS: readonly WayKind[] = ["own", "vxlan", ...DIRECT];
const SECOND_MS = 500;
const AGAIN_MS = 1000;
const QUICK_TRIES = 6;
const SILENT_MS = 15_000;
/** A direct route that is in use is asked so often, all together at most so many a second. */
const DIRECT_MS = 1000;
const DIRECT_PER_SECOND = 200;
const CHECK_DIRECT_MS = 10_000;
/** A way that answers is asked with a tick that comes so much sooner: one for many ways. */
const ABOUT_MS = 250;
/** How long an answer may be on its way. */
const NONCE_MS = 10_000;
const NONCES_MAX = 32_768;
const PATIENCE_MS = 200;
const PATIENCE_MAX_MS = 3000;

export class Ways {
  readonly #random: Random;
  // BOUNDED: one per peer with a link, ≤ MAX_PEERS
  readonly #peers = new Map<string, Map<WayKind, Way>>();
  // By kind and peer. BOUNDED: two for each of #peers
  readonly #gateways = new Map<string, string>();
  // BOUNDED: ≤ NONCES_MAX, the oldest go first
  readonly #asked = new BoundedMap<string, Asked>(NONCES_MAX);
  #direct = 0;
  /** As it was found last; null: something has happened since. */
  #dueAt: number | null = null;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Which ways there are now. */
  set(limits: ReadonlyMap<string, PeerWays>, now: number): void {
    this.#dueAt = null;
    for (const id of [...this.#peers.keys()]) {
      if (limits.has(id)) continue;
      this.#peers.delete(id);
      for (const kind of DIRECT) this.#gateways.delete(`${kind} ${id}`);
    }
    for (const [id, wanted] of limits) {
      const ways = this.#peers.get(id) ?? new Map<WayKind, Way>();
      for (const kind of DIRECT) {
        const gateway = (kind === "direct" ? wanted.gateway : wanted.gateway6) ?? null;
        if (gateway !== this.gateway(id, kind)) ways.delete(kind); // another way, of which nothing is known
        if (gateway === null) this.#gateways.delete(`${kind} ${id}`);
        else this.#gateways.set(`${kind} ${id}`, gateway);
      }
      this.#peers.set(id, ways);
      for (const kind of KINDS) {
        const full = wanted.limits[kind] ?? null;
        const way = ways.get(kind);
        if (full === null) ways.delete(kind);
        else if (way !== undefined) way.search.setFull(full, now);
        else {
          const family = kind === "direct" ? 4 : kind === "direct6" ? 6 : wanted.family;
          const search = new PathMtuSearch(full, family, now);
          ways.set(kind, newWay({ id, kind, search }, now));
        }
      }
    }
    this.#direct = 0;
    for (const ways of this.#peers.values()) {
      for (const kind of DIRECT) if (ways.has(kind)) this.#direct++;
    }
  }

  /** By whom a direct way to this peer leads; null: there is none. */
  gateway(id: string, kind: DirectKind): string | null {
    return this.#gateways.get(`${kind} ${id}`) ?? null;
  }

  /** The link to this peer is new or has moved: whatever was known of its ways is not any more. */
  restart(id: string, now: number): void {
    this.#dueAt = null;
    for (const way of this.#peers.get(id)?.values() ?? []) {
      way.search.restart(now);
      way.answeredAt = null;
      way.unanswered = 0;
      way.peerReady = false;
      way.nextAt = way.since = now;
    }
  }

  /** Whether what passed on the ways of the tunnel still does, a packet of full size is to show. */
  check(id: string, now: number): void {
    this.#dueAt = null;
    const ways = this.#peers.get(id);
    ways?.get("own")?.search.check(now);
    ways?.get("vxlan")?.search.check(now);
  }

  view(id: string, kind: WayKind, now: number): WayView | null {
    const way = this.#peers.get(id)?.get(kind);
    return way === undefined ? null : viewOf(way, now);
  }

  /** When the next probe is due. */
  get dueAt(): number {
    if (this.#dueAt !== null) return this.#dueAt;
    let due = Infinity;
    for (const ways of this.#peers.values()) {
      for (const way of ways.values()) {
        const asked = way.kind === "own" ? Infinity : way.nextAt;
        due = Math.min(due, asked, isSilent(way) ? Infinity : way.search.dueAt);
      }
    }
    return this.#dueAt = due;
  }

  /**
   * The probes that are due. `rttMs` of a peer, or null; `mayMeasure` is asked before each large one, for all of them
   * share a budget. `changed`: a way has fallen silent.
   */
  tick(
    rttMs: (id: string) => number | null,
    mayMeasure: () => boolean,
    now: number,
  ): { readonly probes: WayProbe[]; readonly changed: boolean } {
    this.#dueAt = null;
    const probes: WayProbe[] = [];
    let changed = false;
    for (const [key, asked] of this.#asked) {
      if (now - asked.at < NONCE_MS) break;
      this.#asked.delete(key);
    }
    for (const [id, ways] of this.#peers) {
      for (const way of ways.values()) {
        if (way.kind !== "own" && now >= way.nextAt - (way.unanswered === 0 ? ABOUT_MS : 0)) {
          const before = isSilent(way);
          probes.push(this.#ask(way, now));
          changed ||= isSilent(way) !== before;
        }
        if (isSilent(way) || !way.search.isDue(now) || !mayMeasure()) continue;
        const patience = Math.min(PATIENCE_MAX_MS, Math.max(PATIENCE_MS, 100 + 2 * (rttMs(id) ?? 0)));
        for (const size of way.search.due(now, patience)) {
          probes.push(this.#measure(way, size, now));
        }
      }
    }
    return { probes, changed };
  }

  #ask(way: Way, now: number): WayProbe {
    // The one before is answered by now, or counts as lost until it is.
    way.nextAt = now + this.#interval(way);
    way.askedAt = now;
    way.unanswered++;
    if (isDirect(way.kind) && now >= way.checkAt) { // the kernel carries what goes there: we see no stall
      way.checkAt = now + CHECK_DIRECT_MS;
      way.search.check(now);
    }
    return this.#measure(way, SMALL, now);
  }

  #interval(way: Way): number {
    if (way.unanswered >= QUICK_TRIES) return SILENT_MS;
    if (way.answeredAt === null) return way.unanswered === 0 ? FIRST_MS : SECOND_MS;
    if (way.unanswered > 0) return AGAIN_MS;
    return isDirect(way.kind) ? Math.max(DIRECT_MS, (1000 * this.#direct) / DIRECT_PER_SECOND) : KEEP_MS;
  }

  #measure(way: Way, size: number, now: number): WayProbe {
    const { id, kind } = way;
    const words = this.#random.bytes(8);
    this.#asked.set(toHex(words), { id, kind, size, at: now });
    const ready = way.answeredAt !== null && !isSilent(way);
    return { id, kind, size, ready, nonceHigh: u32(words, 0), nonceLow: u32(words, 4) };
  }

  /** An answer to one of our probes: whose, and whether something changed with it; null: unsolicited. */
  receive(bytes: Uint8Array, now: number): { readonly id: string; readonly changed: boolean } | null {
    const kind = decodeProbe(bytes, 0, bytes.length);
    if (kind !== PROBE_ANSWER && kind !== PROBE_WAY_ANSWER) return null;
    const words = new Uint8Array(8);
    const view = new DataView(words.buffer);
    view.setUint32(0, probeNonceHigh(bytes, 0));
    view.setUint32(4, probeNonceLow(bytes, 0));
    const nonce = toHex(words);
    const asked = this.#asked.get(nonce);
    if (asked === undefined || (asked.kind === "own") !== (kind === PROBE_ANSWER)) return null;
    this.#asked.delete(nonce);
    const way = this.#peers.get(asked.id)?.get(asked.kind);
    if (way === undefined) return null;
    this.#dueAt = null;
    const measured = way.search.answered(asked.size, now);
    const news = noteAnswer(way, probeFlags(bytes, 0), now);
    return { id: asked.id, changed: measured || news };
  }

  /**
   * The peer asks by a direct way. What to answer: whether we have had an answer ourselves; null: such a way is not
   * wanted here. Such a question can be forged: what it says of the peer is verified by a question of ours.
   */
  asked(id: string, kind: DirectKind, flags: number, now: number): { readonly ready: boolean } | null {
    const way = this.#peers.get(id)?.get(kind);
    if (way === undefined) return null;
    this.#dueAt = null;
    const news = isSilent(way) || ((flags & PROBE_READY) !== 0) !== way.peerReady;
    if (news) {
      way.nextAt = Math.min(way.nextAt, Math.max(now, way.askedAt + (isSilent(way) ? AGAIN_MS : FIRST_MS)));
    }
    return { ready: way.answeredAt !== null && !isSilent(way) };
  }
}
