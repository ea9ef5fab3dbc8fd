/** `--on-lease-change PROGRAM`: what it is told of a lease that changed, and how long it may take. */
import type { LeaseChange } from "../control/outbox/events.ts";
import { logger } from "../log/log.ts";
import type { Surroundings } from "../ports/machine.ts";

/** How long it may run. */
const HOOK_MS = 30_000;

/** Starts `--on-lease-change PROGRAM` and lets it run beside us; what it does wrong is logged. */
export function runLeaseHook(surroundings: Surroundings, program: string, change: LeaseChange): void {
  const { second } = change;
  const before = byFamily(change.from, second?.from ?? null);
  const after = byFamily(change.to, second?.to ?? null);
  const environment = {
    OVLTUN_OLD_SUBNET: before.four,
    OVLTUN_NEW_SUBNET: after.four,
    OVLTUN_OLD_SUBNET6: before.six,
    OVLTUN_NEW_SUBNET6: after.six,
    OVLTUN_WHY: change.why,
  };
  surroundings.run(program, environment, HOOK_MS, (trouble) => logger.warn(trouble));
}

/** The subnets of a lease by their family; "": none. */
function byFamily(...subnets: (string | null)[]): { readonly four: string; readonly six: string } {
  const isSix = (text: string | null) => text !== null && text.includes(":");
  return {
    four: subnets.find((one) => one !== null && !isSix(one)) ?? "",
    six: subnets.find(isSix) ?? "",
  };
}
