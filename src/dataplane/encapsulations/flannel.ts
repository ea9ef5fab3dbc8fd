/** Flannel's udp backend: the bare IP packet as payload, whose inner source tells who has sent it. */
import { CHECKSUM_COMPLETE } from "../packet/packet_memory.ts";
import { MALFORMED, SPOOFED, type Verdict } from "../tables/counters.ts";
import { deliver, followCalled, NOT_IP, senderOf } from "../in/inbound.ts";
import type { Encapsulator, Incoming, Plane, Port } from "../plane/plane.ts";
import { type Header, Stamped } from "./stamped.ts";

class NoHeader implements Header {
  readonly length = 0;
  readonly role = "flannel";
  readonly partial = false;
  readonly takesPlain = false;

  stamp(): void {}

  restamp(): void {}
}

export const flannel: Encapsulator = new Stamped(new NoHeader());

/** A bare packet leaves no room for a vnet header in front of it, so its socket asks for no trains. */
class FlannelPort implements Port {
  receive(plane: Plane, d: Incoming): Verdict {
    return receiveFlannel(plane, d);
  }

  sameHeader(): number {
    return -1;
  }

  isOne(): boolean {
    return false;
  }
}

export const flannelPort: Port = new FlannelPort();

function receiveFlannel(plane: Plane, d: Incoming): Verdict {
  d.slot = senderOf(plane, d);
  if (d.slot < 0) return d.slot === NOT_IP ? MALFORMED : SPOOFED;
  if (plane.encapsulators[d.slot] !== flannel || !d.socket.isFrom(d.train, d.slot, false)) return SPOOFED;
  followCalled(plane, d);
  d.checksum = CHECKSUM_COMPLETE;
  return deliver(plane, d);
}
