/**
 * `--static-peer SUBNET=IP[:PORT],backend=vxlan|udp[,mac=MAC][,vni=N]`: a peer that speaks only kernel VXLAN
 * (RFC 7348) or flannel's udp. Everything about it has to be said, since it will never say anything itself.
 */
import {
  formatAddress,
  formatMac,
  isMulticast,
  isUnspecified,
  parseEndpoint,
  parseMac,
} from "../wire/address.ts";
import type { StaticPeer } from "../control/mesh/mesh_config.ts";
import { MAX_VNI } from "../wire/vxlan.ts";
import { ConfigError } from "./config.ts";
import { suggest } from "./suggest.ts";
import { readPrefix } from "./values.ts";

const FIELD = "static-peer";
const OPTIONS = ["backend", "mac", "vni"];
const SHAPE = "SUBNET=IP[:PORT],backend=vxlan|udp[,mac=MAC][,vni=N]";

/** The flag's texts: a comma-separated list is taken apart again at each "SUBNET=". */
export function parseStaticPeers(texts: readonly string[], label: string): StaticPeer[] {
  return texts.flatMap((text) => text.split(/,(?=[0-9a-f.:]+\/[0-9]+=)/i)).map((text) =>
    parseStaticPeer(text, label)
  );
}

/** One static peer. Throws ConfigError that quotes the text and says which part is wrong. */
function parseStaticPeer(text: string, label: string): StaticPeer {
  const subject = `${label} ${JSON.stringify(text)}`;
  const [target = "", ...parts] = text.split(",");
  const equals = target.indexOf("=");
  if (equals < 0) throw new ConfigError(FIELD, `${subject} must have the form ${SHAPE}`);
  const subnet = readPrefix(FIELD, `${subject}: the subnet`, target.slice(0, equals));
  const { address, port } = parseTarget(subject, target.slice(equals + 1));
  const options = parseOptions(subject, parts);
  const backend = options.get("backend");
  if (backend !== "vxlan" && backend !== "udp") {
    const found = backend === undefined ? "has no backend=" : `has backend=${backend}`;
    throw new ConfigError(FIELD, `${subject} ${found}; it must be backend=vxlan or backend=udp`);
  }
  const mac = options.get("mac") ?? null;
  const vni = options.get("vni") ?? null;
  if (backend === "udp" && (mac !== null || vni !== null)) {
    const key = mac !== null ? "mac" : "vni";
    throw new ConfigError(FIELD, `${subject}: ${key}= belongs to backend=vxlan, not to backend=udp`);
  }
  if (backend === "vxlan" && mac === null) {
    throw new ConfigError(
      FIELD,
      `${subject} needs mac=, the MAC address of its VXLAN device (shown there by: ip link show type vxlan)`,
    );
  }
  return {
    subnet,
    address,
    port,
    backend,
    mac: mac === null ? null : checkMac(subject, mac),
    vni: vni === null ? null : checkVni(subject, vni),
  };
}

function parseTarget(subject: string, text: string): { address: string; port: number | null } {
  const endpoint = parseEndpoint(text, 1);
  if (endpoint === null || isUnspecified(endpoint.address) || isMulticast(endpoint.address)) {
    throw new ConfigError(FIELD, `${subject}: ${JSON.stringify(text)} is not the IP or IP:PORT of a host`);
  }
  const address = formatAddress(endpoint.address);
  const portNamed = parseEndpoint(text) !== null;
  return { address, port: portNamed ? endpoint.port : null };
}

function parseOptions(subject: string, parts: readonly string[]): Map<string, string> {
  const options = new Map<string, string>(); // BOUNDED: by OPTIONS
  for (const part of parts) {
    const equals = part.indexOf("=");
    const key = equals < 0 ? part : part.slice(0, equals);
    if (equals < 0 || !OPTIONS.includes(key)) {
      const near = suggest(key, OPTIONS);
      throw new ConfigError(
        FIELD,
        `${subject}: unknown part ${JSON.stringify(part)}` +
          (near === null ? "" : ` (did you mean ${near}=?)`),
      );
    }
    if (options.has(key)) throw new ConfigError(FIELD, `${subject} has ${key}= twice`);
    options.set(key, part.slice(equals + 1));
  }
  return options;
}

function checkMac(subject: string, text: string): string {
  const mac = parseMac(text);
  if (mac === null || (mac[0]! & 1) !== 0 || mac.every((byte) => byte === 0)) {
    throw new ConfigError(FIELD, `${subject}: mac=${text} is not the MAC address of a device`);
  }
  return formatMac(mac);
}

function checkVni(subject: string, text: string): number {
  const vni = Number(text);
  if (!/^[0-9]{1,8}$/.test(text) || vni < 1 || vni > MAX_VNI) {
    throw new ConfigError(FIELD, `${subject}: vni=${text} is not a number from 1 to ${MAX_VNI}`);
  }
  return vni;
}
