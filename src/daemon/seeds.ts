/**
 * Names become addresses: `--peers` and `--advertise` entries are resolved from the start, soon again while a
 * name does not resolve, and every half minute after (dynamic DNS). Nobody waits for it and it never throws.
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

/** The endpoint of an entry that is an address already, or null for a name. */
function literalEndpoint(text: string, defaultPort: number): string | null {
  const { host, port } = splitHost(text, defaultPort);
  const address = parseAddress(host);
  return address === null ? null : formatEndpoint({ address, port });
}

/** The endpoints behind a name; empty while it does not resolve. */
async function resolveName(text: string, defaultPort: number): Promise<string[]> {
  const { host, port } = splitHost(text, defaultPort);
  try {
    const found = await lookup(host, { all: true });
    const endpoints = found.map((entry) => parseEndpoint(entry.address, port)).filter((e) => e !== null);
    return [...new Set(endpoints.map(formatEndpoint))];
  } catch {
    return [];
  }
}

/** Keeps a list of host entries resolved, each by itself: a slow name holds no other up. */
export class Resolver {
  readonly #entries: readonly string[];
  readonly #port: number;
  readonly #onChange: (seeds: Seed[]) => void;
  /** BOUNDED: one per entry. */
  readonly #endpoints = new Map<string, readonly string[]>();
  /** BOUNDED: one per name. */
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #closed = false;

  /** `onChange` gets all entries whenever what one resolves to changed. */
  constructor(entries: readonly string[], defaultPort: number, onChange: (seeds: Seed[]) => void) {
    this.#entries = entries;
    this.#port = defaultPort;
    this.#onChange = onChange;
  }

  /** Tells the entries that are addresses at once, and the names as they resolve, from now on. */
  start(): void {
    if (this.#entries.length === 0) return;
    for (const text of this.#entries) {
      const literal = literalEndpoint(text, this.#port);
      this.#endpoints.set(text, literal === null ? [] : [literal]);
      if (literal === null) void this.#keepResolved(text);
    }
    this.#tell();
  }

  async #keepResolved(text: string): Promise<void> {
    const endpoints = await resolveName(text, this.#port);
    if (this.#closed) return;
    if (JSON.stringify(endpoints) !== JSON.stringify(this.#endpoints.get(text))) {
      this.#endpoints.set(text, endpoints);
      this.#tell();
    }
    const wait = endpoints.length > 0 ? REFRESH_MS : RETRY_MS;
    this.#timers.set(text, setTimeout(() => void this.#keepResolved(text), wait));
  }

  #tell(): void {
    this.#onChange(this.#entries.map((text) => ({ text, endpoints: this.#endpoints.get(text) ?? [] })));
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }
}
