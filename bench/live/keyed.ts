/**
 * ovltun's data plane alone, without a control plane: two ends with routes and session keys put in by hand
 * (keyed_end.ts), to measure what sealing costs. `keyed-plain`, `keyed-aes-256-gcm`, `keyed-chacha20-poly1305`,
 * `keyed-xsalsa20-poly1305`, each with `-deno`, `-no-libcrypto` or both.
 */
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { System } from "./system.ts";

const TOP = resolve(import.meta.dirname!, "../..");
const NAME = /^keyed-(plain|aes-256-gcm|chacha20-poly1305|xsalsa20-poly1305)(-deno)?(-no-libcrypto)?$/;
const READY_MS = 10_000;

/** Null when the name is none of these. */
export function keyed(name: string): System | null {
  const match = NAME.exec(name);
  if (match === null) return null;
  const binary = (runtime: string) => join(TOP, "node_modules/.bin", runtime);
  const command = match[2] === undefined ? [binary("bun")] : [binary("deno"), "run", "-A", "--no-check"];
  const environment = match[3] === undefined ? [] : ["env", "OVLTUN_NO_LIBCRYPTO=1"];
  return {
    name,
    programs: [command[0]!],
    versionCommand: [command[0]!, "--version"],
    async start(pair) {
      const program = join(TOP, "bench/live/keyed_end.ts");
      const processes = pair.hosts.map((host) =>
        host.start(...environment, ...command, program, host.name, match[1]!)
      );
      for (const [i, host] of pair.hosts.entries()) {
        for (let waited = 0; !processes[i]!.log().includes("ready"); waited += 50) {
          if (processes[i]!.ended() !== null || waited > READY_MS) throw new Error(processes[i]!.log());
          await sleep(50);
        }
        const own = host.name === "a" ? "10.42.1.0" : "10.42.2.0";
        await host.ip(`addr add ${own}/32 dev key0`);
        await host.ip(`link set key0 mtu ${match[1] === "plain" ? 1456 : 1440} up`);
        await host.ip("route add 10.42.0.0/16 dev key0");
      }
      return { target: "10.42.2.0", processes };
    },
  };
}
