/** The state directory of a test: on this host's disk, with what is asked of it waited for. */

import type { Kept, StoredOwn } from "../../src/control/records/state.ts";
import type { StateHome, StateStore } from "../../src/daemon/state/state_store.ts";
import { systemDisk } from "../../src/machine/disk.ts";
import { systemLocks } from "../../src/machine/locks.ts";

export const STATE_HOME: StateHome = { locks: systemLocks, disk: systemDisk };

/** Has a state written. Resolves to why it is not, or null. */
export async function saved(
  store: StateStore,
  state: StoredOwn,
  keep: readonly Kept[] = [],
): Promise<string | null> {
  store.save({ ticket: 1, state, keep });
  await store.settle();
  return await retried(store);
}

/** Has tried again what could not be written. Resolves to why it still cannot, or null. */
export async function retried(store: StateStore): Promise<string | null> {
  store.retry(0);
  await store.settle();
  const problem = store.retry(0);
  await store.settle();
  return problem;
}
