/**
 * The one configuration of a daemon: readonly, complete, checked. `loadConfig` (load.ts) makes it from flags, environment and
 * files; all others only read it. Null means "not given": the mesh that is joined, the stored state or the default of the
 * moment decides. What cannot work is a ConfigError. Addresses are canonical text (wire/address.ts).
 */
import type { Asked } from "../control/mesh/mesh_config.ts";

export type Cipher = "auto" | "aes-256-gcm" | "chacha20-poly1305" | "xsalsa20-poly1305" | "none";
export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFormat = "text" | "json";

export const CIPHERS: readonly Cipher[] = [
  "auto",
  "aes-256-gcm",
  "chacha20-poly1305",
  "xsalsa20-poly1305",
  "none",
];
export const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
export const LOG_FORMATS: readonly LogFormat[] = ["text", "json"];

/** What a founder uses for settings not given. */
export const DEFAULT_NETWORK_NAME = "ovltun";
export const DEFAULT_SUBNET_LEN = 24;
export const DEFAULT_SUBNET6_LEN = 64;
export const DEFAULT_PORT = 8473;
export const DEFAULT_DEVICE = "ovl0";
export const DEFAULT_STATE_DIR = "/var/lib/ovltun";
export const DEFAULT_RUN_DIR = "/run/ovltun";

/** What the user asked of the mesh, and of this host. */
export interface Config extends Asked {
  readonly port: number;
  /** Where the network secret lies; the secret itself is in no configuration. */
  readonly secretFile: string | null;
  /** OVLTUN_SECRET holds it. */
  readonly secretInEnvironment: boolean;
  /** Id of the node that a token names: on first contact no other node is accepted as a member. Null without a token. */
  readonly pinnedNode: string | null;
  readonly cipher: Cipher;
  readonly iface: string | null;
  /** "HOST" or "HOST:PORT" as given. */
  readonly advertise: readonly string[];
  /** At most 15 characters. */
  readonly device: string;
  /** Of the device, bytes; null: from the underlay. */
  readonly mtu: number | null;
  /** The largest packet between the hosts, from flannel's `Backend.MTU`, bytes; null: what the underlay carries. */
  readonly underlayMtu: number | null;
  readonly ipMasq: boolean;
  /** The host is to forward packets. */
  readonly forward: boolean;
  readonly stateDir: string;
  readonly runDir: string;
  readonly subnetFile: string;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** Data-plane threads, 1 to 16. */
  readonly workers: number;
  /** `--no-tso`, `--no-uso`, `--no-gso`, `--no-gro` turn them off. */
  readonly offloads: {
    readonly tso: boolean;
    readonly uso: boolean;
    readonly gso: boolean;
    readonly gro: boolean;
  };
  /** A program to run when the own lease changes. */
  readonly onLeaseChange: string | null;
}

// ----------------------------------------------------------------------------------------------------
// A configuration that cannot work: which setting, and a whole sentence that says why and what to do.

/** Exit code of every command that was used or configured wrongly. */
export const USAGE_EXIT_CODE = 2;

/**
 * Thrown for impossible or contradictory settings. `field` is the setting's flag without dashes ("subnet-len");
 * `reason` is the sentence shown to people and names everything involved.
 */
export class ConfigError extends Error {
  readonly field: string;
  readonly reason: string;
  readonly exitCode: number = USAGE_EXIT_CODE;

  constructor(field: string, reason: string, options?: ErrorOptions) {
    super(reason, options);
    this.name = "ConfigError";
    this.field = field;
    this.reason = reason;
  }
}
