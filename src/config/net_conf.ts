/**
 * flannel's net-conf JSON (Documentation/configuration.md of flannel-io/flannel): Network, SubnetLen, SubnetMin,
 * SubnetMax and Backend {Type, VNI, Port, DirectRouting}, as settings of ours. What flannel ignores is ignored
 * with a warning; a backend that we do not have is refused by name.
 */
import { BACKENDS } from "./config.ts";
import { ConfigError } from "./config_error.ts";
import type { Given, SettingName } from "./settings.ts";

type Kind = "string" | "number" | "boolean" | "object";

const TOP: Readonly<Record<string, readonly [Kind, SettingName | null]>> = {
  Network: ["string", "network"],
  SubnetLen: ["number", "subnet-len"],
  SubnetMin: ["string", "subnet-min"],
  SubnetMax: ["string", "subnet-max"],
  Backend: ["object", null],
  EnableIPv4: ["boolean", null],
};

const BACKEND: Readonly<Record<string, readonly [Kind, SettingName | null]>> = {
  Type: ["string", "backend"],
  VNI: ["number", "vni"],
  Port: ["number", "port"],
  DirectRouting: ["boolean", "direct-routing"],
};

/** The settings that `conf`, read from `path`, gives. Throws ConfigError naming file and key. */
export function readNetConf(
  path: string,
  conf: Readonly<Record<string, unknown>>,
  warn: (sentence: string) => void,
): Map<SettingName, Given> {
  const given = new Map<SettingName, Given>();
  readKeys(path, conf, "", TOP, given, warn);
  if (conf["EnableIPv4"] === false) {
    throw new ConfigError(
      "net-conf",
      `Key "EnableIPv4" in ${JSON.stringify(path)} is false: a mesh needs IPv4 today`,
    );
  }
  const backend = conf["Backend"];
  if (backend === undefined || backend === null) return given;
  readKeys(path, backend as Record<string, unknown>, "Backend.", BACKEND, given, warn);
  const type = given.get("backend")?.values[0];
  if (type !== undefined && !BACKENDS.some((known) => known === type)) {
    throw new ConfigError(
      "backend",
      `Key "Backend.Type" in ${JSON.stringify(path)} is ${JSON.stringify(type)}; ovltun has ${
        BACKENDS.join(", ")
      }`,
    );
  }
  const port = given.get("port");
  if (type === "vxlan" && port !== undefined) { // flannel has one port, that of its backend
    given.delete("port");
    given.set("vxlan-port", port);
  }
  return given;
}

function readKeys(
  path: string,
  object: Readonly<Record<string, unknown>>,
  prefix: string,
  keys: typeof TOP,
  given: Map<SettingName, Given>,
  warn: (sentence: string) => void,
): void {
  for (const [key, value] of Object.entries(object)) {
    const rule = Object.hasOwn(keys, key) ? keys[key] : undefined;
    const name = JSON.stringify(prefix + key);
    if (rule === undefined) {
      warn(`Key ${name} in ${JSON.stringify(path)} is not used by ovltun and was ignored`);
      continue;
    }
    const [kind, setting] = rule;
    if (value === null) continue;
    if (typeof value !== kind || Array.isArray(value)) {
      const article = kind === "object" ? "an" : "a";
      throw new ConfigError(
        setting ?? "net-conf",
        `Key ${name} in ${JSON.stringify(path)} must be ${article} ${kind}, not ${JSON.stringify(value)}`,
      );
    }
    if (setting === null || value === "") continue;
    given.set(setting, {
      values: [String(value)],
      label: prefix + key,
      where: ` (in ${JSON.stringify(path)})`,
    });
  }
}
