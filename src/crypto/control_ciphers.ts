/**
 * The cryptography of a sealed control plane as one argument: the Noise machine and its curve, the MAC of handshakes, the
 * seal under the network's key. Hosts have what the protocol says; a simulation of many hosts, which is about what they tell
 * one another and not about curves, may have one that takes no time (test/fakes/light_ciphers.ts).
 */

import type { Hmac } from "../ports/aead.ts";
import { openGossip, sealGossip } from "./gossip_seal.ts";
import { nodeHmac } from "./handshake_mac.ts";
import { NoiseHandshake, type NoiseSetup } from "./noise.ts";
import { type DhKeys, dhKeys } from "./noise_state.ts";

/** A handshake from its first message to the keys of the session: as NoiseHandshake. */
export type HandshakeMachine = Pick<
  NoiseHandshake,
  "remoteStatic" | "awaits" | "write" | "read" | "split" | "wipe"
>;

export interface ControlCiphers {
  /** The key pair of a 32-byte seed, which stays the caller's to wipe. */
  readonly dhKeys: (seed: Uint8Array) => DhKeys;
  readonly handshake: (setup: NoiseSetup) => HandshakeMachine;
  /** For the MACs of handshakes. */
  readonly hmac: Hmac;
  readonly sealGossip: typeof sealGossip;
  readonly openGossip: typeof openGossip;
}

/** That of every host. */
export const CONTROL_CIPHERS: ControlCiphers = {
  dhKeys,
  handshake: (setup) => new NoiseHandshake(setup),
  hmac: nodeHmac,
  sealGossip,
  openGossip,
};
