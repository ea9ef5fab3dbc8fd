/**
 * Links in a sealed mesh: a link is a session. It is up when a handshake has shown who is there and that they receive
 * there; the side that answered the handshake waits until the session is used. A link moves when the data plane saw an
 * authenticated, newer packet from elsewhere. What goes over it goes sealed, on the control plane's own lane.
 */

import { shortId } from "../../crypto/identity.ts";
import { CONTROL_CIPHERS, type ControlCiphers } from "../../crypto/control_ciphers.ts";
import type { NetworkKeys } from "../../crypto/network_secret.ts";
import type { Random } from "../../ports/time.ts";
import { fromHex } from "../../wire/bytes.ts";
import { TYPE_HELLO } from "../../wire/datagram.ts";
import type { SuiteOffer } from "../../wire/handshake.ts";
import { REFUSE_FULL, REFUSE_OUTDATED } from "../../wire/hello.ts";
import type { Challenge } from "../clones/contests.ts";
import { type HandshakeEvent, type NewSession, ReceiverIndices } from "../handshake/pending.ts";
import { Handshakes } from "../handshake/handshakes.ts";
import type { KnownNode } from "../handshake/messages.ts";
import type { HeldSecret } from "../secrets/key_ring.ts";
import type { Link } from "./link_table.ts";
import { type LinkEvent, Links } from "./links.ts";
import { NoSession } from "./no_session.ts";
import type { Outlets, OwnNode } from "../outbox/outbox.ts";
import { PlainEncounter } from "./plain_encounter.ts";
import type { NodeRecord } from "../records/record.ts";
import { MIXED_SECURITY } from "./refusals.ts";
import { Sessions } from "./sessions.ts";
import type { Target } from "./target.ts";
import { SessionClones } from "./session_clones.ts";

const HALF_OPEN_MS = 4000;
/** A peer that was heard so lately has the session that it is heard on. */
const HEARD_MS = 3000;
/** Handshakes with a known key that go unanswered before one is tried that presumes nothing. */
const KNOWN_TRIES = 2;
/** Every so many tries, a seed that is silent is asked whether it is plain. */
const PLAIN_EVERY = 4;
const NOTHING = new Uint8Array(0);

/** What a node of a sealed mesh starts with. */
export interface SealedSetup {
  /** The generation in use first; the others are accepted. */
  readonly keys: readonly NetworkKeys[];
  /** What these keys come of; absent: they cannot be told to others or kept. */
  readonly secrets?: readonly HeldSecret[];
  /** What this host can do, and how fast. */
  readonly suites: readonly SuiteOffer[];
  /** On first contact no other node is accepted as a member; null: any node with the secret. */
  readonly pinnedNode: string | null;
  /** Absent: CONTROL_CIPHERS. */
  readonly ciphers?: ControlCiphers;
}

export class SealedLinks extends Links {
  readonly #setup: SealedSetup;
  readonly #handshakes: Handshakes;
  readonly sessions: Sessions;
  readonly #indices: ReceiverIndices;
  readonly #plain: PlainEncounter;
  readonly clones: SessionClones;
  readonly failures: NoSession;

