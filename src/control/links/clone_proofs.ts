/**
 * A proof that another host runs with a node's identity, at this moment: the plain hello by which it would refuse the
 * other one itself (wire/hello.ts), signed with the node's key, over something that the other has made up since it
 * started. It takes the key, and one of a former life does not answer a later one: a member that lies ends no node by it,
 * and no restart is mistaken for a copy.
 */

import { verifySignature } from "../../crypto/identity.ts";
import * as hello from "../../wire/hello.ts";
import type { Clone } from "../clones/clones.ts";
import { type HelloSigner, makeHello } from "./hello_frame.ts";
import type { OwnNode } from "../outbox/outbox.ts";

/** Passed on by a third node; else 0. */
const RELAYED = 1;

/** To whom a refusal goes, and over what it is signed. */
export interface ProofFor {
  readonly to: string;
  /** Made up by the other host since it started. */
  readonly nonce: string;
  /** Passed on by a third node. */
  readonly relayed: boolean;
}

/** The refusal of another host with our identity; null when `to` is no endpoint. */
export function makeProof(
  own: HelloSigner & Pick<OwnNode, "bootNonce" | "age">,
  { to, nonce, relayed }: ProofFor,
  now: number,
): Uint8Array | null {
  // No index is given in a refusal: its place tells our age, plus one, for former versions have 0 there.
  const index = Math.min(Math.floor(own.age(now)) + 1, 0xffffffff);
  const fields = { kind: hello.HELLO_REFUSE, index, echoedIndex: relayed ? RELAYED : 0 };
  const words = { nonce: own.bootNonce, echoedNonce: nonce, reason: hello.REFUSE_IDENTITY };
  return makeHello(own, to, { ...fields, ...words });
}

/** Who has signed this for the nonce, as the node `id`; null: no such signature. Never throws. */
export function openProof(
  raw: Uint8Array,
  id: string,
  nonce: string,
  verify = verifySignature,
): Clone | null {
  const h = hello.decodeHello(raw);
  if (h === null || h.nodeId !== id || h.echoedNonce !== nonce) return null;
  const signed = verify(id, hello.helloSigned(raw), hello.helloSignature(raw));
  return signed ? cloneOf(h) : null;
}

/** Who refuses us because of the identity, in a hello whose signature is good; null: that is not what it says. */
export function cloneOf(h: hello.Hello): Clone | null {
  if (h.kind !== hello.HELLO_REFUSE || h.reason !== hello.REFUSE_IDENTITY) return null;
  return { bootNonce: h.nonce, age: h.index === 0 ? null : h.index - 1 };
}

/** Whether it came by a third node. */
export function isRelayed(h: hello.Hello): boolean {
  return h.echoedIndex === RELAYED;
}
