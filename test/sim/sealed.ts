// Sealed nodes for the simulated world: keys as a network secret would give them, and what tests ask of sessions.

import type { SealedSetup } from "../../src/control/sealed_links.ts";
import type { NetworkKeys } from "../../src/crypto/network_keys.ts";
import { sha256 } from "../../src/crypto/sha256.ts";
import { u16 } from "../../src/wire/bytes.ts";
import type { SuiteOffer } from "../../src/wire/handshake_offer.ts";
import type { SimNode, World } from "./world.ts";

const SUITES: readonly SuiteOffer[] = [
  { suite: "aes-256-gcm", mbps: 9000 },
  { suite: "chacha20-poly1305", mbps: 5000 },
  { suite: "xsalsa20-poly1305", mbps: 400 },
];

export function keysOf(secret: string): NetworkKeys {
  const key = (purpose: string) => sha256(`${secret} ${purpose}`);
  return {
    networkId: key("id").slice(0, 16),
    psk: key("psk"),
    macKey: key("mac"),
    gossipKey: key("gossip"),
    keyId: u16(key("key id"), 0),
  };
}

export function sealedSetup(change: Partial<SealedSetup> = {}): SealedSetup {
  return { keys: [keysOf("secret")], suites: SUITES, pinnedNode: null, ...change };
}

/** A host of a sealed mesh, not started yet. */
export function addSealed(
  world: World,
  name: string,
  seeds: readonly string[] = [],
  change: Partial<SealedSetup> = {},
): SimNode {
  const node = world.add(name, seeds, { security: "sealed" });
  node.sealed = sealedSetup(change);
  return node;
}

/** Whether two nodes send to each other on one and the same session. */
export function agreedSession(a: SimNode, b: SimNode): boolean {
  const ours = a.sessions.sending(b.identity.id);
  const theirs = b.sessions.sending(a.identity.id);
  return ours !== undefined && theirs !== undefined && ours.receiveIndex === theirs.sendIndex &&
    ours.sendIndex === theirs.receiveIndex;
}
