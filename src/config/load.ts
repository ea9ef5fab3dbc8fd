/**
 * From flags, environment and files to the one Config: collect what was given (sources.ts), read each value
 * (values.ts), refuse what contradicts itself or is not built yet (check.ts). Pure; the caller reads files.
 */
import type { AskedIpv6 } from "../control/mesh/mesh_config.ts";
import { BACKENDS } from "../wire/backend.ts";
import { looksLikeAddress, nameForNode, NODE_NAME_MAX } from "../wire/node_name.ts";
import type { Prefix } from "../wire/prefix.ts";
import { MAX_VNI } from "../wire/vxlan.ts";
import { checkConfig, checkSupported } from "./check.ts";
import { applyJoin, checkSecurity, type JoinFacts, readSecretSetting } from "./security.ts";
import {
  CIPHERS,
  type Config,
  ConfigError,
  DEFAULT_DEVICE,
  DEFAULT_NETWORK_NAME,
  DEFAULT_PORT,
  DEFAULT_RUN_DIR,
  DEFAULT_STATE_DIR,
  DEFAULT_SUBNET6_LEN,
  LOG_FORMATS,
  LOG_LEVELS,
} from "./config.ts";
import { describe, describeLabel, type GivenSettings } from "./settings.ts";
import { collectSettings, type Sources } from "./sources.ts";
import { parseStaticPeers } from "./static_peer.ts";
import {
  addressOf,
  choiceOf,
  hostsOf,
  integerOf,
  matchingOf,
  MAX_PORT,
  prefixOf,
  switchOf,
  textOf,
} from "./values.ts";

export interface LoadInput extends Sources {
  /** The machine's host name, for the default of `--name`. */
  readonly hostName: string;
  /** What a token says, for `join`. */
  readonly join?: JoinFacts;
}

export interface Loaded {
  readonly config: Config;
  /** Sentences for people: ignored keys, flags without effect. */
  readonly warnings: readonly string[];
}

/** sockaddr_un holds 108 bytes, the terminating zero included. */
const MAX_SOCKET_PATH = 107;
/** What the data plane was built for; lanes would fit 256. */
const MAX_WORKERS = 16;
const MIN_MTU = 576; // RFC 791: what every host must take
const MAX_MTU = 65455; // 65535 less the largest overhead, sealed over IPv6
const LINK_NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,15}$/;
const LINK_WORDS = "1 to 15 letters, digits, dots, dashes or underscores";
const NODE_NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

/** The configuration of `up`. Throws ConfigError. */
export function loadConfig(input: LoadInput): Loaded {
  const warnings: string[] = [];
  const { settings, ...founding } = collectSettings(input, (sentence) => warnings.push(sentence));
  const given = { ...readConfig(settings, input, warnings), ...founding };
  const config = input.join === undefined ? given : applyJoin(given, input.join, settings);
  checkConfig(config, settings);
  checkSupported(config, settings, warnings);
  checkSecurity(config, settings, warnings);
  return { config, warnings };
}

function readConfig(
  settings: GivenSettings,
  input: LoadInput,
  warnings: string[],
): Omit<Config, "defaultSubnetLen" | "underlayMtu"> {
  const plain = switchOf(settings, "plain");
  const staticPeers = settings.get("static-peer");
  return {
    peers: hostsOf(settings, "peers"),
    found: switchOf(settings, "found"),
    plain,
    network: prefixOf(settings, "network", 4, [NONE]),
    withoutIpv4: textOf(settings, "network") === NONE,
    ipv6: readIpv6(settings),
    networkName:
      matchingOf(settings, "network-name", /^[\x21-\x7e]{1,64}$/, "1 to 64 characters, no blanks") ??
        DEFAULT_NETWORK_NAME,
    subnetLen: integerOf(settings, "subnet-len", 1, 32),
    subnetMin: addressOf(settings, "subnet-min"),
    subnetMax: addressOf(settings, "subnet-max"),
    subnet: prefixOf(settings, "subnet"),
    name: readName(settings, input.hostName, warnings),
    backend: choiceOf(settings, "backend", BACKENDS),
    directRouting: switchOf(settings, "direct-routing"),
    allowPlainDirect: switchOf(settings, "allow-plain-direct"),
    vni: integerOf(settings, "vni", 1, MAX_VNI),
    port: integerOf(settings, "port", 1, MAX_PORT) ?? DEFAULT_PORT,
    vxlanPort: integerOf(settings, "vxlan-port", 1, MAX_PORT),
    ...readSecretSetting(settings, input.environment),
    pinnedNode: null,
    cipher: choiceOf(settings, "cipher", CIPHERS) ?? (plain ? "none" : "auto"),
    iface: matchingOf(settings, "iface", LINK_NAME, LINK_WORDS),
    advertise: hostsOf(settings, "advertise"),
    device: readDevice(settings),
    mtu: integerOf(settings, "mtu", MIN_MTU, MAX_MTU),
    ipMasq: switchOf(settings, "ip-masq"),
    forward: switchOf(settings, "forward"),
    staticPeers: staticPeers === undefined
      ? []
      : parseStaticPeers(staticPeers.values, describeLabel(staticPeers)),
    ...readPaths(settings),
    logLevel: choiceOf(settings, "log-level", LOG_LEVELS) ?? "info",
    logFormat: choiceOf(settings, "log-format", LOG_FORMATS) ?? "text",
    workers: integerOf(settings, "workers", 1, MAX_WORKERS) ?? 1,
    offloads: {
      tso: !switchOf(settings, "no-tso"),
      uso: !switchOf(settings, "no-uso"),
      gso: !switchOf(settings, "no-gso"),
      gro: !switchOf(settings, "no-gro"),
    },
    onLeaseChange: textOf(settings, "on-lease-change"),
  };
}

