/**
 * Raw settings read as numbers, choices, prefixes and endpoints. Every function throws a ConfigError that names the
 * setting, its place and what would be right, and gives null when the setting was not given.
 */
import { formatAddress, type IpVersion, isIpv4, parseAddress, parseEndpoint } from "../wire/address.ts";
import { networkOf, parseInterface, parsePrefix, type Prefix } from "../wire/prefix.ts";
import { isHostName } from "../wire/named_endpoint.ts";
import { ConfigError } from "./config.ts";
import { describeLabel, type GivenSettings, type SettingName } from "./settings.ts";
import { suggest } from "./suggest.ts";

export const MAX_PORT = 65535;

/** The text of a setting. */
export function textOf(settings: GivenSettings, name: SettingName): string | null {
  return settings.get(name)?.values[0] ?? null;
}

/** Whether a switch is on. */
export function switchOf(settings: GivenSettings, name: SettingName): boolean {
  return textOf(settings, name) === "true";
}

/** An integer within [min, max], decimal digits only. */
export function integerOf(
  settings: GivenSettings,
  name: SettingName,
  min: number,
  max: number,
): number | null {
  const given = settings.get(name);
  if (given === undefined) return null;
  const text = given.values[0]!;
  const value = Number(text);
  if (!/^-?[0-9]{1,15}$/.test(text) || value < min || value > max) {
    throw new ConfigError(
      name,
      `${describeLabel(given)} must be a number from ${min} to ${max}, not ${JSON.stringify(text)}`,
    );
  }
  return value;
}

/** One of a few words; a near miss gets a suggestion. */
export function choiceOf<T extends string>(
  settings: GivenSettings,
  name: SettingName,
  choices: readonly T[],
): T | null {
  const given = settings.get(name);
  if (given === undefined) return null;
  const text = given.values[0]!;
  const choice = choices.find((one) => one === text);
  if (choice !== undefined) return choice;
  const near = suggest(text, choices);
  throw new ConfigError(
    name,
    `${describeLabel(given)} must be one of ${choices.join(", ")}, not ${JSON.stringify(text)}` +
      (near === null ? "" : ` (did you mean ${near}?)`),
  );
}

/** A text that `pattern` accepts; `wanted` says in words what it asks for. */
export function matchingOf(
  settings: GivenSettings,
  name: SettingName,
  pattern: RegExp,
  wanted: string,
): string | null {
  const given = settings.get(name);
  if (given === undefined) return null;
  const text = given.values[0]!;
  if (pattern.test(text)) return text;
  throw new ConfigError(name, `${describeLabel(given)} must be ${wanted}, not ${JSON.stringify(text)}`);
}

/** A prefix of this family without host bits. `words`: what may stand in its place, which is not for this function. */
export function prefixOf(
  settings: GivenSettings,
  name: SettingName,
  version: IpVersion = 4,
  words: readonly string[] = [],
): Prefix | null {
  const given = settings.get(name);
  if (given === undefined || words.includes(given.values[0]!)) return null;
  const prefix = readPrefix(name, describeLabel(given), given.values[0]!, version);
  if (isIpv4(prefix.address) === (version === 4)) return prefix;
  const flag = `--${name.replace("6", "")}${version === 4 ? "6" : ""}`;
  throw new ConfigError(
    name,
    `${describeLabel(given)} ${prefix} is ${version === 4 ? "IPv6" : "IPv4"}: give it with ${flag}`,
  );
}

/** Reads one overlay prefix without host bits; `label` opens the message when it is not, `version` the example in it. */
export function readPrefix(field: SettingName, label: string, text: string, version: IpVersion = 4): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === null) {
    const loose = parseInterface(text);
    if (loose !== null) {
      const meant = networkOf(loose);
      throw new ConfigError(
        field,
        `${label} ${text} has host bits set (did you mean ${meant}?)`,
      );
    }
    throw new ConfigError(
      field,
      `${label} must be a prefix such as "${version === 4 ? "10.42.0.0/16" : "fd42:1:2::/48"}", not ${
        JSON.stringify(text)
      }`,
    );
  }
  return prefix;
}

/** An address of this family as canonical text. */
export function addressOf(
  settings: GivenSettings,
  name: SettingName,
  version: IpVersion = 4,
): string | null {
  const given = settings.get(name);
  if (given === undefined) return null;
  const text = given.values[0]!;
  const address = parseAddress(text);
  if (address === null || isIpv4(address) !== (version === 4)) {
    const such = version === 4 ? 'an address such as "10.42.1.0"' : 'an IPv6 address such as "fd42:1:2:1::"';
    throw new ConfigError(name, `${describeLabel(given)} must be ${such}, not ${JSON.stringify(text)}`);
  }
  return formatAddress(address);
}

/** A list of "HOST" or "HOST:PORT", each checked, without duplicates. */
export function hostsOf(settings: GivenSettings, name: SettingName): string[] {
  const given = settings.get(name);
  if (given === undefined) return [];
  for (const text of given.values) {
    if (isHostPort(text)) continue;
    throw new ConfigError(
      name,
      `${describeLabel(given)} must be HOST or HOST:PORT, not ${JSON.stringify(text)}`,
    );
  }
  return [...new Set(given.values)];
}

/** Whether `text` is an address or a host name, with or without a port (an IPv6 address with one in brackets). */
export function isHostPort(text: string): boolean {
  if (parseEndpoint(text, 1) !== null) return true;
  const match = /^([^:]+)(?::([0-9]{1,5}))?$/.exec(text);
  if (match === null) return false;
  const port = match[2] === undefined ? 1 : Number(match[2]);
  return port >= 1 && port <= MAX_PORT && isHostName(match[1]!);
}
