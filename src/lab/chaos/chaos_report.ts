/** What a chaos run comes to, as `lab --chaos --json` prints it, and in words. */
import type { PairResult } from "../pairs.ts";
import type { Contacts } from "./flows.ts";
import type { TimelineEntry } from "./timeline.ts";

export interface ChaosReport {
  /** All invariants held. */
  readonly ok: boolean;
  readonly seed: number;
  /** How long the chaos was to last. */
  readonly chaosSeconds: number;
  readonly runtime: string;
  readonly hosts: readonly string[];
  /** How many leases the network has room for. */
  readonly subnets: number;
  readonly violations: readonly string[];
  /** Two hosts with one subnet: how often, and how long at most while they could talk to each other. */
  readonly conflicts: { readonly count: number; readonly connectedSeconds: number };
  /** Leases that a running host changed. */
  readonly yields: number;
  /** Seconds in which other programs kept hosts from running, summed over the hosts: they are not judged by these. */
  readonly starvedSeconds: number;
  readonly echoes: {
    readonly sent: number;
    readonly answered: number;
    /** Those of flows that nothing disturbed, and of these the lost ones. */
    readonly judged: number;
    readonly lost: number;
  };
  readonly contacts: Contacts;
  /** At the end; empty when the mesh did not become whole. */
  readonly pairs: readonly PairResult[];
  /** What was done: the kind of step and how often. */
  readonly done: Readonly<Record<string, number>>;
  /** Where logs and state are kept; null when all held. */
  readonly kept: string | null;
  readonly seconds: number;
  readonly timeline: readonly TimelineEntry[];
}

/** The end of the page: what was done, and whether all held. */
export function formatChaos(report: ChaosReport): string {
  const { conflicts, contacts, echoes, pairs } = report;
  const answering = pairs.filter((pair) => pair.lossPercent < 100).length;
  const lines = [
    `${report.hosts.length} hosts, ${report.subnets} subnets, ${report.chaosSeconds} s: ${
      doneWords(report.done)
    }`,
    `Subnets with two holders: ${conflicts.count}` +
    (conflicts.count === 0 ? "" : `, settled within ${conflicts.connectedSeconds.toFixed(1)} s of contact`) +
    `; leases changed: ${report.yields}`,
    `Echoes: ${echoes.sent} sent, ${echoes.answered} answered; of ${echoes.judged} in undisturbed flows ` +
    (echoes.lost === 0 ? "none was lost" : `${echoes.lost} were lost`),
    pairs.length === 0
      ? "At the end the mesh is not whole"
      : `At the end ${answering} of ${pairs.length} pairs answer`,
  ];
  if (contacts.healings > 0) {
    lines.push(
      `After ${contacts.healings} healings the first pair answered within ${
        contacts.firstSeconds.toFixed(1)
      } s, ` +
        `all pairs within ${contacts.allSeconds.toFixed(1)} s`,
    );
  }
  if (report.starvedSeconds > 0) {
    lines.push(
      `Other programs kept the processors busy: ${report.starvedSeconds} host-seconds do not count ` +
        `(of ${Math.round(report.seconds) * report.hosts.length})`,
    );
  }
  if (report.ok) lines.push(`All invariants hold (seed ${report.seed}, ${report.seconds.toFixed(0)} s)`);
  else {
    lines.push(`${report.violations.length} violations of invariants (seed ${report.seed}):`);
    lines.push(...report.violations.map((text) => `  ${text}`));
    if (report.kept !== null) lines.push(`Logs and state of all hosts are in ${report.kept}`);
  }
  return `\n${lines.join("\n")}\n`;
}

const WORDS: Readonly<Record<string, string>> = {
  split: "splits",
  kill: "kill -9",
  restore: "older states restored",
  pause: "pauses",
  fill: "full disks",
  cut: "one-way cuts",
  loss: "spells of loss",
  clone: "copied identities",
  leave: "left and joined anew",
};

function doneWords(done: Readonly<Record<string, number>>): string {
  const words = Object.entries(WORDS).flatMap(([kind, word]) =>
    kind in done ? [`${done[kind]} ${word}`] : []
  );
  return words.length === 0 ? "nothing was done" : words.join(", ");
}
