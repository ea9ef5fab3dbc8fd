/**
 * What of the configuration is about security: where the network secret is to be found, never the secret itself, which no
 * configuration holds; what a token says; `--plain` and what contradicts it, and paths in the clear in a sealed mesh.
 * Whether there is a secret is for the daemon to see, which knows the state directory (daemon/state/secret_choice.ts). Pure.
 */
import { type Config, ConfigError } from "./config.ts";
import { describe, describeLabel, type GivenSettings, type SettingName } from "./settings.ts";
import { textOf } from "./values.ts";

/** The variable that holds a secret itself. */
export const SECRET_VARIABLE = "OVLTUN_SECRET";

/** The text of a secret or a token (crypto/text_code.ts), where a file was expected. */
const SECRET_TEXT = /^\s*ov[st]1[0-9a-z]{40}/i;
/** Flags that people try, and that must not exist. */
const SECRET_FLAG = /^--(?:secret|psk|passphrase|password|pass|key|token)(?:=|$)/;

const IN_ARGV =
  "is visible to every user of this host (ps) and stays in the shell history; change it if it was real";

/**
 * Throws ConfigError on the first contradiction; adds to `warnings` what has no effect. Called last, so that other mistakes
 * are told first.
 */
export function checkSecurity(config: Config, settings: GivenSettings, warnings: string[]): void {
  const given = (name: SettingName) => {
    const one = settings.get(name);
    return one === undefined ? `--${name}` : describe(one);
  };
  if (config.plain) return checkPlain(config, given, warnings);
  if (config.cipher === "none") {
    throw new ConfigError(
      "cipher",
      `${given("cipher")} needs --plain, which turns encryption off for the whole mesh`,
    );
  }
  if (!config.allowPlainDirect) checkClearPaths(config, settings);
}

function checkPlain(config: Config, given: (name: SettingName) => string, warnings: string[]): void {
  if (config.secretFile !== null) {
    throw new ConfigError(
      "secret-file",
      `${given("secret-file")} contradicts --plain: a plain mesh has no secret`,
    );
  }
  if (config.secretInEnvironment) {
    throw new ConfigError("secret-file", "OVLTUN_SECRET contradicts --plain: a plain mesh has no secret");
  }
  if (config.cipher !== "none") {
    throw new ConfigError("cipher", `${given("cipher")} contradicts --plain: a plain mesh has no cipher`);
  }
  if (config.allowPlainDirect) {
    warnings.push("--allow-plain-direct has no effect with --plain, where every path is in the clear");
  }
}

/** Paths that no encryption protects are in a sealed mesh only by the user's own word. */
function checkClearPaths(config: Config, settings: GivenSettings): void {
  const clear: readonly (readonly [SettingName, boolean])[] = [
    ["direct-routing", config.directRouting],
    ["static-peer", config.staticPeers.length > 0],
    ["backend", config.backend === "host-gw"],
  ];
  for (const [name, wanted] of clear) {
    if (!wanted) continue;
    const one = settings.get(name);
    const label = one === undefined ? `--${name}` : name === "backend" ? describe(one) : describeLabel(one);
    throw new ConfigError(
      name,
      `${label} sends packets in the clear, but this mesh is sealed: allow it with --allow-plain-direct ` +
        "(status then says clear), or leave it out",
    );
  }
}

export interface SecretSetting {
  readonly secretFile: string | null;
  readonly secretInEnvironment: boolean;
}

/** `--secret-file` beats OVLTUN_SECRET, which beats the configuration file. Throws ConfigError. */
export function readSecretSetting(
  settings: GivenSettings,
  environment: Readonly<Record<string, string | undefined>>,
): SecretSetting {
  const secretFile = textOf(settings, "secret-file");
  const given = settings.get("secret-file");
  if (secretFile !== null && SECRET_TEXT.test(secretFile)) {
    const danger = given!.source === "flag" ? ` Anything on a command line ${IN_ARGV}` : "";
    throw new ConfigError(
      "secret-file",
      `${given!.label} takes a file name, but was given a secret or a token.${danger}`,
    );
  }
  const inEnvironment = (environment[SECRET_VARIABLE] ?? "") !== "";
  if (!inEnvironment || given?.source === "flag") return { secretFile, secretInEnvironment: false };
  if (given?.source === "environment") {
    throw new ConfigError(
      "secret-file",
      `${SECRET_VARIABLE} and ${given.label} are both given; leave one out`,
    );
  }
  return { secretFile: null, secretInEnvironment: true };
}

/** Refuses arguments that carry a secret, before a message can repeat them. Throws ConfigError. */
export function refuseSecretArguments(argv: readonly string[]): void {
  const flag = argv.find((one) => SECRET_FLAG.test(one));
  if (flag !== undefined) {
    throw new ConfigError(
      "secret-file",
      `There is no ${flag.replace(/=.*/s, "")}: a secret on the command line ${IN_ARGV}. ` +
        `Put it in a file for --secret-file, or set ${SECRET_VARIABLE}`,
    );
  }
  if (argv.some((one) => SECRET_TEXT.test(one.replace(/^--[a-z-]+=/, "")))) {
    throw new ConfigError(
      "secret-file",
      `A secret or a token on the command line ${IN_ARGV}. Pass a token to ovltun join on stdin or with ` +
        `--join-file, a secret with --secret-file or in ${SECRET_VARIABLE}`,
    );
  }
}

/** What is said of a configuration file that holds the secret itself. */
export const SECRET_KEY_ADVICE =
  'a configuration file holds no secret; put it into a file of its own ("secret-file")';

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
