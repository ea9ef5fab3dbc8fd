/**
 * flannel's net-conf JSON (flannel-io/flannel, Documentation/configuration.md and backends.md; pkg/subnet/config.go)
 * as settings of ours, read as flannel's own parser reads it, Go's encoding/json: a key counts in any case, of two the
 * later one, and a number is an integer. What flannel has and we have not is ignored with a warning; a backend that we
 * do not have is refused by name. A file in which nothing is flannel's founds no mesh.
 */
import { isIpv4 } from "../wire/address.ts";
import { networkOf, parseInterface } from "../wire/prefix.ts";
import { BACKENDS } from "../wire/backend.ts";
import { ConfigError } from "./config.ts";
import { type Json, JsonNumber, JsonObject } from "./json_text.ts";
import type { Given, SettingName } from "./settings.ts";
import { suggest } from "./suggest.ts";

/** What the file gives. */
export interface NetConf {
  /** By setting of ours. */
  readonly given: ReadonlyMap<SettingName, Given>;
  /** `Backend.MTU`, of the packets between the hosts, as flannel means it; null: not given. */
  readonly underlayMtu: number | null;
}

/** How a key is read: flannel's Go type, and which setting of ours it is. */
type Kind = "text" | "network" | "network6" | "number" | "switch" | "object";

interface Key {
  readonly kind: Kind;
  readonly setting?: SettingName;
  /** Its value where flannel needs nothing of us: no warning then. */
  readonly idle?: boolean;
}

type Keys = Readonly<Record<string, Key>>;

const TOP: Keys = {
  Network: { kind: "network", setting: "network" },
  SubnetLen: { kind: "number", setting: "subnet-len" },
  SubnetMin: { kind: "text", setting: "subnet-min" },
  SubnetMax: { kind: "text", setting: "subnet-max" },
  IPv6Network: { kind: "network6", setting: "network6" },
  IPv6SubnetLen: { kind: "number", setting: "subnet6-len" },
  IPv6SubnetMin: { kind: "text", setting: "subnet6-min" },
  IPv6SubnetMax: { kind: "text", setting: "subnet6-max" },
  Backend: { kind: "object" },
  EnableIPv4: { kind: "switch" },
  EnableIPv6: { kind: "switch" },
  EnableNFTables: { kind: "switch", idle: false },
};

const BACKEND: Keys = {
  Type: { kind: "text", setting: "backend" },
  VNI: { kind: "number", setting: "vni" },
  Port: { kind: "number", setting: "port" },
  DirectRouting: { kind: "switch", setting: "direct-routing" },
  MTU: { kind: "number" },
  GBP: { kind: "switch", idle: false },
  Learning: { kind: "switch", idle: false },
};

/** Keys for which we have something to do, as a person needs them to mend a file. */
const USED =
  "EnableIPv4, Network, SubnetLen, SubnetMin, SubnetMax, EnableIPv6, IPv6Network, IPv6SubnetLen, " +
  "IPv6SubnetMin, IPv6SubnetMax, Backend {Type, VNI, Port, DirectRouting, MTU}";
/** Numbers for which 0 is "not given" in flannel. */
const ZERO_IS_NONE = ["SubnetLen", "IPv6SubnetLen", "Backend.Port", "Backend.MTU"];
/** flannel: a subnet has room for a bridge and a container. */
const SUBNET_LEN_MAX: Readonly<Record<string, number>> = { SubnetLen: 30, IPv6SubnetLen: 126 };
/** The keys of each family, which count where it is enabled; flannel has IPv4 enabled unless the file says otherwise. */
const FOUR: readonly SettingName[] = ["network", "subnet-len", "subnet-min", "subnet-max"];
const SIX: readonly SettingName[] = ["network6", "subnet6-len", "subnet6-min", "subnet6-max"];
/** Bounds of Backend.MTU: 576 are left (RFC 791) by the largest overhead, sealed over IPv6. */
const UNDERLAY_MTU_MIN = 656;
const UNDERLAY_MTU_MAX = 65535;

