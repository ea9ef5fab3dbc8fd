/** What was done on the host, told once; what could not be, told from time to time and shown in the status. */
import type { Reconciliation } from "../../host/reconcile_host.ts";
import { logger, LogLimit } from "../../log/log.ts";

const AGAIN_MS = 60_000;

export class Troubles {
  #now: readonly string[] = [];
  readonly #limit = new LogLimit(AGAIN_MS);

  /** What could not be done at the last check, sentences. */
  get now(): readonly string[] {
    return this.#now;
  }

  /** `report` is of the host keeper, `others` is what else is wrong (null: nothing). */
  tell({ repaired, failed }: Reconciliation, others: readonly (string | null)[], now: number): void {
    for (const line of repaired) logger.info(line);
    const before = this.#now;
    this.#now = [...failed, ...others.filter((line) => line !== null)];
    for (const line of before) if (!this.#now.includes(line)) logger.info(`No longer: ${factOf(line)}`);
    for (const line of this.#now) if (this.#limit.admit(line, now) !== null) logger.warn(line);
  }
}

/** The sentence without its advice. */
function factOf(line: string): string {
  return line.split(/; | \(|\. /)[0]!;
}
