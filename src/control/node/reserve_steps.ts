/**
 * Reservations (`ovltun reserve`): a subnet that one node alone may lease, decided by any member. What follows for who holds it
 * is in lease/claims.ts, and when the node takes it in lease_steps.ts; here is how one is made, and what is told of it.
 */

import { shortId } from "../../crypto/identity.ts";
import { type Directive, type Reservation, reservationKey } from "../../wire/directive.ts";
import { VERSION_LIMIT } from "../../wire/untrusted.ts";
import { signDirective } from "../forget/directives.ts";
import { countableIn } from "../lease/allocation.ts";
import type { ControlEvent } from "../outbox/events.ts";
import type { Core } from "./core.ts";

/** A user reserves a subnet, or lifts a reservation. It is obeyed and told once it is on disk (start_steps.ts). */
export function reserve(core: Core, { subnet, holder, moves }: ControlEvent & { kind: "reserve" }): void {
  if (!core.life.member || !mayBeReserved(core, { subnet })) return;
  const key = reservationKey(subnet);
  const underWay = core.ownState.issued.filter((one) => one.kind === "reserve");
  const latest = underWay.findLast((one) => reservationKey(one.subnet) === key) ??
    core.directives.reservation(key);
  if ((latest?.holder ?? null) === holder && (latest?.moves ?? false) === moves) return;
  const name = holder === null ? undefined : core.nameOf(holder);
  core.ownState.issue(signDirective({
    issuer: core.identity.id,
    networkId: core.networkId,
    seq: Math.min(Math.max(core.ownState.nextSeq, (latest?.seq ?? 0) + 1), VERSION_LIMIT - 1),
    kind: "reserve",
    subnet,
    holder,
    moves,
    ...(name === undefined ? {} : { name }),
  }, core.identity));
}

/** Whether leases of this mesh look like it: nothing else is kept, so that there are no more reservations than leases. */
export function mayBeReserved({ life }: Core, { subnet }: Pick<Reservation, "subnet">): boolean {
  return life.mesh !== null && countableIn(life.mesh).leases(subnet);
}

/** A reservation was made, changed or lifted; `before`: what was known about the subnet. */
export function tellReservation(
  core: Core,
  directive: Directive<Reservation>,
  before: Directive<Reservation> | undefined,
): void {
  const { subnet, holder, issuer } = directive;
  const former = before?.holder ?? null;
  if (holder === former && before?.moves === directive.moves) return;
  const by = core.nameOf(issuer);
  const self = core.identity.id;
  const whom = (id: string) => id === self ? "this node" : core.nameOf(id);
  const words = holder === null
    ? `${subnet} is not reserved any more${former === null ? "" : ` for ${whom(former)}`}: lifted by ${by}`
    : `${subnet} is reserved for ${whom(holder)} by ${by}` +
      (former === null || former === holder ? "" : `, and no longer for ${whom(former)}`);
  const concerned = former === self && holder !== self;
  // A joiner learns of many at once.
  const level = concerned ? "warning" : core.life.mayTell ? "info" : "debug";
  core.actions.log(level, words, { peer: shortId(holder ?? former ?? issuer), lease: subnet.text });
}
