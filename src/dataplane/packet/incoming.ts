/**
 * A datagram on its way in: what the steps have found out about it so far. A plane has one, written over for each
 * datagram. `slot` and `checksum` are left as they are by the next one of the train, which asks them about the one before.
 */
import type { DatagramSocket } from "../../ports/devices.ts";
import { CHECKSUM_COMPLETE } from "./checksum_offload.ts";

export class Incoming {
  /** What it came by; set before anything arrives. */
  socket!: DatagramSocket;
  /** Its train, of those that the socket has received. */
  train = 0;
  /** Where it begins and ends; once its header was read, where the packet or message in it does. */
  at = 0;
  end = 0;
  /** Payload of each datagram of the inner UDP superframe that it carries; 0: it carries none. */
  segment = 0;
  /** The peer that it came from. */
  slot = 0;
  /** What is known of the transport checksum of the packet in it. */
  checksum = CHECKSUM_COMPLETE;
}
