/**
 * Values that are right one by one and wrong together. Each refusal names both sides and where they were given. What
 * can be judged only against the mesh (a joiner's network, its subnet length) is left to the moment of joining.
 */
import { addressToU32, parseAddress } from "../wire/address.ts";
import {
  hostPrefix,
  isInside,
  liesWithin,
  overlaps,
  parsePrefix,
  type Prefix,
  prefix,
  writtenLength,
} from "../wire/prefix.ts";
import type { StaticPeer } from "../control/mesh/mesh_config.ts";
import { FLANNEL_PORT, VXLAN_PORT } from "../wire/udp.ts";
import type { Config } from "./config.ts";
import { ConfigError } from "./config_error.ts";
import { describe, type GivenSettings, type SettingName } from "./settings.ts";

/** Networks in which no overlay can lie: this-network, loopback, link-local, multicast and reserved. */
const UNUSABLE = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"].map(prefix);

/** How a setting was given, or how its default reads: "--subnet-len 25", "the default --port 8473". */
type Words = (name: SettingName) => string;

/** Throws ConfigError on the first contradiction. */
export function checkConfig(config: Config, settings: GivenSettings): void {
  const words: Words = (name) => {
    const given = settings.get(name);
    return given === undefined ? `the default --${name}` : describe(given);
  };
  checkNetwork(config, words);
  checkRange(config, words);
  checkSubnet(config, words);
  checkPorts(config, settings.has("port"), words);
  checkStaticPeers(config, words);
  if (config.iface !== null && config.iface === config.device) {
    throw new ConfigError("iface", `${words("iface")} and ${words("device")} name the same interface`);
  }
}

/** The subnet length that is certain now: as given, or the default where this node founds. */
function certainSubnetLen(config: Config): number | null {
  return config.subnetLen ?? (config.peers.length === 0 ? config.defaultSubnetLen : null);
}

function subnetLenWords(config: Config, words: Words): string {
  return config.subnetLen === null
    ? `the default --subnet-len ${config.defaultSubnetLen}`
    : words("subnet-len");
}

function checkNetwork(config: Config, words: Words): void {
  const { network } = config;
  if (network === null) return;
  if (UNUSABLE.some((range) => overlaps(range, network))) {
    throw new ConfigError("network", `${words("network")} cannot be used for hosts (try 10.42.0.0/16)`);
  }
  const subnetLen = certainSubnetLen(config);
  if (subnetLen !== null && subnetLen < writtenLength(network)) {
    throw new ConfigError(
      "subnet-len",
      `${words("network")} is too small for ${subnetLenWords(config, words)}: give a larger network or a ` +
        "longer --subnet-len",
    );
  }
}

function checkRange(config: Config, words: Words): void {
  const subnetLen = certainSubnetLen(config);
  for (const [name, text] of [["subnet-min", config.subnetMin], ["subnet-max", config.subnetMax]] as const) {
    if (text === null) continue;
    mustLieInNetwork(config, name, hostPrefix(parseAddress(text)!), words);
    if (subnetLen !== null && parsePrefix(`${text}/${subnetLen}`) === null) {
      throw new ConfigError(
        name,
        `${words(name)} is not the first address of a subnet with ${subnetLenWords(config, words)}`,
      );
    }
  }
  if (
    config.subnetMin !== null && config.subnetMax !== null && ipv4(config.subnetMin) > ipv4(config.subnetMax)
  ) {
    throw new ConfigError("subnet-min", `${words("subnet-min")} is greater than ${words("subnet-max")}`);
  }
}

function checkSubnet(config: Config, words: Words): void {
  const { subnet } = config;
  if (subnet === null) return;
  mustLieInNetwork(config, "subnet", subnet, words);
  const subnetLen = certainSubnetLen(config);
  if (subnetLen !== null && writtenLength(subnet) !== subnetLen) {
    throw new ConfigError(
      "subnet",
      `${words("subnet")} does not match ${subnetLenWords(config, words)}`,
    );
  }
  const first = addressToU32(subnet.address);
  if (config.subnetMin !== null && first < ipv4(config.subnetMin)) {
    throw new ConfigError("subnet", `${words("subnet")} is below ${words("subnet-min")}`);
  }
  if (config.subnetMax !== null && first > ipv4(config.subnetMax)) {
    throw new ConfigError("subnet", `${words("subnet")} is above ${words("subnet-max")}`);
  }
}

