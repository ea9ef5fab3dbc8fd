/** Our own header in the clear (wire/data_header.ts), between ovltun nodes of a mesh without a secret. */
import {
  DATA_ETHERNET,
  DATA_LEN,
  DATA_PARTIAL,
  DATA_PLAIN,
  dataFlags,
  dataIndex,
  dataVni,
  encodeData,
  laneOf,
  putDataCounter,
} from "../../wire/data_header.ts";
import { accept, reportUnknown } from "../in/inbound.ts";
import { CHECKSUM_COMPLETE, CHECKSUM_PARTIAL } from "../packet/packet_memory.ts";
import { NO_SESSION, type Verdict, WRONG_ENDPOINT, WRONG_VNI } from "../tables/counters.ts";
import type { Encapsulator, Incoming, Outgoing, Plane } from "../plane/plane.ts";
import { type Header, Stamped } from "./stamped.ts";

class DataHeader implements Header {
  readonly length = DATA_LEN;
  readonly role = "own";
  readonly partial = true;
  readonly takesPlain = true;

  stamp({ b, peers }: Plane, { slot, partial }: Outgoing, at: number): void {
    const flags = partial ? DATA_PLAIN | DATA_PARTIAL : DATA_PLAIN;
    encodeData(b, at - DATA_LEN, flags, 0, peers.sendIndex[slot]!, peers.nextCounter(slot));
  }

  restamp({ b, peers }: Plane, { slot }: Outgoing, at: number): void {
    putDataCounter(b, at - DATA_LEN, peers.nextCounter(slot));
  }
}

export const data: Encapsulator = new Stamped(new DataHeader());

/** A plain data datagram, its header decoded. */
export function receivePlain(plane: Plane, d: Incoming): Verdict {
  const { b } = plane;
  const flags = dataFlags(b, d.at);
  if ((flags & DATA_ETHERNET) !== 0 || dataVni(b, d.at) !== 0) return WRONG_VNI;
  const index = dataIndex(b, d.at);
  const isFirstLane = laneOf(index) === 0;
  d.slot = plane.peers.byIndex(index);
  if (d.slot < 0) {
    if (isFirstLane) reportUnknown(plane, d);
    return NO_SESSION;
  }
  // A peer of a VXLAN mesh that gets no answer at our VXLAN port sends to our own.
  if (plane.encapsulators[d.slot]?.takesPlain !== true) return NO_SESSION;
  // Without keys, the endpoint that answered our hello is all that identifies the peer. Only lane 0 sends
  // from there; the others have ports that are not validated and never sent to.
  if (!d.socket.isFrom(d.train, d.slot, isFirstLane)) {
    if (isFirstLane) reportUnknown(plane, d);
    return WRONG_ENDPOINT;
  }
  d.at += DATA_LEN;
  d.checksum = (flags & DATA_PARTIAL) !== 0 ? CHECKSUM_PARTIAL : CHECKSUM_COMPLETE;
  return accept(plane, d);
}
