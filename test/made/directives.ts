/** Directives for tests, signed by the identities of records.ts. */

import { signDirective } from "../../src/control/forget/directives.ts";
import { plainNetworkId } from "../../src/control/mesh/mesh.ts";
import type { Directive, DirectiveContent } from "../../src/wire/directive.ts";
import { identityOf } from "./records.ts";

/** Issued by the node of seed `issuer` about that of seed `target`. */
export function directiveOf(
  issuer: number,
  target: number,
  change: Partial<DirectiveContent> = {},
): Directive {
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
