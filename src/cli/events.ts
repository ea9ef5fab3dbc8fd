/** `ovltun events`: leases, peers and paths as they change, a line each, until Ctrl-C. Begins with what is. */
import type { Command } from "commander";
import { ApiError, callApi } from "../api/client.ts";
import type { ChangeEvent, Changes } from "../api/schema.ts";
import { escapeText } from "../text/escape.ts";
import { shortId } from "../text/table.ts";
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
      const { subnet, name, nodeId, state, before, own } = event;
      const holder = nodeId === null ? name : `${name} (${shortId(nodeId)})`;
      return `${subnet} of ${own ? `this node, ${holder}` : holder}: ${state}${was(before)}`;
    }
    case "peer": {
      const { name, id, state, before, stopped } = event;
      return `${name} (${shortId(id)}) is ${stopped ? "stopped" : state}${was(before)}`;
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
    .description("leases, peers and paths as they change, beginning with what is, until Ctrl-C")
    .option("--json", "print JSON, one object a line");
  addSettings(command, SOCKET_SETTINGS).action(async (options: Record<string, unknown>) => {
    await follow(socketOf(options), options["json"] === true);
  });
}

/** Follows a daemon over its restarts; one that is not there at the beginning is an error. */
async function follow(path: string, json: boolean): Promise<never> {
  let cursor: string | null = null;
  let away = false;
  for (let first = true;; first = false) {
    try {
      const changes: Changes = await callApi(path, "events", { cursor }, { timeoutMs: TIMEOUT_MS });
      if (away) tell("The daemon is back: everything it knows follows");
      away = false;
      cursor = changes.cursor;
      show(changes, json);
    } catch (error) {
      if (first || error instanceof ApiError || !(error instanceof Error)) throw error;
      if (!away) tell(`${error.message}; waiting for it`);
      away = true;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

function show({ events, snapshot }: Changes, json: boolean): void {
  for (const event of events) {
    if (json) printJson(snapshot ? { ...event, initial: true } : event, 0);
    else print(eventLine(event));
  }
}
