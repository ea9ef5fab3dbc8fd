// What a healthy mesh of several Workers shows: order in every flow, and no fault counted.
import assert from "node:assert/strict";
import { join } from "node:path";
import { collect, COMMANDS, type Host, TOP } from "./host.ts";

/** So many numbered datagrams of each of so many flows: none comes twice or after a later one of its flow. */
export async function assertOrder(
  from: Host,
  to: Host,
  address: string,
  flows: number,
  datagrams: number,
): Promise<void> {
  const program = [COMMANDS.bun[0]!, join(TOP, "test/live/numbered.ts")];
  const server = to.spawn([...program, "serve", address, "5500", `${flows}`]);
  const finished = collect(server, { timeoutMs: 60_000 });
  await new Promise((resolve) => server.stdout!.once("data", resolve));
  await from.run([...program, "send", address, "5500", `${flows}`, `${datagrams}`], { timeoutMs: 60_000 });
  const { stdout, stderr } = await finished;
  const { received, late } = JSON.parse(stdout.trim().split("\n").at(-1)!);
  assert.equal(late, 0, `${late} of ${received} datagrams came twice or were overtaken ${stderr}`);
  assert.ok(received > 0.9 * flows * datagrams, `${received} of ${flows * datagrams} datagrams arrived`);
}

/** None of these drops was counted. */
export async function assertNoFaults(hosts: readonly Host[], faults: readonly string[]): Promise<void> {
  for (const host of hosts) {
    const { drops } = await host.daemon.status();
    for (const name of faults) assert.equal(drops[name], 0, `${host.name}: ${name} ${JSON.stringify(drops)}`);
  }
}
