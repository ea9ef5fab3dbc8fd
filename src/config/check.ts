/**
 * Values that are right one by one and wrong together. Each refusal names both sides and where they were given. What
 * can be judged only against the mesh (a joiner's network, its subnet length) is left to the moment of joining.
 */
import { formatAddress, isIpv4, parseAddress } from "../wire/address.ts";
import { compareBytes } from "../wire/bytes.ts";
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
import type { AskedRange, StaticPeer } from "../control/mesh/mesh_config.ts";
import { FLANNEL_PORT, VXLAN_PORT } from "../wire/udp.ts";
import { type Config, ConfigError } from "./config.ts";
import { describe, type GivenSettings, type SettingName } from "./settings.ts";

/**
 * Networks in which no overlay can lie: this-network, loopback, link-local, multicast and reserved; of IPv6 unspecified,
 * loopback and mapped IPv4, translated IPv4 (RFC 6052), link-local, site-local and multicast.
 */
const UNUSABLE = [
  ...["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"],
  ...["::/8", "64:ff9b::/96", "fe80::/9", "ff00::/8"],
].map(prefix);

/** The flags of one family: `network`, `network6`. */
type Family = "" | "6";

/** How a setting was given, or how its default reads: "--subnet-len 25", "the default --port 8473". */
type Words = (name: SettingName) => string;

/** Throws ConfigError on the first contradiction. */
export function checkConfig(config: Config, settings: GivenSettings): void {
  const words: Words = (name) => {
    const given = settings.get(name);
    return given === undefined ? `the default --${name}` : describe(given);
  };
  checkFamilies(config, settings, words);
  checkAddresses({ asked: config, founds: config.peers.length === 0, family: "", words });
  checkAddresses({ asked: config.ipv6, founds: config.peers.length === 0, family: "6", words });
  checkPorts(config, settings.has("port"), words);
  checkStaticPeers(config, words);
  if (config.iface !== null && config.iface === config.device) {
    throw new ConfigError("iface", `${words("iface")} and ${words("device")} name the same interface`);
  }
}

/** What belongs to a family that the mesh is not to have. */
function checkFamilies(config: Config, settings: GivenSettings, words: Words): void {
  const { withoutIpv4, ipv6 } = config;
  if (withoutIpv4 && ipv6.choice === "none") {
    throw new ConfigError("network6", `${words("network")} and ${words("network6")} leave no addresses`);
  }
  for (const [without, family] of [[withoutIpv4, ""], [ipv6.choice === "none", "6"]] as const) {
    if (!without) continue;
    const idle = namesOf(family).find((name) => name !== `network${family}` && settings.has(name));
    if (idle !== undefined) {
      throw new ConfigError(idle, `${words(idle)} contradicts ${words(`network${family}`)}`);
    }
  }
  if (withoutIpv4 && ipv6.choice === null && ipv6.network === null && config.peers.length === 0) {
    throw new ConfigError("network", `${words("network")} needs --network6 auto, or --network6 CIDR`);
  }
}

function namesOf(family: Family): SettingName[] {
  const names = ["network", "subnet-len", "subnet-min", "subnet-max", "subnet"] as const;
  return names.map((name) => name.replace(/^(network|subnet)/, `$1${family}`) as SettingName);
}

/** What is asked of the addresses of one family, and how its flags are named and were given. */
interface Asking {
  readonly asked: AskedRange;
  /** Its defaults count. */
  readonly founds: boolean;
  readonly family: Family;
  readonly words: Words;
}

function checkAddresses(asking: Asking): void {
  checkNetwork(asking);
  checkRange(asking);
  checkSubnet(asking);
}

/** The subnet length that is certain now: as given, or the default where this node founds. */
function certainSubnetLen({ asked, founds }: Asking): number | null {
  return asked.subnetLen ?? (founds ? asked.defaultSubnetLen : null);
}

function subnetLenWords({ asked, family, words }: Asking): string {
  return asked.subnetLen === null
    ? `the default --subnet${family}-len ${asked.defaultSubnetLen}`
    : words(`subnet${family}-len`);
}

