/**
 * A join that has not come to a lease yet is remembered in the state directory, with all that it needs, so that a plain
 * `ovltun up` goes on with it, after whatever ended it: Ctrl-C, a refusal, kill -9, a reboot. Founding a second mesh in
 * its place, in silence, would be the opposite of what was asked for. It is forgotten with the first claim, by another
 * join, by `up --found`, and by `down --purge`.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Config, ConfigError, DEFAULT_NETWORK_NAME } from "../../config/config.ts";
import { isHostPort } from "../../config/values.ts";
import type { StoredState } from "../../control/records/state.ts";
import { NetworkSecret } from "../../crypto/network_secret.ts";
import type { GivenSecret } from "./secret_files.ts";
import { readJsonFile, writeTextFile } from "./durable_file.ts";
import { JOIN_FILE } from "./state_files.ts";

/** What a join was begun with. */
export interface UnfinishedJoin {
  readonly networkName: string;
  /** "HOST:PORT" as given, names not resolved; none where no token told any. */
  readonly peers: readonly string[];
  /** Id of the node that a token named, or null. */
  readonly pinnedNode: string | null;
  /** Null: the mesh is plain, or the join was refused. */
  readonly secret: NetworkSecret | null;
  /** Why it did not begin, a sentence: its token had expired or was none, or it had no secret. */
  readonly refused?: string;
}

/** Where its secret came from, in a user's words. */
const UNFINISHED = "the join started here";

const FILE_VERSION = 1;
const PEERS_MAX = 256;
const REFUSED_MAX = 1000;

/** The unfinished join in a state directory, or null. Throws a sentence when the file cannot be used. */
export function readUnfinishedJoin(stateDir: string): UnfinishedJoin | null {
  const path = join(stateDir, JOIN_FILE);
  const { value } = readJsonFile(path, { secret: true });
  if (value === null) return null;
  const found = fromJson(value as Record<string, unknown>);
  if (found !== null) return found;
  throw new Error(
    `Cannot use ${
      JSON.stringify(path)
    }, the record of an unfinished join: run ovltun down --purge --state-dir ${stateDir}, then join again with a token`,
  );
}

function fromJson(f: Record<string, unknown>): UnfinishedJoin | null {
  const { version, networkName, peers, pinnedNode, secret, refused } = f;
  if (
    version !== FILE_VERSION || typeof networkName !== "string" || !/^[\x21-\x7e]{1,64}$/.test(networkName)
  ) {
    return null;
  }
  if (!Array.isArray(peers) || peers.length > PEERS_MAX) return null;
  if (peers.length === 0 && refused === undefined) return null;
  if (!peers.every((peer) => typeof peer === "string" && isHostPort(peer))) return null;
  if (pinnedNode !== null && !/^[0-9a-f]{64}$/.test(String(pinnedNode))) return null;
  if (secret !== null && typeof secret !== "string") return null;
  if (refused !== undefined && (typeof refused !== "string" || refused.length > REFUSED_MAX)) return null;
  try {
    const parsed = secret === null ? null : NetworkSecret.parse(secret as string, networkName);
    const known = { networkName, peers, pinnedNode: pinnedNode as string | null, secret: parsed };
    return refused === undefined ? known : { ...known, refused: refused as string };
  } catch {
    return null;
  }
}

/**
 * Remembers a join, for its owner only; in place of another. One that is there already stays: a start needs no room on the
 * disk for it. Throws when it cannot.
 */
export function writeUnfinishedJoin(stateDir: string, { secret, ...rest }: UnfinishedJoin): void {
  const text = JSON.stringify({ version: FILE_VERSION, ...rest, secret: secret?.text() ?? null }, null, 1);
  const path = join(stateDir, JOIN_FILE);
  if (existsSync(path) && readFileSync(path, "utf8") === `${text}\n`) return;
  writeTextFile(path, `${text}\n`, 0o600, false);
}

/** Forgets it. */
export function removeUnfinishedJoin(stateDir: string): void {
  const path = join(stateDir, JOIN_FILE);
  if (existsSync(path)) rmSync(path);
}

/**
 * Remembers in a state directory that a join was refused before it began, so that the next `up` does not found a mesh in
 * its place. A host that is in a mesh, or has a join to go on with, stays as it is. Throws when it cannot.
 */
export function rememberRefusedJoin(
  state: {
    readonly stored: StoredState | null;
    readonly join: UnfinishedJoin | null;
    rememberJoin(begun: UnfinishedJoin): void;
  },
  begun: UnfinishedJoin,
): void {
  if ((state.stored?.mesh ?? null) === null && state.join === null) state.rememberJoin(begun);
}

/** What a run is begun with: the user's words, and what the state directory has. */
export interface Beginning {
  readonly config: Config;
  readonly given: GivenSecret | null;
  readonly stored: StoredState | null;
  /** The newest secret of the state directory. */
  readonly secret: NetworkSecret | null;
  readonly join: UnfinishedJoin | null;
}

/** The same after an unfinished join was taken into account. */
export interface Begun extends Omit<Beginning, "join"> {
  /** What is to be remembered of this run, once its secret is known; null: nothing, or it is there already. */
  readonly remember: Omit<UnfinishedJoin, "secret"> | null;
  /** This run goes on with an earlier one. */
  readonly resumed: boolean;
}

