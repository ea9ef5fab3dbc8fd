/** Directives for tests, signed by the identities of records.ts. */

import { signDirective } from "../../src/control/forget/directives.ts";
import { plainNetworkId } from "../../src/control/mesh/mesh.ts";
import type { Directive, Forgetting, Reservation } from "../../src/wire/directive.ts";
import { prefix } from "../../src/wire/prefix.ts";
import { identityOf } from "./records.ts";

/** Issued by the node of seed `issuer` about that of seed `target`. */
export function directiveOf(
  issuer: number,
  target: number,
  change: Partial<Forgetting> = {},
): Directive<Forgetting> {
  const identity = identityOf(issuer);
  return signDirective({
    issuer: identity.id,
    networkId: plainNetworkId("ovltun"),
    seq: 1,
    kind: "forget",
    target: identityOf(target).id,
    incarnation: 5,
    revoke: false,
    ...change,
  }, identity);
}

/** Issued by the node of seed `issuer`: the subnet is for the node of seed `holder`, or for anybody. */
export function reservationOf(
  issuer: number,
  subnet: string,
  holder: number | null,
  change: Partial<Reservation> = {},
): Directive<Reservation> {
  const identity = identityOf(issuer);
  return signDirective({
    issuer: identity.id,
    networkId: plainNetworkId("ovltun"),
    seq: 1,
    kind: "reserve",
    subnet: prefix(subnet),
    holder: holder === null ? null : identityOf(holder).id,
    moves: false,
    ...change,
  }, identity);
}
