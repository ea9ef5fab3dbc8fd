/** `ovltun join`: `up` with what a token says. The token is read from stdin or a file, never from an argument. */
import { Buffer } from "node:buffer";
import { readSync } from "node:fs";
import process from "node:process";
import type { Command } from "commander";
import { ConfigError, DEFAULT_NETWORK_NAME } from "../config/config.ts";
import { ExpiredTokenError, type JoinToken, parseToken, TOKEN_MAX_LENGTH } from "../crypto/join_token.ts";
import { readSecretText } from "../daemon/state/secret_files.ts";
import { StateInUseError } from "../daemon/state/state_files.ts";
import { openState } from "../daemon/state/state_store.ts";
import { rememberRefusedJoin, type UnfinishedJoin } from "../daemon/state/unfinished_join.ts";
import { systemDisk } from "../machine/disk.ts";
import { systemLocks } from "../machine/locks.ts";
import { addSettings, placesOf } from "./options.ts";
import { tell } from "./output.ts";
import { runUp } from "./up.ts";

const STDIN = 0;
const WAIT_MS = 20;
const FILE_VARIABLE = "OVLTUN_JOIN_FILE";
/** What is known of a join that got no whole token. */
const NO_TOKEN = { networkName: DEFAULT_NETWORK_NAME, peers: [], pinnedNode: null };

const EXAMPLES = `
Examples:
  ovltun token | ssh root@HOST ovltun join    on a member: let HOST join
  ovltun join                                 paste the token when asked
  ovltun join --join-file /root/token         a file only root can read

Takes all flags of ovltun up. Once joined, the host remembers the mesh:
from then on ovltun up is enough.`;

export function registerJoin(program: Command): void {
  const command = program.command("join").description(
    "join a mesh with a member's token, read from stdin, then run like up; needs root",
  ).option("--join-file <FILE>", `read the token from this file; or set ${FILE_VARIABLE}`);
  addSettings(command).addHelpText("after", EXAMPLES).action(async (options: Record<string, unknown>) => {
    const file = (options["joinFile"] as string | undefined) ?? process.env[FILE_VARIABLE];
    const token = tokenOf(options, file);
    try {
      await runUp(options, token);
    } catch (error) {
      // The flags were refused, not the token: an `up` with better ones goes on with it.
      if (error instanceof ConfigError) remember(options, { ...factsOf(token), secret: token.secret });
      throw error;
    }
  });
}

function tokenOf(options: Record<string, unknown>, file: string | undefined): JoinToken {
  try {
    return file === undefined || file === "" ? tokenFromStdin() : tokenFromFile(file);
  } catch (error) {
    const { message } = error as Error;
    const expired = error instanceof ConfigError && error.cause instanceof ExpiredTokenError
      ? error.cause
      : null;
    const facts = expired === null ? NO_TOKEN : factsOf(expired.token);
    remember(options, { ...facts, secret: null, refused: message });
    throw error;
  }
}

function factsOf({ networkName, endpoints, issuer }: Omit<JoinToken, "secret">) {
  return { networkName, peers: endpoints, pinnedNode: issuer };
}

/** After a failed join, the next `up` must not found a mesh instead. */
function remember(options: Record<string, unknown>, begun: UnfinishedJoin): void {
  try {
    const state = openState({ locks: systemLocks, disk: systemDisk }, placesOf(options).stateDir);
    try {
      rememberRefusedJoin(state, begun);
    } finally {
      state.close();
    }
  } catch (error) {
    if (error instanceof StateInUseError) return; // a daemon runs there, and has a state of its own
    tell(`Cannot save this join for the next ovltun up: ${error instanceof Error ? error.message : error}`);
  }
}

function tokenFromFile(path: string): JoinToken {
  const text = readSecretText(path, "a token");
  if (text === null) {
    throw new ConfigError("join-file", `Cannot read the token file ${JSON.stringify(path)}: no such file`);
  }
  return parsed(text);
}

/** Reads stdin to its end; what a person pastes, until it is a whole token. */
function tokenFromStdin(): JoinToken {
  const person = process.stdin.isTTY === true;
  if (person) tell("Paste the token (printed by ovltun token on a member) and press Enter:");
  let text = "";
  const bytes = Buffer.alloc(TOKEN_MAX_LENGTH);
  for (;;) {
    const length = readSome(bytes);
    text += bytes.toString("utf8", 0, length);
    if (length === 0 || text.length > 2 * TOKEN_MAX_LENGTH) break;
    if (person && isWhole(text)) break;
  }
  bytes.fill(0);
  return parsed(text);
}

function readSome(bytes: Buffer): number {
  for (;;) {
    try {
      return readSync(STDIN, bytes, 0, bytes.length, null);
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === "EOF") return 0;
      if (code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT_MS); // nothing to read yet
    }
  }
}

function isWhole(text: string): boolean {
  try {
    parseToken(text, Date.now());
    return true;
  } catch {
    return false; // said in full when the input ends
  }
}

function parsed(text: string): JoinToken {
  try {
    return parseToken(text, Date.now());
  } catch (error) {
    throw new ConfigError("join-file", (error as Error).message, { cause: error });
  }
}
