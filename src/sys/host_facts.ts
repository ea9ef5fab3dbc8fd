/** Facts of a host that no other file asks for: the rights of this process, the kernel's clock, Docker. */
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { libc } from "./libc.ts";

const CAP_NET_ADMIN = 12n;
const TIMEX_LEN = 208; // struct timex
const TIME_ERROR = 5;
const DOCKER_SOCKET = "/var/run/docker.sock";
const DOCKER_MS = 3000;
const ANSWER_MAX = 1 << 20;

/** Whether this process may configure the network: CapEff in /proc/self/status (proc(5)). */
export function mayConfigure(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/thread-self/status", "utf8"))?.[1];
  return effective !== undefined && (BigInt(`0x${effective}`) >> CAP_NET_ADMIN & 1n) === 1n;
}

/** Whether somebody keeps the clock right (adjtimex(2)); null: it cannot be told. */
export function isSynchronised(): boolean | null {
  const state = libc().adjtimex(new Uint8Array(new ArrayBuffer(TIMEX_LEN)));
  return state < 0 ? null : state !== TIME_ERROR;
}

/** Docker's version, and by what it makes its rules; null: no Docker answers here. */
export async function dockerFacts(): Promise<{ readonly version: string; readonly backend: string } | null> {
  const info = await ask("/info");
  if (info === null || typeof info["ServerVersion"] !== "string") return null;
  const backend = (info["FirewallBackend"] as { readonly Driver?: unknown } | undefined)?.Driver;
  return { version: info["ServerVersion"], backend: typeof backend === "string" ? backend : "iptables" };
}

function ask(path: string): Promise<Record<string, unknown> | null> {
  return new Promise((resolve) => {
    const asked = request({ socketPath: DOCKER_SOCKET, path, timeout: DOCKER_MS }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (part: string) => {
        if (text.length < ANSWER_MAX) text += part;
      });
      answer.on("end", () => resolve(objectIn(text)));
      answer.on("error", () => resolve(null));
    });
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => resolve(null));
    asked.end();
  });
}

function objectIn(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : null;
  } catch {
    return null;
  }
}
