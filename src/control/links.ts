// Links: one per peer node, made by hellos and acks. An endpoint counts only by return-routability: we sent a fresh
// nonce there, and an ack that echoes it, signed by that node, came back from there. The course of it:
//
//   A ── hello (nonce a) ──▶ B      B verifies the signature, has a link for A (not validated), answers
//   A ◀─ ack (echo a, nonce b) ──   A has validated B; b is there while B does not know A at this endpoint
//   A ── ack (echo b) ──────▶ B     B has validated A
//
// Every answer is one datagram of the same size as its question. What is wrong with a hello (another network, version,
// security, our own identity) is answered with a refusal and logged, rarely, on both sides.

import { type Identity, shortId, verifySignature } from "../crypto/identity.ts";
import { MAX_PEERS, type Random } from "../ports.ts";
import { formatEndpoint, parseEndpoint } from "../wire/address.ts";
import { u24 } from "../wire/bytes.ts";
import * as hello from "../wire/hello.ts";
import type { Hello } from "../wire/hello.ts";
import type { Outbox } from "./outbox.ts";
import { RETRY_MAX_MS, type Target, Targets } from "./targets.ts";

const VERIFY_PER_SECOND = 500;
const KNOCK_MS = 1200;
/** While we are joining, a stranger may be our only link to the mesh: worth more tries. */
const KNOCK_JOINING_MS = 5000;
const HALF_OPEN_MS = 4000;
const KNOCK_EVERY_MS = 300;
const JOINING_STEADY_TRIES = 8;
const UNUSED_LINK_MS = 30_000;
const LOG_EVERY_MS = 60_000;
/** Hellos a second to all the dead together. */
const DEAD_PER_SECOND = 20;

export interface Link {
  readonly id: string;
  /** What we gave the peer: 24 random bits, then the lane. Never changes while the process lives. */
  readonly receiveIndex: number;
  /** What the peer gave us; 0 until validated. */
  sendIndex: number;
  /** Null while not validated, or given up. */
  endpoint: string | null;
  /** Of the hello that was verified last. */
  member: boolean;
  /** Hash of the mesh that its last gossip named; null while it is joining, undefined before any gossip. */
  mesh: string | null | undefined;
  since: number;
  lastHelloAt: number;
  lastHeardAt: number;
}

/** What a datagram did to the links. */
export type LinkEvent =
  /** A link is new, has moved, or its peer has started again. */
  | { readonly kind: "up"; readonly link: Link }
  /** Where a peer says it sees us. */
  | { readonly kind: "seen"; readonly endpoint: string; readonly by: string }
  /** Another host answers with our identity; `boot` is its boot nonce. */
  | { readonly kind: "clone"; readonly from: string; readonly boot: string; readonly member: boolean };

/** What links know of their own node. */
export interface LinkOwner {
  readonly identity: Identity;
  readonly networkId: string;
  readonly networkName: string;
  readonly bootNonce: string;
  member(): boolean;
}

export class Links {
  readonly #own: LinkOwner;
  readonly #random: Random;
  readonly #out: Outbox;
  readonly targets: Targets;
  // BOUNDED: one per peer, ≤ MAX_PEERS; inserted after a verified signature
  readonly #links = new Map<string, Link>();
  // BOUNDED: as #links
  readonly #byIndex = new Map<number, Link>();
  // BOUNDED: as the store, ≤ MAX_PEERS: nodes we want a link with, and whether they count as dead
  readonly #wanted = new Map<string, { dead: boolean }>();
  #dead = 0;
  #budget = VERIFY_PER_SECOND;
  #budgetAt = 0;
  #sweptAt = 0;

  constructor(own: LinkOwner, random: Random, out: Outbox) {
    this.#own = own;
    this.#random = random;
    this.#out = out;
    this.targets = new Targets(random);
  }

  get(id: string): Link | undefined {
    return this.#links.get(id);
  }

  byIndex(index: number): Link | undefined {
    return this.#byIndex.get(index);
  }

