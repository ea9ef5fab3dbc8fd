/** From what the Workers hand up to the events of the control plane, which knows peers by their ids and no slots. */
import type { ControlEvent } from "../../control/outbox/events.ts";
import type { DataplaneEvent } from "../../ports/planes.ts";

/** Names the peer in a slot, or null. */
type KeyOf = (slot: number) => string | null;

/** What the control plane is to hear of an event of a Worker; null: nothing. */
export function controlEvent(event: DataplaneEvent, keyOf: KeyOf): ControlEvent | null {
  switch (event.kind) {
    case "datagram":
    case "unknownIndex":
    case "badMac":
      return event;
    case "sessionConfirmed":
      return { kind: "sessionConfirmed", receiveIndex: event.receiveIndex };
    case "sessionMessage": {
      const { receiveIndex, bytes, from, at } = event;
      return { kind: "sessionMessage", receiveIndex, bytes, from, at };
    }
    case "sessionWanted":
    case "rekeyWanted": {
      const id = keyOf(event.slot);
      return id === null ? null : { kind: "sessionWanted", id };
    }
    case "roamed": {
      const id = keyOf(event.slot);
      const { endpoint, to } = event;
      return id === null ? null : { kind: "roamed", id, endpoint, ...(to === undefined ? {} : { to }) };
    }
    default:
      return null;
  }
}
