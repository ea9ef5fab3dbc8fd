/**
 * Keeps our rules in the host's packet filter, as `--ip-masq` and `--forward` ask for them: one table for each network of the
 * mesh. They are compared with what is there when something happened to a table of ours, as after `nft flush ruleset`, and
 * every few seconds besides. A node that is asked for none writes none, and removes what an earlier run of it left.
 */
import type { Place } from "../../control/paths/paths.ts";
import { OWN_TABLES, wantedTable } from "../../host/packet_rules.ts";
import type { Reconciliation } from "../../host/reconcile_host.ts";
import { reconcileRules } from "../../host/reconcile_rules.ts";
import type { Ruleset } from "../../ports/ruleset.ts";
import type { Clock } from "../../ports/time.ts";
import type { Prefix } from "../../wire/prefix.ts";

/** Without an event they are read again after this time. */
const CHECK_MS = 10_000;

/** What the user asked for. */
export interface AskedRules {
  readonly ipMasq: boolean;
  readonly forward: boolean;
}

export class RulesKeeper {
  readonly #ruleset: Ruleset;
  readonly #clock: Clock;
  readonly #asked: AskedRules;
  /** What the host had when it was last compared, as text; null: it is to be compared. */
  #has: string | null = null;
  #checkedAt = -Infinity;

  constructor(ruleset: Ruleset, clock: Clock, asked: AskedRules) {
    this.#ruleset = ruleset;
    this.#clock = clock;
    this.#asked = asked;
  }

  /** Whether something happened to our tables since the last call. */
  changed(): boolean {
    if (!this.#ruleset.changed(OWN_TABLES)) return false;
    this.#has = null;
    return true;
  }

  /** `widerLinks`: the host has links that take larger packets than the mesh. */
  apply(places: readonly Place[], widerLinks: boolean): Reconciliation {
    const masquerade = this.#asked.ipMasq;
    const clampMss = widerLinks && (masquerade || this.#asked.forward);
    const tables = places.map(({ network, subnet }) => wantedTable({ network, subnet, masquerade, clampMss }))
      .filter((table) => table !== null);
    const text = JSON.stringify(tables);
    const now = this.#clock.now();
    if (text === this.#has && (tables.length === 0 || now - this.#checkedAt < CHECK_MS)) {
      return { repaired: [], failed: [] };
    }
    const report = reconcileRules(this.#ruleset, places.map(({ network }) => network), tables);
    this.#has = report.failed.length === 0 ? text : null;
    this.#checkedAt = now;
    return report;
  }

  /** None of ours stay. */
  withdraw(networks: readonly Prefix[]): Reconciliation {
    this.#has = null;
    return networks.length === 0 ? { repaired: [], failed: [] } : reconcileRules(this.#ruleset, networks, []);
  }
}
