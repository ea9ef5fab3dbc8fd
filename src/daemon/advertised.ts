/**
 * What `--advertise` makes others call: an entry that is an address as it is; of one that is a name the name, which
 * whoever calls looks up, and behind it what it resolves to here, for hosts that cannot resolve it.
 */
import type { Seed } from "../control/events.ts";
import { addressOf, isLoopback, isUnspecified, parseAddress } from "../wire/address.ts";
import { namedEndpoint } from "../wire/named_endpoint.ts";
import { literalEndpoint } from "./lookup.ts";

/** Endpoints of one name that travel beside it. */
const RESOLVED_EACH = 2;

export interface Advertised {
  readonly endpoints: readonly string[];
  /** What is left out, sentences: "…"; each for as long as it is so. */
  readonly leftOut: readonly string[];
}

/** The endpoints that the entries stand for, in their order. */
export function advertisedBy(entries: readonly Seed[], defaultPort: number): Advertised {
  const endpoints: string[] = [], leftOut: string[] = [];
  for (const { text, endpoints: found } of entries) {
    const literal = literalEndpoint(text, defaultPort) !== null;
    const useful = found.filter((endpoint) => !leadsBack(endpoint));
    const useless = found.filter(leadsBack).map(addressOf);
    if (useless.length > 0) leftOut.push(whyLeftOut(text, useless, literal));
    const name = literal ? null : namedEndpoint(text, defaultPort);
    endpoints.push(...(name === null ? [] : [name]), ...useful.slice(0, RESOLVED_EACH));
  }
  return { endpoints: [...new Set(endpoints)], leftOut };
}

function leadsBack(endpoint: string): boolean {
  const address = parseAddress(addressOf(endpoint));
  return address !== null && (isLoopback(address) || isUnspecified(address));
}

function whyLeftOut(text: string, useless: readonly string[], literal: boolean): string {
  if (literal) return `--advertise ${text} is left out: on every host that address means the host itself`;
  return `--advertise ${text}: it resolves here to ${
    useless.join(", ")
  }, which is left out, for on every host that ` +
    "means the host itself (an entry of /etc/hosts?). Other hosts look the name up themselves";
}
