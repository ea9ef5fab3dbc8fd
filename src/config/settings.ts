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
  { flag: "peers", kind: "list", value: "HOST[:PORT],…", group: MESH, help: "members of the mesh to join" },
  { flag: "found", kind: "switch", group: MESH, help: "found a new mesh even if no peer answers" },
  { flag: "network-name", kind: "text", value: "NAME", group: MESH, help: "name of the mesh (ovltun)" },
  { flag: "name", kind: "text", value: "NAME", group: MESH, help: "name of this node (the host name)" },
  {
    flag: "advertise",
    kind: "list",
    value: "HOST[:PORT]",
    group: MESH,
    help: "where others reach this node, if not at its own addresses",
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
    help: "IPv4 range of the whole mesh, when founding (a random free /16); none: no IPv4",
  },
  {
    flag: "network6",
    kind: "text",
    value: "CIDR|auto|none",
    group: NETWORK,
    help: "IPv6 range of the whole mesh, when founding (none); auto: a random unique local /48",
  },
  {
    flag: "subnet-len",
    kind: "number",
    value: "N",
    group: NETWORK,
    help: "prefix length of each lease, when founding (24)",
  },
  {
    flag: "subnet6-len",
    kind: "number",
    value: "N",
    group: NETWORK,
    help: "prefix length of each IPv6 lease, when founding (64)",
  },
  {
    flag: "subnet-min",
    kind: "text",
    value: "IP",
    group: NETWORK,
    help: "lowest subnet to lease, when founding",
  },
  {
    flag: "subnet-max",
    kind: "text",
    value: "IP",
    group: NETWORK,
    help: "highest subnet to lease, when founding",
  },
  {
    flag: "subnet6-min",
    kind: "text",
    value: "IP",
    group: NETWORK,
    help: "lowest IPv6 subnet to lease, when founding",
  },
  {
    flag: "subnet6-max",
    kind: "text",
    value: "IP",
    group: NETWORK,
    help: "highest IPv6 subnet to lease, when founding",
  },
  {
    flag: "subnet",
    kind: "text",
    value: "CIDR",
    group: NETWORK,
    help: "preferred lease of this node (a random free subnet)",
  },
  {
    flag: "subnet6",
    kind: "text",
    value: "CIDR",
    group: NETWORK,
    help: "preferred IPv6 lease of this node (the subnet with the number of the IPv4 one)",
  },
  {
    flag: "backend",
    kind: "text",
    value: "udp|vxlan|host-gw",
    group: NETWORK,
    help: "transport between hosts, when founding (udp)",
  },
  {
    flag: "direct-routing",
    kind: "switch",
    group: NETWORK,
    help: "route to peers on the same link instead of tunnelling",
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
    help: "file with the network secret or a passphrase; or set OVLTUN_SECRET",
  },
  {
    flag: "cipher",
    kind: "text",
    value: "CIPHER",
    group: SECURITY,
    help: "aes-256-gcm, chacha20-poly1305 or xsalsa20-poly1305 (auto: the fastest both hosts have)",
  },
  {
    flag: "allow-plain-direct",
    kind: "switch",
    group: SECURITY,
    help: "allow paths in the clear in a sealed mesh; needed on both ends",
  },
  {
    flag: "port",
    kind: "number",
    value: "N",
    group: HOST,
    help: "UDP port to listen on; open it to the other hosts (8473)",
  },
  {
    flag: "vxlan-port",
    kind: "number",
    value: "N",
    group: HOST,
    help: "UDP port for VXLAN, when founding (8472)",
  },
  {
    flag: "iface",
    kind: "text",
    value: "NAME",
    group: HOST,
    help: "interface or address that faces the other hosts (auto-detected)",
  },
  { flag: "device", kind: "text", value: "NAME", group: HOST, help: "name of the TUN device (ovl0)" },
  {
    flag: "mtu",
    kind: "number",
    value: "N",
    group: HOST,
    help: "MTU of the TUN device (underlay MTU minus overhead)",
  },
  {
    flag: "ip-masq",
    kind: "switch",
    group: HOST,
    help: "masquerade traffic that leaves the mesh, or enters it from elsewhere",
  },
  {
    flag: "forward",
    kind: "switch",
    group: HOST,
    help: "turn on forwarding between the interfaces of this host while ovltun runs",
  },
  { flag: "no-tso", kind: "switch", group: HOST, help: "disable TCP superframes on the device" },
  { flag: "no-uso", kind: "switch", group: HOST, help: "disable UDP superframes on the device" },
  { flag: "no-gso", kind: "switch", group: HOST, help: "do not send datagrams in trains (UDP_SEGMENT)" },
  { flag: "no-gro", kind: "switch", group: HOST, help: "do not receive datagrams in trains (UDP_GRO)" },
  {
    flag: "workers",
    kind: "number",
    value: "N",
    group: HOST,
    help: "data-plane threads, 1 to 16, each with its own queue and sockets (1)",
  },
  {
    flag: "net-conf",
    kind: "text",
    value: "FILE",
    group: FILES,
    help: "flannel's net-conf.json; flags override it",
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
    help: "directory for identity, lease and secret (/var/lib/ovltun)",
  },
  {
    flag: "run-dir",
    kind: "text",
    value: "DIR",
    group: FILES,
    help: "directory for the control socket (/run/ovltun)",
  },
  {
    flag: "subnet-file",
    kind: "text",
    value: "FILE",
    group: FILES,
    help: "file to write the lease to, for Docker and others (<run-dir>/subnet.env)",
  },
  {
    flag: "on-lease-change",
    kind: "text",
    value: "PROGRAM",
    group: FILES,
    help: "program to run when this node's lease changes",
  },
  {
    flag: "log-level",
    kind: "text",
    value: "debug|info|warn|error",
    group: FILES,
    help: "lowest level to log (info)",
  },
  {
    flag: "log-format",
    kind: "text",
    value: "text|json",
    group: FILES,
    help: "format of the log on stderr (text)",
  },
] as const satisfies readonly Setting[];

export type SettingName = typeof SETTINGS[number]["flag"];

/** The table as plain entries, for loops that do not care for the literal names. */
export const ALL_SETTINGS: readonly (Setting & { readonly flag: SettingName })[] = SETTINGS;

/** "OVLTUN_SUBNET_LEN" for "subnet-len". */
export function environmentKey(flag: string): string {
  return `OVLTUN_${flag.replaceAll("-", "_").toUpperCase()}`;
}

/** One setting as it was given. */
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
