/**
 * What `--advertise` makes others call: an entry that is an address as it is; of one that is a name the name, which
 * other hosts resolve, and behind it what it resolves to here, for hosts that cannot resolve it.
 */
import type { Seed } from "../../control/mesh/mesh_config.ts";
import {
  addressOf,
  isIpv4,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isUnspecified,
  parseAddress,
} from "../../wire/address.ts";
import { namedEndpoint } from "../../wire/named_endpoint.ts";
import { literalEndpoint } from "./lookup.ts";

/** Endpoints of one name that travel beside it. */
const RESOLVED_EACH = 2;
const BROADCAST = "255.255.255.255";

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
    const useful = found.filter((endpoint) => whyUseless(endpoint) === null);
    const useless = found.filter((endpoint) => whyUseless(endpoint) !== null);
    if (useless.length > 0) leftOut.push(whyLeftOut(text, useless, literal));
    const name = literal ? null : namedEndpoint(text, defaultPort);
    endpoints.push(...(name === null ? [] : [name]), ...useful.slice(0, RESOLVED_EACH));
  }
  return { endpoints: [...new Set(endpoints)], leftOut };
}

/** Why no other host can call an address; null when it may. */
function whyUseless(endpoint: string): string | null {
  const text = addressOf(endpoint);
  const address = parseAddress(text);
  if (address === null) return null;
  if (isLoopback(address) || isUnspecified(address)) {
    return "on every host that address means the host itself";
  }
  if (isMulticast(address) || text === BROADCAST) return "that is not the address of a single host";
  if (!isIpv4(address) && isLinkLocal(address)) return "a link-local IPv6 address is valid on one link only";
  return null;
}

function whyLeftOut(text: string, useless: readonly string[], literal: boolean): string {
  const why = whyUseless(useless[0]!)!;
  if (literal) return `--advertise ${text} is not used: ${why}`;
  const addresses = useless.map(addressOf).join(", ");
  return `--advertise ${text}: it resolves here to ${addresses}, which is not used: ${why} (an entry in ` +
    "/etc/hosts?). Other hosts look the name up themselves";
}
