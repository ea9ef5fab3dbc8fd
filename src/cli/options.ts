/**
 * Flags as commander knows them, made from the one table of settings, and turned back into what `loadConfig` wants.
 * Values are not judged here: config/ does that for flags, environment and files alike.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { SOCKET_NAME } from "../api/schema.ts";
import { type FlagValues, type Sources } from "../config/sources.ts";
import { loadPlaces, type Places } from "../config/load.ts";
import { ALL_SETTINGS, type Setting, type SettingName } from "../config/settings.ts";

/** Adds the settings named, or all of them under their groups. */
export function addSettings(command: Command, names?: readonly SettingName[]): Command {
  for (const setting of ALL_SETTINGS) {
    if (names !== undefined && !names.includes(setting.flag)) continue;
    const option = settingOption(setting, setting.flag);
    if (names === undefined) option.helpGroup(`${setting.group}:`);
    command.addOption(option);
    if (setting.alias !== undefined) {
      command.addOption(settingOption(setting, setting.alias).hideHelp());
    }
  }
  if (names === undefined) {
    command.addHelpOption(
      new Option("-h, --help", "show this help").helpGroup(`${ALL_SETTINGS.at(-1)!.group}:`),
    );
  }
  return command;
}

function settingOption(setting: Setting, flag: string): Option {
  const option = new Option(
    setting.kind === "switch" ? `--${flag}` : `--${flag} <${setting.value}>`,
    setting.help,
  );
  if (setting.kind === "list") {
    option.argParser((value: string, previous: string[] | undefined) => [...previous ?? [], value]);
  }
  return option;
}

/** Where flags, environment and files are to be read from. */
export function sourcesOf(options: Readonly<Record<string, unknown>>): Sources {
  const flags: Record<string, unknown> = {};
  for (const { flag, alias } of ALL_SETTINGS) {
    for (const name of [flag, alias]) if (name !== undefined) flags[name] = valueOf(options, name);
  }
  return {
    flags: flags as FlagValues,
    environment: process.env,
    readFile: (path) => readFileSync(path, "utf8"),
  };
}

/** commander keeps `--no-x` as `x`, true unless the flag is there. */
function valueOf(options: Readonly<Record<string, unknown>>, name: string): unknown {
  if (!name.startsWith("no-")) return options[camelCase(name)];
  return options[camelCase(name.slice(3))] === false ? true : undefined;
}

/** Run directory, state directory and the like, for commands besides `up`. */
export function placesOf(options: Readonly<Record<string, unknown>>): Places {
  return loadPlaces(sourcesOf(options));
}

/** What says where the control socket is: the flags of every command that asks the daemon. */
export const SOCKET_SETTINGS: readonly SettingName[] = ["config", "run-dir"];

/** The control socket that a command talks to. */
export function socketOf(options: Readonly<Record<string, unknown>>): string {
  return join(placesOf(options).runDir, SOCKET_NAME);
}

function camelCase(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Milliseconds of "30s", "500ms", "2m", "1h" or a bare number of seconds. */
export function parseDuration(text: string): number {
  const match = /^([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h)?$/.exec(text);
  if (match === null) throw new InvalidArgumentError('Give a duration such as "30s", "500ms" or "2m"');
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] ?? "s"]!;
  return Number(match[1]) * unit;
}

/** A parser of integers from `min` to `max`. */
export function integerParser(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[0-9]{1,10}$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`Give a number from ${min} to ${max}`);
    }
    return value;
  };
}
