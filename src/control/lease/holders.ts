/**
 * Who holds what by the records and directives as they are now. What changes in one of them is noted, and decided when
 * somebody asks.
 */

import type { Address } from "../../wire/address.ts";
import { equalBytes } from "../../wire/bytes.ts";
import type { Directives } from "../forget/directives.ts";
import { reservationKey } from "../../wire/directive.ts";
import { contains, type Prefix } from "../../wire/prefix.ts";
import { askedAt } from "../paths/way.ts";
import { type NodeRecord, subnetsOf } from "../records/record.ts";
import type { TreeEntry } from "../records/hash_tree.ts";
import { comparedOf, type Store } from "../records/store.ts";
import type { MeshConfig } from "../mesh/mesh_config.ts";
import { countableIn } from "./allocation.ts";
import {
  ALL_COUNT,
  compareContenders,
  contendedBy,
  type Contender,
  contendersOf,
  type Holdings,
  type Loss,
  reservedBy,
} from "./claims.ts";
import { Contest } from "./contest.ts";

/** What is worked out of a record alone, for each node that has it; a simulation of thousands has one that does so once. */
export interface RecordFacts {
  readonly compared: (record: NodeRecord) => TreeEntry;
  readonly contended: (record: NodeRecord) => readonly Contender[];
}

/** That of every host. */
export const RECORD_FACTS: RecordFacts = { compared: comparedOf, contended: contendedBy };

export class Holders {
  readonly #store: Store;
  readonly #directives: Directives;
  readonly #contest = new Contest();
  // BOUNDED: one per node or directive; what they contend for may have changed
  readonly #changed = new Set<string>();
  #holdings: Holdings | null = null;
  readonly #mesh: () => MeshConfig | null;
  readonly #contended: (record: NodeRecord) => readonly Contender[];
  /** Of this mesh the claims were judged; null: of none, and all count. */
  #judgedIn: MeshConfig | null = null;
  #countable = ALL_COUNT;

  /**
   * `mesh`: once it is known, claims that its leases do not look like are none. `contended`: all that a record claims, which a
   * simulation has made once for all nodes.
   */
  constructor(
    store: Store,
    directives: Directives,
    mesh: () => MeshConfig | null = () => null,
    contended = contendedBy,
  ) {
    this.#contended = contended;
    this.#store = store;
    this.#directives = directives;
    this.#mesh = mesh;
    this.#changeAll();
    store.onChange((id) => this.#changed.add(id));
    directives.onChange((key) => this.#changed.add(key));
  }

  /** All that is held, in the total order, and what has lost. */
  now(): Holdings {
    const contest = this.#settled();
    return this.#holdings ??= {
      held: [...contest.held()].sort(compareContenders),
      lost: [...contest.lost()].sort((a, b) => compareContenders(a.claim, b.claim)),
    };
  }

  /** In which a node has lost, or another to it. */
  lossesOf(id: string): Iterable<Loss> {
    return this.#settled().lossesOf(id);
  }

  /** The lease of a node; null while it holds none. */
  leaseOf(id: string): Contender | null {
    return this.#settled().heldBy(id).find(({ reserved }) => reserved === null) ?? null;
  }

  /** The lease whose holder is asked at this address by direct routes. */
  leaseAt(address: Address): Contender | null {
    const around = this.#settled().heldAround(address);
    const isAsked = (subnet: Prefix) => {
      const asked = contains(subnet, address) ? askedAt(subnet) : null;
      return asked !== null && equalBytes(asked, address);
    };
    return around.find((one) => one.reserved === null && subnetsOf(one).some(isAsked)) ?? null;
  }

  /** Everything claimed or reserved, but for what this node claims and what is reserved for it. */
  besides(id: string): Contender[] {
    return [...this.#settled().all()].filter((c) => c.reserved === "static" || c.nodeId !== id);
  }

  /** What is reserved for a node and not taken by a static peer, in the total order. */
  reservedFor(id: string): readonly Contender[] {
    const keys = this.#directives.reservedFor(id);
    if (keys.size === 0) return [];
    const contest = this.#settled();
    return [...keys].flatMap((key) => contest.heldBy(key)).sort(compareContenders);
  }

  /** Whose an exact subnet is by a reservation that stands; null: nobody's. */
  reservationOf(subnet: Prefix): Contender | null {
    return this.#settled().heldBy(reservationKey(subnet))[0] ?? null;
  }

  /** How many claims were looked at since the start. */
  get decided(): number {
    return this.#settled().decided;
  }

  #settled(): Contest {
    const mesh = this.#mesh();
    if (mesh !== this.#judgedIn) {
      this.#judgedIn = mesh;
      this.#countable = mesh === null ? ALL_COUNT : countableIn(mesh);
      this.#changeAll();
    }
    if (this.#changed.size > 0) this.#holdings = null;
    for (const key of this.#changed) this.#contest.set(key, this.#contendersOf(key));
    this.#changed.clear();
    return this.#contest;
  }

  #contendersOf(key: string): readonly Contender[] {
    const record = this.#store.get(key);
    if (record !== undefined) {
      return contendersOf(record, this.#directives, this.#countable, this.#contended(record));
    }
    return reservedBy(key, this.#directives, this.#countable);
  }

  #changeAll(): void {
    for (const { id } of this.#store.records()) this.#changed.add(id);
    for (const one of this.#directives.standing()) this.#changed.add(reservationKey(one.subnet));
  }
}
