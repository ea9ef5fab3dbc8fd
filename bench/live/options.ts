/** The command line of scripts/bench. */
import { parseArgs } from "node:util";
import { DEFAULT_SYSTEMS, DENO_SYSTEMS, FLOOD_SYSTEMS, OFFLOADS } from "./systems.ts";

export const USAGE = `Usage: scripts/bench [options]

Compares tunnels between two network namespaces on this machine. Needs root, ip, iperf3 and ping.

  --systems <A,B,…>   what to compare (${DEFAULT_SYSTEMS.join(",")});
                      what is not installed is left out unless it is named here.
                      ovltun: ovltun-<udp|vxlan>[-deno|-before][-no-<tso|uso|gso|gro|offloads>…],
                      sealed: ovltun-<aes|chacha|xsalsa>[-deno|-before][-no-libcrypto]…
                      -before: the binary of OVLTUN_BEFORE, to compare two builds in one run
                      its data plane alone, with keys put in by hand:
                      keyed-<plain|aes-256-gcm|chacha20-poly1305|xsalsa20-poly1305>[-deno][-no-libcrypto]
  --deno              add ovltun from its source under Deno
  --no-tso, --no-uso, --no-gso, --no-gro, --no-offloads
                      add ovltun-udp with that offload off, or with all of them
  --seconds <N>       of each transfer (4)
  --rounds <N>        of which the median is taken (3)
  --patience <N>      seconds for which a measurement waits, or is repeated, because other
                      programs use the processors (60)
  --flood <MINUTES>   instead of the rounds: one TCP stream without a pause for so long (0.5: half
                      a minute) through each system (${FLOOD_SYSTEMS.join(",")} unless named);
                      retransmits per gigabyte beside kernel VXLAN's, resident memory each 30
                      seconds, garbage collections of the Workers in 10 seconds
  --json <FILE>       where the figures go (bench/out/<date>.json)
  --from <FILE>       print the tables of such a file, measure nothing
  --markdown          tables as Markdown

OVLTUN, OVLTUN_BEFORE, WIREGUARD_GO, NEBULA and NEBULA_CERT name other binaries.`;

export interface Options {
  readonly help: boolean;
  readonly systems: readonly string[];
  /** Systems that must be there: the user named them. */
  readonly named: boolean;
  readonly seconds: number;
  readonly rounds: number;
  readonly patience: number;
  /** Minutes; null: rounds as usual. */
  readonly flood: number | null;
  readonly json: string | null;
  readonly from: string | null;
  readonly markdown: boolean;
}

/** Throws TypeError or RangeError, with a sentence for the user. */
export function readOptions(args: readonly string[]): Options {
  const switches = [...OFFLOADS.map((offload) => `no-${offload}`), "no-offloads"];
  const { values } = parseArgs({
    args: [...args],
    options: {
      systems: { type: "string" },
      seconds: { type: "string", default: "4" },
      rounds: { type: "string", default: "3" },
      patience: { type: "string", default: "60" },
      flood: { type: "string" },
      json: { type: "string" },
      from: { type: "string" },
      markdown: { type: "boolean", default: false },
      deno: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
      ...Object.fromEntries(switches.map((name) => [name, { type: "boolean" as const }])),
    },
  });
  const given = values as Record<string, string | boolean | undefined>;
  const text = (name: string) => given[name] as string | undefined ?? null;
  const added = switches.filter((name) => given[name] === true).map((name) => `ovltun-udp-${name}`);
  const systems = text("systems")?.split(",").filter(Boolean) ??
    (text("flood") === null ? DEFAULT_SYSTEMS : FLOOD_SYSTEMS);
  return {
    help: given["help"] === true,
    systems: [...new Set([...systems, ...given["deno"] === true ? DENO_SYSTEMS : [], ...added])],
    named: text("systems") !== null,
    seconds: whole("--seconds", text("seconds")!, 1),
    rounds: whole("--rounds", text("rounds")!, 1),
    patience: whole("--patience", text("patience")!, 0),
    flood: text("flood") === null ? null : minutes("--flood", text("flood")!),
    json: text("json"),
    from: text("from"),
    markdown: given["markdown"] === true,
  };
}

function whole(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least) return value;
  throw new RangeError(`${flag} must be a whole number of at least ${least}: "${text}"`);
}

function minutes(flag: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value * 60 >= 1 && Number.isFinite(value)) return value;
  throw new RangeError(`${flag} must be minutes, at least a second of them: "${text}"`);
}
