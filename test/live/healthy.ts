/** What a healthy mesh of several Workers shows: order in every flow, and no fault counted. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Status } from "../../src/api/schema.ts";
import { collect, COMMANDS, type Host, TOP } from "./host.ts";

/** Datagrams under way at most: a TUN queue takes 500. */
const WINDOW = 320;

/** What came of numbered datagrams: how many, how many of them behind a later one of their flow, the slowest's time. */
export interface Arrival {
  received: number;
  late: number;
  /** Milliseconds. */
  slowest: number;
}

/** So many numbered datagrams of each of so many flows; with `window`, at most so many of them are under way. */
export async function sendNumbered(
  from: Host,
  to: Host,
  address: string,
  flows: number,
  datagrams: number,
  window?: number,
): Promise<Arrival> {
  const program = [COMMANDS.bun[0]!, join(TOP, "test/live/numbered.ts")];
  const server = to.spawn([...program, "serve", address, "5500", `${flows}`]);
  const finished = collect(server, { timeoutMs: 300_000 });
  await new Promise((resolve) => server.stdout!.once("data", resolve));
  const numbers = [flows, datagrams, ...(window === undefined ? [] : [window])].map(String);
  await from.run([...program, "send", address, "5500", ...numbers], { timeoutMs: 300_000 });
  return JSON.parse((await finished).stdout.trim().split("\n").at(-1)!);
}

/** They all come, none twice or after a later one of its flow. */
export async function assertOrder(
  from: Host,
  to: Host,
  address: string,
  flows: number,
  datagrams: number,
): Promise<void> {
  const { received, late } = await sendNumbered(from, to, address, flows, datagrams, WINDOW);
  assert.equal(late, 0, `${late} of ${received} datagrams came twice or were overtaken`);
  assert.equal(received, flows * datagrams, "datagrams that arrived");
}

/** None of these drops was counted; with `before`, the status of each host at that time: none since. */
export async function assertNoFaults(
  hosts: readonly Host[],
  faults: readonly string[],
  before?: readonly Pick<Status, "drops">[],
): Promise<void> {
  for (const [i, host] of hosts.entries()) {
    const { drops } = await host.daemon.status();
    for (const name of faults) {
      const meanwhile = drops[name]! - (before?.[i]?.drops[name] ?? 0);
      assert.equal(meanwhile, 0, `${host.name}: ${name} ${JSON.stringify(drops)}`);
    }
  }
}
