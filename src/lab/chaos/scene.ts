/** What everything in a chaos run shares. */
import type { Topology } from "../topology.ts";
import type { ChaosHost } from "./chaos_host.ts";
import type { Drops } from "./drops.ts";
import type { Timeline } from "./timeline.ts";

export interface ChaosScene {
  readonly hosts: readonly ChaosHost[];
  readonly topology: Topology;
  readonly drops: Drops;
  /** All that can be leased. */
  readonly subnets: readonly string[];
  readonly timeline: Timeline;
  readonly stop: AbortSignal;
}
