/**
 * `ovltun up`: the configuration from flags, environment and files, the secret, then the daemon in the foreground; `join` is
 * the same with what a token says. OVLTUN_SECRET is gone from the environment before anything else is started, so that no
 * child and no hook inherits it.
 */
import type { Command } from "commander";
import { hostname } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { type Config, ConfigError } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import { SECRET_VARIABLE } from "../config/security.ts";
import type { JoinToken } from "../crypto/join_token.ts";
import { NetworkSecret } from "../crypto/network_secret.ts";
import { configureLog, logger } from "../log/log.ts";
import { TOKEN } from "../daemon/state/secret_choice.ts";
import { type GivenSecret, isMissing, readSecretFile } from "../daemon/state/secret_files.ts";
import { JOIN_FILE, SECRET_FILE } from "../daemon/state/state_files.ts";
import { addSettings, sourcesOf } from "./options.ts";
import { Exit } from "./output.ts";

const EXAMPLES = `
Examples:
  ovltun up                                 found a sealed mesh
  ovltun token | ssh root@HOST ovltun join  let another host join it
  ovltun up --plain --peers 192.168.1.10    join a plain mesh, on a network you trust

A static peer is SUBNET=IP[:PORT],backend=vxlan|udp[,mac=MAC][,vni=N], e.g.
  --static-peer 10.42.3.0/24=192.168.1.12,backend=vxlan,mac=02:00:00:00:00:03

Values in parentheses are defaults. Every flag is also an environment variable
(--subnet-len: OVLTUN_SUBNET_LEN) and a key in the --config file; flags override
the environment, which overrides the file.`;

export function registerUp(program: Command): void {
  const command = program.command("up").description(
    "join or found the mesh and run in the foreground until stopped; needs root",
  );
  addSettings(command).addHelpText("after", EXAMPLES).action(async (options: Record<string, unknown>) => {
    await runUp(options, null);
  });
}

/** Runs the daemon; always throws, Exit at the latest. `token`: what `join` was given. */
export async function runUp(options: Record<string, unknown>, token: JoinToken | null): Promise<never> {
  const sources = sourcesOf(options);
  const environment = { ...sources.environment };
  delete process.env[SECRET_VARIABLE];
  const ofToken = token === null ? undefined : {
    networkName: token.networkName,
    endpoints: token.endpoints,
    pinnedNode: token.issuer,
    sealed: token.secret !== null,
  };
  const facts = { ...sources, environment, hostName: hostname() };
  const { config, warnings } = loadConfig(ofToken === undefined ? facts : { ...facts, join: ofToken });
  configureLog(config.logLevel, config.logFormat);
  for (const warning of warnings) logger.warn(warning);
  const given = givenSecret(config, environment[SECRET_VARIABLE] ?? "", token);
  delete environment[SECRET_VARIABLE];
  const { runDaemon } = await import("../daemon/daemon.ts");
  const { systemMachine } = await import("../machine/machine.ts");
  throw new Exit(await runDaemon(systemMachine, config, given));
}

/**
 * The secret that the user gave, or null. A file that is named and is not there matters only to a host that keeps no
 * secret: a member goes on with its own. Throws ConfigError.
 */
export function givenSecret(
  config: Pick<Config, "secretFile" | "secretInEnvironment" | "networkName" | "stateDir">,
  environment: string,
  token: JoinToken | null,
): GivenSecret | null {
  if (token !== null) return token.secret === null ? null : { secret: token.secret, from: TOKEN };
  try {
    const { secretFile } = config;
    if (secretFile !== null && isMissing(secretFile)) return missingFile(secretFile, config.stateDir);
    if (secretFile !== null) return readSecretFile(secretFile, config.networkName);
    if (!config.secretInEnvironment) return null;
    return { secret: NetworkSecret.parse(environment, config.networkName), from: SECRET_VARIABLE };
  } catch (error) {
    const place = config.secretFile === null ? `${SECRET_VARIABLE}: ` : "";
    throw new ConfigError("secret-file", `${place}${(error as Error).message}`);
  }
}

/** Null, with a warning, where the state directory has a secret. Throws a sentence where it has none. */
function missingFile(path: string, stateDir: string): null {
  const file = JSON.stringify(path);
  const missing = `--secret-file ${file}: no such file`;
  // An unfinished join keeps one, too.
  if ([SECRET_FILE, JOIN_FILE].every((name) => isMissing(join(stateDir, name)))) {
    throw new Error(
      `Cannot read ${missing}. On the first host of a mesh, create it: (umask 077; ovltun secret new > ` +
        `${file}); ` +
        "on every other host, copy that file, or leave --secret-file out and join with a token (ovltun " +
        "token on a " +
        "member, ovltun join here)",
    );
  }
  const kept = JSON.stringify(stateDir);
  logger.warn(`${missing}; using the secret stored in ${kept} instead. Leave --secret-file out`);
  return null;
}
