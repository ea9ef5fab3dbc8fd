/**
 * A packet on its way out: what the steps have found out about it so far. A plane has one, written over for each packet:
 * what is needed after that, a step keeps in locals.
 */
export class Outgoing {
  /** Where the packet begins, and its bytes: as read, then as its header says. */
  at = 0;
  length = 0;
  /** The peer that holds its destination. */
  slot = 0;
  /** Whether its transport checksum stays the pseudo-header sum. */
  partial = false;

  // Of a superframe. Segment i has the same headers, and the `size` bytes behind them that begin at headers + i × size.

  /** Bytes of its IP header, of all headers, and of each segment's payload but the last's. */
  ipHeader = 0;
  headers = 0;
  size = 0;
  isTcp = false;
  /** TCP flags of the whole. */
  flags = 0;
}
