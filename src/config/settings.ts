/**
 * The settings of `up`, each once: its flag, its kind and the words that explain it. The command line, the
 * environment (`OVLTUN_` + upper snake case) and the keys of the configuration file all follow this table.
 */

/** `switch` is true or false, `list` may be given more than once or separated (see `separator`). */
export type SettingKind = "text" | "number" | "switch" | "list";

export interface Setting {
  /** Without dashes: "subnet-len". */
  readonly flag: string;
  readonly kind: SettingKind;
  /** What stands after the flag in the help: "CIDR". */
  readonly value?: string;
  readonly group: string;
  readonly help: string;
  /** An older or foreign spelling that means the same. */
  readonly alias?: string;
  /** Between the entries of a list in one text; default: comma. */
  readonly separator?: RegExp;
}

const MESH = "Mesh";
const NETWORK = "Network";
const SECURITY = "Security";
const HOST = "This host";
const FILES = "Files and logs";

export const SETTINGS = [
  { flag: "peers", kind: "list", value: "HOST[:PORT],…", group: MESH, help: "hosts of the mesh to join" },
  { flag: "found", kind: "switch", group: MESH, help: "found a mesh even if no peer answers" },
  { flag: "network-name", kind: "text", value: "NAME", group: MESH, help: "name of the mesh (ovltun)" },
  { flag: "name", kind: "text", value: "NAME", group: MESH, help: "name of this node (the host name)" },
  {
    flag: "advertise",
    kind: "list",
    value: "HOST[:PORT]",
    group: MESH,
    help: "where others reach this node, when it is not an address of ours",
    alias: "public-ip",
  },
  {
    flag: "static-peer",
    kind: "list",
    value: "PEER",
    group: MESH,
    help: "a kernel VXLAN device or a flannel node, as below; repeatable",
    separator: /[\s;]+/,
  },
  {
    flag: "network",
    kind: "text",
    value: "CIDR",
    group: NETWORK,
    help: "addresses of the whole mesh, when founding (a random free /16); joiners learn it",
  },
  {
    flag: "subnet-len",
    kind: "number",
    value: "N",
    group: NETWORK,
    help: "prefix length of each lease, when founding (24)",
  },
  {
    flag: "subnet-min",
    kind: "text",
    value: "IP",
    group: NETWORK,
    help: "first subnet to lease, when founding",
  },
  {
    flag: "subnet-max",
    kind: "text",
    value: "IP",
    group: NETWORK,
    help: "last subnet to lease, when founding",
  },
  {
    flag: "subnet",
    kind: "text",
    value: "CIDR",
    group: NETWORK,
    help: "the lease this node would like (a random free one)",
  },
  {
    flag: "backend",
    kind: "text",
    value: "udp|vxlan|host-gw",
    group: NETWORK,
    help: "how packets travel between hosts, when founding (udp)",
  },
  {
    flag: "direct-routing",
    kind: "switch",
    group: NETWORK,
    help: "a plain route instead of the tunnel to peers on the same link",
  },
  {
    flag: "vni",
    kind: "number",
    value: "N",
    group: NETWORK,
    help: "VXLAN network identifier, when founding (1)",
  },
  { flag: "plain", kind: "switch", group: SECURITY, help: "no encryption; only on a network you trust" },
  {
    flag: "secret-file",
    kind: "text",
    value: "FILE",
    group: SECURITY,
    help: "the network secret or a passphrase; or set OVLTUN_SECRET",
  },
  {
    flag: "cipher",
    kind: "text",
    value: "CIPHER",
    group: SECURITY,
    help: "auto, aes-256-gcm, chacha20-poly1305, xsalsa20-poly1305 ; auto: the fastest of both hosts",
  },
  {
    flag: "allow-plain-direct",
    kind: "switch",
    group: SECURITY,
    help: "in a sealed mesh, allow paths in the clear; needed on both ends",
  },
  {
    flag: "port",
    kind: "number",
    value: "N",
    group: HOST,
    help: "our UDP port, to be open for the others (8473)",
  },
  {
    flag: "vxlan-port",
    kind: "number",
    value: "N",
    group: HOST,
    help: "VXLAN's UDP port, when founding (8472)",
  },
  {
    flag: "iface",
    kind: "text",
    value: "NAME",
    group: HOST,
    help: "the interface that faces the others (that of the default route)",
  },
  { flag: "device", kind: "text", value: "NAME", group: HOST, help: "name of the TUN device (ovl0)" },
  {
    flag: "mtu",
    kind: "number",
    value: "N",
    group: HOST,
    help: "MTU of the TUN device (what the underlay leaves)",
  },
  { flag: "ip-masq", kind: "switch", group: HOST, help: "masquerade what leaves the mesh; not built yet" },
  { flag: "no-tso", kind: "switch", group: HOST, help: "no TCP superframes through the device" },
  { flag: "no-uso", kind: "switch", group: HOST, help: "no UDP superframes through the device" },
  { flag: "no-gso", kind: "switch", group: HOST, help: "no trains of datagrams when sending" },
  { flag: "no-gro", kind: "switch", group: HOST, help: "no trains of datagrams when receiving" },
  {
    flag: "workers",
    kind: "number",
    value: "N",
    group: HOST,
    help: "data-plane threads, 1 to 16, each with a queue, a socket and a lane of its own (1)",
  },
  {
    flag: "net-conf",
    kind: "text",
    value: "FILE",
    group: FILES,
    help: "flannel's net-conf JSON; flags beat it",
  },
  {
    flag: "config",
    kind: "text",
    value: "FILE",
    group: FILES,
    help: "JSON file with the flags of up as keys",
  },
  {
    flag: "state-dir",
    kind: "text",
    value: "DIR",
    group: FILES,
    help: "where identity and lease are kept (/var/lib/ovltun)",
  },
  {
    flag: "run-dir",
    kind: "text",
    value: "DIR",
    group: FILES,
    help: "where the control socket is (/run/ovltun)",
  },
  {
    flag: "subnet-file",
    kind: "text",
    value: "FILE",
    group: FILES,
    help: "where the lease is written for Docker and others (<run-dir>/subnet.env)",
  },
  {
    flag: "on-lease-change",
    kind: "text",
    value: "PROGRAM",
    group: FILES,
    help: "run when the lease of this node changes",
  },
  {
    flag: "log-level",
    kind: "text",
    value: "debug|info|warn|error",
    group: FILES,
    help: "least level that is logged (info)",
  },
  {
    flag: "log-format",
    kind: "text",
    value: "text|json",
    group: FILES,
    help: "format of the lines on stderr (text)",
  },
] as const satisfies readonly Setting[];

