/** Records for tests: signed by identities made from small seeds, so that ids are the same in every run. */

import { type Identity, identityFromSeeds, nodeMac } from "../../src/crypto/identity.ts";
import { type NodeRecord, type RecordContent, signRecord } from "../../src/control/records/record.ts";
import { plainNetworkId } from "../../src/control/mesh/mesh.ts";

// BOUNDED: one per seed used in the tests
const identities = new Map<number, Identity>();

export function identityOf(seed: number): Identity {
  const known = identities.get(seed);
  if (known !== undefined) return known;
  const bytes = new Uint8Array(32).fill(seed & 255);
  bytes[0] = seed >>> 8;
  const identity = identityFromSeeds(bytes, bytes);
  identities.set(seed, identity);
  return identity;
}

export function contentOf(seed: number, change: Partial<RecordContent> = {}): RecordContent {
  const identity = identityOf(seed);
  return {
    id: identity.id,
    staticKey: identity.staticKey,
    networkId: plainNetworkId("ovltun"),
    name: `node${seed}`,
    incarnation: 1,
    epoch: 0,
    bootNonce: "0011223344556677",
    claims: [],
    reserved: [],
    endpoints: [],
    ownEndpoints: 0,
    vtepMac: nodeMac(identity.id),
    version: "0.1.0",
    capabilities: [],
    security: "plain",
    gone: false,
    age: 0,
    ...change,
  };
}

export function recordOf(seed: number, change: Partial<RecordContent> = {}): NodeRecord {
  return signRecord(contentOf(seed, change), identityOf(seed));
}
