/** The state directory of a running daemon: locked, with the node's identity and what the control plane keeps. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { stateFromJson, type StoredState } from "../control/state.ts";
import { createIdentity, type Identity, identityFromJson, identityToJson } from "../crypto/identity.ts";
import { logger } from "./log.ts";
import {
  IDENTITY_FILE,
  lockStateDir,
  makeStateDir,
  readJsonFile,
  removeStateDir,
  STATE_FILE,
  writeJsonFile,
} from "./state_files.ts";

export interface StateStore {
  readonly identity: Identity;
  /** What an earlier run left, or null. */
  readonly stored: StoredState | null;
  /** Writes the state: atomic, synced before it returns. */
  save(state: StoredState): void;
  /** Unlocks it. An identity that this run made and nobody has heard of goes again. */
  close(): void;
}

/** Opens (and locks) the state directory; makes it, and the identity, when missing. Throws sentences for people. */
export function openState(directory: string): StateStore {
  makeStateDir(directory);
  const lock = lockStateDir(directory);
  try {
    const statePath = join(directory, STATE_FILE);
    const identityPath = join(directory, IDENTITY_FILE);
    let forgettable = !existsSync(identityPath);
    const identity = openIdentity(identityPath);
    const read = readJsonFile(statePath);
    if (read.warning !== null) logger.warn(read.warning);
    const stored = read.value === null ? null : stateFromJson(JSON.stringify(read.value));
    return {
      identity,
      stored,
      save: (state) => {
        forgettable = false;
        writeJsonFile(statePath, state);
      },
      close: () => {
        if (forgettable) removeStateDir(directory);
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

function openIdentity(path: string): Identity {
  const read = readJsonFile(path, { secret: true });
  if (read.warning !== null) logger.warn(read.warning);
  if (read.value !== null) return identityFromJson(JSON.stringify(read.value));
  const identity = createIdentity();
  writeJsonFile(path, JSON.parse(identityToJson(identity)), 0o600);
  return identity;
}
