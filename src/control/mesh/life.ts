/**
 * The life of a node on its way into a mesh and in it: one state at a time, and everything that leads from one to another.
 * Each state has what the one before it has, and one thing more:
 *
 *   joining    knows no mesh
 *   learned    the configuration, from a member; no records yet
 *   informed   the mesh's records: a member. Others may learn from it; it may not claim, for it may be outdated
 *   ready      its own lease, from the disk, or nothing that could be outdated. It keeps its record to itself, for the mesh
 *              may hold a later version of it
 *   speaking   tells its record: nothing holds it back any more
 *
 *   joining ───────────────────────found───────────────────▶ speaking     nobody has a mesh yet
 *     │ ▲
 *     │ └─unlearn─┐
 *     ├──learn──▶ learned ────────synchronised─────────────▶ speaking     a new node
 *     │
 *     └─restore─▶ informed ──────────speak─────────────────▶ speaking     a start with a mesh on the disk,
 *                    └──leaseRestored──▶ ready ───speak────▶ speaking     and with a lease of it
 *
 * From each of them `end` leads out: refused, released, stopped. What the node was then is still told, for as long as
 * somebody asks. Decides and sends nothing: the *_steps.ts of node/ call the transitions (start, config, join, sync).
 */

import { meshHash } from "./mesh.ts";
import type { MeshConfig } from "./mesh_config.ts";

/** A version of a node's own record. */
interface OwnVersion {
  readonly incarnation: number;
  readonly epoch: number;
}

/** A mesh that we know, and what every message of it bears. */
interface Known {
  readonly config: MeshConfig;
  readonly hash: string;
}

type Living =
  /** `offered`: the configuration of a member that is gone again. */
  | { readonly kind: "joining"; readonly offered: MeshConfig | null }
  | { readonly kind: "learned"; readonly mesh: Known; readonly at: number }
  /** `onDisk`: the version of our record that the state directory had; null: none of this node's. */
  | { readonly kind: "informed"; readonly mesh: Known; onDisk: OwnVersion | null }
  | { readonly kind: "ready"; readonly mesh: Known; onDisk: OwnVersion | null }
  | { readonly kind: "speaking"; readonly mesh: Known };

export class Life {
  #state: Living = { kind: "joining", offered: null };
  #ended = false;

  // ----------------------------------------------------------------------------------------- questions

  /** The mesh; null before its configuration is known. */
  get mesh(): MeshConfig | null {
    return this.#state.kind === "joining" ? null : this.#state.mesh.config;
  }

  /** What our messages bear; null while we are joining. */
  get meshHash(): string | null {
    return this.#state.kind === "joining" ? null : this.#state.mesh.hash;
  }

  /** We are part of a mesh, not on the way to one: we know its records, and others may learn from us. */
  get member(): boolean {
    return this.#state.kind !== "joining" && this.#state.kind !== "learned";
  }

  /** Nothing that the mesh may know and we do not keeps us from claiming a subnet. */
  get mayClaim(): boolean {
    return this.#state.kind === "ready" || this.#state.kind === "speaking";
  }

  /** Our own record may be told: a later version of it that the mesh may hold would have reached us by now. */
  get mayTell(): boolean {
    return this.#state.kind === "speaking";
  }

  /** No more: refused, released or left. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The configuration that a member told while it was there, to found with. */
  get offered(): MeshConfig | null {
    return this.#state.kind === "joining" ? this.#state.offered : null;
  }

  /** Since when we know a configuration and no records; null: that is not so. */
  get learnedAt(): number | null {
    return this.#state.kind === "learned" ? this.#state.at : null;
  }

  /** The version of our record that the disk had, while the mesh may hold a later one. */
  get onDisk(): OwnVersion | null {
    return "onDisk" in this.#state ? this.#state.onDisk : null;
  }

  // --------------------------------------------------------------------------------------- transitions

  /** A member told the configuration. */
  learn(config: MeshConfig, now: number): void {
    if (this.#state.kind !== "joining") return;
    this.#state = { kind: "learned", mesh: known(config), at: now };
  }

  /** The node that told it is gone, and nothing but the configuration is known. */
  unlearn(): void {
    if (this.#state.kind !== "learned") return;
    this.#state = { kind: "joining", offered: this.#state.mesh.config };
  }

  /** We are the first. */
  found(config: MeshConfig): void {
    if (this.#state.kind === "joining") this.#state = { kind: "speaking", mesh: known(config) };
  }

  /** The mesh and its records are on the disk. */
  restore(config: MeshConfig, onDisk: OwnVersion | null): void {
    if (this.#state.kind !== "joining") return;
    this.#state = { kind: "informed", mesh: known(config), onDisk };
  }

  /** Our lease is, too. */
  leaseRestored(): void {
    if (this.#state.kind !== "informed") return;
    const { mesh, onDisk } = this.#state;
    this.#state = { kind: "ready", mesh, onDisk };
  }

  /** A later version of our record than that on the disk has come: a later one still may. */
  supersede(version: OwnVersion): void {
    if ("onDisk" in this.#state) this.#state.onDisk = version;
  }

  /** A member has told us, who knew nothing, all that it knows. */
  synchronised(): void {
    if (this.#state.kind === "learned") this.#state = { kind: "speaking", mesh: this.#state.mesh };
  }

  /** A member has told what it knows of us, no node is there that could, or it does not matter any more. */
  speak(): void {
    const state = this.#state;
    if (state.kind !== "informed" && state.kind !== "ready") return;
    this.#state = { kind: "speaking", mesh: state.mesh };
  }

  end(): void {
    this.#ended = true;
  }
}

function known(config: MeshConfig): Known {
  return { config, hash: meshHash(config) };
}