  constructor(own: OwnNode, setup: SealedSetup, random: Random, outlets: Outlets) {
    super(own, random, outlets);
    this.#setup = setup;
    const indices = this.#indices = new ReceiverIndices(random);
    const seed = fromHex(own.identity.seeds.x25519)!;
    const { suites, ciphers = CONTROL_CIPHERS } = setup;
    const staticKeys = ciphers.dhKeys(seed);
    seed.fill(0);
    const { actions, tally } = outlets;
    const { table, targets, contests, refusals } = this;
    const sessions = this.sessions = new Sessions(indices, table, targets, actions);
    const clones = this.clones = new SessionClones({ own, table, sessions, contests }, outlets);
    const contested = ({ id, bootNonce }: NodeRecord, from: string, now: number) =>
      clones.isContested(id, bootNonce, from, now);
    const handshakes = this.#handshakes = new Handshakes({
      own,
      ciphers,
      staticKeys,
      suites,
      indices,
      random,
      actions,
      tally,
      contested,
    });
    this.#plain = new PlainEncounter(own, targets, outlets);
    this.failures = new NoSession({ own, targets, refusals, handshakes }, outlets);
  }

  send(link: Link, bytes: Uint8Array): void {
    this.#say(link, { bytes });
  }

  measure(link: Link, bytes: Uint8Array): void {
    this.#say(link, { bytes, probe: true });
  }

  #say(link: Link, what: { readonly bytes: Uint8Array; readonly probe?: true }): void {
    const session = this.sessions.current(link.id);
    if (session === null || link.endpoint === null) return;
    this.actions.push({
      kind: "sendSealed",
      receiveIndex: session.receiveIndex,
      to: link.endpoint,
      ...what,
    });
  }

  override halfOpen(now: number): boolean {
    return this.#handshakes.halfOpen(HALF_OPEN_MS, now) || super.halfOpen(now);
  }

  override down(id: string, now: number): void {
    super.down(id, now);
    this.sessions.dropPeer(id);
  }

  override release(id: string, now: number): void {
    super.release(id, now);
    this.sessions.dropPeer(id);
  }

  // Packets may overtake the last message of a handshake, or the installing of its session: no reason for another.
  override poke(endpoint: string, entitled: boolean, now: number): void {
    if (this.#handshakes.underWay(endpoint, now) || this.contests.isAt(endpoint)) return;
    // The address is not authenticated: whom we hear from there does not need another session.
    for (const link of this.table.at(endpoint)) if (now - link.lastHeardAt < HEARD_MS) return;
    if (this.sessions.justMade(endpoint, now)) return;
    super.poke(endpoint, entitled, now);
  }

  override get dueAt(): number {
    return this.#handshakes.repeats ? -Infinity : Math.min(super.dueAt, this.sessions.dueAt);
  }

  override tick(now: number): void {
    this.#handshakes.tick(now);
    for (const session of this.sessions.due(now, this.pacing.room(now))) this.#renew(session.peer, now);
    for (const id of this.sessions.expire(now)) {
      this.down(id, now);
      this.actions.push({ kind: "reconcile" });
    }
    super.tick(now);
  }

  /** Takes in a handshake or its reply that passed the gate, or a plain hello. */
  receive(bytes: Uint8Array, from: string, now: number): LinkEvent[] {
    if (bytes[0] === TYPE_HELLO) {
      const target = this.#plain.receive(bytes, from, now);
      const why = `its mesh is plain, ours is sealed (${MIXED_SECURITY})`;
      if (target !== null) this.refusals.refusedBy(target, why, now);
      return [];
    }
    const events = this.#handshakes.receive(bytes, from, now);
    return events.flatMap((event) => this.#onHandshake(event, bytes, now));
  }

  /** The link over which a session's message came; undefined when the session is gone. */
  bySession(receiveIndex: number): Link | undefined {
    const session = this.sessions.byIndex(receiveIndex);
    this.#handshakes.arrived(receiveIndex);
    return session === undefined ? undefined : this.table.get(session.peer);
  }

  /** Packets wait for a session with this node, or its session must be renewed. */
  wanted(id: string, now: number): void {
    if (this.sessions.current(id) !== null) return this.#renew(id, now);
    for (const target of new Set([...this.targets.namedBy("nodes", id), ...this.targets.answeredBy(id)])) {
      if (target.punching === null) this.poke(target.endpoint, false, now); // else its silence is what helps
    }
  }

  // ------------------------------------------------------------------------------------------ asking

  protected ask(target: Target, now: number): void {
    const id = target.nodes.size === 1 ? [...target.nodes][0]! : target.answeredBy;
    const known = id === null || target.tries >= KNOWN_TRIES ? null : this.#knownAs(id);
    this.#handshakes.begin(target.endpoint, known, now, Math.floor(target.tries / KNOWN_TRIES));
    if (target.seeds.size > 0 && target.tries % PLAIN_EVERY === PLAIN_EVERY - 1) this.#plain.ask(target, now);
    this.tried(target, now);
  }

  protected originalLife(id: string): string | null {
    return this.sessions.current(id)?.life ?? null;
  }

  // Without a message that can be taken in again the host is asked: it has shown that it receives there.
  protected admit({ id, from, held }: Challenge, now: number): LinkEvent[] {
    if (held !== null) return this.receive(held, from, now);
    this.#handshakes.begin(from, this.#knownAs(id), now);
    return [];
  }

  #renew(id: string, now: number): void {
    const endpoint = this.table.get(id)?.endpoint ?? null;
    if (endpoint === null || !this.schedule.due(`renew ${id}`, 1000, now)) return;
    this.pacing.asked(now);
    this.#handshakes.begin(endpoint, this.#knownAs(id), now);
  }

  /** A node with its static key, for a handshake that presumes it; null: the key is not known. */
  #knownAs(id: string): KnownNode | null {
    const key = this.table.get(id)?.staticKey ?? this.own.known(id)?.staticKey ?? null;
    const staticKey = key === null ? null : fromHex(key);
    return staticKey === null ? null : { id, staticKey };
  }

  // ------------------------------------------------------------------------------------------ what came of it

  #onHandshake(event: HandshakeEvent, bytes: Uint8Array, now: number): LinkEvent[] {
    switch (event.kind) {
      case "session":
        return this.#made(event.session, bytes, now);
      case "contested":
        this.clones.contest({ ...event, life: event.record.bootNonce, askedAt: null }, bytes.slice(), now);
        return [];
      case "refused":
        this.#refused(event, now);
        return this.failures.because(event, bytes, now);
      default:
        return this.failures.because(event, bytes, now);
    }
  }

  // Our last message may be what was refused: then the link that we count on is none. And a secret that we hold may be the
  // newer one that we were refused for: all do not have it yet, so it is not the one in use.
  #refused({ endpoint, reason, index, keyId }: HandshakeEvent & { kind: "refused" }, now: number): void {
    const peer = this.sessions.byIndex(index)?.peer ?? null;
    const lost = this.sessions.unmake(index);
    if (lost !== null) {
      this.release(lost, now); // not `down`: it would be asked again at once, and refuse again
      for (const target of this.targets.answeredBy(lost)) this.targets.putOff(target, now);
      this.actions.push({ kind: "reconcile" });
    }
    const newest = this.own.newestKey();
    const attempt = this.own.keys.findIndex((keys) => keys.keyId === newest);
    if (reason !== REFUSE_OUTDATED || attempt < 0 || keyId === newest) return;
    if (!this.schedule.due(`newest ${endpoint}`, 1000, now)) return;
    this.pacing.asked(now);
    this.#handshakes.begin(endpoint, peer === null ? null : this.#knownAs(peer), now, attempt);
  }

  #made(made: NewSession, bytes: Uint8Array, now: number): LinkEvent[] {
    const { peer, endpoint, keyId, life, askedAt } = made;
    const { pinnedNode } = this.#setup;
    // Whatever it says of itself: a joiner with a token hears of the mesh from no other node.
    if (pinnedNode !== null && !this.own.member() && peer.id !== pinnedNode) {
      this.#discard(made);
      const why = `it is ${shortId(peer.id)}, but the token names ${shortId(pinnedNode)}`;
      this.failures.refuse(made.asked ?? endpoint, why, now);
      return [];
    }
    if (this.clones.isContested(peer.id, life, endpoint, now)) {
      this.#discard(made);
      this.clones.contest({ endpoint, record: peer, keyId, life, askedAt }, null, now);
      return [];
    }
    const events = this.sessions.add(made, now);
    if (events === null) {
      this.#discard(made);
      if (!made.initiator) this.#handshakes.refuse(endpoint, bytes, REFUSE_FULL);
      return [];
    }
    this.called.verified(endpoint);
    this.own.sessionMade(peer.id, keyId, made.member);
    if (made.initiator) this.send(this.table.get(peer.id)!, NOTHING); // the other side may speak once it, or what follows, has come
    return made.seen === null ? events : [...events, { kind: "seen", endpoint: made.seen, by: peer.id }];
  }

  #discard({ sendKey, receiveKey, receiveIndex }: NewSession): void {
    sendKey.fill(0);
    receiveKey.fill(0);
    this.#indices.release(receiveIndex);
  }
}
