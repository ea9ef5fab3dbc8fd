/**
 * ovltun as a system of the comparison: the compiled binary (another by OVLTUN=path), an earlier one of OVLTUN_BEFORE
 * beside it in the same run, or the source under Deno,
 * one daemon in each host, host a founding the mesh and host b joining it; plain, or sealed with a named cipher.
 */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { NetworkSecret } from "../../src/crypto/network_secret.ts";
import type { Pair } from "./hosts.ts";
import type { System, Tunnel } from "./system.ts";

const NETWORK = "10.42.0.0/16";
const TOP = resolve(import.meta.dirname!, "../..");
/** How the names of sealed ones say what they seal with. */
const CIPHERS: Readonly<Record<string, string>> = {
  aes: "aes-256-gcm",
  chacha: "chacha20-poly1305",
  xsalsa: "xsalsa20-poly1305",
};
const NAME = /^ovltun-(udp|vxlan|aes|chacha|xsalsa)(-deno|-before)?((?:-no-[a-z]+)*)$/;

/** Null when the name is none of ovltun's. */
export function ovltun(name: string, offloads: readonly string[]): System | null {
  const match = NAME.exec(name);
  if (match === null) return null;
  const [, kind, program, off = ""] = match;
  const cipher = CIPHERS[kind!];
  const flags = cipher === undefined ? ["--plain", "--backend", kind!] : ["--cipher", cipher];
  let libcrypto = true;
  for (const word of off.split("-no-").slice(1)) {
    if (word === "libcrypto") {
      libcrypto = false;
      continue;
    }
    const named = word === "offloads" ? offloads : [word];
    if (!named.every((offload) => offloads.includes(offload))) return null;
    flags.push(...named.map((offload) => `--no-${offload}`));
  }
  const command = commandOf(program ?? "");
  if (command === null) return null;
  return {
    name,
    programs: [command[0]!],
    versionCommand: [...command, "version"],
    start: (pair) => start(pair, libcrypto ? command : ["env", "OVLTUN_NO_LIBCRYPTO=1", ...command], flags),
  };
}

/** Null where `-before` is asked for and OVLTUN_BEFORE names no binary. */
function commandOf(program: string): string[] | null {
  if (program === "-deno") {
    return [join(TOP, "node_modules/.bin/deno"), "run", "-A", join(TOP, "src/main.ts")];
  }
  const { OVLTUN, OVLTUN_BEFORE } = process.env;
  if (program === "-before") return OVLTUN_BEFORE === undefined ? null : [resolve(OVLTUN_BEFORE)];
  return [resolve(OVLTUN ?? join(TOP, "dist/ovltun"))];
}

async function start(pair: Pair, command: readonly string[], flags: readonly string[]): Promise<Tunnel> {
  const secretFile = join(pair.folder, "secret");
  const sealed = !flags.includes("--plain");
  if (sealed) writeFileSync(secretFile, `${NetworkSecret.create().text()}\n`, { mode: 0o600 });
  const runDir = (name: string) => join(pair.folder, name, "run");
  const processes = pair.hosts.map((host) =>
    host.start(
      ...command,
      ...["up", "--name", host.name, "--log-level", "warn", ...flags],
      ...sealed ? ["--secret-file", secretFile] : [],
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