/** What to take in place of flannel's other backends. */
const INSTEAD: Readonly<Record<string, string>> = {
  wireguard: "use udp; an ovltun mesh is encrypted anyway, unless --plain is given",
  ipsec: "use udp; an ovltun mesh is encrypted anyway, unless --plain is given",
  ipip: "use udp or vxlan",
  alloc: "use host-gw if all hosts share a link, otherwise udp",
  extension: "use udp or vxlan",
  "tencent-vpc": "use host-gw if all hosts share a link, otherwise udp",
};

/** The settings that `conf`, read from `path`, gives. Throws ConfigError naming file and key. */
export function readNetConf(path: string, conf: JsonObject, warn: (sentence: string) => void): NetConf {
  const file = new NetConfFile(path, warn);
  const top = file.read(conf, "", TOP);
  chooseFamilies(file, top);
  const backend = file.backend === null ? null : file.read(file.backend, "Backend.", BACKEND);
  const { given } = file;
  if (given.size === 0 && !backend?.has("MTU")) {
    throw new ConfigError(
      "net-conf",
      `${JSON.stringify(path)} has none of flannel's keys that ovltun uses (${USED})`,
    );
  }
  if (backend !== null && !given.has("backend")) {
    warn(
      `Key "Backend" in ${
        JSON.stringify(path)
      } has no "Type": using --backend, the backend of the mesh being joined, or udp`,
    );
  }
  const type = given.get("backend")?.values[0];
  const port = given.get("port");
  if (type === "vxlan" && port !== undefined) { // flannel has one port, that of its backend
    given.delete("port");
    given.set("vxlan-port", port);
  }
  return { given, underlayMtu: file.underlayMtu(backend?.get("MTU")) };
}

/**
 * The subnet length that flannel takes for a network of this length where the file names none: 24, or a quarter of a
 * network that is smaller than a /22. Throws ConfigError when it is smaller than a /28. `label` names the network.
 */
export function defaultSubnetLen(length: number, label: string): number {
  if (length <= 22) return 24;
  if (length <= 28) return length + 2;
  throw new ConfigError("network", `${label} is too small: a /28 is the minimum`);
}

/** Leaves out what belongs to a family that is not enabled. */
function chooseFamilies(file: NetConfFile, top: ReadonlyMap<string, string>): void {
  const { given } = file;
  const six = top.get("EnableIPv6") === "true";
  if (six && !given.has("network6")) {
    file.refuse("net-conf", "EnableIPv6", 'is true, but there is no IPv6Network, such as "fd42:1:2::/48"');
  }
  if (!six) {
    for (const name of SIX) given.delete(name);
  }
  if (top.get("EnableIPv4") !== "false") return;
  if (!six) {
    file.refuse("net-conf", "EnableIPv4", "is false, and EnableIPv6 is not true: there are no addresses");
  }
  for (const name of FOUR) given.delete(name);
  given.set("network", { source: "file", values: ["none"], label: "EnableIPv4: false", where: file.where });
}

class NetConfFile {
  readonly given = new Map<SettingName, Given>(); // BOUNDED: by the keys of TOP and BACKEND
  /** The value of the last `Backend`. */
  backend: JsonObject | null = null;
  readonly #path: string;
  readonly #warn: (sentence: string) => void;

  constructor(path: string, warn: (sentence: string) => void) {
    this.#path = path;
    this.#warn = warn;
  }

