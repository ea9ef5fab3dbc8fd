/**
 * Links in a plain mesh, made by signed hellos and acks. An endpoint counts only by return-routability: we sent a fresh
 * nonce there, and an ack that echoes it, signed by that node, came back from there. The course of it:
 *
 *   A ── hello (nonce a) ──▶ B      B verifies the signature, has a link for A (not validated), answers
 *   A ◀─ ack (echo a, nonce b) ──   A has validated B; b is there while B does not know A at this endpoint
 *   A ── ack (echo b) ──────▶ B     B has validated A
 *
 * Every answer is one datagram, no larger than its question: a forged source address cannot make its victim get more
 * than he sends. So hellos of our own go only to endpoints that the user, a record or a link names; a peer whose gossip
 * comes from elsewhere is told, in 8 bytes, that we do not know it there, and says hello itself. What is wrong with a
 * hello (another network, version, security, our own identity) is answered with a refusal and logged, rarely, on both
 * sides. A node that shows itself elsewhere as another life waits while the one we know is asked (contests.ts).
 */

import { shortId } from "../../crypto/identity.ts";
import { formatEndpoint } from "../../wire/address.ts";
import { gossipForNobody } from "../../wire/gossip.ts";
import * as hello from "../../wire/hello.ts";
import type { Hello } from "../../wire/hello.ts";
import type { Challenge } from "../clones/contests.ts";
import { type HelloFields, makeHello } from "./hello_frame.ts";
import type { Link } from "./link_table.ts";
import { KNOCK_MS, type LinkEvent, Links } from "./links.ts";
import { ourObjection, theirObjection } from "./refusals.ts";
import type { Target } from "./target.ts";
import { RETRY_MAX_MS } from "./targets.ts";
import { cloneOf, isRelayed, makeProof } from "./clone_proofs.ts";

const VERIFY_PER_SECOND = 500;
/** While we are joining, a stranger may be our only link to the mesh: worth more tries. */
const KNOCK_JOINING_MS = 5000;
const KNOCK_EVERY_MS = 300;
/** So long after a link is up, and so often, its peer is greeted while it says nothing. */
const GREET_MS = 5000;
const GREET_EVERY_MS = 400;

/** A REFUSE_ number, and a sentence for our own log. */
interface Objection {
  readonly reason: number;
  readonly why: string;
}

export class PlainLinks extends Links {
  // BOUNDED: as the links, ≤ MAX_PEERS: those that came up just now
  readonly #greeted = new Set<Link>();

  /** Takes in a hello. Handshakes of a sealed mesh are rejected: they are none. */
  receive(bytes: Uint8Array, from: string, now: number): LinkEvent[] {
    const h = hello.decodeHello(bytes);
    if (h === null) {
      this.#foreign(bytes, from, now);
      return [];
    }
    const genuine = this.throttle.allows("verify hellos", VERIFY_PER_SECOND, now) &&
      this.own.reader.verify(h.nodeId, hello.helloSigned(bytes), hello.helloSignature(bytes));
    if (!genuine) {
      this.tally.reject();
      return [];
    }
    switch (h.kind) {
      case hello.HELLO_ASK:
        this.#answer(h, bytes, from, now);
        return [];
      case hello.HELLO_ACK:
        return this.#acknowledged(h, from, now);
      default:
        return this.#refused(h, from, now);
    }
  }

  send(link: Link, bytes: Uint8Array): void {
    if (link.endpoint !== null) this.actions.send(link.endpoint, bytes);
  }

  measure(link: Link, bytes: Uint8Array): void {
    if (link.endpoint !== null) this.actions.push({ kind: "send", to: link.endpoint, bytes, by: "own" });
  }

  override poke(endpoint: string, entitled: boolean, now: number): void {
    if (!entitled || this.isNamed(endpoint)) return super.poke(endpoint, entitled, now);
    // A peer of ours has moved there, or its packets are replayed. A peer answers gossip for an unknown index
    // with a hello.
    if (this.schedule.due(`poke ${endpoint}`, 1000, now)) this.actions.send(endpoint, gossipForNobody());
  }

  override tick(now: number): void {
    super.tick(now);
    // Our last ack may be lost: then the peer has not validated us, and may not ask. It speaks once it has.
    for (const link of this.#greeted) {
      if (link.endpoint === null || link.mesh !== undefined || now - link.since >= GREET_MS) {
        this.#greeted.delete(link);
        continue;
      }
      const target = this.targets.get(link.endpoint);
      const waited = target?.lastTriedAt == null ? Infinity : now - target.lastTriedAt;
      if (target !== undefined && waited >= GREET_EVERY_MS) this.ask(target, now);
    }
  }

  protected override mayAsk(target: Target): boolean {
    return this.isNamed(target.endpoint);
  }

  // ------------------------------------------------------------------------------------------ asking

