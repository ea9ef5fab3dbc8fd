/**
 * Names become addresses: `--peers` and `--advertise` entries are resolved from the start, soon again while a name has
 * never resolved, and every half minute after (dynamic DNS). The last good answer counts until there is a different
 * good one: a resolver that fails changes nothing. Nothing waits for it and it never throws.
 */
import type { Seed } from "../../control/mesh/mesh_config.ts";
import type { Machine } from "../../ports/machine.ts";
import { literalEndpoint, type Lookup } from "./lookup.ts";

const RETRY_MS = 3000;
const REFRESH_MS = 30_000;

/** What is made of the entries. */
export interface ResolverOptions {
  readonly port: number;
  readonly lookup: Lookup;
  readonly machine: Pick<Machine, "timers" | "random">;
  /** Gets all entries whenever what one resolves to changed. */
  readonly onChange: (seeds: Seed[]) => void;
  /** An entry stopped resolving, or has not resolved yet; once until it resolves again. */
  readonly onFailure: (text: string, known: readonly string[]) => void;
}

/** Keeps a list of host entries resolved, each by itself: a slow name holds no other up. */
export class Resolver {
  readonly #entries: readonly string[];
  readonly #options: ResolverOptions;
  /** BOUNDED: one per entry. */
  readonly #endpoints = new Map<string, readonly string[]>();
  /** BOUNDED: one per name. */
  readonly #timers = new Map<string, () => void>();
  /** BOUNDED: one per name. */
  readonly #failing = new Set<string>();
  #closed = false;

  constructor(entries: readonly string[], options: ResolverOptions) {
    this.#entries = entries;
    this.#options = options;
  }

  /** Tells the entries that are addresses at once, and the names as they resolve, from now on. */
  start(): void {
    if (this.#entries.length === 0) return;
    for (const text of this.#entries) {
      const literal = literalEndpoint(text, this.#options.port);
      this.#endpoints.set(text, literal === null ? [] : [literal]);
      if (literal === null) void this.#keepResolved(text);
    }
    this.#tell();
  }

  async #keepResolved(text: string): Promise<void> {
    const found = await this.#options.lookup.endpoints(text);
    if (this.#closed) return;
    this.#note(text, found);
    const { timers, random } = this.#options.machine;
    const known = this.#endpoints.get(text)!.length > 0;
    const about = (known ? REFRESH_MS : RETRY_MS) * (0.75 + random.below(501) / 1000);
    this.#timers.set(text, timers.after(about, () => void this.#keepResolved(text)));
  }

  #note(text: string, found: readonly string[]): void {
    const known = this.#endpoints.get(text)!;
    if (found.length === 0) {
      if (!this.#failing.has(text)) this.#options.onFailure(text, known);
      this.#failing.add(text);
      return;
    }
    this.#failing.delete(text);
    if (found.join(" ") === known.join(" ")) return;
    this.#endpoints.set(text, found);
    this.#tell();
  }

  #tell(): void {
    this.#options.onChange(
      this.#entries.map((text) => ({ text, endpoints: this.#endpoints.get(text) ?? [] })),
    );
  }

  close(): void {
    this.#closed = true;
    for (const callOff of this.#timers.values()) callOff();
  }
}

/** What is said when an entry does not resolve (any more). */
export function unresolved(flag: string, text: string, known: readonly string[]): string {
  return known.length === 0
    ? `Cannot resolve "${text}" of ${flag}: will keep trying (DNS? a typo?)`
    : `Cannot resolve "${text}" of ${flag} any more: still using ${known.join(", ")} (DNS?)`;
}
