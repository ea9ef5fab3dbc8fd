/**
 * What came of trying an endpoint: for `why`, for the sentences of a node that waits, and for what follows from it.
 */

/** Why this host itself does not send to an endpoint. */
export interface SendRefusal {
  /** "EPERM, this host's own firewall …" */
  readonly why: string;
  /** Another address of the same peer may do: what is missing is a route to this one. */
  readonly avoidable: boolean;
}

export type Outcome =
  | {
    readonly kind:
      | "untried"
      /** No answer. */
      | "silent"
      /** It is an address of this host. */
      | "own"
      /** It is not used: it is inside the mesh. */
      | "inside"
      | "stopped"
      /** A name: not looked up yet, or it does not resolve. */
      | "not-looked-up"
      | "unresolved";
  }
  /** `from`: by another of its addresses. */
  | { readonly kind: "answered"; readonly from?: string }
  /** The other side does not want us. */
  | { readonly kind: "refused"; readonly why: string }
  /** This host itself does not send there. */
  | ({ readonly kind: "not-sent" } & SendRefusal);

/** The words for people, without an endpoint. */
export function outcomeText(outcome: Outcome): string {
  switch (outcome.kind) {
    case "untried":
      return "not tried yet";
    case "silent":
      return "no answer";
    case "own":
      return "this is our own address";
    case "inside":
      return "not used: it is inside the mesh";
    case "stopped":
      return "stopped";
    case "not-looked-up":
      return "not looked up yet";
    case "unresolved":
      return "the name does not resolve";
    case "answered":
      return outcome.from === undefined ? "answered" : `answered from ${outcome.from}`;
    case "refused":
      return `refused: ${outcome.why}`;
    case "not-sent":
      return `cannot send: ${outcome.why}`;
  }
}