/** Whether such a run founds a mesh, without waiting for a peer. */
export function founds(
  { config, stored }: Pick<Begun, "stored"> & { readonly config: Pick<Config, "found" | "peers"> },
): boolean {
  return (stored?.mesh ?? null) === null && (config.found || config.peers.length === 0);
}

/** Puts both together. Throws ConfigError where what the user says now contradicts what was begun. Pure. */
export function beginRun(beginning: Beginning): Begun {
  const { config, given, stored, secret, join } = beginning;
  const asItIs: Begun = { config, given, stored, secret, remember: null, resumed: false };
  // With a claim the join is over; a mesh without one is of the join that is under way, if there is one.
  const member = stored !== null && stored.mesh !== null && (stored.claim !== null || join === null);
  if (member) return asItIs;
  if (config.found) return join === null ? asItIs : { ...asItIs, ...withoutMesh(stored) };
  if (config.peers.length === 0) return join === null ? asItIs : resume(beginning, join);
  return joinAnew(beginning);
}

function joinAnew({ config, given, stored, secret, join }: Beginning): Begun {
  const { networkName, pinnedNode } = config;
  const remember = {
    networkName,
    pinnedNode,
    peers: config.peers.map((peer) => withPort(peer, config.port)),
  };
  const asItIs = { config, given, stored, secret, remember, resumed: false };
  if (join === null) return asItIs;
  const continues = given === null && !config.plain && pinnedNode === null && join.secret !== null &&
    networkName === join.networkName;
  if (continues) {
    // More peers to the same join, without its secret: the secret and the pin are those of the token.
    const peers = [...new Set([...remember.peers, ...join.peers])];
    const { pinnedNode } = join;
    const same = { ...config, peers, pinnedNode };
    const words = { secret: join.secret, from: UNFINISHED };
    return { ...asItIs, config: same, given: words, remember: { networkName, peers, pinnedNode } };
  }
  const same = join.networkName === networkName &&
    (given === null
      ? config.plain && join.secret === null
      : join.secret !== null && given.secret.equals(join.secret));
  return same ? asItIs : { ...asItIs, ...withoutMesh(stored) };
}

/** What an abandoned join left of its mesh. The node stays who it is, and its record newer than before. */
function withoutMesh(stored: StoredState | null): Pick<Begun, "stored" | "secret"> {
  const rest = stored === null ? null : { ...stored, mesh: null, claim: null, peers: [], directives: [] };
  return { stored: rest, secret: null };
}

function resume({ config, given, stored, secret }: Beginning, join: UnfinishedJoin): Begun {
  const to = join.peers.length === 0 ? "" : `, to ${join.peers.slice(0, 3).join(", ")},`;
  const whom = `A join started on this host${to} is not finished`;
  const ways =
    "To found a new mesh instead: ovltun up --found; to join another: ovltun join; to discard it: ovltun " +
    `down --purge --state-dir ${config.stateDir}`;
  if (join.refused !== undefined) {
    const { peers, pinnedNode } = join;
    // What it wanted may be given now; a token, which pins, is never one of a plain mesh here.
    const answered = peers.length > 0 && (given !== null || (config.plain && pinnedNode === null));
    if (!answered) throw new ConfigError("join-file", `${whom}: ${join.refused}. ${ways}`);
    const remember = { networkName: config.networkName, peers, pinnedNode };
    return { config: { ...config, ...remember }, given, stored, secret, remember, resumed: true };
  }
  if (config.plain !== (join.secret === null)) {
    const what = config.plain
      ? "that mesh is sealed: leave --plain out to resume"
      : "that mesh is plain: add --plain to resume";
    throw new ConfigError("plain", `${whom}; ${what}. ${ways}`);
  }
  if (config.networkName !== DEFAULT_NETWORK_NAME && config.networkName !== join.networkName) {
    throw new ConfigError(
      "network-name",
      `${whom}, in the network "${join.networkName}"; leave --network-name out to resume. ${ways}`,
    );
  }
  if (given !== null && join.secret !== null && !given.secret.equals(join.secret)) {
    throw new ConfigError(
      "secret-file",
      `${whom}, and its secret is not that of ${given.from}; leave that out to resume. ${ways}`,
    );
  }
  const { networkName, peers, pinnedNode } = join;
  // The mesh may have told a newer secret meanwhile, which is on disk with it.
  const learned = stored?.mesh?.security === "sealed" && secret !== null;
  return {
    config: { ...config, networkName, peers, pinnedNode },
    given: learned || join.secret === null ? null : { secret: join.secret, from: UNFINISHED },
    stored,
    secret,
    remember: null,
    resumed: true,
  };
}

/** A peer with the port that it is asked on, which another run may have another default for. */
function withPort(peer: string, port: number): string {
  if (/^\[[^\]]*\]:\d+$/.test(peer) || /^[^:[\]]+:\d+$/.test(peer)) return peer;
  return peer.includes(":") && !peer.startsWith("[") ? `[${peer}]:${port}` : `${peer}:${port}`;
}
