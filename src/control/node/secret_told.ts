// What the daemon and the log hear of the network secrets (rotation_steps.ts).

import type { Actions } from "../outbox/actions.ts";
import type { KeyRing } from "../secrets/key_ring.ts";

/** Other secrets count from now on: on disk and at the gate before anything else is said. */
export function tellSecrets(ring: KeyRing, actions: Actions): void {
  actions.push({ kind: "secrets", secrets: ring.held(), keys: [...ring.keys] });
}

/** Another network secret is in use from now on. */
export function tellSecretUsed(ring: KeyRing, actions: Actions): void {
  tellSecrets(ring, actions);
  actions.log(
    "info",
    `Network secret ${ring.used.seq} is in use; older secrets admit only nodes that were away`,
  );
}
