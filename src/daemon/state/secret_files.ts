/**
 * Secrets on disk: the one that a user names, and the one that the state directory keeps. A file that others may read
 * is refused, with the command that helps. Nothing that was read is ever part of a message.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { type HeldSecret, placeOfGiven } from "../../control/secrets/key_ring.ts";
import { NetworkSecret } from "../../crypto/network_secret.ts";
import { refuseOpenToOthers } from "./durable_file.ts";
import { SECRET_FILE } from "./state_files.ts";

/** More is no secret and no token. */
const READ_MAX = 8192;
/** A line of several secrets: text, place in the order, maker, what becomes of older ones, whether it is used. */
const ROTATED = /^(\S+) (\d{1,15}) (-|[0-9a-f]{16}) (drop|keep) (used|known)$/;

/** A secret, and where it came from in a user's words: `--secret-file "/etc/x"`, "OVLTUN_SECRET", "the token". */
export interface GivenSecret {
  readonly secret: NetworkSecret;
  readonly from: string;
}

/** The text of a file that only its owner may read; null when there is none. `what` says what the file holds. */
export function readSecretText(path: string, what: string): string | null {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (cause) {
    const { code } = cause as { code?: string };
    if (code === "ENOENT") return null;
    const hint = code === "EACCES" ? " (run as root)" : "";
    throw new Error(`Cannot read ${JSON.stringify(path)}: ${code ?? String(cause)}${hint}`, { cause });
  }
  const bytes = Buffer.alloc(READ_MAX + 1);
  try {
    const found = fstatSync(fd);
    if (found.isDirectory()) {
      throw new Error(`${JSON.stringify(path)} is a directory, not a file with ${what}`);
    }
    // A pipe, as of <(command), has no mode of interest.
    if (found.isFile()) refuseOpenToOthers(path, found.mode, what);
    let length = 0;
    for (let n = -1; n !== 0 && length < bytes.length; length += n) {
      n = readSync(fd, bytes, length, bytes.length - length, null);
    }
    if (length > READ_MAX) throw new Error(`${JSON.stringify(path)} is too long to be ${what}`);
    return bytes.toString("utf8", 0, length);
  } finally {
    bytes.fill(0);
    closeSync(fd);
  }
}

/** The secret that a user gave by `--secret-file`. Throws a sentence. */
export function readSecretFile(path: string, networkName: string): GivenSecret {
  const from = `--secret-file ${JSON.stringify(path)}`;
  const text = readSecretText(path, "the network secret");
  if (text === null) {
    throw new Error(`Cannot read ${from}: no such file (generate one with ovltun secret new)`);
  }
  try {
    return { secret: NetworkSecret.parse(text, networkName), from };
  } catch (cause) {
    throw new Error(`${from}: ${(cause as Error).message}`, { cause });
  }
}

/** Whether there is no file at `path`; one that cannot be looked at is there. */
export function isMissing(path: string): boolean {
  try {
    statSync(path);
    return false;
  } catch (error) {
    return (error as { code?: string }).code === "ENOENT";
  }
}

/** The newest secret that a state directory keeps, or null. Throws a sentence. */
export function readStoredSecret(stateDir: string): NetworkSecret | null {
  return readStoredSecrets(stateDir)[0]?.secret ?? null;
}

/** The secrets that a state directory keeps, the newest first: more than one while they change. Throws a sentence. */
export function readStoredSecrets(stateDir: string): HeldSecret[] {
  const path = join(stateDir, SECRET_FILE);
  const text = readSecretText(path, "the network secret");
  if (text === null) return [];
  try {
    const lines = text.trim().split("\n");
    // What was never rotated is one text, however it was broken into lines.
    return lines.some((line) => ROTATED.test(line)) ? lines.map(heldOf) : [founderOf(text)];
  } catch (cause) {
    throw new Error(
      `Cannot use ${JSON.stringify(path)}: ${
        (cause as Error).message
      } (restore it from a backup, or remove it and supply the secret with --secret-file)`,
      { cause },
    );
  }
}

/** The text of the file that keeps secrets in a state directory, the newest first. */
export function secretsText(secrets: readonly HeldSecret[]): string {
  const [only] = secrets;
  const plain = secrets.length === 1 && only!.generation.seq === 0; // as ovltun secret new prints it
  return secrets.map((held) => `${plain ? held.secret.text() : lineOf(held)}\n`).join("");
}

/** The same of one secret. */
export function secretText(secret: NetworkSecret): string {
  return secretsText([{ secret, generation: placeOfGiven(secret), used: true }]);
}

function founderOf(text: string): HeldSecret {
  const secret = NetworkSecret.parse(text, "");
  return { secret, generation: placeOfGiven(secret), used: true };
}

function lineOf({ secret, generation, used }: HeldSecret): string {
  const { seq, issuer, dropOld } = generation;
  return [secret.text(), seq, issuer || "-", dropOld ? "drop" : "keep", used ? "used" : "known"].join(" ");
}

function heldOf(line: string): HeldSecret {
  const found = ROTATED.exec(line);
  if (found === null) throw new Error("It contains a line that is not a secret");
  const [, text, seq, issuer, old, use] = found;
  const generation = { seq: Number(seq), issuer: issuer === "-" ? "" : issuer!, dropOld: old === "drop" };
  return { secret: NetworkSecret.parse(text!, ""), generation, used: use === "used" };
}
