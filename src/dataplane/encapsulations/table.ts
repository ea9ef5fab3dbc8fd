/**
 * How a peer can be reached: everything that differs between encapsulations is in the file of each. Another one is a file
 * here, a line in each table that it is part of, and its size in wire/overhead.ts.
 *
 *   | encapsulation | in front of the packet | port | checksums | who sends |
 *   |---|---|---|---|---|
 *   | data    | our header, 16             | own     | may stay partial | Stamped |
 *   | sealed  | our header, 16; behind, 16 | own     | may stay partial | sealed.ts |
 *   | vxlan   | VXLAN and Ethernet, 22     | vxlan   | complete         | Stamped |
 *   | flannel | nothing                    | flannel | complete         | Stamped |
 *   | waiting | no packet leaves before there is another                                 |
 *
 * Who calls whom, for a packet:     outbound → Encapsulator.send → (stamp | session.seal) → socket.enqueue
 *                 for a superframe: outbound → sendSuperframe → Encapsulator.sendSegments → for each segment
 *                                   putSegment → (stamp or restamp | session.seal) → socket.enqueue
 *                 for a batch:      outboundBatch → flushSockets → socket.flush
 *                 for a datagram:   inboundBatch → Port.receive → accept → deliver → Coalescer
 */
import type { SocketRole } from "../../ports/devices.ts";
import type { Tunnel } from "../../ports/planes.ts";
import type { Encapsulator, Port } from "../plane/plane.ts";
import { data } from "./data.ts";
import { flannel, flannelPort } from "./flannel.ts";
import { ownPort } from "./own_port.ts";
import { sealed } from "./sealed.ts";
import { vxlan, vxlanPort } from "./vxlan.ts";
import { NO_PATH, type Verdict } from "../tables/counters.ts";

/**
 * The tunnel to a peer that there is no link with: packets wait, as they do for a session, and leave when the peer has a
 * tunnel by which they can (dataplane.ts).
 */
class Waiting implements Encapsulator {
  readonly role = "own";
  readonly partial = false;
  readonly needsSession = true;
  readonly takesPlain = false;

  /** A session without a link: the control plane is about to say which. */
  send(): Verdict {
    return NO_PATH;
  }

  sendSegments(): Verdict {
    return NO_PATH;
  }
}

const waiting: Encapsulator = new Waiting();

export const ENCAPSULATORS: Readonly<Record<Tunnel["encapsulation"], Encapsulator | null>> = {
  data,
  sealed,
  vxlan,
  flannel,
  none: null,
  waiting,
};

export const PORTS: Readonly<Record<SocketRole, Port>> = {
  own: ownPort,
  vxlan: vxlanPort,
  flannel: flannelPort,
};