export type SettingName = typeof SETTINGS[number]["flag"];

/** The table as plain entries, for loops that do not care for the literal names. */
export const ALL_SETTINGS: readonly (Setting & { readonly flag: SettingName })[] = SETTINGS;

/** "OVLTUN_SUBNET_LEN" for "subnet-len". */
export function environmentKey(flag: string): string {
  return `OVLTUN_${flag.replaceAll("-", "_").toUpperCase()}`;
}

/** One setting as somebody gave it. */
export interface Given {
  /** Text and numbers as text; switches as "true" or "false"; lists as their entries. */
  readonly values: readonly string[];
  /** "--subnet", "OVLTUN_SUBNET", "subnet", "Network". */
  readonly label: string;
  readonly source: "flag" | "environment" | "file";
  /** ` (in "ovltun.json")`, or "". */
  readonly where: string;
}

export type GivenSettings = ReadonlyMap<SettingName, Given>;

/** The label with its place: `subnet (in "ovltun.json")`. */
export function describeLabel(given: Given): string {
  return given.label + given.where;
}

/** The label, the value and the place: `--subnet 10.9.0.0/24`. */
export function describe(given: Given): string {
  const value = given.values.join(",");
  return `${given.label} ${/^[\w.:\/,=-]+$/.test(value) ? value : JSON.stringify(value)}${given.where}`;
}
