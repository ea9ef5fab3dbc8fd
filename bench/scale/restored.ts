/**
 * Disks by which hosts start as if they had been one mesh all along: each knows the records of all others, and these are of the
 * very lives that begin now. So a mesh of thousands is there without having been founded.
 */

import { foundMesh } from "../../src/control/mesh/mesh.ts";
import type { MeshConfig } from "../../src/control/mesh/mesh_config.ts";
import { plainNetworkId } from "../../src/control/mesh/mesh.ts";
import { OwnRecord } from "../../src/control/records/own_record.ts";
import type { Claim, NodeRecord } from "../../src/control/records/record.ts";
import { recordText, STATE_VERSION, type StoredState } from "../../src/control/records/state.ts";
import { KeyRing } from "../../src/control/secrets/key_ring.ts";
import { secretCapability } from "../../src/control/secrets/rotation.ts";
import type { Random } from "../../src/ports/time.ts";
import { toHex } from "../../src/wire/bytes.ts";
import { IPV4_BITS_AT, nthSubnet } from "../../src/wire/prefix.ts";
import type { SimNode } from "../../test/sim/sim_node.ts";

/** The life before, of which the disks are. */
const INCARNATION = 1;
const INITIATIONS = 1000;

/** Gives each of these nodes such a disk. They were not started yet. */
export function restoreAll(nodes: readonly SimNode[], random: Random): void {
  const mesh = foundMesh(nodes[0]!.settings) as MeshConfig;
  const lives = nodes.map((node, n) => lifeOf(node, claimOf(mesh, n), random));
  const peers = lives.map(({ record, endpoint }) => ({ record: recordText(record.raw), endpoint }));
  nodes.forEach((node, n) => {
    const { claim, boot } = lives[n]!;
    node.seeds = [];
    node.random = new FirstDraw(boot, random);
    node.store.given = { ...stateOf(node, mesh, claim), peers };
  });
}

function claimOf(mesh: MeshConfig, n: number): Claim {
  const subnet = nthSubnet(mesh.network, IPV4_BITS_AT + mesh.subnetLen, n + 1); // the first is never leased
  return { subnet, stamp: n + 1, incarnation: INCARNATION };
}

interface LifeToCome {
  readonly claim: Claim;
  readonly boot: Uint8Array;
  readonly record: NodeRecord;
  readonly endpoint: null;
}

// The record that the node will sign first, byte for byte.
function lifeOf({ identity, settings, sealed }: SimNode, claim: Claim, random: Random): LifeToCome {
  const boot = random.bytes(8);
  const keys = sealed?.keys[0];
  const networkId = keys === undefined ? plainNetworkId(settings.networkName) : toHex(keys.networkId);
  const own = new OwnRecord(identity, settings, networkId, new FirstDraw(boot, random));
  if (keys !== undefined) {
    const ring = new KeyRing(keys, sealed!.secrets ?? [], settings.networkName, 0);
    own.capabilities = secretCapability(ring.newest);
  }
  own.claim = claim;
  own.incarnateAbove(INCARNATION, 0);
  own.nextEpoch();
  return { claim, boot, record: own.sign(0), endpoint: null };
}

function stateOf({ identity, settings, sealed }: SimNode, mesh: MeshConfig, claim: Claim): StoredState {
  return {
    version: STATE_VERSION,
    nodeId: identity.id,
    networkName: settings.networkName,
    name: settings.name,
    mesh,
    claim,
    incarnation: INCARNATION,
    epoch: 0,
    reserved: { incarnation: INCARNATION, epoch: 0 },
    ...(sealed === null ? {} : { initiations: INITIATIONS }),
    peers: [],
    directives: [],
  };
}

/** Dice of which the first throw is known: what tells one life from another. */
class FirstDraw implements Random {
  #first: Uint8Array | null;
  readonly #rest: Random;

  constructor(first: Uint8Array, rest: Random) {
    this.#first = first;
    this.#rest = rest;
  }

  bytes(length: number): Uint8Array {
    const first = this.#first;
    this.#first = null;
    return first !== null && first.length === length ? first.slice() : this.#rest.bytes(length);
  }

  below(limit: number): number {
    return this.#rest.below(limit);
  }
}
