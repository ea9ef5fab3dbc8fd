/** Runs `--on-lease-change PROGRAM` when our own lease changed: OVLTUN_OLD_SUBNET, OVLTUN_NEW_SUBNET, OVLTUN_WHY. */
import type { LeaseChange } from "../../control/outbox/perform.ts";
import { logger } from "../../log/log.ts";
import type { Surroundings } from "../../ports/machine.ts";

const HOOK_MS = 30_000;

/** Starts the hook and lets it run beside us; what it does wrong is logged. */
export function runLeaseHook(surroundings: Surroundings, program: string, change: LeaseChange): void {
  const environment = {
    OVLTUN_OLD_SUBNET: change.from ?? "",
    OVLTUN_NEW_SUBNET: change.to ?? "",
    OVLTUN_WHY: change.why,
  };
  surroundings.run(program, environment, HOOK_MS, (trouble) => logger.warn(trouble));
}
