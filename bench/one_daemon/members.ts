/**
 * Who is in the mesh that one real daemon is put into: its configuration, and N members, the same in every process that asks.
 * Their hosts are addresses of one network, which the namespace of the simulated peers takes for its own, all of it.
 */

import type { MeshConfig } from "../../src/control/mesh/mesh_config.ts";
import { plainNetworkId } from "../../src/control/mesh/mesh.ts";
import { Neighbours } from "../../src/control/links/neighbours.ts";
import { type RecordContent, signRecord } from "../../src/control/records/record.ts";
import { type Identity, identityFromSeeds } from "../../src/crypto/identity.ts";
import { NetworkSecret } from "../../src/crypto/network_secret.ts";
import { toHex } from "../../src/wire/bytes.ts";
import { nthSubnet, prefix } from "../../src/wire/prefix.ts";
import { SeededRandom } from "../../test/fakes/seeded_random.ts";
import { contentOf } from "../../test/made/records.ts";
import { MESH } from "../../test/made/settings.ts";

export const NETWORK_NAME = "ovltun";
export const PORT = 8473;
/** All of it is the simulated peers'. */
export const CROWD_NETWORK = "172.20.0.0/17";
export const CROWD_ADDRESS = "172.20.127.254/16";
export const DAEMON_ADDRESS = "172.20.255.1/16";
/** The first members: whom the daemon is given as --peers. */
export const SEEDS = 3;
const OVERLAY = prefix("10.0.0.0/8");
const FIRST_SUBNET = 1000;

export interface Member {
  readonly identity: Identity;
  readonly address: string;
  readonly content: RecordContent;
  /** The record as everybody has it at first. */
  readonly raw: Uint8Array;
}

export interface Cast {
  readonly mesh: MeshConfig;
  readonly secret: NetworkSecret | null;
  readonly daemon: Identity;
  readonly members: readonly Member[];
}

export function castOf(n: number, sealed: boolean): Cast {
  const random = new SeededRandom(1);
  const identity = () => identityFromSeeds(random.bytes(32), random.bytes(32));
  const secret = sealed ? NetworkSecret.of(random.bytes(32)) : null;
  const security = sealed ? "sealed" : "plain";
  const daemon = identity();
  const mesh: MeshConfig = {
    ...MESH,
    network: OVERLAY,
    subnetMin: "10.0.1.0",
    subnetMax: "10.255.255.0",
    security,
  };
  const keys = secret?.keys(NETWORK_NAME);
  const base = contentOf(1);
  const members = Array.from({ length: n }, (_, i): Member => {
    const owner = identity();
    const address = addressOf(i);
    const content: RecordContent = {
      ...base,
      id: owner.id,
      staticKey: owner.staticKey,
      networkId: keys === undefined ? plainNetworkId(NETWORK_NAME) : toHex(keys.networkId),
      name: `host${i}`,
      endpoints: [`${address}:${PORT}`],
      ownEndpoints: 1,
      claims: [{ subnet: subnetOf(i), stamp: 2 + i, incarnation: 1 }],
      security,
    };
    return { identity: owner, address, content, raw: signRecord(content, owner).raw };
  });
  return { mesh, secret, daemon, members };
}

export function subnetOf(i: number) {
  return nthSubnet(OVERLAY, 120, FIRST_SUBNET + i);
}

/** Those whom the daemon will call: its seeds and its neighbours. */
export function calledBy({ daemon, members }: Cast): number[] {
  const neighbours = new Neighbours(daemon.id);
  neighbours.count(members.length + 1, members.length + 1);
  return members.map((_, i) => i).filter((i) => i < SEEDS || neighbours.has(members[i]!.identity.id));
}

function addressOf(i: number): string {
  return `172.20.${(i + 1) >> 8}.${(i + 1) & 255}`;
}
