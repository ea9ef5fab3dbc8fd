/**
 * The configuration of a mesh: settled once by the founder, learned by all other nodes. Here are the defaults, the
 * checks that any configuration from a disk or a stranger must pass, its hash (which every message carries,
 * so that two meshes never mix), and the sentence for a user whose flags contradict it.
 */

import { sha256Hex } from "../../crypto/sha256.ts";
import { formatAddress, isIpv4, parseAddress } from "../../wire/address.ts";
import {
  contains,
  isInside,
  nthSubnet,
  type Prefix,
  prefix,
  prefixOf,
  PRIVATE_IPV4,
} from "../../wire/prefix.ts";
import {
  type Asked,
  type AskedRange,
  type LeasableRange,
  type MeshConfig,
  networksOf,
  rangesOf,
  type Security,
} from "./mesh_config.ts";
import { BACKENDS } from "../../wire/backend.ts";
import { VXLAN_PORT } from "../../wire/udp.ts";
import { fieldsIn } from "../../wire/untrusted.ts";
import { DEFAULT_VNI, MAX_VNI } from "../../wire/vxlan.ts";

/** Addresses that are not in use on the Internet. */
const NOT_PUBLIC = [
  ...PRIVATE_IPV4,
  ...[
    "198.18.0.0/15", // RFC 2544, measurements
    ...["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"], // RFC 5737, examples
    ...["169.254.0.0/16", "240.0.0.0/4"], // RFC 3927, RFC 1112: of one link, kept for later
    ...["fc00::/7", "fe80::/10", "2001:db8::/32"], // RFC 4193, RFC 4291, RFC 3849
  ].map(prefix),
];
const SECURITIES: readonly Security[] = ["plain", "sealed"];

/** What this founder's settings make of a mesh, or a sentence that says why they cannot. */
export function foundMesh(settings: Asked): MeshConfig | string {
  const { ipv6 } = settings;
  const four = settings.withoutIpv4 ? null : foundRange(settings, "");
  const six = ipv6.network === null ? null : foundRange(ipv6, "6");
  if (typeof four === "string") return four;
  if (typeof six === "string") return six;
  const first = four ?? six;
  if (first === null) return "No network to found: give --network CIDR, --network6 CIDR or both";
  const mesh: MeshConfig = {
    ...first,
    ...(four === null || six === null ? {} : { second: six }),
    backend: settings.backend ?? "udp",
    vni: settings.vni ?? DEFAULT_VNI,
    vxlanPort: settings.vxlanPort ?? VXLAN_PORT,
    security: settings.plain ? "plain" : "sealed",
  };
  return checkMesh(mesh) ?? mesh;
}

/** The addresses of one family, whose flags end in `flags`: `--network6`. */
function foundRange(asked: AskedRange, flags: "" | "6"): LeasableRange | string {
  const { network } = asked;
  if (network === null) return "No network to found: give --network CIDR";
  const subnetLen = asked.subnetLen ?? asked.defaultSubnetLen;
  const length = subnetLen + lengthOffset(network);
  const bits = length - network.length;
  if (bits < 0 || length > 128) {
    return `No subnet of length ${subnetLen} fits in ${network} (--subnet${flags}-len, --network${flags})`;
  }
  const last = Math.min(2 ** bits, 2 ** 40) - 1;
  const first = last > 1 ? 1 : 0; // like flannel, the first is left out where that costs little
  const subnetAt = (n: number) => formatAddress(nthSubnet(network, length, n).address);
  return {
    network,
    subnetLen,
    subnetMin: asked.subnetMin ?? subnetAt(first),
    subnetMax: asked.subnetMax ?? subnetAt(last),
  };
}

/** The bits in front of an IPv4 prefix in its 128-bit form, else 0. */
export function lengthOffset(network: Prefix): number {
  return isIpv4(network.address) ? 96 : 0;
}