  protected ask(target: Target, now: number): void {
    const id = target.nodes.size === 1 ? [...target.nodes][0]! : target.answeredBy;
    const link = id === null ? undefined : this.table.get(id);
    const fields = {
      kind: hello.HELLO_ASK,
      index: link?.receiveIndex ?? 0,
      echoedIndex: link?.sendIndex ?? 0,
    };
    this.#send(target.endpoint, { ...fields, nonce: this.targets.freshNonce(target, now) });
    this.tried(target, now);
  }

  protected originalLife(id: string): string | null {
    return this.own.known(id)?.bootNonce ?? null;
  }

  protected admit({ held, from }: Challenge, now: number): LinkEvent[] {
    if (held !== null) return this.receive(held, from, now);
    const target = this.targets.get(from);
    if (target !== undefined) this.ask(target, now);
    return [];
  }

  // A hello of a node from where its link is not, for which it has given us another index: another life of it, as a
  // process keeps its index for good. True: it waits for what its original says.
  #contest(h: Hello, bytes: Uint8Array | null, from: string, now: number): boolean {
    const link = this.table.get(h.nodeId);
    if (link === undefined || link.endpoint === null || link.endpoint === from) return false;
    if (h.index === link.sendIndex || this.contests.wasAdmitted(h.nodeId, from, now)) return false;
    const nonce = h.nonce === hello.NO_NONCE ? null : h.nonce;
    const untold = { life: null, age: null, keyId: null };
    this.contests.begin({ id: h.nodeId, ...untold, nonce, from, held: bytes?.slice() ?? null }, now);
    return true;
  }

  // --------------------------------------------------------------------------------------- answering

  #answer(h: Hello, bytes: Uint8Array, from: string, now: number): void {
    if (h.nodeId === this.own.identity.id) return this.#answerOurself(h, from, now);
    const reason = this.#objection(h);
    if (reason !== 0) {
      return this.#refuse(from, h, { reason, why: ourObjection(reason) }, now);
    }
    if (this.#contest(h, bytes, from, now)) return;
    const link = this.table.obtain(h.nodeId, memberOf(h), now);
    if (link === null) {
      return this.#refuse(from, h, { reason: hello.REFUSE_FULL, why: "our peer table is full" }, now);
    }
    const known = link.endpoint === from && h.index !== 0 && h.index === link.sendIndex;
    const nonce = known || !this.schedule.due(`knock ${from}`, KNOCK_EVERY_MS, now)
      ? null
      : this.#knock(from, now);
    const fields = { kind: hello.HELLO_ACK, index: link.receiveIndex, echoedIndex: h.index };
    this.#send(from, { ...fields, nonce: nonce ?? hello.NO_NONCE, echoedNonce: h.nonce });
  }

  // A nonce to validate the endpoint. If the answer is lost, a hello of ours follows where the endpoint has a name;
  // elsewhere the next word from there asks for one.
  #knock(from: string, now: number): string | null {
    const target = this.targets.knock(from, now, this.own.member() ? KNOCK_MS : KNOCK_JOINING_MS);
    if (target === null) return null;
    if (target.answeredBy === this.own.identity.id) this.targets.setAnsweredBy(target, null);
    target.tries = 0;
    this.targets.tried(target, { steady: true, minMs: 0, maxMs: RETRY_MAX_MS, punches: null }, now);
    return this.targets.freshNonce(target, now);
  }

  // Either our own datagram came back to us (an address of ours among the seeds), or another host has our keys. Then it
  // is to hear of us by a refusal, and we of it by the refusal of a hello of ours: in turn, for each of its own.
  #answerOurself(h: Hello, from: string, now: number): void {
    const sent = this.targets.sentWith(h.nonce);
    if (sent !== undefined) {
      this.targets.setAnsweredBy(sent, h.nodeId);
      sent.outcome = { kind: "own" };
      return;
    }
    if (!this.schedule.due(`clone ${from}`, 1000, now)) {
      const target = this.targets.knock(from, now, KNOCK_MS);
      if (target !== null) this.ask(target, now);
      return;
    }
    const refusal = makeProof(this.own, { to: from, nonce: h.nonce, relayed: false }, now);
    if (refusal !== null) this.actions.send(from, refusal);
  }

  #objection(h: Hello): number {
    if ((h.flags & hello.FLAG_SEALED) !== 0) return hello.REFUSE_SECURITY;
    return h.networkId === this.own.networkId ? 0 : hello.REFUSE_NETWORK;
  }

  // ------------------------------------------------------------------------------------------ answers

  #acknowledged(h: Hello, from: string, now: number): LinkEvent[] {
    const target = this.targets.asked(h.echoedNonce, now);
    if (target === undefined || !this.targets.redeem(target, h.echoedNonce, now)) return [];
    if (this.#objection(h) !== 0 || h.index === 0 || h.nodeId === this.own.identity.id) return [];
    if (target.endpoint !== from) return this.#answeredElsewhere(target, h, from, now);
    if (this.#contest(h, null, from, now)) return [];
    const link = this.table.obtain(h.nodeId, memberOf(h), now);
    if (link === null) return [];
    const knocked = target.knockUntil >= now;
    this.targets.answered(target, h.nodeId);
    if (h.nonce !== hello.NO_NONCE) {
      const fields = { kind: hello.HELLO_ACK, index: link.receiveIndex, echoedIndex: h.index };
      this.#send(from, { ...fields, nonce: hello.NO_NONCE, echoedNonce: h.nonce });
    }
    this.called.verified(from);
    const seen: LinkEvent = { kind: "seen", endpoint: seenEndpoint(h), by: h.nodeId };
    // A second way to a node whose link is well: we know it now, but the link stays where it is.
    const another = link.endpoint !== null && link.endpoint !== from && !knocked;
    if (another && link.sendIndex === h.index) return [seen];
    link.lastHeardAt = now;
    if (link.endpoint === from && link.sendIndex === h.index) return [seen];
    this.table.move(link, from);
    link.sendIndex = h.index;
    link.since = now;
    link.mesh = link.informed = undefined;
    this.#greeted.add(link);
    return [{ kind: "up", link }, seen];
  }

  // The node that we asked is there, for it has our nonce, and answers from another of its addresses. That it receives
  // there is not shown yet: it is asked there, in place of the answer that it would get, and the endpoint asked first has
  // been answered. A node that is already linked needs no more than that.
  #answeredElsewhere(target: Target, h: Hello, from: string, now: number): LinkEvent[] {
    this.targets.answered(target, h.nodeId, from);
    if (this.isUp(h.nodeId) || !this.schedule.due(`elsewhere ${from}`, 1000, now)) return [];
    const there = this.targets.knock(from, now, KNOCK_MS);
    if (there !== null && there.answeredBy !== this.own.identity.id) this.ask(there, now);
    return [];
  }

  #refused(h: Hello, from: string, now: number): LinkEvent[] {
    const target = this.targets.asked(h.echoedNonce, now);
    if (target === undefined || !this.targets.redeem(target, h.echoedNonce, now)) return [];
    target.knockUntil = -Infinity;
    const clone = cloneOf(h);
    if (clone !== null) {
      if (h.nodeId !== this.own.identity.id || clone.bootNonce === this.own.bootNonce) return [];
      const relayed = isRelayed(h);
      const why = `${relayed ? "another host" : "it"} is running with our own identity`;
      target.outcome = { kind: "refused", why };
      return [{ kind: "clone", from, clone, member: (h.flags & hello.FLAG_MEMBER) !== 0, relayed }];
    }
    this.refusals.refusedBy(target, theirObjection(h.reason), now);
    return [];
  }

  // A hello of another version: refused in our own version, which the other side can read as far as it must.
  #foreign(bytes: Uint8Array, from: string, now: number): void {
    const f = hello.decodeForeignHello(bytes);
    if (f === null) return this.tally.reject();
    const words = `it speaks protocol version ${f.version}, we speak ${hello.PROTOCOL_VERSION}`;
    if (f.kind === hello.HELLO_ASK) {
      if (bytes.length < hello.HELLO_LEN) return; // the answer would be larger
      return this.#refuse(from, { ...f, nodeId: "" }, { reason: hello.REFUSE_VERSION, why: words }, now);
    }
    const target = this.targets.asked(f.echoedNonce, now);
    if (target !== undefined && this.targets.redeem(target, f.echoedNonce, now)) {
      this.refusals.refusedBy(target, `${words}; install the same version on both`, now);
    }
  }

  #refuse(
    from: string,
    asked: Pick<Hello, "nonce" | "nodeId">,
    { reason, why }: Objection,
    now: number,
  ): void {
    const fields = { kind: hello.HELLO_REFUSE, index: 0, echoedIndex: 0, reason };
    // Signing costs: at most so many refusals a second to one address.
    if (!this.schedule.due(`refusal ${from}`, 200, now)) return;
    this.#send(from, { ...fields, nonce: hello.NO_NONCE, echoedNonce: asked.nonce });
    this.refusals.refused(from, why, now, { peer: shortId(asked.nodeId) });
  }

  #send(to: string, fields: HelloFields): void {
    const b = makeHello(this.own, to, fields);
    if (b !== null) this.actions.send(to, b);
  }
}

function memberOf(h: Hello): boolean {
  return (h.flags & hello.FLAG_MEMBER) !== 0;
}

function seenEndpoint(h: Hello): string {
  return formatEndpoint({ address: h.seenAddress, port: h.seenPort });
}
