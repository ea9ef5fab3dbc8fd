/**
 * The data plane's end of a UDP socket: batches over packet memory, out (udp_sender.ts) and in (udp_receiver.ts), and
 * the addresses of the peers, which both compare with.
 */
import {
  BATCH,
  type DatagramSocket,
  type LocalEnd,
  type PacketPool,
  type Refusal,
  REPLY_SLOT,
} from "../ports/devices.ts";
import { parseEndpoint } from "../wire/address.ts";
import { LocalEnds } from "./local_ends.ts";
import { encodeSockaddr, SOCKADDR_ROOM } from "./sockaddr.ts";
import { UdpReceiver } from "./udp_receiver.ts";
import { UdpSender } from "./udp_sender.ts";
import type { OpenedSocket } from "./udp_socket.ts";

/** Which of the kernel's trains to use. */
export interface UdpOffloads {
  readonly gso: boolean;
  readonly gro: boolean;
}

/** One socket's batches over packet memory. `firstSlot` is the first of BATCH slots that it receives into. */
export class UdpBatches implements DatagramSocket {
  readonly #family: 4 | 6;
  readonly #destinations = new Uint8Array(new ArrayBuffer((REPLY_SLOT + 1) * SOCKADDR_ROOM));
  readonly #locals = new LocalEnds();
  /** The slot whose peer train i is known to come from, to the address that it always uses; −1: not looked up yet. */
  readonly #unmoved = new Int32Array(BATCH).fill(-1);
  readonly #sender: UdpSender;
  readonly #receiver: UdpReceiver;

  /**
   * `onLost` is told the errno with which the kernel refused the first train; single datagrams go on. `onFull` waits
   * until the descriptor takes datagrams again, or says false: they are refused. Without it the call itself waits.
   */
  constructor(
    socket: OpenedSocket,
    pool: PacketPool,
    firstSlot: number,
    offloads: UdpOffloads,
    onLost: (errno: number) => void,
    onFull: ((fd: number) => boolean) | null = null,
  ) {
    this.#family = socket.family;
    const { gso, gro } = offloads;
    this.#sender = new UdpSender(socket, pool, this.#destinations, this.#locals, { gso, onLost, onFull });
    this.#receiver = new UdpReceiver(socket, pool, firstSlot, gro);
  }

  setDestination(slot: number, endpoint: string): void {
    const parsed = parseEndpoint(endpoint);
    if (parsed === null) throw new TypeError(`Not an endpoint: "${endpoint}"`);
    this.#unmoved.fill(-1);
    const at = slot * SOCKADDR_ROOM;
    // An IPv6 endpoint on an IPv4 socket: without a family and a port the kernel refuses it, and nothing comes
    // from there. 0.0.0.0 would be this host.
    if (!encodeSockaddr(this.#destinations, at, this.#family, parsed)) {
      this.#destinations.fill(0, at, at + SOCKADDR_ROOM);
    }
  }

  setLocal(slot: number, local: LocalEnd | null): void {
    this.#unmoved.fill(-1);
    this.#locals.set(slot, local);
  }

  follow(slot: number, i: number): void {
    this.#receiver.copySource(i, this.#destinations, slot * SOCKADDR_ROOM);
    this.followLocal(slot, i);
  }

  followLocal(slot: number, i: number): void {
    this.#unmoved.fill(-1);
    this.#receiver.pinLocal(i, this.#locals, slot);
  }

  enqueue(slot: number, headAt: number, headLength: number, bodyAt: number, bodyLength: number): boolean {
    return this.#sender.enqueue(slot, headAt, headLength, bodyAt, bodyLength);
  }

  flush(): number {
    return this.#sender.flush();
  }

  tooLongFor(): number {
    return this.#sender.tooLongFor();
  }

  sourceGoneFor(): number {
    return this.#sender.sourceGoneFor();
  }

  refusal(): Refusal | null {
    return this.#sender.refusal();
  }

  receive(): number {
    this.#unmoved.fill(-1);
    return this.#receiver.receive();
  }

  receiveAgain(datagram: Uint8Array, from: string): number {
    this.#unmoved[0] = -1;
    return this.#receiver.receiveAgain(datagram, from);
  }

  position(i: number): number {
    return this.#receiver.position(i);
  }

  length(i: number): number {
    return this.#receiver.length(i);
  }

  segment(i: number): number {
    return this.#receiver.segment(i);
  }

  isFrom(i: number, slot: number, withPort: boolean): boolean {
    return this.#receiver.isFrom(i, this.#destinations, slot * SOCKADDR_ROOM, withPort);
  }

  isTo(i: number, slot: number): boolean {
    return this.#receiver.isTo(i, this.#locals, slot);
  }

  isUnmoved(i: number, slot: number): boolean {
    if (this.#unmoved[i] === slot) return true;
    if (!this.isFrom(i, slot, true) || !this.isTo(i, slot)) return false;
    this.#unmoved[i] = slot;
    return true;
  }

  local(i: number): string {
    return this.#receiver.local(i);
  }

  source(i: number): string {
    return this.#receiver.source(i);
  }

  overflows(): number {
    return this.#receiver.overflows();
  }
}
