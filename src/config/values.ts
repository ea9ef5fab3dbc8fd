/**
 * Raw settings read as numbers, choices, prefixes and endpoints. Every function throws a ConfigError that names the
 * setting, its place and what would be right, and gives null when the setting was not given.
 */
import { formatAddress, isIpv4, parseAddress, parseEndpoint } from "../wire/address.ts";
import { networkOf, parseInterface, parsePrefix, type Prefix } from "../wire/prefix.ts";
import { isHostName } from "../wire/named_endpoint.ts";
import { ConfigError } from "./config_error.ts";
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

/** An IPv4 prefix without host bits. */
export function prefixOf(settings: GivenSettings, name: SettingName): Prefix | null {
  const given = settings.get(name);
  return given === undefined ? null : readPrefix(name, describeLabel(given), given.values[0]!);
}

/** Reads one overlay prefix, IPv4 without host bits; `label` opens the message when it is not. */
export function readPrefix(field: SettingName, label: string, text: string): Prefix {
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
      `${label} must be a prefix such as "10.42.0.0/16", not ${JSON.stringify(text)}`,
    );
  }
  if (!isIpv4(prefix.address)) {
    throw new ConfigError(field, `${label} ${text} is IPv6; the overlay is IPv4 only`);
  }
  return prefix;
}

/** An IPv4 address as canonical text. */
export function addressOf(settings: GivenSettings, name: SettingName): string | null {
  const given = settings.get(name);
  if (given === undefined) return null;
  const text = given.values[0]!;
  const address = parseAddress(text);
  if (address === null || !isIpv4(address)) {
    throw new ConfigError(
      name,
      `${describeLabel(given)} must be an address such as "10.42.1.0", not ${JSON.stringify(text)}`,
    );
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
