/** What the bench compares: a system that can be started between two hosts. */
import type { Pair, Running } from "./hosts.ts";

/** A tunnel that was started: it answers at `target` from host a a moment later. */
export interface Tunnel {
  readonly target: string;
  /** One in each host; none for what the kernel does. */
  readonly processes: readonly Running[];
}

export interface System {
  readonly name: string;
  /** A path, or a name in PATH, of each program it needs. */
  readonly programs: readonly string[];
  /** The command that prints its version; none for the kernel's. */
  readonly versionCommand?: readonly string[];
  start(pair: Pair): Promise<Tunnel>;
}
