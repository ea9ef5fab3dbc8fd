/** Runs `--on-lease-change PROGRAM` when our own lease changed: OVLTUN_OLD_SUBNET, OVLTUN_NEW_SUBNET, OVLTUN_WHY. */
import { spawn } from "node:child_process";
import process from "node:process";
import type { LeaseChange } from "../../control/outbox/perform.ts";
import { logger } from "../../log/log.ts";

const HOOK_MS = 30_000;

/** Starts the hook and lets it run beside us; what it does wrong is logged. */
export function runLeaseHook(program: string | null, change: LeaseChange): void {
  if (program === null) return;
  const child = spawn(program, [], {
    env: {
      ...process.env,
      OVLTUN_OLD_SUBNET: change.from ?? "",
      OVLTUN_NEW_SUBNET: change.to ?? "",
      OVLTUN_WHY: change.why,
    },
    stdio: ["ignore", "inherit", "inherit"],
    timeout: HOOK_MS,
    killSignal: "SIGKILL", // one that hangs may well ignore SIGTERM
  });
  child.on("error", (error) => logger.warn(`Cannot run "${program}": ${error.message}`));
  child.on("exit", (code) => {
    const end = code === null ? `was killed (it may take ${HOOK_MS / 1000} s)` : `ended with code ${code}`;
    if (code !== 0) logger.warn(`"${program}" ${end}`);
  });
}