  /** Takes an object's entries in their order; gives their values as text, by the key as flannel spells it. */
  read(object: JsonObject, prefix: string, keys: Keys): ReadonlyMap<string, string> {
    const values = new Map<string, string>(); // BOUNDED: by `keys`
    for (const [written, value] of object.entries) {
      const key = Object.keys(keys).find((one) => folded(one) === folded(written));
      if (key === undefined) {
        this.#warn(
          `Key ${JSON.stringify(prefix + written)} in ${this.#quoted} is not used by ovltun and was ignored`,
        );
        continue;
      }
      if (value === null && !["text", "network", "network6"].includes(keys[key]!.kind)) continue; // as if it were not there
      const text = this.#valueOf(prefix + key, keys[key]!, value);
      if (text !== null) values.set(key, text);
      else if (keys[key]!.kind === "number") this.#forget(keys[key]!, values, key);
    }
    for (const [key, text] of values) {
      const { setting, idle } = keys[key]!;
      if (setting !== undefined) {
        this.given.set(setting, {
          source: "file",
          values: [text],
          label: prefix + key,
          where: this.where,
        });
      } else if (idle !== undefined && String(idle) !== text) {
        this.#warn(
          `Key ${JSON.stringify(prefix + key)} in ${this.#quoted} is not used by ovltun and was ignored`,
        );
      }
    }
    return values;
  }

  #forget({ setting }: Key, values: Map<string, string>, key: string): void {
    values.delete(key);
    if (setting !== undefined) this.given.delete(setting);
  }

  underlayMtu(text: string | undefined): number | null {
    if (text === undefined) return null;
    const mtu = Number(text);
    if (mtu >= UNDERLAY_MTU_MIN && mtu <= UNDERLAY_MTU_MAX) return mtu;
    return this.refuse(
      "net-conf",
      "Backend.MTU",
      `must be from ${UNDERLAY_MTU_MIN} to ${UNDERLAY_MTU_MAX}, not ${text}`,
    );
  }

  refuse(field: SettingName, key: string, problem: string): never {
    throw new ConfigError(field, `Key ${JSON.stringify(key)} in ${this.#quoted} ${problem}`);
  }

  get where(): string {
    return ` (in ${this.#quoted})`;
  }

  get #quoted(): string {
    return JSON.stringify(this.#path);
  }

  /** A value as the text of a setting; null: nothing is said by it. */
  #valueOf(key: string, { kind, setting }: Key, value: Json): string | null {
    const field = setting ?? "net-conf";
    if (kind === "object") {
      if (!(value instanceof JsonObject)) this.refuse(field, key, `must be an object, not ${shown(value)}`);
      this.backend = value;
      return null;
    }
    if (kind === "number") return this.#number(field, key, value);
    if (kind === "switch") {
      if (typeof value !== "boolean") this.refuse(field, key, `must be true or false, not ${shown(value)}`);
      return String(value);
    }
    if (typeof value !== "string") this.refuse(field, key, `must be a string, not ${shown(value)}`);
    if (kind === "network" || kind === "network6") return this.#network(key, kind, value);
    return key === "Backend.Type" ? this.#type(key, value) : value;
  }

  #number(field: SettingName, key: string, value: Json): string | null {
    if (!(value instanceof JsonNumber) || !/^(0|[1-9][0-9]{0,14})$/.test(value.text)) {
      this.refuse(field, key, `must be a whole number, not ${shown(value)}`);
    }
    if (value.text === "0" && ZERO_IS_NONE.includes(key)) return null;
    const max = SUBNET_LEN_MAX[key];
    if (max !== undefined && Number(value.text) > max) {
      this.refuse(field, key, `must be ${max} or less, as in flannel, not ${value.text}`);
    }
    return value.text;
  }

  /** Bits beyond the length do not count. */
  #network(key: string, kind: "network" | "network6", text: string): string {
    const loose = parseInterface(text);
    if (loose === null || isIpv4(loose.address) !== (kind === "network")) {
      const such = kind === "network"
        ? 'an IPv4 prefix such as "10.42.0.0/16"'
        : 'an IPv6 prefix such as "fd42:1:2::/48"';
      this.refuse(kind, key, `must be ${such}, not ${JSON.stringify(text)}`);
    }
    return networkOf(loose).text;
  }

  #type(key: string, text: string): string {
    const type = text.toLowerCase();
    if (BACKENDS.some((known) => known === type)) return type;
    const near = suggest(type, BACKENDS);
    const hint = INSTEAD[type] ?? (near === null ? null : `did you mean ${near}?`);
    return this.refuse(
      "backend",
      key,
      `is ${JSON.stringify(text)}; ovltun has ${BACKENDS.join(", ")}${hint === null ? "" : ` (${hint})`}`,
    );
  }
}

/** Equal for keys that encoding/json takes for one: Unicode's simple folding, "ſ" and the Kelvin sign included. */
function folded(key: string): string {
  return key.toUpperCase().toLowerCase();
}

/** A value for a message, cut to a readable length. */
function shown(value: Json): string {
  if (value instanceof JsonNumber) return value.text.slice(0, 60);
  if (value instanceof JsonObject) return "an object";
  if (Array.isArray(value)) return "a list";
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}
