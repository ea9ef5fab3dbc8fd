/**
 * The packet filter of a host (nftables) as ovltun reads and changes it: tables of our own, told by their names, each
 * replaced as a whole. sys/nftables.ts asks the kernel over netlink. What others have there is neither read nor changed.
 */
import type { ChainFacts, Table, TableName } from "../wire/nftables.ts";

/** A table as it was read. */
export interface FoundTable extends Table {
  /** Chains, sets and objects that others put into it. */
  readonly strangers: number;
}

/** Each method may throw SysError. */
export interface Ruleset {
  /**
   * The tables whose names begin so. None where the kernel has no nftables, or does not show them to this process: then there
   * are none of ours.
   */
  tables(prefix: string): readonly FoundTable[];
  /** All chains of the host, without their rules; none where the kernel does not show them. */
  chains(): readonly ChainFacts[];
  /**
   * Removes tables and makes others, all of it or nothing: no packet meets half of it. A table that is there already is
   * replaced; one that is to be removed may be gone.
   */
  change(remove: readonly TableName[], make: readonly Table[]): void;
  /** True when something happened to a table of such a name since the last call. Never blocks. */
  changed(prefix: string): boolean;
  close(): void;
}
