/** What the way in tells our own control plane of a datagram. */
import { CONTROL_OVERLOAD, HANDED_UP, type Verdict } from "../tables/counters.ts";
import type { Incoming, Plane } from "../plane/plane.ts";

/** Our address that the datagram was sent to, for an event; without the field where the kernel does not say. */
export function calledAt({ socket, train }: Incoming): { readonly to?: string } {
  const to = socket.local(train);
  return to === "" ? {} : { to };
}

/** Tells the control plane, now and then, that a peer uses an index that is not in use. */
export function reportUnknown(plane: Plane, d: Incoming): void {
  if (!plane.unknownLimit.take(plane.now)) return;
  plane.handUp({ kind: "unknownIndex", from: d.socket.source(d.train), ...calledAt(d) });
}

/** Hands the datagram up to the control plane, as many as that takes, by `limit`. */
export function handUp(plane: Plane, d: Incoming, limit = plane.controlLimit): Verdict {
  if (!limit.take(plane.now)) return CONTROL_OVERLOAD;
  const bytes = plane.b.slice(d.at, d.end);
  plane.handUp({ kind: "datagram", bytes, from: d.socket.source(d.train), at: plane.now, ...calledAt(d) });
  return HANDED_UP;
}