/** A sentence that says what is wrong with a configuration, or null. */
function checkMesh(mesh: MeshConfig): string | null {
  for (const range of rangesOf(mesh)) {
    const problem = checkRange(range);
    if (problem !== null) return problem;
  }
  if (mesh.second !== undefined && (!isIpv4(mesh.network.address) || isIpv4(mesh.second.network.address))) {
    return `Networks ${mesh.network} and ${mesh.second.network} are not one of IPv4 and one of IPv6`;
  }
  if (!BACKENDS.includes(mesh.backend)) return `Unknown backend "${mesh.backend}"`;
  if (!Number.isInteger(mesh.vni) || mesh.vni < 1 || mesh.vni > MAX_VNI) {
    return `VNI ${mesh.vni} is not 24 bits`;
  }
  if (!Number.isInteger(mesh.vxlanPort) || mesh.vxlanPort < 1 || mesh.vxlanPort > 0xffff) {
    return `VXLAN port ${mesh.vxlanPort} is not a port`;
  }
  return SECURITIES.includes(mesh.security) ? null : `Unknown security "${mesh.security}"`;
}

function checkRange({ network, subnetLen, subnetMin, subnetMax }: LeasableRange): string | null {
  const length = subnetLen + lengthOffset(network);
  if (!Number.isInteger(subnetLen) || subnetLen < 1 || length < network.length || length > 128) {
    return `No subnet of length ${subnetLen} fits in ${network}`;
  }
  const [min, max] = [parseAddress(subnetMin), parseAddress(subnetMax)];
  if (min === null || !contains(network, min)) return `First subnet ${subnetMin} is not in ${network}`;
  if (max === null || !contains(network, max)) return `Last subnet ${subnetMax} is not in ${network}`;
  for (let i = 0; i < 16; i++) {
    if (min[i]! < max[i]!) break;
    if (min[i]! > max[i]!) return `First subnet ${subnetMin} comes after the last, ${subnetMax}`;
  }
  return null;
}

/** The configuration in a JSON value from outside; null when it is none or does not pass checkMesh. */
export function readMesh(value: unknown): MeshConfig | null {
  const v = fieldsIn(value);
  if (v === null) return null;
  for (const field of ["backend", "security"]) {
    if (typeof v[field] !== "string" || (v[field] as string).length > 64) return null;
  }
  for (const field of ["vni", "vxlanPort"]) if (typeof v[field] !== "number") return null;
  const first = readRange(v);
  const second = v["second"] === undefined ? undefined : readRange(v["second"]);
  if (first === null || second === null) return null;
  const { backend, vni, vxlanPort, security } = v as unknown as MeshConfig;
  const both = second === undefined ? first : { ...first, second };
  const mesh: MeshConfig = { ...both, backend, vni, vxlanPort, security };
  return checkMesh(mesh) === null ? mesh : null;
}

function readRange(value: unknown): LeasableRange | null {
  const v = fieldsIn(value);
  const network = prefixOf(v?.["network"]);
  if (v === null || network === null || typeof v["subnetLen"] !== "number") return null;
  for (const field of ["subnetMin", "subnetMax"]) {
    if (typeof v[field] !== "string" || (v[field] as string).length > 64) return null;
  }
  const { subnetLen, subnetMin, subnetMax } = v as unknown as LeasableRange;
  return { network, subnetLen, subnetMin, subnetMax };
}

/** The configuration as canonical JSON, fields in one fixed order. */
export function meshText(mesh: MeshConfig): string {
  const { second, backend, vni, vxlanPort, security } = mesh;
  const half = ({ network, subnetLen, subnetMin, subnetMax }: LeasableRange) => ({
    network,
    subnetLen,
    subnetMin,
    subnetMax,
  });
  const halves = { ...half(mesh), ...(second === undefined ? {} : { second: half(second) }) };
  return JSON.stringify({ ...halves, backend, vni, vxlanPort, security });
}

/** 16 hexadecimal digits that differ when any value of the configuration does. */
export function meshHash(mesh: MeshConfig): string {
  return sha256Hex(`ovltun mesh ${meshText(mesh)}`).slice(0, 16);
}

/** The network id of a plain mesh: of its name alone, 32 hexadecimal digits. */
export function plainNetworkId(networkName: string): string {
  return sha256Hex(`ovltun plain ${networkName}`).slice(0, 32);
}

/** What differs between two configurations, naming both values: "network 10.1.0.0/16 here, 10.2.0.0/16 there". */
export function meshDifference(here: MeshConfig, there: MeshConfig): string {
  const [ours, theirs] = [settledFields(here), settledFields(there)];
  const differ = Object.keys(ours).filter((name) => ours[name] !== theirs[name]);
  return differ.map((name) => `${name} ${ours[name]} here, ${theirs[name]} there`).join("; ");
}

