/**
 * Links: one per peer node, each with an endpoint that counts only once the peer has shown that it receives there. How
 * that is shown is the mesh's security: signed hellos (plain_links.ts) or sessions (sealed_links.ts). Here is what both
 * share: which endpoints to try, when, and the table of links.
 */

import { BoundedMap } from "../../bounds/bounded_map.ts";
import { MAX_PEERS } from "../../ports/devices.ts";
import type { Random } from "../../ports/time.ts";
import { toHex, u32 } from "../../wire/bytes.ts";
import { encodeProbe, PROBE_LEN } from "../../wire/datagram.ts";
import type { Clone } from "../clones/clones.ts";
import { type Challenge, Contests } from "../clones/contests.ts";
import { type Link, LinkTable, type Wish } from "./link_table.ts";
import type { Actions, Called, Outlets, OwnNode, Schedule, Tally, Throttle } from "../outbox/outbox.ts";
import { isUnproven, Pacing } from "./pacing.ts";
import { RefusalLog } from "./refusals.ts";
import { RefusedHere } from "./refused_here.ts";
import { isNamed, type Target } from "./target.ts";
import { Targets } from "./targets.ts";

const HALF_OPEN_MS = 4000;
/** How long an address is believed to be our own. */
const OWN_MS = 60_000;
/** How long we answer a stranger's hello with our own. */
export const KNOCK_MS = 1200;

/** What a datagram did to the links. */
export type LinkEvent =
  /** A link is new, has moved, or its peer has started again. */
  | { readonly kind: "up"; readonly link: Link }
  /** Where a peer says it sees us. */
  | { readonly kind: "seen"; readonly endpoint: string; readonly by: string }
  /**
   * A node that was revoked has shown who it is, in a handshake under this generation of the keys. `room`: so many bytes
   * may go to where it came from, which need not be where that node is.
   */
  | {
    readonly kind: "revoked";
    readonly id: string;
    readonly endpoint: string;
    readonly keyId: number;
    readonly room: number;
  }
  /** Another host answers with our identity, or, `relayed`, the node there has proof of one. */
  | {
    readonly kind: "clone";
    readonly from: string;
    readonly clone: Clone;
    readonly member: boolean;
    readonly relayed: boolean;
  };

export abstract class Links {
  protected readonly own: OwnNode;
  protected readonly actions: Actions;
  protected readonly schedule: Schedule;
  protected readonly throttle: Throttle;
  protected readonly tally: Tally;
  protected readonly called: Called;
  readonly table: LinkTable;
  readonly targets: Targets;
  readonly pacing: Pacing;
  readonly contests = new Contests();
  readonly refusedHere: RefusedHere;
  protected readonly refusals: RefusalLog;
  readonly #random: Random;
  // Where nodes were that have no link. BOUNDED: ≤ MAX_PEERS, the longest gone go first
  readonly #last = new BoundedMap<string, string>(MAX_PEERS);
  #sweptAt = 0;
  #forsakenAt = "";

  constructor(own: OwnNode, random: Random, outlets: Outlets) {
    this.own = own;
    this.actions = outlets.actions;
    this.schedule = outlets.schedule;
    this.throttle = outlets.throttle;
    this.tally = outlets.tally;
    this.called = outlets.called;
    this.#random = random;
    this.targets = new Targets(random, (endpoint) => own.usable(endpoint));
    this.table = new LinkTable(this.targets, random);
    this.pacing = new Pacing(own, this.table, this.targets);
    this.refusedHere = new RefusedHere(this.targets, this.table);
    this.refusals = new RefusalLog(outlets);
  }

  /** Takes in a datagram that makes links: a hello, a handshake. */
  abstract receive(bytes: Uint8Array, from: string, now: number): LinkEvent[];

  /** Sends gossip or a probe over a link that is up. */
  abstract send(link: Link, bytes: Uint8Array): void;

  /** Sends a probe of the way, whole or not at all. */
  abstract measure(link: Link, bytes: Uint8Array): void;

  /** Asks the node at the target to make a link. */
  protected abstract ask(target: Target, now: number): void;

  /** The boot nonce of the life of a node that we have a link with, as far as it is known. */
  protected abstract originalLife(id: string): string | null;

  /** Takes in again what was held back. */
  protected abstract admit(challenge: Challenge, now: number): LinkEvent[];

  /** Whether a hello of ours with this nonce is under way. */
  askedWith(nonce: string): boolean {
    return this.targets.sentWith(nonce) !== undefined;
  }

  /** Contests: asks the originals that have not answered, and lets in those whose original is gone. */
  settle(now: number): LinkEvent[] {
    for (const { challenge, probe } of this.contests.due(now)) {
      const { id, nonce, from } = challenge;
      const [link, life] = [this.table.get(id), this.originalLife(id)];
      const index = link?.sendIndex ?? 0;
      const told = nonce === null || life === null
        ? null
        : this.own.message(index, { kind: "clone", life, other: nonce, endpoint: from });
      const words = this.#random.bytes(8);
      probe(toHex(words));
      const asked = new Uint8Array(PROBE_LEN);
      encodeProbe(asked, 0, index, u32(words, 0), u32(words, 4), 0);
      if (link === undefined) continue;
      if (told !== null) this.send(link, told);
      this.send(link, asked);
    }
    return this.contests.settle(now).flatMap((challenge) => this.admit(challenge, now));
  }

  get(id: string): Link | undefined {
    return this.table.get(id);
  }

  /** The link to whose peer we gave this index (plain meshes). */
  byIndex(index: number): Link | undefined {
    return this.table.byIndex(index);
  }

