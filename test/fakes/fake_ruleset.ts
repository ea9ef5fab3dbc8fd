/**
 * A packet filter in memory: it keeps tables, does a change as a whole or not at all, and tells of every change, its own
 * user's included. Checked against the kernel's by test/live/nftables_live_test.ts, which runs one scenario on both.
 */
import type { FoundTable, Ruleset } from "../../src/ports/ruleset.ts";
import { SysError } from "../../src/ports/sys_error.ts";
import type { ChainFacts, Table, TableName } from "../../src/wire/nftables.ts";

export class FakeRuleset implements Ruleset {
  #tables: FoundTable[] = [];
  /** Names of tables that something happened to since they were asked for. BOUNDED: by a test's changes. */
  #touched: string[] = [];
  /** How often tables were read, and changed, refused changes included. */
  reads = 0;
  writes = 0;
  /** Set to make the next change fail with this errno. */
  refuse: number | null = null;

  tables(prefix: string): readonly FoundTable[] {
    this.reads++;
    return this.#tables.filter(({ name }) => name.startsWith(prefix));
  }

  chains(): readonly ChainFacts[] {
    return this.#tables.flatMap(({ family, name: table, chains }) =>
      chains.map(({ name, hook }) => ({ family, table, name, hook, drops: false }))
    );
  }

  change(remove: readonly TableName[], make: readonly Table[]): void {
    this.writes++;
    if (this.refuse !== null) {
      const errno = this.refuse;
      this.refuse = null;
      throw new SysError(
        `Cannot write the nftables table ${[...make, ...remove][0]?.name}`,
        errno,
        "refused",
      );
    }
    const gone = [...remove, ...make];
    this.#tables = this.#tables.filter((there) =>
      !gone.some(({ family, name }) => there.family === family && there.name === name)
    );
    this.#tables.push(...make.map((table) => ({ ...table, strangers: 0 })));
    this.#touched.push(...gone.map(({ name }) => name));
  }

  /** What `nft list tables` shows. */
  get names(): string[] {
    return this.#tables.map(({ family, name }) => `${family} ${name}`).sort();
  }

  /** `nft flush ruleset` */
  flush(): void {
    this.#touched.push(...this.#tables.map(({ name }) => name));
    this.#tables = [];
  }

  /** Somebody takes the first rule of a table's first chain away. */
  spoil(name: string): void {
    this.#tables = this.#tables.map((table) => {
      if (table.name !== name) return table;
      const [chain, ...chains] = table.chains;
      return { ...table, chains: [{ ...chain!, rules: chain!.rules.slice(1) }, ...chains] };
    });
    this.#touched.push(name);
  }

  changed(prefix: string): boolean {
    return this.#touched.splice(0).some((name) => name.startsWith(prefix));
  }

  close(): void {}
}