/** What two configurations can differ in; "none" for what a family lacks. */
function settledFields(mesh: MeshConfig): Readonly<Record<string, string>> {
  const { four, six } = byFamily(mesh);
  const fields = (range: LeasableRange | null, family: "" | "6") => ({
    [`network${family}`]: range?.network.text ?? "none",
    [`subnet${family}Len`]: String(range?.subnetLen ?? "none"),
    [`subnet${family}Min`]: range?.subnetMin ?? "none",
    [`subnet${family}Max`]: range?.subnetMax ?? "none",
  });
  const { backend, vni, vxlanPort, security } = mesh;
  return {
    ...fields(four, ""),
    ...fields(six, "6"),
    backend,
    vni: String(vni),
    vxlanPort: String(vxlanPort),
    security,
  };
}

/** The addresses of each family; null: the mesh has none of it. */
export function byFamily(
  mesh: MeshConfig,
): { readonly four: LeasableRange | null; readonly six: LeasableRange | null } {
  const ranges = rangesOf(mesh);
  const isFour = ({ network }: LeasableRange) => isIpv4(network.address);
  return {
    four: ranges.find(isFour) ?? null,
    six: ranges.find((range) => !isFour(range)) ?? null,
  };
}

/**
 * Why this node would reach no other: all paths of a sealed host-gw mesh are in the clear, and its user did not allow
 * that. A sentence, or null.
 */
export function noPathAllowed(settings: Asked, mesh: MeshConfig): string | null {
  if (mesh.security !== "sealed" || mesh.backend !== "host-gw" || settings.allowPlainDirect) return null;
  return "The mesh is sealed, but its host-gw backend sends packets in the clear: without " +
    "--allow-plain-direct this node can reach no other";
}

/** What is the matter with a network of addresses that others have on the Internet: a sentence, or null. */
export function publicNetwork(mesh: MeshConfig): string | null {
  const network = networksOf(mesh).find((one) => !NOT_PUBLIC.some((range) => isInside(one, range)));
  if (network === undefined) return null;
  const instead = isIpv4(network.address) ? "--network 10.42.0.0/16" : "--network6 auto";
  return `The mesh's network ${network} is public address space: hosts of the mesh cannot reach its real ` +
    `owners on the Internet (choose a private network when founding, e.g. ${instead})`;
}

/** What the user asked for and the mesh contradicts: a sentence naming both values and the flag, or null. */
export function contradiction(settings: Asked, mesh: MeshConfig): string | null {
  const { four, six } = byFamily(mesh);
  const { choice } = settings.ipv6;
  const asked: readonly Claimed[] = [
    [
      "--network",
      settings.withoutIpv4 ? "none" : settings.network?.text ?? null,
      four?.network.text ?? "none",
    ],
    ...askedOf("", settings, four),
    ["--network6", choice === "auto" && six !== null ? null : choice, six?.network.text ?? "none"],
    ["--network6", settings.ipv6.network?.text ?? null, six?.network.text ?? "none"],
    ...askedOf("6", settings.ipv6, six),
    ["--backend", settings.backend, mesh.backend],
    ["--vni", settings.vni, mesh.vni],
    ["--vxlan-port", settings.vxlanPort, mesh.vxlanPort],
  ];
  for (const [flag, want, is] of asked) {
    if (want !== null && want !== is) {
      return `${flag} says "${want}", but the mesh has "${is}" (leave ${flag} out to join it)`;
    }
  }
  return null;
}

/** A flag, what the user said with it, and what the mesh has. */
type Claimed = readonly [string, string | number | null, string | number];

function askedOf(family: "" | "6", asked: AskedRange, range: LeasableRange | null): readonly Claimed[] {
  return [
    [`--subnet${family}-len`, asked.subnetLen, range?.subnetLen ?? "none"],
    [`--subnet${family}-min`, asked.subnetMin, range?.subnetMin ?? "none"],
    [`--subnet${family}-max`, asked.subnetMax, range?.subnetMax ?? "none"],
  ];
}
