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
import type { Asked, MeshConfig, Security } from "./mesh_config.ts";
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
  const { network } = settings;
  if (network === null) return "No network to found: give --network CIDR";
  const subnetLen = settings.subnetLen ?? settings.defaultSubnetLen;
  const bits = subnetLen + lengthOffset(network) - network.length;
  if (bits < 0 || subnetLen + lengthOffset(network) > 128) {
    return `No subnet of length ${subnetLen} fits in ${network} (--subnet-len, --network)`;
  }
  const last = Math.min(2 ** bits, 2 ** 40) - 1;
  const first = last > 1 ? 1 : 0; // like flannel, the first is left out where that costs little
  const subnetAt = (n: number) =>
    formatAddress(nthSubnet(network, subnetLen + lengthOffset(network), n).address);
  const mesh: MeshConfig = {
    network,
    subnetLen,
    subnetMin: settings.subnetMin ?? subnetAt(first),
    subnetMax: settings.subnetMax ?? subnetAt(last),
    backend: settings.backend ?? "udp",
    vni: settings.vni ?? DEFAULT_VNI,
    vxlanPort: settings.vxlanPort ?? VXLAN_PORT,
    security: settings.plain ? "plain" : "sealed",
  };
  return checkMesh(mesh) ?? mesh;
}

/** The bits in front of an IPv4 prefix in its 128-bit form, else 0. */
export function lengthOffset(network: Prefix): number {
  return isIpv4(network.address) ? 96 : 0;
}

/** A sentence that says what is wrong with a configuration, or null. */
function checkMesh(mesh: MeshConfig): string | null {
  const { network } = mesh;
  const length = mesh.subnetLen + lengthOffset(network);
  if (!Number.isInteger(mesh.subnetLen) || mesh.subnetLen < 1 || length < network.length || length > 128) {
    return `No subnet of length ${mesh.subnetLen} fits in ${mesh.network}`;
  }
  const [min, max] = [parseAddress(mesh.subnetMin), parseAddress(mesh.subnetMax)];
  if (min === null || !contains(network, min)) {
    return `First subnet ${mesh.subnetMin} is not in ${mesh.network}`;
  }
  if (max === null || !contains(network, max)) {
    return `Last subnet ${mesh.subnetMax} is not in ${mesh.network}`;
  }
  for (let i = 0; i < 16; i++) {
    if (min[i]! < max[i]!) break;
    if (min[i]! > max[i]!) return `First subnet ${mesh.subnetMin} comes after the last, ${mesh.subnetMax}`;
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

/** The configuration in a JSON value from outside; null when it is none or does not pass checkMesh. */
export function readMesh(value: unknown): MeshConfig | null {
  const v = fieldsIn(value);
  if (v === null) return null;
  for (const field of ["network", "subnetMin", "subnetMax", "backend", "security"]) {
    if (typeof v[field] !== "string" || (v[field] as string).length > 64) return null;
  }
  for (const field of ["subnetLen", "vni", "vxlanPort"]) if (typeof v[field] !== "number") return null;
  const network = prefixOf(v["network"]);
  if (network === null) return null;
  const { subnetLen, subnetMin, subnetMax, backend, vni, vxlanPort, security } = v as unknown as MeshConfig;
  const mesh = { network, subnetLen, subnetMin, subnetMax, backend, vni, vxlanPort, security };
  return checkMesh(mesh) === null ? mesh : null;
}

/** The configuration as canonical JSON, fields in one fixed order. */
export function meshText(mesh: MeshConfig): string {
  const { network, subnetLen, subnetMin, subnetMax, backend, vni, vxlanPort, security } = mesh;
  return JSON.stringify({ network, subnetLen, subnetMin, subnetMax, backend, vni, vxlanPort, security });
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
  const names: readonly (keyof MeshConfig)[] = [
    "network",
    "subnetLen",
    "subnetMin",
    "subnetMax",
    "backend",
    "vni",
    "vxlanPort",
    "security",
  ];
  const differ = names.filter((n) => String(here[n]) !== String(there[n]));
  return differ.map((n) => `${n} ${here[n]} here, ${there[n]} there`).join("; ");
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
export function publicNetwork({ network }: MeshConfig): string | null {
  if (NOT_PUBLIC.some((range) => isInside(network, range))) return null;
  return `The mesh's network ${network} is public address space: hosts of the mesh cannot reach its real ` +
    "owners on the Internet (choose a private network when founding, e.g. --network 10.42.0.0/16)";
}

/** What the user asked for and the mesh contradicts: a sentence naming both values and the flag, or null. */
export function contradiction(settings: Asked, mesh: MeshConfig): string | null {
  const asked: readonly [string, string | number | null, string | number][] = [
    ["--network", settings.network?.text ?? null, mesh.network.text],
    ["--subnet-len", settings.subnetLen, mesh.subnetLen],
    ["--subnet-min", settings.subnetMin, mesh.subnetMin],
    ["--subnet-max", settings.subnetMax, mesh.subnetMax],
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
