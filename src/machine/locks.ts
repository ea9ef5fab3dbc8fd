/** The locks of this host, for commands as for daemons. */
import type { Locks } from "../ports/locks.ts";
import { acquireName, isNameHeld } from "../sys/abstract_name.ts";
import { lockFile } from "../sys/file_lock.ts";

export const systemLocks: Locks = { file: lockFile, name: acquireName, isNameHeld };
