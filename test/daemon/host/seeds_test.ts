import { mock, test } from "node:test";
import assert from "node:assert/strict";
import type { Seed } from "../../../src/control/mesh/mesh_config.ts";
import { Lookup } from "../../../src/daemon/host/lookup.ts";
import { Resolver, unresolved } from "../../../src/daemon/host/seeds.ts";
import { systemTimers } from "../../../src/sys/system.ts";

/** A resolver of names in memory, whose clock the test turns. */
class Names {
  readonly table = new Map<string, readonly string[]>();
  asked: string[] = [];
  readonly changes: Seed[][] = [];
  readonly failures: string[] = [];
  readonly lookup = new Lookup(8473, (host) => {
    this.asked.push(host);
    const found = this.table.get(host);
    return found === undefined ? Promise.reject(new Error("ENOTFOUND")) : Promise.resolve(found);
  });

  resolver(entries: readonly string[]): Resolver {
    return new Resolver(entries, {
      port: 8473,
      lookup: this.lookup,
      machine: { timers: systemTimers, random: { bytes: () => new Uint8Array(), below: () => 250 } }, // no jitter
      onChange: (seeds) => this.changes.push(seeds),
      onFailure: (text, known) => this.failures.push(unresolved("--peers", text, known)),
    });
  }

  endpoints(): readonly string[] {
    return this.changes.at(-1)!.flatMap((one) => one.endpoints);
  }
}

/** Lets what was promised happen. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

async function withTime(fn: (pass: (ms: number) => Promise<void>) => Promise<void>): Promise<void> {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    await fn(async (ms) => {
      for (let passed = 0; passed < ms; passed += 500) {
        mock.timers.tick(500);
        await settle();
      }
    });
  } finally {
    mock.timers.reset();
  }
}

test("Resolver keeps the last good answer while a lookup fails or finds nothing, and takes a different good one", async () => {
  await withTime(async (pass) => {
    const names = new Names();
    names.table.set("home.example", ["203.0.113.5"]);
    const resolver = names.resolver(["home.example:99", "192.168.1.10"]);
    resolver.start();
    await settle();
    assert.deepEqual(names.endpoints(), ["203.0.113.5:99", "192.168.1.10:8473"]);
    names.table.delete("home.example");
    await pass(61_000);
    names.table.set("home.example", []);
    await pass(61_000);
    assert.deepEqual(names.endpoints(), ["203.0.113.5:99", "192.168.1.10:8473"]);
    assert.deepEqual(names.failures, [
      'Cannot resolve "home.example:99" of --peers any more: still using 203.0.113.5:99 (DNS?)',
    ]);
    names.table.set("home.example", ["203.0.113.77"]);
    await pass(31_000);
    assert.deepEqual(names.endpoints(), ["203.0.113.77:99", "192.168.1.10:8473"]);
    resolver.close();
  });
});

test("Resolver says nothing of a name before its lookup has failed, and says that once; it tries again every three seconds", async () => {
  await withTime(async (pass) => {
    const names = new Names();
    const resolver = names.resolver(["late.example"]);
    resolver.start();
    assert.deepEqual(names.failures, []);
    await settle();
    assert.equal(names.failures.length, 1);
    assert.match(names.failures[0]!, /^Cannot resolve "late\.example" of --peers: will keep trying/);
    await pass(12_000);
    assert.equal(names.failures.length, 1);
    assert.equal(names.asked.length, 5);
    names.table.set("late.example", ["10.0.0.1", "fd00::1", "10.0.0.1"]);
    await pass(3000);
    assert.deepEqual(names.endpoints(), ["10.0.0.1:8473", "[fd00::1]:8473"]);
    resolver.close();
    const { length } = names.asked;
    await pass(120_000);
    assert.equal(names.asked.length, length);
  });
});

test("Resolver tells no change where a name has the same addresses in another order", async () => {
  await withTime(async (pass) => {
    const names = new Names();
    names.table.set("two.example", ["10.0.0.1", "10.0.0.2"]);
    const resolver = names.resolver(["two.example"]);
    resolver.start();
    await settle();
    const { length } = names.changes;
    names.table.set("two.example", ["10.0.0.2", "10.0.0.1"]);
    await pass(31_000);
    assert.equal(names.changes.length, length);
    resolver.close();
  });
});

test("Lookup has four questions under way at once, and the others in turn", async () => {
  const open: (() => void)[] = [];
  const lookup = new Lookup(1, () => new Promise((resolve) => open.push(() => resolve(["10.0.0.1"]))));
  const answers = Array.from({ length: 9 }, (_, i) => lookup.endpoints(`h${i}`));
  await settle();
  assert.equal(open.length, 4);
  for (let i = 0; i < 9; i++) {
    open[i]!();
    await settle();
    assert.ok(open.length <= 5 + i);
  }
  assert.deepEqual(await Promise.all(answers), Array(9).fill(["10.0.0.1:1"]));
});
