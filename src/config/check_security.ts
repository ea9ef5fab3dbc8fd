/**
 * What of the configuration is about security: `--plain` and what contradicts it, and paths in the clear in a sealed
 * mesh. Checked last, so that other mistakes are told first. Whether there is a secret is for the daemon to see, which
 * knows the state directory (daemon/state/secret_choice.ts).
 */
import type { Config } from "./config.ts";
import { ConfigError } from "./config_error.ts";
import { describe, describeLabel, type GivenSettings, type SettingName } from "./settings.ts";

/** Throws ConfigError on the first contradiction; adds to `warnings` what has no effect. */
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
