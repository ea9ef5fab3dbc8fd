/** Keys of sealed meshes as a network secret would give them, and the set-up of a sealed node. */

import type { SealedSetup } from "../../src/control/links/sealed_links.ts";
import type { NetworkKeys } from "../../src/crypto/network_secret.ts";
import { sha256 } from "../../src/crypto/sha256.ts";
import { u16 } from "../../src/wire/bytes.ts";
import type { SuiteOffer } from "../../src/wire/handshake.ts";

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