  /** Validated links. */
  up(): Iterable<Link & { readonly endpoint: string }> {
    return this.table.up();
  }

  /** Whether the link of this node is validated. */
  isUp(id: string): boolean {
    return this.table.isUp(id);
  }

  /** Whether a node asked for a link lately that we have not validated yet. */
  halfOpen(now: number): boolean {
    return this.table.halfOpen(HALF_OPEN_MS, now);
  }

  /** Gives a link up, and begins to look for the node again at once. */
  down(id: string, now: number): void {
    const link = this.table.get(id);
    if (link === undefined || link.endpoint === null) return;
    const { endpoint: last } = link;
    this.#last.renew(id, last);
    this.called.forget(last);
    this.table.move(link, null);
    link.since = now;
    if (this.table.wish(id) !== undefined) this.#provedAt(id, last, now);
    for (const target of this.targets.namedBy("nodes", id)) {
      this.targets.restart(target, now);
      target.outcome = { kind: "silent" };
    }
    // A seed that was answered by this node is missed now.
    for (const target of this.targets.answeredBy(id)) this.targets.wake(target);
  }

  /** Neither side needs the link any more. */
  release(id: string, _now: number): void {
    const link = this.table.get(id);
    if (link === undefined || link.endpoint === null) return;
    this.#last.renew(id, link.endpoint);
    this.called.forget(link.endpoint);
    this.table.move(link, null);
  }

  /** Where a node was last; null: it is not known. */
  lastAt(id: string): string | null {
    return this.table.get(id)?.endpoint ?? this.#last.get(id) ?? null;
  }

  /** A node was there once, as a former run of ours knew. */
  remember(id: string, endpoint: string, now: number): void {
    this.#last.renew(id, endpoint);
    if (this.table.wish(id) !== undefined) this.#provedAt(id, endpoint, now);
  }

  /** A node to have a link with, or not any more: `wish` is null. */
  want(id: string, wish: Wish | null, now: number): void {
    if (wish === null) return this.table.unwant(id, now);
    this.table.want(id, wish, now);
    const last = this.lastAt(id);
    if (last !== null) this.#provedAt(id, last, now);
  }

  #provedAt(id: string, endpoint: string, now: number): void {
    this.targets.alsoNames(id, endpoint, now);
    const target = this.targets.get(endpoint);
    if (target !== undefined) this.targets.prove(target);
  }

  /** Gives up links that turned out to lead into the mesh itself, and leaves such endpoints alone while they do. */
  forsake(now: number): void {
    for (const link of [...this.up()]) if (!this.own.usable(link.endpoint)) this.down(link.id, now);
    this.targets.forsake(now);
  }

  /**
   * Tries an endpoint at once if we know it, as when its data names an unknown index. `entitled`: it named an index
   * that we gave out (plain meshes).
   */
  poke(endpoint: string, _entitled: boolean, now: number): void {
    const target = this.targets.get(endpoint);
    if (target !== undefined && this.table.isSpared(target)) return;
    const known = target !== undefined && this.mayAsk(target) ? target : this.#targetOfLink(endpoint, now);
    if (known === null || !this.own.mayInitiate() || !this.schedule.due(`poke ${endpoint}`, 1000, now)) {
      return;
    }
    if (this.pacing.allows(known, now)) this.ask(known, now);
  }

  /** Whether the endpoint may be asked because something came from it. */
  protected mayAsk(_target: Target): boolean {
    return true;
  }

  /** Whether the user, a record or a link names the endpoint. */
  protected isNamed(endpoint: string): boolean {
    const target = this.targets.get(endpoint);
    if (target !== undefined && isNamed(target) && !this.table.isSpared(target)) return true;
    return this.table.isAt(endpoint);
  }

  /** When the next tick has something to ask; −Infinity: with every tick. */
  get dueAt(): number {
    return this.contests.open ? -Infinity : this.targets.dueAt;
  }

  /** Asks wherever it is due, as far as that many may be asked at once: the rest stays due. */
  tick(now: number): void {
    const room = this.own.mayInitiate() ? this.pacing.room(now) : 0;
    for (const target of this.targets.due(now, room)) this.#look(target, now);
    if (now - this.#sweptAt < 1000) return;
    this.#sweptAt = now;
    const revision = this.own.usableRevision();
    if (revision !== this.#forsakenAt) this.forsake(now);
    this.#forsakenAt = revision;
    this.targets.sweep(now);
    this.table.sweep(now);
  }

  #look(target: Target, now: number): void {
    const needed = this.#needed(target, now);
    this.targets.setSilent(target, needed && isUnproven(target, now));
    if (!needed) return;
    if (this.pacing.allows(target, now)) return this.ask(target, now);
    const turn = this.pacing.turnMs();
    this.targets.lookAgain(target, now + turn * (0.75 + this.#random.below(501) / 1000));
  }

  protected tried(target: Target, now: number): void {
    this.pacing.asked(now);
    this.targets.tried(target, this.pacing.paceOf(target, now), now);
  }

  #needed(target: Target, now: number): boolean {
    // Addresses change hands: asked again, now and then.
    const own = target.answeredBy === this.own.identity.id;
    if (own && target.lastTriedAt !== null && now - target.lastTriedAt < OWN_MS) {
      this.targets.lookAgain(target, target.lastTriedAt + OWN_MS);
      return false;
    }
    if (target.knockUntil >= now && this.mayAsk(target)) return true;
    return this.table.misses(target);
  }

  #targetOfLink(endpoint: string, now: number): Target | null {
    return this.table.isAt(endpoint) ? this.targets.knock(endpoint, now, KNOCK_MS) : null;
  }
}
