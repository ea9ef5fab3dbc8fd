/**
 * Where settings come from: flags beat the environment, the environment beats the `--config` file, the file beats
 * flannel's `--net-conf`. The result is one map of raw texts, each remembering where it was found, so that every
 * later message can name the place. Pure: files are read through the function that the caller hands in.
 */
import { ConfigError, DEFAULT_SUBNET_LEN } from "./config.ts";
import { JsonObject, JsonSyntaxError, parseJson } from "./json_text.ts";
import { defaultSubnetLen, type NetConf, readNetConf } from "./net_conf.ts";
import {
  ALL_SETTINGS,
  describe,
  describeLabel,
  environmentKey,
  type Given,
  type GivenSettings,
  type Setting,
  type SettingName,
} from "./settings.ts";
import { SECRET_KEY_ADVICE, SECRET_VARIABLE } from "./security.ts";
import { suggest } from "./suggest.ts";

/** What the command line hands over for one flag: commander's text, true, or a list. */
export type FlagValues = Readonly<Record<string, unknown>>;

export interface Sources {
  /** By flag without dashes. */
  readonly flags: FlagValues;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Contents of a file; throws when it cannot be read. */
  readonly readFile: (path: string) => string;
}

/** Environment variables of ours that are no flags. */
const OTHER_KEYS = [SECRET_VARIABLE, "OVLTUN_JOIN_FILE"];

/** What all sources say together. */
export interface Collected {
  /** All settings that were given, the strongest source of each. */
  readonly settings: GivenSettings;
  /** What a founder takes where `subnet-len` was not given: flannel's choice for a network that its file names. */
  readonly defaultSubnetLen: number;
  /** `Backend.MTU` of flannel's file, or null. */
  readonly underlayMtu: number | null;
}

/** Throws ConfigError; `warn` gets sentences. */
export function collectSettings(sources: Sources, warn: (sentence: string) => void): Collected {
  const flags = fromFlags(sources.flags);
  const environment = fromEnvironment(sources.environment);
  warnOfTypos(sources.environment, warn);
  let given = new Map([...environment, ...flags]);
  const config = given.get("config");
  if (config !== undefined) {
    given = new Map([
      ...fromConfigFile(config.values[0]!, describeLabel(config), sources.readFile),
      ...given,
    ]);
  }
  const place = given.get("net-conf");
  if (place === undefined) {
    return { settings: given, defaultSubnetLen: DEFAULT_SUBNET_LEN, underlayMtu: null };
  }
  const path = place.values[0]!;
  const { object } = readJson(path, "net-conf", describeLabel(place), sources.readFile);
  const conf = readNetConf(path, object, warn);
  const settings = new Map([...conf.given, ...given]);
  return { settings, defaultSubnetLen: subnetLenFor(conf, settings), underlayMtu: conf.underlayMtu };
}

/** flannel's rule is for a network of its file, where nothing gives a length. */
function subnetLenFor(conf: NetConf, settings: GivenSettings): number {
  const network = settings.get("network");
  const none = network === undefined || network.values[0] === "none";
  if (none || network !== conf.given.get("network") || settings.has("subnet-len")) {
    return DEFAULT_SUBNET_LEN;
  }
  return defaultSubnetLen(Number(network.values[0]!.split("/")[1]), describe(network));
}

/** Splits and trims one text as the kind of the setting wants it; null when nothing is left. */
function entriesOf(setting: Setting, text: string): string[] | null {
  if (setting.kind !== "list") return text.trim() === "" ? null : [text.trim()];
  const parts = text.split(setting.separator ?? ",").map((part) => part.trim()).filter((part) => part !== "");
  return parts.length === 0 ? null : parts;
}

function fromFlags(flags: FlagValues): Map<SettingName, Given> {
  const given = new Map<SettingName, Given>();
  for (const setting of ALL_SETTINGS) {
    for (const flag of [setting.alias, setting.flag]) {
      const value = flag === undefined ? undefined : flags[flag];
      if (value === undefined || value === false) continue;
      const texts = Array.isArray(value) ? value.map(String) : [String(value)];
      const values = texts.flatMap((text) => entriesOf(setting, text) ?? []);
      if (values.length === 0) throw new ConfigError(setting.flag, `--${flag} is empty`);
      const before = given.get(setting.flag)?.values ?? [];
      given.set(setting.flag, {
        source: "flag",
        values: [...before, ...values],
        label: `--${flag}`,
        where: "",
      });
    }
  }
  return given;
}

