/** What a token says, combined with the flags; a flag that contradicts it is named in the error. Pure. */
import type { Config } from "./config.ts";
import { ConfigError } from "./config_error.ts";
import { describe, type GivenSettings } from "./settings.ts";

/** What `ovltun join` learned from a token, all but the secret. */
export interface JoinFacts {
  readonly networkName: string;
  /** Endpoints of the node that issued it. */
  readonly endpoints: readonly string[];
  /** Its id, 64 hexadecimal digits. */
  readonly pinnedNode: string;
  readonly sealed: boolean;
}

/** The configuration with the token's facts in it. Throws ConfigError where a flag contradicts them. */
export function applyJoin(config: Config, join: JoinFacts, settings: GivenSettings): Config {
  const name = settings.get("network-name");
  if (name !== undefined && config.networkName !== join.networkName) {
    throw new ConfigError(
      "network-name",
      `${describe(name)} contradicts the token, which is for the network "${join.networkName}"; leave it out`,
    );
  }
  if (config.found) {
    throw new ConfigError("found", "--found contradicts the token: a token is for an existing mesh");
  }
  if (config.secretFile !== null || config.secretInEnvironment) {
    const given = config.secretInEnvironment ? "OVLTUN_SECRET" : "--secret-file";
    throw new ConfigError(
      "secret-file",
      `${given} given with a token: the token contains the secret; leave ${given} out`,
    );
  }
  if (config.plain && join.sealed) {
    throw new ConfigError("plain", "--plain contradicts the token, which is for a sealed mesh; leave it out");
  }
  if (!config.plain && !join.sealed) {
    throw new ConfigError(
      "plain",
      "The token is for a plain mesh, where nothing is encrypted; add --plain if you trust the network",
    );
  }
  const peers = [...new Set([...join.endpoints, ...config.peers])];
  return { ...config, networkName: join.networkName, peers, pinnedNode: join.pinnedNode };
}