/** In place of a network: no addresses of that family. */
const NONE = "none";
/** In place of an IPv6 network: any. */
const AUTO = "auto";

function readIpv6(settings: GivenSettings): AskedIpv6 {
  const network = prefixOf(settings, "network6", 6, [NONE, AUTO]);
  const word = textOf(settings, "network6");
  return {
    choice: word === NONE || word === AUTO ? word : null,
    network,
    subnetLen: integerOf(settings, "subnet6-len", 1, 128),
    defaultSubnetLen: network === null ? DEFAULT_SUBNET6_LEN : defaultSubnet6Len(network, settings),
    subnetMin: addressOf(settings, "subnet6-min", 6),
    subnetMax: addressOf(settings, "subnet6-max", 6),
    subnet: prefixOf(settings, "subnet6", 6),
  };
}

/** As flannel takes it: a quarter of a network that is smaller than a /62. */
function defaultSubnet6Len({ length }: Prefix, settings: GivenSettings): number {
  if (length <= DEFAULT_SUBNET6_LEN - 2) return DEFAULT_SUBNET6_LEN;
  if (length <= 124 || settings.has("subnet6-len")) return Math.min(128, length + 2);
  throw new ConfigError(
    "network6",
    `${describe(settings.get("network6")!)} is too small: a /124 is the minimum, or give --subnet6-len`,
  );
}

/** Where a daemon's things are; what the commands besides `up` need to know. */
export type Places = Pick<Config, "stateDir" | "runDir" | "subnetFile" | "device">;

/** The places alone, from the same sources. Throws ConfigError. */
export function loadPlaces(sources: Sources): Places {
  const { settings } = collectSettings(sources, () => {});
  return { ...readPaths(settings), device: readDevice(settings) };
}

function readDevice(settings: GivenSettings): string {
  return matchingOf(settings, "device", LINK_NAME, LINK_WORDS) ?? DEFAULT_DEVICE;
}

function readPaths(settings: GivenSettings): Pick<Config, "stateDir" | "runDir" | "subnetFile"> {
  const runDir = readDirectory(settings, "run-dir", DEFAULT_RUN_DIR);
  const socket = `${runDir}/control.sock`;
  if (new TextEncoder().encode(socket).length > MAX_SOCKET_PATH) {
    throw new ConfigError(
      "run-dir",
      `${label(settings, "run-dir")} ${
        JSON.stringify(runDir)
      } is too long: the path of the control socket in it is limited to ${MAX_SOCKET_PATH} bytes`,
    );
  }
  return {
    stateDir: readDirectory(settings, "state-dir", DEFAULT_STATE_DIR),
    runDir,
    subnetFile: textOf(settings, "subnet-file") ?? `${runDir}/subnet.env`,
  };
}

/** A directory without trailing slashes. */
function readDirectory(settings: GivenSettings, name: "run-dir" | "state-dir", fallback: string): string {
  const path = (textOf(settings, name) ?? fallback).replace(/(?<=.)\/+$/, "");
  if (path === "/" || path.includes("\0")) {
    throw new ConfigError(
      name,
      `${label(settings, name)} ${JSON.stringify(path)} cannot be used as a directory`,
    );
  }
  return path;
}

function label(settings: GivenSettings, name: "run-dir" | "state-dir"): string {
  const given = settings.get(name);
  return given === undefined ? `--${name}` : describeLabel(given);
}

/** The name that was given, or the host name cut and cleaned into one, which is told. */
function readName(settings: GivenSettings, hostName: string, warnings: string[]): string {
  const wanted = "1 to 63 letters, digits, dots, dashes or underscores, with a letter or digit at both ends";
  const given = settings.get("name");
  if (given === undefined) return nameOfHost(hostName, warnings);
  const text = given.values[0]!;
  if (looksLikeAddress(text)) {
    throw new ConfigError(
      "name",
      `${describe(given)} would be mistaken for an address; choose another name, such as ${
        JSON.stringify(nameForNode(text))
      }`,
    );
  }
  return matchingOf(settings, "name", NODE_NAME, wanted)!;
}

function nameOfHost(hostName: string, warnings: string[]): string {
  const cleaned = hostName.replace(/[^A-Za-z0-9._-]+/g, "-").slice(0, NODE_NAME_MAX)
    .replace(/^[._-]+|[._-]+$/g, "");
  const name = cleaned === "" ? "node" : nameForNode(looksLikeAddress(hostName) ? hostName : cleaned);
  if (name !== hostName) {
    const why = looksLikeAddress(hostName) ? "would be mistaken for an address" : "is not a valid node name";
    warnings.push(
      `The host name ${JSON.stringify(hostName)} ${why}: this node is called ${JSON.stringify(name)} ` +
        "(--name changes it)",
    );
  }
  return name;
}