function fromEnvironment(environment: Sources["environment"]): Map<SettingName, Given> {
  const given = new Map<SettingName, Given>();
  for (const setting of ALL_SETTINGS) {
    for (const flag of [setting.alias, setting.flag]) {
      if (flag === undefined) continue;
      const label = environmentKey(flag);
      const text = environment[label];
      if (text === undefined) continue;
      if (setting.kind === "switch") {
        const value = parseSwitch(text);
        if (value === null) {
          throw new ConfigError(setting.flag, `${label} must be 1 or 0, not ${JSON.stringify(text)}`);
        }
        given.set(setting.flag, { source: "environment", values: [value], label, where: "" });
        continue;
      }
      const values = entriesOf(setting, text);
      if (values !== null) given.set(setting.flag, { source: "environment", values, label, where: "" });
    }
  }
  return given;
}

function parseSwitch(text: string): "true" | "false" | null {
  const word = text.trim().toLowerCase();
  if (["1", "true", "yes", "on"].includes(word)) return "true";
  return ["0", "false", "no", "off", ""].includes(word) ? "false" : null;
}

function warnOfTypos(environment: Sources["environment"], warn: (sentence: string) => void): void {
  const known = new Set(OTHER_KEYS);
  for (const { flag, alias } of ALL_SETTINGS) {
    known.add(environmentKey(flag));
    if (alias !== undefined) known.add(environmentKey(alias));
  }
  for (const key of Object.keys(environment)) {
    if (!key.startsWith("OVLTUN_") || known.has(key)) continue;
    const near = suggest(key.slice(7), [...known].map((one) => one.slice(7)));
    if (near !== null) warn(`${key} is not a setting and was ignored; did you mean OVLTUN_${near}?`);
  }
}

function fromConfigFile(path: string, label: string, readFile: Sources["readFile"]): Map<SettingName, Given> {
  const where = ` (in ${JSON.stringify(path)})`;
  const { value } = readJson(path, "config", label, readFile);
  const given = new Map<SettingName, Given>();
  for (const [key, entry] of Object.entries(value)) {
    const setting = ALL_SETTINGS.find((one) => one.flag === key || one.alias === key);
    if (setting === undefined) {
      if (key === "secret") {
        throw new ConfigError("config", `Key "secret" in ${JSON.stringify(path)}: ${SECRET_KEY_ADVICE}`);
      }
      const near = suggest(key, ALL_SETTINGS.map((one) => one.flag));
      const hint = near === null ? "" : `; did you mean ${JSON.stringify(near)}?`;
      throw new ConfigError("config", `Unknown key ${JSON.stringify(key)} in ${JSON.stringify(path)}${hint}`);
    }
    if (setting.flag === "config") {
      throw new ConfigError(
        "config",
        `Key "config" in ${JSON.stringify(path)}: a config file cannot name ` +
          "another",
      );
    }
    if (entry === null) continue;
    const values = fileValues(setting, entry);
    if (values === null) {
      throw new ConfigError(
        setting.flag,
        `Key ${JSON.stringify(key)} in ${JSON.stringify(path)} must be ${KIND_WORDS[setting.kind]}, not ${
          shown(entry)
        }`,
      );
    }
    if (values.length > 0) given.set(setting.flag, { source: "file", values, label: key, where });
  }
  return given;
}

const KIND_WORDS = {
  text: "a string",
  number: "a number",
  switch: "true or false",
  list: "a string or a list of strings",
};

function fileValues(setting: Setting, entry: unknown): string[] | null {
  switch (setting.kind) {
    case "switch":
      return typeof entry === "boolean" ? [String(entry)] : null;
    case "number":
      return typeof entry === "number" || (typeof entry === "string" && entry.trim() !== "")
        ? [String(entry).trim()]
        : null;
    case "text":
      return typeof entry === "string" ? entriesOf(setting, entry) : null;
    case "list": {
      const texts: unknown[] = Array.isArray(entry) ? entry : [entry];
      if (!texts.every((text) => typeof text === "string")) return null;
      return texts.flatMap((text) => entriesOf(setting, text) ?? []);
    }
  }
}

/** A value for a message, cut to a readable length. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}

/** The object in a JSON file, as a value and as it is written; every failure names the flag, the file and the place. */
function readJson(
  path: string,
  field: SettingName,
  label: string,
  readFile: Sources["readFile"],
): { readonly value: Record<string, unknown>; readonly object: JsonObject } {
  let text: string;
  try {
    text = readFile(path);
  } catch (cause) {
    const missing = (cause as { code?: unknown } | null)?.code === "ENOENT";
    const reason = missing ? "no such file" : cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(field, `Cannot read ${label} ${JSON.stringify(path)}: ${reason}`);
  }
  const title = `${label} ${JSON.stringify(path)}`;
  try {
    const object = parseJson(text);
    if (object instanceof JsonObject) return { value: JSON.parse(text), object };
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw new ConfigError(
      field,
      text.trim() === "" ? `${title} is empty, not JSON` : `${title} is not JSON: ${error.message}`,
    );
  }
  throw new ConfigError(field, `${title} must contain a JSON object, not ${shown(JSON.parse(text))}`);
}
