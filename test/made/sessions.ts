/** Sessions as the control plane hands them over, and a mailbox that shows what it was posted. */

import type { InstallAction } from "../../src/control/outbox/events.ts";
import type { HostFacts } from "../../src/control/paths/tunnels.ts";
import type { DataplaneMessage, Mailbox } from "../../src/ports/planes.ts";

/** Nothing is known of the host but an MTU of 1500. */
export const NO_HOST: HostFacts = { underlayMtu: 1500, pathMtu: () => 1500, nextHop: () => ({ why: "" }) };

export function sessionAction(change: Partial<InstallAction> = {}): InstallAction {
  return {
    kind: "installSession",
    id: "b",
    endpoint: "10.0.0.1:8473",
    receiveIndex: 0x100,
    sendIndex: 0x300,
    suite: "aes-256-gcm",
    sendKey: new Uint8Array(32).fill(1),
    receiveKey: new Uint8Array(32).fill(2),
    confirmed: true,
    ...change,
  };
}

/** What is posted, as it was then. */
export function postbox(): { readonly messages: DataplaneMessage[]; readonly mailbox: Mailbox } {
  const messages: DataplaneMessage[] = [];
  return { messages, mailbox: { post: (m) => messages.push(structuredClone(m)), appliedEpoch: () => 0 } };
}
