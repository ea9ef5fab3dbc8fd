/** Routes in the words of `ip route`, for messages to people: links by their names. */

import type { Link, Route } from "../ports/host.ts";
import { isEverything } from "../wire/prefix.ts";

/** From here on a metric only means: after all other routes. */
const LAST_METRIC = 2 ** 31;

/**
 * "10.42.0.0/16 dev cni0", "unreachable 10.42.7.0/24, fallback", "default via 10.0.0.1 dev eth0 metric 100".
 */
export function describeRoute(route: Route, links: readonly Link[]): string {
  const words: string[] = [];
  if (route.type !== "unicast") words.push(route.type);
  words.push(isEverything(route.destination) ? "default" : route.destination.text);
  if (route.tos !== undefined) words.push("tos", `0x${route.tos.toString(16)}`);
  if (route.gateway !== null) words.push("via", route.gateway);
  if (route.link !== null) words.push("dev", linkName(route.link, links));
  if (route.mtu !== undefined) words.push("mtu", `${route.mtu}`);
  if (route.metric >= LAST_METRIC) return `${words.join(" ")}, fallback`;
  if (route.metric !== 0) words.push("metric", `${route.metric}`);
  return words.join(" ");
}

/** The name of a link, or its number where it is gone. */
export function linkName(index: number, links: readonly Link[]): string {
  return links.find((link) => link.index === index)?.name ?? `#${index}`;
}