  /** Validated links. */
  *up(): Iterable<Link & { readonly endpoint: string }> {
    for (const link of this.#links.values()) if (isUp(link)) yield link;
  }

  /** A node to have a link with, where it may be, and whether it counts as dead (tried less often). */
  want(id: string, endpoints: readonly string[], dead: boolean, now: number): void {
    const before = this.#wanted.get(id);
    this.#dead += Number(dead) - Number(before?.dead ?? false);
    this.#wanted.set(id, { dead });
    this.targets.name("nodes", id, endpoints, now);
  }

  /** A node that is gone for good. */
  unwant(id: string, now: number): void {
    if (this.#wanted.get(id)?.dead) this.#dead--;
    this.#wanted.delete(id);
    this.targets.name("nodes", id, [], now);
  }

  /** Gives a link up, and begins to look for the node again at once. */
  down(id: string, now: number): void {
    const link = this.#links.get(id);
    if (link === undefined || link.endpoint === null) return;
    const last = this.targets.obtain(link.endpoint, now);
    link.endpoint = null;
    link.since = now;
    if (this.#wanted.has(id)) last?.nodes.add(id);
    for (const t of this.targets.all()) {
      if (!t.nodes.has(id)) continue;
      t.tries = 0;
      t.nextAt = now;
      t.outcome = "no answer";
    }
  }

  /**
   * Tries an endpoint at once if we know it, as when its data names an index nobody holds; `entitled` when it named an
   * index that we gave out, which only somebody who said a signed hello there can know.
   */
  poke(endpoint: string, entitled: boolean, now: number): void {
    const known = this.targets.get(endpoint) ?? this.#targetOfLink(endpoint, entitled, now);
    if (known !== null && this.#out.due(`poke ${endpoint}`, 1000, now)) this.#ask(known, now);
  }

  /** Sends the hellos that are due. */
  tick(now: number): void {
    for (const target of this.targets.all()) {
      if (target.nextAt <= now && this.#needed(target, now)) this.#ask(target, now);
    }
    if (now - this.#sweptAt < 1000) return;
    this.#sweptAt = now;
    this.targets.sweep(now);
    for (const [id, link] of this.#links) {
      if (link.endpoint !== null || this.#wanted.has(id) || now - link.lastHelloAt < UNUSED_LINK_MS) continue;
      this.#links.delete(id);
      this.#byIndex.delete(link.receiveIndex);
    }
  }

  /** Takes in a datagram of type 0x03. */
  receive(bytes: Uint8Array, from: string, now: number): LinkEvent[] {
    const h = hello.decodeHello(bytes);
    if (h === null) {
      this.#foreign(bytes, from, now);
      return [];
    }
    if (!this.#mayVerify(now)) return [];
    if (!verifySignature(h.nodeId, hello.helloSigned(bytes), hello.helloSignature(bytes))) return [];
    switch (h.kind) {
      case hello.HELLO_ASK:
        this.#answer(h, from, now);
        return [];
      case hello.HELLO_ACK:
        return this.#acknowledged(h, from, now);
      default:
        return this.#refused(h, from, now);
    }
  }

  // ------------------------------------------------------------------------------------------ asking

  #needed(target: Target, now: number): boolean {
    if (target.answeredBy === this.#own.identity.id) return false;
    if (target.knockUntil >= now) return true;
    const answered = target.answeredBy;
    if (target.seeds.size > 0 && (answered === null || !this.isUp(answered))) return true;
    for (const id of target.nodes) if (this.#wanted.has(id) && !this.isUp(id)) return true;
    return false;
  }

  /** Whether the link of this node is validated. */
  isUp(id: string): boolean {
    const link = this.#links.get(id);
    return link !== undefined && link.endpoint !== null;
  }

  /** Whether somebody said hello lately whom we have not validated yet. */
  halfOpen(now: number): boolean {
    for (const link of this.#links.values()) {
      if (link.endpoint === null && now - link.lastHelloAt < HALF_OPEN_MS) return true;
    }
    return false;
  }

  #ask(target: Target, now: number): void {
    const id = target.nodes.size === 1 ? [...target.nodes][0]! : target.answeredBy;
    const link = id === null ? undefined : this.#links.get(id);
    const fields = {
      kind: hello.HELLO_ASK,
      index: link?.receiveIndex ?? 0,
      echoedIndex: link?.sendIndex ?? 0,
    };
    this.#send(target.endpoint, { ...fields, nonce: this.targets.freshNonce(target, now) });
    const steady = !this.#own.member() && target.tries < JOINING_STEADY_TRIES;
    this.targets.tried(target, steady, this.#longestWait(target), now);
  }

  // The dead are tried every 5 s while they are few, and share a fixed rate when they are many.
  #longestWait(target: Target): number {
    const onlyDead = target.seeds.size === 0 && [...target.nodes].every((id) => this.#wanted.get(id)?.dead);
    return onlyDead ? Math.max(RETRY_MAX_MS, (this.#dead / DEAD_PER_SECOND) * 1000) : RETRY_MAX_MS;
  }

  // --------------------------------------------------------------------------------------- answering

  #answer(h: Hello, from: string, now: number): void {
    if (h.nodeId === this.#own.identity.id) return this.#answerOurself(h, from, now);
    const reason = this.#objection(h);
    if (reason !== 0) {
      this.#refuse(from, h.nonce, reason, now, ourObjection(reason), shortId(h.nodeId));
      return;
    }
    const link = this.#obtainLink(h, now);
    if (link === null) {
      this.#refuse(from, h.nonce, hello.REFUSE_FULL, now, "our table of peers is full", shortId(h.nodeId));
      return;
    }
    const known = link.endpoint === from && h.index !== 0 && h.index === link.sendIndex;
    const nonce = known || !this.#out.due(`knock ${from}`, KNOCK_EVERY_MS, now)
      ? null
      : this.#knock(from, now);
    const fields = { kind: hello.HELLO_ACK, index: link.receiveIndex, echoedIndex: h.index };
    this.#send(from, { ...fields, nonce: nonce ?? hello.NO_NONCE, echoedNonce: h.nonce });
  }

  // A nonce to validate whoever is there; what follows if the answer is lost is a hello of our own.
  #knock(from: string, now: number): string | null {
    const target = this.targets.knock(from, now, this.#own.member() ? KNOCK_MS : KNOCK_JOINING_MS);
    if (target === null) return null;
    if (target.answeredBy === this.#own.identity.id) target.answeredBy = null;
    target.tries = 0;
    this.targets.tried(target, true, RETRY_MAX_MS, now);
    return this.targets.freshNonce(target, now);
  }

  // Either our own datagram came back to us (an address of ours among the seeds), or somebody has our keys.
  #answerOurself(h: Hello, from: string, now: number): void {
    for (const target of this.targets.all()) {
      if (!target.nonces.some((n) => n.nonce === h.nonce)) continue;
      target.answeredBy = h.nodeId;
      target.outcome = "this is our own address";
      return;
    }
    const fields = { kind: hello.HELLO_REFUSE, index: 0, echoedIndex: 0, reason: hello.REFUSE_IDENTITY };
    this.#send(from, { ...fields, nonce: this.#own.bootNonce, echoedNonce: h.nonce });
    const target = this.targets.knock(from, now, KNOCK_MS);
    if (target !== null && this.#out.due(`clone ${from}`, 1000, now)) this.#ask(target, now);
  }

  #objection(h: Hello): number {
    if ((h.flags & hello.FLAG_SEALED) !== 0) return hello.REFUSE_SECURITY;
    return h.networkId === this.#own.networkId ? 0 : hello.REFUSE_NETWORK;
  }

  #obtainLink(h: Hello, now: number): Link | null {
    const known = this.#links.get(h.nodeId);
    if (known !== undefined) {
      known.member = (h.flags & hello.FLAG_MEMBER) !== 0;
      known.lastHelloAt = now;
      return known;
    }
    if (this.#links.size >= MAX_PEERS) return null;
    let receiveIndex = 0;
    while (receiveIndex === 0 || this.#byIndex.has(receiveIndex)) {
      receiveIndex = u24(this.#random.bytes(3), 0) * 256; // the low byte is the lane, 0
    }
    const member = (h.flags & hello.FLAG_MEMBER) !== 0;
    const times = { since: now, lastHelloAt: now, lastHeardAt: now };
    const link: Link = {
      id: h.nodeId,
      receiveIndex,
      sendIndex: 0,
      endpoint: null,
      member,
      mesh: undefined,
      ...times,
    };
    this.#links.set(h.nodeId, link);
    this.#byIndex.set(receiveIndex, link);
    return link;
  }

  // ------------------------------------------------------------------------------------------ answers

  #acknowledged(h: Hello, from: string, now: number): LinkEvent[] {
    const target = this.targets.get(from);
    if (target === undefined || !this.targets.redeem(target, h.echoedNonce, now)) return [];
    if (this.#objection(h) !== 0 || h.index === 0 || h.nodeId === this.#own.identity.id) return [];
    const link = this.#obtainLink(h, now);
    if (link === null) return [];
    target.tries = 0;
    target.answeredBy = h.nodeId;
    target.outcome = "answered";
    if (h.nonce !== hello.NO_NONCE) {
      const fields = { kind: hello.HELLO_ACK, index: link.receiveIndex, echoedIndex: h.index };
      this.#send(from, { ...fields, nonce: hello.NO_NONCE, echoedNonce: h.nonce });
    }
    const seen: LinkEvent = { kind: "seen", endpoint: seenEndpoint(h), by: h.nodeId };
    const knocked = target.knockUntil >= now;
    // A second way to a node whose link is well: we know it now, but the link stays where it is.
    const another = link.endpoint !== null && link.endpoint !== from && !knocked;
    if (another && link.sendIndex === h.index) return [seen];
    target.knockUntil = 0;
    link.lastHeardAt = now;
    if (link.endpoint === from && link.sendIndex === h.index) return [seen];
    link.endpoint = from;
    link.sendIndex = h.index;
    link.since = now;
    link.mesh = undefined;
    return [{ kind: "up", link }, seen];
  }

  #refused(h: Hello, from: string, now: number): LinkEvent[] {
    const target = this.targets.get(from);
    if (target === undefined || !this.targets.redeem(target, h.echoedNonce, now)) return [];
    target.knockUntil = 0;
    if (h.reason === hello.REFUSE_IDENTITY) {
      if (h.nodeId !== this.#own.identity.id) return [];
      target.outcome = "refused: it runs with our own identity";
      const member = (h.flags & hello.FLAG_MEMBER) !== 0;
      return [{ kind: "clone", from, boot: h.nonce, member }];
    }
    this.#noteRefusal(target, theirObjection(h.reason), now);
    return [];
  }

  #noteRefusal(target: Target, why: string, now: number): void {
    target.outcome = `refused: ${why}`;
    if (this.#out.due(`refused ${target.endpoint}`, LOG_EVERY_MS, now)) {
      this.#out.log("warning", `${target.endpoint} refuses us: ${why}`, { peer: target.endpoint });
    }
  }

  // A hello of another version: refused in our own version, which the other side can read as far as it must.
  #foreign(bytes: Uint8Array, from: string, now: number): void {
    const f = hello.decodeForeignHello(bytes);
    if (f === null) return;
    const words = `it speaks protocol version ${f.version}, we speak ${hello.PROTOCOL_VERSION}`;
    if (f.kind === hello.HELLO_ASK) {
      if (bytes.length < hello.HELLO_LEN) return; // the answer would be larger
      this.#refuse(from, f.nonce, hello.REFUSE_VERSION, now, words, "");
      return;
    }
    const target = this.targets.get(from);
    if (target !== undefined && this.targets.redeem(target, f.echoedNonce, now)) {
      this.#noteRefusal(target, `${words}; install the same version on both`, now);
    }
  }

  #refuse(from: string, nonce: string, reason: number, now: number, why: string, node: string): void {
    const fields = { kind: hello.HELLO_REFUSE, index: 0, echoedIndex: 0, reason };
    // Signing costs: at most so many refusals a second to one address.
    if (!this.#out.due(`refusal ${from}`, 200, now)) return;
    this.#send(from, { ...fields, nonce: hello.NO_NONCE, echoedNonce: nonce });
    if (this.#out.due(`refuse ${from}`, LOG_EVERY_MS, now)) {
      this.#out.log("warning", `Refused ${from}: ${why}`, { peer: node, from });
    }
  }

  #targetOfLink(endpoint: string, entitled: boolean, now: number): Target | null {
    if (entitled) return this.targets.knock(endpoint, now, KNOCK_MS);
    for (const link of this.up()) {
      if (link.endpoint === endpoint) return this.targets.knock(endpoint, now, KNOCK_MS);
    }
    return null;
  }

  #mayVerify(now: number): boolean {
    this.#budget = Math.min(
      VERIFY_PER_SECOND,
      this.#budget + ((now - this.#budgetAt) * VERIFY_PER_SECOND) / 1000,
    );
    this.#budgetAt = now;
    if (this.#budget < 1) return false;
    this.#budget--;
    return true;
  }

  #send(
    to: string,
    fields: {
      kind: number;
      index: number;
      echoedIndex: number;
      nonce: string;
      echoedNonce?: string;
      reason?: number;
    },
  ): void {
    const seen = parseEndpoint(to);
    if (seen === null) return;
    const b = new Uint8Array(hello.HELLO_LEN);
    const whole: Hello = {
      version: hello.PROTOCOL_VERSION,
      flags: this.#own.member() ? hello.FLAG_MEMBER : 0,
      echoedNonce: hello.NO_NONCE,
      reason: 0,
      networkId: this.#own.networkId,
      nodeId: this.#own.identity.id,
      seenAddress: seen.address,
      seenPort: seen.port,
      ...fields,
    };
    hello.encodeHello(b, 0, whole, this.#own.identity.sign);
    this.#out.send(to, b);
  }
}

function isUp(link: Link): link is Link & { readonly endpoint: string } {
  return link.endpoint !== null;
}

function seenEndpoint(h: Hello): string {
  return formatEndpoint({ address: h.seenAddress, port: h.seenPort });
}

function ourObjection(reason: number): string {
  return reason === hello.REFUSE_SECURITY
    ? "its mesh is sealed, ours is plain (start both with or both without --plain)"
    : "it belongs to another network (--network-name)";
}

function theirObjection(reason: number): string {
  switch (reason) {
    case hello.REFUSE_VERSION:
      return `it speaks another protocol version than ours, ${hello.PROTOCOL_VERSION}; install the same version on both`;
    case hello.REFUSE_NETWORK:
      return "it belongs to another network (check --network-name on both)";
    case hello.REFUSE_SECURITY:
      return "its mesh is sealed, ours is plain (start both with or both without --plain)";
    case hello.REFUSE_FULL:
      return "its table of peers is full";
    default:
      return `reason ${reason}`;
  }
}
