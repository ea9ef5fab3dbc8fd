// Brings the host to the state we want: 1. the device up, with its MTU, 2. with its address and without one of
// an earlier lease, 3. our routes. Reads the host, does only what differs, and can be called at any time; the
// daemon does so at start, when the kernel tells of a change, and every few seconds. One refusal does not
// keep the rest from being done. What is not ours stays: a foreign route in our place is reported.

import type { HostNetwork, Link, LinkAddress, Route } from "../ports.ts";
import { describeRoute } from "./describe.ts";
import { diffRoutes, type HostState, isInside, isOwned, samePlace, wantedRoutes } from "./owned.ts";

/** What was done, and what could not be, in sentences. Both are empty when the host was as it should be. */
export interface Reconciliation {
  readonly repaired: string[];
  readonly failed: string[];
}

/** As `reconcileHost`, in one list: what was repaired, then what could not be ("Cannot …"). */
export function applyHostState(net: HostNetwork, state: HostState): string[] {
  const { repaired, failed } = reconcileHost(net, state);
  return [...repaired, ...failed];
}

/** Performs the difference between the host and `state`. Throws what reading the host throws. */
export function reconcileHost(net: HostNetwork, state: HostState): Reconciliation {
  const report: Reconciliation = { repaired: [], failed: [] };
  const links = net.links();
  if (state.device !== null) {
    const { link: index } = state.device;
    const link = links.find((candidate) => candidate.index === index);
    if (link === undefined) {
      report.failed.push(`Cannot find our device, link ${index}: it was deleted (restart ovltun)`);
      return report;
    }
    raiseDevice(net, link, state.device.mtu, report);
    assignAddress(net, link, state, report);
  }
  installRoutes(net, state, links, report);
  return report;
}

function raiseDevice(net: HostNetwork, link: Link, mtu: number, report: Reconciliation): void {
  if (link.mtu !== mtu) {
    attempt(report, `Set the MTU of ${link.name} to ${mtu}`, () => net.setLink(link.index, { mtu }));
  }
  if (!link.up) attempt(report, `Set ${link.name} up`, () => net.setLink(link.index, { up: true }));
}

function assignAddress(net: HostNetwork, link: Link, state: HostState, report: Reconciliation): void {
  const address = state.device!.address;
  const prefixLength = hostBits(address);
  const held = net.addresses().filter((a) => a.link === link.index);
  const isOurs = (a: LinkAddress) => a.address === address && a.prefixLength === prefixLength;
  if (!held.some(isOurs)) {
    const wanted = { link: link.index, address, prefixLength, scope: 0 };
    attempt(report, `Added ${address}/${prefixLength} to ${link.name}`, () => net.addAddress(wanted));
  }
  for (const old of held) {
    if (isOurs(old) || !isInside(`${old.address}/${hostBits(old.address)}`, state.network)) continue;
    const text = `${old.address}/${old.prefixLength}`;
    attempt(report, `Removed ${text}, of an earlier lease, from ${link.name}`, () => net.deleteAddress(old));
  }
}

const hostBits = (address: string): number => address.includes(":") ? 128 : 32;

// Routes are read only now: the kernel has dropped those of an address that is gone.
function installRoutes(
  net: HostNetwork,
  state: HostState,
  links: readonly Link[],
  report: Reconciliation,
): void {
  const current = net.routes();
  const { add, remove } = diffRoutes(wantedRoutes(state), current, state);
  for (const route of remove) {
    attempt(report, `Removed route ${describeRoute(route, links)}`, () => net.deleteRoute(route));
  }
  for (const route of add) {
    const text = describeRoute(route, links);
    const foreign = current.find((there) => samePlace(there, route) && !isOwned(there, state.network));
    if (foreign !== undefined) report.failed.push(inTheWay(text, foreign, links));
    else attempt(report, `Added route ${text}`, () => net.addRoute(route));
  }
}

function inTheWay(text: string, foreign: Route, links: readonly Link[]): string {
  const there = `${describeRoute(foreign, links)} (protocol ${foreign.protocol})`;
  return `Cannot add route ${text}: ${there} is in its place and not ours (delete it, or choose another --network)`;
}

/** Does it and notes the sentence; a refusal of the kernel is noted instead. Mistakes of ours are thrown. */
export function attempt(report: Reconciliation, sentence: string, action: () => void): void {
  try {
    action();
    report.repaired.push(sentence);
  } catch (error) {
    if (!(error instanceof Error) || !("errno" in error)) throw error;
    report.failed.push(error.message);
  }
}
