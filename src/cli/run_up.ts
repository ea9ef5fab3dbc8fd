/**
 * What `up` and `join` share: the configuration, the secret, then the daemon in the foreground. OVLTUN_SECRET is gone
 * from the environment before anything else is started, so that no child and no hook inherits it.
 */
import { hostname } from "node:os";
import process from "node:process";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/config_error.ts";
import { loadConfig } from "../config/load.ts";
import { SECRET_VARIABLE } from "../config/secret_setting.ts";
import type { JoinToken } from "../crypto/join_token.ts";
import { NetworkSecret } from "../crypto/network_secret.ts";
import { configureLog, logger } from "../daemon/log.ts";
import { TOKEN } from "../daemon/secret_choice.ts";
import { type GivenSecret, readSecretFile } from "../daemon/secret_files.ts";
import { sourcesOf } from "./options.ts";
import { Exit } from "./output.ts";

/** Runs the daemon; always throws, Exit at the latest. `token`: what `join` was given. */
export async function runUp(options: Record<string, unknown>, token: JoinToken | null): Promise<never> {
  const sources = sourcesOf(options);
  const environment = { ...sources.environment };
  delete process.env[SECRET_VARIABLE];
  const join = token === null ? undefined : {
    networkName: token.networkName,
    endpoints: token.endpoints,
    pinnedNode: token.issuer,
    sealed: token.secret !== null,
  };
  const facts = { ...sources, environment, hostName: hostname() };
  const { config, warnings } = loadConfig(join === undefined ? facts : { ...facts, join });
  const given = givenSecret(config, environment[SECRET_VARIABLE] ?? "", token);
  delete environment[SECRET_VARIABLE];
  configureLog(config.logLevel, config.logFormat);
  for (const warning of warnings) logger.warn(warning);
  const { runDaemon } = await import("../daemon/daemon.ts");
  throw new Exit(await runDaemon(config, given));
}

/** The secret that the user gave, or null. Throws ConfigError. */
export function givenSecret(
  config: Pick<Config, "secretFile" | "secretInEnvironment" | "networkName">,
  environment: string,
  token: JoinToken | null,
): GivenSecret | null {
  if (token !== null) return token.secret === null ? null : { secret: token.secret, from: TOKEN };
  try {
    if (config.secretFile !== null) return readSecretFile(config.secretFile, config.networkName);
    if (!config.secretInEnvironment) return null;
    return { secret: NetworkSecret.parse(environment, config.networkName), from: SECRET_VARIABLE };
  } catch (error) {
    const place = config.secretFile === null ? `${SECRET_VARIABLE}: ` : "";
    throw new ConfigError("secret-file", `${place}${(error as Error).message}`);
  }
}
