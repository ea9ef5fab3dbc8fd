/** Where the network secret is to be found; never the secret itself, which no configuration holds. Pure. */
import { ConfigError } from "./config_error.ts";
import type { GivenSettings } from "./settings.ts";
import { textOf } from "./values.ts";

/** The variable that holds a secret itself. */
export const SECRET_VARIABLE = "OVLTUN_SECRET";

/** The text of a secret or a token (crypto/text_code.ts), where a file was expected. */
const SECRET_TEXT = /^\s*ov[st]1[0-9a-z]{40}/i;
/** Flags that people try, and that must not exist. */
const SECRET_FLAG = /^--(?:secret|psk|passphrase|password|pass|key|token)(?:=|$)/;

const IN_ARGV =
  "is visible to every user of this host (ps) and stays in the shell history; change it if it was real";

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
