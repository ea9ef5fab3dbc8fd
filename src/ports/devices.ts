/**
 * What the data plane works on: packet memory, the TUN queue, UDP sockets, and the descriptors behind them.
 * sys/ implements them; tests stand in with memory devices. Endpoints are canonical text ("[fd00::1]:8473").
 */

/** Our own end of the path to a peer. */
export interface LocalEnd {
  /** By which of our addresses the peer calls us. */
  readonly address: string;
  /** Whether what goes to the peer has to leave from there, since the kernel would choose another. */
  readonly pinned: boolean;
}

/** Which kind of datagrams a socket carries. */
export type SocketRole = "own" | "vxlan" | "flannel";
export const SOCKET_ROLES: readonly SocketRole[] = ["own", "vxlan", "flannel"];

/** The descriptors of one Worker for one role: what it receives from, and what it sends from. */
export interface WorkerSocket {
  readonly fd: number;
  /** The same for Worker 0; the others send from ports of their own, because the kernel joins datagrams by port. */
  readonly sendFd: number;
}

/** The descriptors of one Worker for the TUN device: its queue, and what it writes to (sys/tun.ts says why). */
export interface WorkerQueue {
  readonly fd: number;
  /** The same where there is one Worker. */
  readonly writeFd: number;
}

/** Which superframes the device carries: TCP (TSO4, TSO6) and UDP (USO4, USO6). */
export interface TunOffloads {
  readonly tso: boolean;
  readonly uso: boolean;
}

/** A TUN device created by this process. */
export interface OpenedTun extends TunOffloads {
  readonly queues: readonly WorkerQueue[];
  readonly name: string;
}

/** Which Worker this is, of how many. Its number is the lane of what it sends. */
export interface Lane {
  readonly worker: number;
  readonly workers: number;
}

/** Peers a node can hold at once. */
export const MAX_PEERS = 16_384;

/** The slot of a socket's destinations for answers to senders that are not peers. */
export const REPLY_SLOT = MAX_PEERS;

/**
 * What carries many packets in one call: TCP and UDP superframes through TUN (tso, uso), trains of datagrams
 * through the socket, out (gso) and in (gro).
 */
export type Offload = "tso" | "uso" | "gso" | "gro";

export type Offloads = Readonly<Record<Offload, boolean>>;

export type SelfTest = "passed" | "failed" | "not tested";

/** What came of a self-test of offloads, and which of them must stay off. */
export interface Tested {
  readonly outcome: SelfTest;
  readonly failed: readonly Offload[];
}

/**
 * Packet memory: one fixed ArrayBuffer cut into slots, so that native code knows where it lies and nothing
 * is allocated per packet. A packet enters a slot at HEADROOM; headers are prepended into the headroom.
 * Positions (`at`) are offsets into `bytes`.
 */
export interface PacketPool {
  readonly memory: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly slots: number;
}

/** Free bytes before the packet in a slot: vnet header or the largest encapsulation, rounded up. */
export const HEADROOM = 128;

/** Longest packet or datagram a slot takes: 64 KiB. */
export const SLOT_CAPACITY = 65536;

/** Distance between slots, whole pages. */
export const SLOT_LENGTH = 17 * 4096;

/** Bytes of the virtio_net_hdr in front of every packet of the TUN device (linux/virtio_net.h). */
export const VNET_LEN = 10;

/** Datagrams in one send or one received train, at most (UDP_MAX_SEGMENTS before Linux 6.9). */
export const MAX_SEGMENTS = 64;

/** Packets moved per batch in one direction. */
export const BATCH = 64;

/** The TUN queue. */
export interface TunDevice {
  /**
   * Reads the next packet or superframe into `slot` at HEADROOM, its vnet header before it. Bytes of the packet;
   * 0 when none waits, −1 when the device was deleted.
   */
  read(slot: number): number;
  /** Adds pool bytes to the frame under construction, which begins with a vnet header. False when it is full. */
  gather(at: number, length: number): boolean;
  /** Writes the frame and begins the next. Returns 0, or the errno of the refusal. */
  write(): number;
}

/** The last datagram that the kernel refused: whom it was for, and why. */
export interface Refusal {
  readonly slot: number;
  readonly errno: number;
}

/** A UDP socket seen by the data plane: batches in, batches out. */
export interface DatagramSocket {
  /** Remembers where datagrams for peer `slot` go. */
  setDestination(slot: number, endpoint: string): void;
  /** Remembers our own end of the path to peer `slot`; null: the kernel chooses what its datagrams leave from. */
  setLocal(slot: number, local: LocalEnd | null): void;
  /** Datagrams for `slot` go to where train `i` came from, and leave from the address that it was sent to. */
  follow(slot: number, i: number): void;
  /** They leave from there, and go where they went. */
  followLocal(slot: number, i: number): void;
  /**
   * Queues a datagram for peer `slot`: head, then body (length 0: none), both in the pool, both to stay untouched
   * until `flush`. Equal-sized neighbours to one peer leave as one send (UDP_SEGMENT). False when the queue is full.
   */
  enqueue(slot: number, headAt: number, headLength: number, bodyAt: number, bodyLength: number): boolean;
  /** Sends what is queued. Returns how many datagrams the kernel refused. */
  flush(): number;
  /** A peer whose path took no datagram as long as ours since the last question, or −1. */
  tooLongFor(): number;
  /** A peer whose source address the kernel refused since the last question, or −1: its datagrams left without. */
  sourceGoneFor(): number;
  /** What was refused last since the last question, or null. */
  refusal(): Refusal | null;
  /** Receives up to BATCH trains of datagrams into this socket's slots of the pool. Returns how many trains. */
  receive(): number;
  /** Lays a datagram that came from `from` before where train 0 lies, as if it had come just now. Returns where that is. */
  receiveAgain(datagram: Uint8Array, from: string): number;
  /** Where train `i` of the last receive begins. */
  position(i: number): number;
  /** Its length in bytes, all datagrams together. */
  length(i: number): number;
  /** Length of each of its datagrams but the last, which may be shorter (UDP_GRO). */
  segment(i: number): number;
  /** True when train `i` came from the address (and, if asked, the port) of peer `slot`. */
  isFrom(i: number, slot: number, withPort: boolean): boolean;
  /** True when train `i` was sent to the address by which peer `slot` calls us, or the kernel did not say what to. */
  isTo(i: number, slot: number): boolean;
  /** Both: train `i` came from the address and port of `slot`, to the address by which it calls us. */
  isUnmoved(i: number, slot: number): boolean;
  /** Our address that train `i` was sent to as text; "" where the kernel does not say, or none that can be a source. */
  local(i: number): string;
  /** The source of train `i` as text, for what is handed up. */
  source(i: number): string;
  /** Datagrams the kernel discarded because the receive buffer was full, since the start. */
  overflows(): number;
}
