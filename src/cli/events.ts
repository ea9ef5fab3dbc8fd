/** `ovltun events`: leases, reservations, peers and paths as they change, a line each, until Ctrl-C. Begins with what is. */
import type { Command } from "commander";
import { callApi } from "../api/client.ts";
import type { ChangeEvent, Changes } from "../api/states.ts";
import { escapeText } from "../text/escape.ts";
import { shortId } from "../text/columns.ts";
import { addSettings, SOCKET_SETTINGS, socketOf } from "./options.ts";
import { print, printJson, tell } from "./output.ts";

/** The daemon answers after 20 s at the latest. */
const TIMEOUT_MS = 30_000;
const AGAIN_MS = 1000;

/** One event for people: "2026-01-31T09:30:00.000Z  peer   beta (1a2b3c4d) is dead, was suspect". */
export function eventLine(event: ChangeEvent): string {
  return escapeText(`${event.at}  ${event.event.padEnd(5)}  ${wordsOf(event)}`);
}

function wordsOf(event: ChangeEvent): string {
  switch (event.event) {
    case "lease": {
      const { subnet, subnet6, name, nodeId, state, before, own } = event;
      const holder = nodeId === null ? name : `${name} (${shortId(nodeId)})`;
      const leased = subnet6 === undefined ? subnet : `${subnet} and ${subnet6}`;
      return `${leased} of ${own ? `this node, ${holder}` : holder}: ${state}${was(before)}`;
    }
    case "peer": {
      const { name, id, state, before, stopped } = event;
      return `${name} (${shortId(id)}) is ${stopped ? "stopped" : state}${was(before)}`;
    }
    case "reservation": {
      const { subnet, name, nodeId, by, state, before } = event;
      const whom = `${name} (${shortId(nodeId)})`;
      if (state === "lifted") return `${subnet} for ${whom}: lifted`;
      return `${subnet} for ${whom}: reserved by ${by}${before === null ? "" : `, was for ${before}`}`;
    }
    case "path": {
      const { name, id, path, to, mtu, before, why } = event;
      const way = path === "none"
        ? `no path: ${why}`
        : `${path}${to === null ? "" : ` to ${to}`}, mtu ${mtu}`;
      return `${name} (${shortId(id)}): ${way}${was(before === path ? null : before)}`;
    }
  }
}

const was = (before: string | null): string => before === null ? "" : `, was ${before}`;

export function registerEvents(program: Command): void {
  const command = program.command("events")
    .description("leases, reservations, peers and paths as they change, beginning with what is, until Ctrl-C")
    .option("--json", "print JSON, one object a line");
  addSettings(command, SOCKET_SETTINGS).action(async (options: Record<string, unknown>) => {
    const path = socketOf(options), json = options["json"] === true;
    await follow({
      ask: (cursor) => callApi(path, "events", { cursor }, { timeoutMs: TIMEOUT_MS }),
      show: (changes) => show(changes, json),
      tell,
      wait: () => new Promise((resolve) => setTimeout(resolve, AGAIN_MS)),
    });
  });
}

/** Whom is asked, and what becomes of the answers. */
export interface Following {
  readonly ask: (cursor: string | null) => Promise<Changes>;
  readonly show: (changes: Changes) => void;
  /** A sentence for people. */
  readonly tell: (sentence: string) => void;
  /** Until it is asked again. */
  readonly wait: () => Promise<void>;
}

/**
 * Follows a daemon over its restarts; one that is not there at the beginning is an error. Later none is: a daemon that starts
 * refuses for a moment, and so does one that many ask.
 */
export async function follow({ ask, show, tell, wait }: Following): Promise<never> {
  let cursor: string | null = null;
  let away = false;
  for (let first = true;; first = false) {
    try {
      const changes = await ask(cursor);
      if (away) tell(`The daemon is back${changes.snapshot ? ": everything it knows follows" : ""}`);
      away = false;
      cursor = changes.cursor;
      show(changes);
    } catch (error) {
      if (first || !(error instanceof Error)) throw error;
      if (!away) tell(`${error.message}; waiting for it`);
      away = true;
      await wait();
    }
  }
}

function show({ events, snapshot }: Changes, json: boolean): void {
  for (const event of events) {
    if (json) printJson(snapshot ? { ...event, initial: true } : event, 0);
    else print(eventLine(event));
  }
}
