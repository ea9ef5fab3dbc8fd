/**
 * ovltun as a system of the comparison: the compiled binary (another by OVLTUN=path), or the source under Deno,
 * one daemon in each host, plain, host a founding the mesh and host b joining it.
 */
import { join, resolve } from "node:path";
import process from "node:process";
import type { Pair } from "./hosts.ts";
import type { System, Tunnel } from "./systems.ts";

const NETWORK = "10.42.0.0/16";
const TOP = resolve(import.meta.dirname!, "../..");
const NAME = /^ovltun-(udp|vxlan)(-deno)?((?:-no-[a-z]+)*)$/;

/** Null when the name is none of ovltun's. */
export function ovltun(name: string, offloads: readonly string[]): System | null {
  const match = NAME.exec(name);
  if (match === null) return null;
  const [, backend, deno, off = ""] = match;
  const flags: string[] = [];
  for (const word of off.split("-no-").slice(1)) {
    const named = word === "offloads" ? offloads : [word];
    if (!named.every((offload) => offloads.includes(offload))) return null;
    flags.push(...named.map((offload) => `--no-${offload}`));
  }
  const binary = resolve(process.env["OVLTUN"] ?? join(TOP, "dist/ovltun"));
  const denoBinary = join(TOP, "node_modules/.bin/deno");
  const command = deno === undefined ? [binary] : [denoBinary, "run", "-A", join(TOP, "src/main.ts")];
  return {
    name,
    programs: [command[0]!],
    versionCommand: [...command, "version"],
    start: (pair) => start(pair, command, [...flags, "--backend", backend!]),
  };
}

async function start(pair: Pair, command: readonly string[], flags: readonly string[]): Promise<Tunnel> {
  const runDir = (name: string) => join(pair.folder, name, "run");
  const processes = pair.hosts.map((host) =>
    host.start(
      ...command,
      ...["up", "--plain", "--name", host.name, "--log-level", "warn", ...flags],
      ...host.name === "a" ? ["--network", NETWORK] : ["--peers", pair.a.underlay],
      ...["--state-dir", join(pair.folder, host.name, "state"), "--run-dir", runDir(host.name)],
    )
  );
  try {
    for (const host of pair.hosts) {
      await host.run(
        25_000,
        ...command,
        "wait",
        "--peers",
        "1",
        "--timeout",
        "20s",
        "--run-dir",
        runDir(host.name),
      );
    }
    const status = await pair.b.run(5000, ...command, "status", "--json", "--run-dir", runDir("b"));
    return { target: JSON.parse(status).node.address, processes };
  } catch (cause) {
    const log = processes.map((running) => running.log()).join("\n");
    throw new Error(`ovltun found no mesh${log && `:\n${log}`}`, { cause });
  }
}
