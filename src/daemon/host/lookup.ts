/**
 * Looks host names up. The resolver of the host decides (/etc/hosts, DNS, mDNS); it may take many seconds and cannot be
 * stopped, so only a few questions are under way at once and the others wait their turn.
 */
import { formatEndpoint, parseAddress, parseEndpoint } from "../../wire/address.ts";

/** The addresses behind a host's name; throws while it does not resolve. */
export type Ask = (host: string) => Promise<readonly string[]>;

const AT_ONCE = 4;
const WAITING_MAX = 64;

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
export function literalEndpoint(text: string, defaultPort: number): string | null {
  const { host, port } = splitHost(text, defaultPort);
  const address = parseAddress(host);
  return address === null ? null : formatEndpoint({ address, port });
}

/** The endpoints behind a name, in one order whatever the resolver's; empty while it does not resolve. */
async function endpointsOf(ask: Ask, text: string, defaultPort: number): Promise<string[]> {
  const { host, port } = splitHost(text, defaultPort);
  try {
    const found = (await ask(host)).map((address) => parseEndpoint(address, port));
    return [...new Set(found.filter((one) => one !== null).map(formatEndpoint))].sort();
  } catch {
    return []; // the caller says so, in its own words and rhythm
  }
}

export class Lookup {
  readonly #ask: Ask;
  readonly #port: number;
  readonly #atOnce: number;
  #underWay = 0;
  /** BOUNDED: by the callers while it is `crowded` */
  readonly #waiting: (() => void)[] = [];

  /** `atOnce`: questions under way at most. */
  constructor(defaultPort: number, ask: Ask, atOnce = AT_ONCE) {
    this.#port = defaultPort;
    this.#ask = ask;
    this.#atOnce = atOnce;
  }

  /** The endpoints behind "host" or "host:port"; empty while it does not resolve. Never throws. */
  async endpoints(text: string): Promise<string[]> {
    if (this.#underWay >= this.#atOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#underWay++;
    try {
      return await endpointsOf(this.#ask, text, this.#port);
    } finally {
      this.#underWay--;
      this.#waiting.shift()?.();
    }
  }

  /** Whether so many wait that what others ask for is better left to their next time. */
  get crowded(): boolean {
    return this.#waiting.length >= WAITING_MAX;
  }
}