function checkNetwork(asking: Asking): void {
  const { asked: { network }, family, words } = asking;
  const name = `network${family}` as const;
  if (network === null) return;
  // Of its own family: in 128 bits all of IPv4 lies in ::/8.
  const unusable = UNUSABLE.filter((range) => isIpv4(range.address) === isIpv4(network.address));
  if (unusable.some((range) => overlaps(range, network))) {
    const such = family === "" ? "10.42.0.0/16" : "--network6 auto";
    throw new ConfigError(name, `${words(name)} cannot be used for hosts (try ${such})`);
  }
  const subnetLen = certainSubnetLen(asking);
  if (subnetLen !== null && subnetLen < writtenLength(network)) {
    throw new ConfigError(
      `subnet${family}-len`,
      `${words(name)} is too small for ${subnetLenWords(asking)}: give a larger network or a ` +
        `longer --subnet${family}-len`,
    );
  }
}

function checkRange(asking: Asking): void {
  const { asked, family, words } = asking;
  const subnetLen = certainSubnetLen(asking);
  const min = `subnet${family}-min` as const, max = `subnet${family}-max` as const;
  for (const [name, text] of [[min, asked.subnetMin], [max, asked.subnetMax]] as const) {
    if (text === null) continue;
    mustLieInNetwork(asking, name, hostPrefix(parseAddress(text)!));
    if (subnetLen !== null && parsePrefix(`${text}/${subnetLen}`) === null) {
      throw new ConfigError(
        name,
        `${words(name)} is not the first address of a subnet with ${subnetLenWords(asking)}`,
      );
    }
  }
  if (asked.subnetMin !== null && asked.subnetMax !== null && isAfter(asked.subnetMin, asked.subnetMax)) {
    throw new ConfigError(min, `${words(min)} is greater than ${words(max)}`);
  }
}

function checkSubnet(asking: Asking): void {
  const { asked: { subnet, subnetMin, subnetMax }, family, words } = asking;
  const name = `subnet${family}` as const;
  if (subnet === null) return;
  mustLieInNetwork(asking, name, subnet);
  const subnetLen = certainSubnetLen(asking);
  if (subnetLen !== null && writtenLength(subnet) !== subnetLen) {
    throw new ConfigError(name, `${words(name)} does not match ${subnetLenWords(asking)}`);
  }
  const first = formatAddress(subnet.address);
  if (subnetMin !== null && isAfter(subnetMin, first)) {
    throw new ConfigError(name, `${words(name)} is below ${words(`subnet${family}-min`)}`);
  }
  if (subnetMax !== null && isAfter(first, subnetMax)) {
    throw new ConfigError(name, `${words(name)} is above ${words(`subnet${family}-max`)}`);
  }
}

function mustLieInNetwork(
  { asked: { network }, family, words }: Asking,
  name: SettingName,
  part: Prefix,
): void {
  if (network !== null && !isInside(part, network)) {
    throw new ConfigError(name, `${words(name)} is not in ${words(`network${family}`)}`);
  }
}

function isAfter(a: string, b: string): boolean {
  return compareBytes(parseAddress(a)!, parseAddress(b)!) > 0;
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
  const families = [["", config], ["6", config.ipv6]] as const;
  const seen: StaticPeer[] = [];
  for (const peer of config.staticPeers) {
    const { subnet } = peer;
    const title = `--static-peer ${subnet}=${peer.address}`;
    for (const [family, { network, subnet: wish }] of families) {
      const name = `network${family}` as const;
      const ofFamily = isIpv4(subnet.address) === (family === "");
      if (network !== null && ofFamily && !isInside(subnet, network)) {
        throw new ConfigError("static-peer", `${title}: the subnet is not in ${words(name)}`);
      }
      if (network !== null && liesWithin(network, peer.address)) {
        throw new ConfigError(
          "static-peer",
          `${title}: the address of the host must not be in ${words(name)}`,
        );
      }
      if (wish !== null && overlaps(subnet, wish)) {
        throw new ConfigError("static-peer", `${title} overlaps ${words(`subnet${family}`)}`);
      }
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
  // No refusal: a stored mesh, which only the daemon sees, may supply the network.
  for (const name of config.peers.length > 0 ? [] : ["subnet", "subnet-min", "subnet-max"] as const) {
    if (settings.has(name) && config.network === null) {
      warnings.push(
        `${given(name)} without --network: a new mesh picks a random network, which may not contain it`,
      );
    }
    const name6 = name.replace("subnet", "subnet6") as SettingName;
    if (!settings.has(name6) || config.ipv6.network !== null) continue;
    warnings.push(
      config.ipv6.choice === "auto"
        ? `${given(name6)} with --network6 auto: a new mesh picks a random network, which may not contain it`
        : `${given(name6)} without --network6: a new mesh has no IPv6`,
    );
  }
}
