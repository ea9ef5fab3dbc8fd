/** Two UDP sockets on loopback, in batches, to try the kernel's trains on (dataplane/self_test.ts). */
import { BATCH, type DatagramSocket, type PacketPool } from "../ports/devices.ts";
import { formatEndpoint, parseAddress } from "../wire/address.ts";
import { putU16le, putU32le } from "../wire/bytes.ts";
import { closeDescriptor, libc } from "./libc.ts";
import { decodeSockaddr, encodeSockaddr, SOCKADDR_ROOM, sockaddrLength } from "./sockaddr.ts";
import { UdpBatches, type UdpOffloads } from "./udp_batches.ts";
import { type OpenedSocket, setInt, unboundUdp } from "./udp_socket.ts";
import { POLLFD_LEN, POLLIN, SOL_UDP, UDP_GRO } from "./linux.ts";

/** The sender, and the receiver in the slots behind the first of a pool. */
export class LoopbackPair {
  readonly sender: DatagramSocket;
  readonly receiver: DatagramSocket;
  readonly takesTrains: boolean;
  readonly #sockets: readonly [OpenedSocket, OpenedSocket];
  #refused = false;

  private constructor(
    sockets: readonly [OpenedSocket, OpenedSocket],
    endpoints: readonly [string, string],
    pool: PacketPool,
    { gso, gro }: UdpOffloads,
  ) {
    const [from, to] = this.#sockets = sockets;
    const refused = () => this.#refused = true;
    this.takesTrains = gro && setInt(to.fd, SOL_UDP, UDP_GRO, 1) === 0;
    this.sender = new UdpBatches(from, pool, 1, { gso, gro: false, onLost: refused, slots: 1 });
    this.receiver = new UdpBatches(to, pool, 1, { gso: false, gro, onLost: refused, slots: 1 });
    this.sender.setDestination(0, endpoints[1]);
    this.receiver.setDestination(0, endpoints[0]);
  }

  /** Null when the namespace has no such loopback address, or it is down. `address`: "127.0.0.1" or "::1". */
  static open(address: string, pool: PacketPool, offloads: UdpOffloads): LoopbackPair | null {
    if (pool.slots < 1 + BATCH) throw new RangeError(`${pool.slots} slots are too few`);
    const sockets = [unboundUdp(), unboundUdp()] as const;
    const [from, to] = sockets.map((socket) => bindTo(socket, address));
    if (from != null && to != null) return new LoopbackPair(sockets, [from, to], pool, offloads);
    for (const { fd } of sockets) closeDescriptor(fd);
    return null;
  }

  refused(): boolean {
    return this.#refused;
  }

  /** poll(2): | fd 4 | events 2 | revents 2 | */
  wait(milliseconds: number): void {
    const pollfd = new Uint8Array(new ArrayBuffer(POLLFD_LEN));
    putU32le(pollfd, 0, this.#sockets[1].fd);
    putU16le(pollfd, 4, POLLIN);
    libc().poll(pollfd, 1, milliseconds);
  }

  close(): void {
    for (const { fd } of this.#sockets) closeDescriptor(fd);
  }
}

/** Binds to a free port of the address. Returns the endpoint, or null. */
function bindTo({ fd, family }: OpenedSocket, address: string): string | null {
  const c = libc();
  const parsed = parseAddress(address);
  if (parsed === null) throw new TypeError(`Not an address: "${address}"`);
  const name = new Uint8Array(new ArrayBuffer(SOCKADDR_ROOM));
  if (!encodeSockaddr(name, 0, family, { address: parsed, port: 0 })) return null;
  if (c.bind(fd, name, sockaddrLength(family)) < 0) return null;
  const length = new Uint8Array(new ArrayBuffer(4));
  putU32le(length, 0, SOCKADDR_ROOM);
  return c.getsockname(fd, name, length) < 0 ? null : formatEndpoint(decodeSockaddr(name, 0, family));
}
