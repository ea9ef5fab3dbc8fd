/**
 * Names become addresses: `--peers` and `--advertise` entries are resolved at the start, soon again while a
 * name does not resolve, and every half minute after (dynamic DNS). Resolving never blocks and never throws.
 */
import { lookup } from "node:dns/promises";
import type { Seed } from "../control/events.ts";
import { formatEndpoint, parseAddress, parseEndpoint } from "../wire/address.ts";

const RETRY_MS = 3000;
const REFRESH_MS = 30_000;

/** Splits "host", "host:port", "1.2.3.4:port", "[fd00::1]:port" and "fd00::1". */
function splitHost(text: string, defaultPort: number): { host: string; port: number } {
  const literal = /^\[([^\]]+)\](?::(\d+))?$/.exec(text);
  if (literal !== null) return { host: literal[1]!, port: Number(literal[2] ?? defaultPort) };
  if (parseAddress(text) !== null) return { host: text, port: defaultPort };
  const colon = text.lastIndexOf(":");
  if (colon < 0) return { host: text, port: defaultPort };
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
}

/** The endpoints behind one entry; empty while its name does not resolve. */
export async function resolveHost(text: string, defaultPort: number): Promise<string[]> {
  const { host, port } = splitHost(text, defaultPort);
  const address = parseAddress(host);
  if (address !== null) return [formatEndpoint({ address, port })];
  try {
    const found = await lookup(host, { all: true });
    const endpoints = found.map((entry) => parseEndpoint(entry.address, port)).filter((e) => e !== null);
    return [...new Set(endpoints.map(formatEndpoint))];
  } catch {
    return [];
  }
}

/** Keeps a list of host entries resolved. */
export class Resolver {
  readonly #entries: readonly string[];
  readonly #port: number;
  readonly #onChange: (seeds: Seed[]) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last = "";
  #closed = false;

  /** `onChange` gets all entries whenever what one resolves to changed. */
  constructor(entries: readonly string[], defaultPort: number, onChange: (seeds: Seed[]) => void) {
    this.#entries = entries;
    this.#port = defaultPort;
    this.#onChange = onChange;
  }

  /** Resolves now and from now on. The promise ends with the first round. */
  async start(): Promise<void> {
    const seeds = await Promise.all(
      this.#entries.map(async (text) => ({ text, endpoints: await resolveHost(text, this.#port) })),
    );
    if (this.#closed) return;
    const text = JSON.stringify(seeds);
    if (text !== this.#last) {
      this.#last = text;
      this.#onChange(seeds);
    }
    if (this.#entries.length === 0) return;
    const all = seeds.every((seed) => seed.endpoints.length > 0);
    this.#timer = setTimeout(() => void this.start(), all ? REFRESH_MS : RETRY_MS);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}
