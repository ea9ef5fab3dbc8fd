/** Routes in the words of `ip route`, for messages to people: interfaces by their names. */

import type { NetworkInterface, Route } from "../ports/host.ts";
import { isEverything } from "../wire/prefix.ts";

/** From here on a metric only means: after all other routes. */
const LAST_METRIC = 2 ** 31;

/**
 * "10.42.0.0/16 dev cni0", "unreachable 10.42.7.0/24, fallback", "default via 10.0.0.1 dev eth0 metric 100".
 */
export function describeRoute(route: Route, interfaces: readonly NetworkInterface[]): string {
  const words: string[] = [];
  if (route.type !== "unicast") words.push(route.type);
  words.push(isEverything(route.destination) ? "default" : route.destination.text);
  if (route.tos !== undefined) words.push("tos", `0x${route.tos.toString(16)}`);
  if (route.gateway !== null) words.push("via", route.gateway);
  if (route.iface !== null) words.push("dev", interfaceName(route.iface, interfaces));
  if (route.mtu !== undefined) words.push("mtu", `${route.mtu}`);
  if (route.metric >= LAST_METRIC) return `${words.join(" ")}, fallback`;
  if (route.metric !== 0) words.push("metric", `${route.metric}`);
  return words.join(" ");
}

/** The name of an interface, or its number where it is gone. */
export function interfaceName(index: number, interfaces: readonly NetworkInterface[]): string {
  return interfaces.find((iface) => iface.index === index)?.name ?? `#${index}`;
}
