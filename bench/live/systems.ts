/**
 * What is compared, by name. ovltun's names say how it is started: `ovltun-BACKEND[-deno][-no-OFFLOAD…]` is
 * plain, such as `ovltun-udp-no-gso` (`-no-offloads` stands for all four); `ovltun-CIPHER…` is sealed with aes, chacha or
 * xsalsa, and `-no-libcrypto` does without the host's. `-before` in place of `-deno` is an earlier build.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { release } from "node:os";
import process from "node:process";
import { keyed } from "./keyed.ts";
import { ovltun } from "./ovltun.ts";
import type { System } from "./system.ts";
import { fastd, nebula, tinc, wireguardGo } from "./tunnels.ts";

const VETH: System = {
  name: "veth",
  programs: [],
  start: (pair) => Promise.resolve({ target: pair.b.underlay, processes: [] }),
};

const KERNEL_VXLAN: System = {
  name: "kernel-vxlan",
  programs: [],
  async start(pair) {
    for (const [own, other] of [[pair.a, pair.b], [pair.b, pair.a]] as const) {
      const ends = `local ${own.underlay} remote ${other.underlay}`;
      await own.ip(`link add vx0 type vxlan id 1 dstport 8472 ${ends} dev veth0`);
      await own.ip(`addr add ${own.overlay}/24 dev vx0`);
      await own.ip("link set vx0 up");
    }
    return { target: pair.b.overlay, processes: [] };
  },
};

export const DEFAULT_SYSTEMS: readonly string[] = [
  "veth",
  "kernel-vxlan",
  "ovltun-udp",
  "ovltun-vxlan",
  "ovltun-aes",
  "ovltun-chacha",
  "wireguard-go",
  "fastd",
  "tinc",
  "nebula",
];
export const FLOOD_SYSTEMS: readonly string[] = ["kernel-vxlan", "ovltun-udp"];
export const DENO_SYSTEMS: readonly string[] = ["ovltun-udp-deno", "ovltun-vxlan-deno"];
export const OFFLOADS: readonly string[] = ["tso", "uso", "gso", "gro"];
const OTHERS: readonly System[] = [VETH, KERNEL_VXLAN, wireguardGo(), fastd(), tinc(), nebula()];

/** Null when no system has this name. */
export function systemOf(name: string): System | null {
  return OTHERS.find((system) => system.name === name) ?? keyed(name) ?? ovltun(name, OFFLOADS);
}

/** The first of its programs that is not on this machine, or null. */
export function missingProgram(system: System): string | null {
  return system.programs.find((program) => !isInstalled(program)) ?? null;
}

function isInstalled(program: string): boolean {
  if (program.includes("/")) return existsSync(program);
  return (process.env["PATH"] ?? "").split(":").some((folder) => existsSync(`${folder}/${program}`));
}

/** The first version number of what it prints; "unknown" where there is none. */
export function versionOf(system: System): string {
  if (system.versionCommand === undefined) return `Linux ${release()}`;
  const [program, ...args] = system.versionCommand;
  try {
    const text = execFileSync(program!, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    return /v?\d[\w.+~-]*/.exec(text)?.[0] ?? "unknown";
  } catch {
    return "unknown";
  }
}
