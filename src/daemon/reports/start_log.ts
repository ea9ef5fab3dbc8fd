/**
 * What the log says of a start: who has started, what its user should know of it, and for a founder the line that lets
 * another host join, which holds no secret.
 */
import { type Config, DEFAULT_RUN_DIR, DEFAULT_STATE_DIR } from "../../config/config.ts";
import { logger } from "../../log/log.ts";
import { RUNTIME, VERSION } from "../../version.ts";
import { tooManyWorkers } from "../planes/workers.ts";
import type { SecretChoice } from "../state/secret_choice.ts";

/** Peers of an unfinished join that the log names. */
const PEERS_SHOWN = 3;

/** A run that begins. */
interface Starting {
  readonly config: Config;
  readonly choice: SecretChoice;
  /** It goes on with a join that an earlier run began. */
  readonly resumed: boolean;
}

/** The first lines of the log: who has started, and what the user should know of it. */
export function tellStart({ config, choice, resumed }: Starting): void {
  logger.info(`Started ${config.name}`, { version: VERSION, runtime: RUNTIME, port: config.port });
  if (resumed) {
    const whom = config.peers.slice(0, PEERS_SHOWN).join(", ") +
      (config.peers.length > PEERS_SHOWN ? ", …" : "");
    logger.info(
      `Resuming the join started here, to ${whom} (to found a mesh instead: ovltun up --found)`,
    );
  }
  const crowded = tooManyWorkers(config.workers);
  if (crowded !== null) logger.warn(crowded);
  if (choice.security === "plain") {
    logger.warn(
      "This mesh is plain: nothing is encrypted or authenticated; use it only on a network you trust",
    );
  }
  if (choice.security === "sealed" && choice.outdated !== undefined) {
    logger.warn(
      `The secret of ${choice.outdated} is not used: the mesh has rotated it since, and this host has the ` +
        "new one",
    );
  }
}

/**
 * A sentence with the command; directories are named where they are not the default ones, and a flag without which the
 * other would be refused.
 */
export function joinAdvice(
  { runDir, stateDir, backend }: Pick<Config, "runDir" | "stateDir" | "backend">,
): string {
  const places = [
    ...(runDir === DEFAULT_RUN_DIR ? [] : ["--run-dir", quoted(runDir)]),
    ...(stateDir === DEFAULT_STATE_DIR ? [] : ["--state-dir", quoted(stateDir)]),
  ];
  const token = ["ovltun", "token", ...places].join(" ");
  const join = ["ovltun", "join", ...(backend === "host-gw" ? ["--allow-plain-direct"] : [])].join(" ");
  return `To let another host join, run as root on this one: ${token} | ssh root@HOST ${join}`;
}

/** As a shell reads it. */
function quoted(path: string): string {
  return /^[\w.\/-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