function mustLieInNetwork({ network }: Config, name: SettingName, part: Prefix, words: Words): void {
  if (network !== null && !isInside(part, network)) {
    throw new ConfigError(name, `${words(name)} is not in ${words("network")}`);
  }
}

/** An IPv4 address as a number, for comparisons. */
function ipv4(text: string): number {
  return addressToU32(parseAddress(text)!);
}

function checkPorts(config: Config, portGiven: boolean, words: Words): void {
  const ours = portGiven ? words("port") : `${words("port")} ${config.port}`;
  const vxlanPeers = config.staticPeers.some((peer) => peer.backend === "vxlan");
  // In a sealed mesh nothing but static peers uses it.
  const mayUseVxlan = vxlanPeers || (config.plain && (config.backend === "vxlan" ||
    (config.backend === null && config.peers.length > 0)));
  if (config.vxlanPort === config.port) {
    throw new ConfigError(
      "vxlan-port",
      `${words("vxlan-port")} and ${ours} are the same; they must differ`,
    );
  }
  if (config.vxlanPort === null && config.port === VXLAN_PORT && mayUseVxlan) {
    throw new ConfigError("port", `${ours} is the VXLAN port; choose another --port or --vxlan-port`);
  }
  if (!config.staticPeers.some((peer) => peer.backend === "udp")) return;
  if (config.port === FLANNEL_PORT || config.vxlanPort === FLANNEL_PORT) {
    const name = config.port === FLANNEL_PORT ? "port" : "vxlan-port";
    throw new ConfigError(
      name,
      `${words(name)} is needed for the flannel node of --static-peer; choose another`,
    );
  }
}

/** A node's signed record names the subnets of its static peers, and fits in one datagram. */
const STATIC_PEERS_MAX = 16;

function checkStaticPeers(config: Config, words: Words): void {
  const { length } = config.staticPeers;
  if (length > STATIC_PEERS_MAX) {
    throw new ConfigError(
      "static-peer",
      `${length} static peers are too many: a node can announce at most ${STATIC_PEERS_MAX}; name the rest ` +
        "on other nodes",
    );
  }
  const { network } = config;
  const seen: StaticPeer[] = [];
  for (const peer of config.staticPeers) {
    const { subnet } = peer;
    const title = `--static-peer ${subnet}=${peer.address}`;
    if (network !== null) {
      if (!isInside(subnet, network)) {
        throw new ConfigError("static-peer", `${title}: the subnet is not in ${words("network")}`);
      }
      if (liesWithin(network, peer.address)) {
        throw new ConfigError(
          "static-peer",
          `${title}: the address of the host must not be in ${words("network")}`,
        );
      }
    }
    if (config.subnet !== null && overlaps(subnet, config.subnet)) {
      throw new ConfigError("static-peer", `${title} overlaps ${words("subnet")}`);
    }
    const other = seen.find((one) => overlaps(one.subnet, subnet));
    if (other !== undefined) {
      throw new ConfigError(
        "static-peer",
        `--static-peer ${other.subnet}=${other.address} and ${subnet}=${peer.address} overlap`,
      );
    }
    seen.push(peer);
  }
}

/** Refuses what later versions bring. */
export function checkSupported(config: Config, settings: GivenSettings, warnings: string[]): void {
  const given = (name: SettingName) => {
    const one = settings.get(name);
    return one === undefined ? `--${name}` : describe(one);
  };
  for (const name of ["subnet", "subnet-min", "subnet-max"] as const) {
    // No refusal: a stored mesh, which only the daemon sees, may supply the network.
    if (settings.has(name) && config.network === null && config.peers.length === 0) {
      warnings.push(
        `${given(name)} without --network: a new mesh picks a random network, which may not contain it`,
      );
    }
  }
  if (config.ipMasq) {
    throw new ConfigError(
      "ip-masq",
      "--ip-masq is not implemented: start without it and masquerade with your own rules",
    );
  }
}
