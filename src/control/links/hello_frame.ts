/**
 * A plain hello of ours, signed: what plain links are made of, and how a sealed node is refused, and refuses, by name.
 */

import { parseEndpoint } from "../../wire/address.ts";
import * as hello from "../../wire/hello.ts";
import type { OwnNode } from "../outbox/outbox.ts";

/** Whose hello it is. */
export type HelloSigner = Pick<OwnNode, "identity" | "networkId" | "member">;

/** What differs from one hello to the next. */
export interface HelloFields {
  readonly kind: number;
  readonly index: number;
  readonly echoedIndex: number;
  readonly nonce: string;
  readonly echoedNonce?: string;
  readonly reason?: number;
  /** FLAG_ bits besides FLAG_MEMBER. */
  readonly flags?: number;
  /** Instead of our own: a sealed mesh keeps its id to itself. */
  readonly networkId?: string;
}

/** The 160 bytes for the endpoint `to`; null when it is none. */
export function makeHello(own: HelloSigner, to: string, fields: HelloFields): Uint8Array | null {
  const seen = parseEndpoint(to);
  if (seen === null) return null;
  const b = new Uint8Array(hello.HELLO_LEN);
  const whole: hello.Hello = {
    version: hello.PROTOCOL_VERSION,
    echoedNonce: hello.NO_NONCE,
    reason: 0,
    networkId: own.networkId,
    nodeId: own.identity.id,
    seenAddress: seen.address,
    seenPort: seen.port,
    ...fields,
    flags: (own.member() ? hello.FLAG_MEMBER : 0) | (fields.flags ?? 0),
  };
  hello.encodeHello(b, 0, whole, own.identity.sign);
  return b;
}
