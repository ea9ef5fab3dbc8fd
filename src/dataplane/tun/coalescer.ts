/**
 * A packet's way to TUN: segments of one flow that arrived together are written as one superframe, by the rules
 * of the kernel's own GRO (net/ipv4/tcp_offload.c, udp_offload.c): the same headers, contiguous payload, equal
 * sizes but for the last. Nothing is copied: the frame is the first packet as it lies, then the payloads of the
 * others. Runs live for one batch: `flush` writes what is open, in the order in which it was begun.
 */
import { MAX_SEGMENTS, type TunDevice, VNET_LEN } from "../../ports/devices.ts";
import { i32, putU16, u16 } from "../../wire/bytes.ts";
import { checksum as ipChecksum, fold, sum } from "../../wire/checksum.ts";
import { ipPseudoSum, putIpTotalLength } from "../../wire/ip.ts";
import { IPV4_ID_AT, IPV4_MIN_LEN } from "../../wire/ipv4.ts";
import { TCP_CHECKSUM_AT, TCP_FLAGS_AT, TCP_PSH, TCP_SEQUENCE_AT } from "../../wire/tcp.ts";
import { UDP_CHECKSUM_AT, UDP_LENGTH_AT } from "../../wire/udp.ts";
import {
  CHECKSUM_COMPLETE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNKNOWN,
  GSO_UDP_L4,
  gsoType,
  prepareVnet,
  putVnetChecksum,
  putVnetGso,
  vnetNeedsChecksum,
} from "../packet/packet_memory.ts";
import { BAD_CHECKSUM, type Counters, DELIVERED, TUN_WRITE_FAILED } from "../tables/counters.ts";
import { type First, Flow, isSibling, sameFlow } from "./flow.ts";

const EINVAL = 22;
/** Flows that may be open at once. */
const RUNS = 16;
const MAX_FRAME = 65_535;

/** Packets of one flow that will be one write. */
class Run implements First {
  /** Whose packets they are. */
  from = 0;
  /** Where the first packet begins, and how its headers lie. */
  at = 0;
  readonly flow = new Flow();
  /** Bytes of the first packet, then of all. */
  firstLength = 0;
  length = 0;
  /** Payload of each packet but the last. */
  size = 0;
  count = 0;
  nextSequence = 0;
  lastId = 0;
  checksum = CHECKSUM_COMPLETE;
  verified = false;
  /** A short segment or PSH: nothing may follow. */
  closed = false;
  readonly bodies = new Int32Array(2 * MAX_SEGMENTS);
}

export class Coalescer {
  readonly #b: Uint8Array;
  readonly #view: DataView;
  readonly #counters: Counters;
  readonly #runs: Run[] = Array.from({ length: RUNS }, () => new Run());
  /** How many of #runs are open; they stand first, in order of their beginning. */
  #open = 0;
  /** The one that grew last, if it is open. */
  #newest: Run | null = null;
  readonly #flow = new Flow();
  /** MTU of the device: what is longer came as a superframe already. */
  mtu = 1500;
  tun: TunDevice | null = null;
  tso = false;
  uso = false;
  /** Writes so far, and the bytes of TCP superframes in them: what tun_load.ts looks at. */
  writes = 0;
  bytes = 0;
  readonly #onLost: (offload: "tso" | "uso", errno: number) => void;

  /** `onLost` is told when the kernel first refuses a kind of superframe. */
  constructor(b: Uint8Array, counters: Counters, onLost: (offload: "tso" | "uso", errno: number) => void) {
    this.#b = b;
    this.#view = new DataView(b.buffer, b.byteOffset, b.byteLength);
    this.#counters = counters;
    this.#onLost = onLost;
  }

  /** Takes the packet of `length` bytes at `at` that came `from` a peer; its bytes stay untouched until `flush`. */
  add(at: number, length: number, checksum: number, from = 0): void {
    const flow = this.#flow;
    if (!flow.parse(this.#b, at, length)) {
      this.flush();
      this.#single(at, length, checksum);
      return;
    }
    const r = this.#find(at);
    if (r >= 0) {
      if (flow.mergeable && this.#append(this.#runs[r]!, at, length, checksum)) return;
      this.#flushRun(r);
    }
    if (flow.mergeable && length <= this.mtu && (flow.isTcp ? this.tso : this.uso)) {
      this.#begin(at, length, checksum, from);
    } else this.#single(at, length, checksum);
  }

  /**
   * Takes the packet if it goes on where the run that grew last ends, and that is of the same peer, whose right to its
   * addresses was looked at; else nothing has happened.
   */
  extend(at: number, length: number, checksum: number, from: number): boolean {
    return this.#newest !== null && this.#newest.from === from &&
      this.#append(this.#newest, at, length, checksum);
  }

  /** Takes a UDP superframe of datagrams with `size` bytes of payload, as a kernel left it: its checksum partial. */
  addUdpSuperframe(at: number, length: number, size: number): void {
    this.flush();
    const b = this.#b;
    const flow = this.#flow;
    const udp = flow.parse(b, at, length) && !flow.isTcp;
    if (!udp || !prepareVnet(b, at, length, this.mtu, CHECKSUM_UNKNOWN) || !vnetNeedsChecksum(b, at)) {
      this.#counters.add(BAD_CHECKSUM);
      return;
    }
    putVnetGso(b, at, GSO_UDP_L4, flow.headers, size);
    this.tun?.gather(at - VNET_LEN, VNET_LEN + length);
    const written = this.tun !== null && this.tun.write() === 0;
    this.#counters.add(written ? DELIVERED : TUN_WRITE_FAILED);
  }

  /** Writes everything that is open. */
  flush(): void {
    while (this.#open > 0) this.#flushRun(0);
  }

  #find(at: number): number {
    for (let r = 0; r < this.#open; r++) {
      const run = this.#runs[r]!;
      if (sameFlow(this.#b, run, at, this.#flow)) return r;
    }
    return -1;
  }

  #begin(at: number, length: number, checksum: number, from: number): void {
    if (this.#open === RUNS) this.#flushRun(0);
    const run = this.#runs[this.#open++]!;
    const b = this.#b;
    run.flow.copy(this.#flow);
    run.from = from;
    run.at = at;
    run.firstLength = run.length = length;
    run.size = length - run.flow.headers;
    run.count = 1;
    run.checksum = checksum;
    run.verified = false;
    const tcp = at + run.flow.transport;
    run.closed = run.flow.isTcp && (b[tcp + TCP_FLAGS_AT]! & TCP_PSH) !== 0;
    run.nextSequence = run.flow.isTcp ? (i32(b, tcp + TCP_SEQUENCE_AT) + run.size) | 0 : 0;
    run.lastId = run.flow.v4 ? u16(b, at + IPV4_ID_AT) : 0;
    this.#newest = run;
  }

  /** Adds the packet to the run if the kernel could have cut it from the same superframe. */
  #append(run: Run, at: number, length: number, checksum: number): boolean {
    const view = this.#view;
    const flow = run.flow;
    const body = length - flow.headers;
    if (run.closed || run.count === MAX_SEGMENTS || body > run.size || body <= 0) return false;
    if (run.length + body > MAX_FRAME) return false;
    const tcp = at + flow.transport;
    if (flow.isTcp && view.getInt32(tcp + TCP_SEQUENCE_AT) !== run.nextSequence) return false;
    if (!isSibling(view, run, at, length)) return false;
    if (!run.verified && !this.#verify(run.at, run.firstLength, flow, run.checksum)) return false;
    run.verified = true;
    if (!this.#verify(at, length, flow, checksum)) return false;
    const i = 2 * (run.count - 1);
    run.bodies[i] = at + flow.headers;
    run.bodies[i + 1] = body;
    run.count++;
    run.length += body;
    run.nextSequence = (run.nextSequence + body) | 0;
    if (flow.v4) run.lastId = view.getUint16(at + IPV4_ID_AT);
    const pushed = flow.isTcp && (this.#b[tcp + TCP_FLAGS_AT]! & TCP_PSH) !== 0;
    if (pushed) this.#b[run.at + flow.transport + TCP_FLAGS_AT]! |= TCP_PSH;
    run.closed = pushed || body < run.size;
    this.#newest = run;
    return true;
  }

  /** A real checksum is checked before it is replaced; a partial one was never more than the pseudo-header. */
  #verify(at: number, length: number, flow: Flow, checksum: number): boolean {
    if (checksum === CHECKSUM_PARTIAL) return true;
    const b = this.#b;
    if (flow.v4 && ipChecksum(b, at, IPV4_MIN_LEN) !== 0) return false;
    const transport = at + flow.transport;
    const rest = length - flow.transport;
    const pseudo = ipPseudoSum(b, at, flow.protocol, rest);
    const field = transport + (flow.isTcp ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT);
    if (checksum !== CHECKSUM_COMPLETE && u16(b, field) === fold(pseudo)) return true;
    return fold(sum(b, transport, rest, pseudo)) === 0xffff;
  }

  #flushRun(r: number): void {
    const run = this.#runs[r]!;
    for (let i = r; i + 1 < this.#open; i++) this.#runs[i] = this.#runs[i + 1]!;
    this.#runs[--this.#open] = run;
    if (run === this.#newest) this.#newest = null;
    if (run.count === 1) this.#single(run.at, run.firstLength, run.checksum);
    else this.#superframe(run);
  }

  #superframe(run: Run): void {
    const b = this.#b;
    const { at, flow } = run;
    const rest = run.length - flow.transport;
    putIpTotalLength(b, at, run.length);
    const offset = flow.isTcp ? TCP_CHECKSUM_AT : UDP_CHECKSUM_AT;
    if (!flow.isTcp) putU16(b, at + flow.transport + UDP_LENGTH_AT, rest);
    putU16(b, at + flow.transport + offset, fold(ipPseudoSum(b, at, flow.protocol, rest)));
    putVnetChecksum(b, at, flow.transport, offset);
    putVnetGso(b, at, gsoType(flow.v4, flow.isTcp), flow.headers, run.size);
    this.writes++;
    if (flow.isTcp) this.bytes += run.length;
    const tun = this.tun;
    if (tun !== null) {
      tun.gather(at - VNET_LEN, VNET_LEN + run.firstLength);
      for (let i = 0; i < 2 * (run.count - 1); i += 2) tun.gather(run.bodies[i]!, run.bodies[i + 1]!);
    }
    const errno = tun === null ? 0 : tun.write();
    if (tun === null || errno !== 0) this.#singly(run, errno);
    else this.#counters.add(DELIVERED, run.count);
  }

  /** The kernel takes no such superframe (EINVAL on some stable kernels): its packets one by one, as they lie. */
  #singly(run: Run, errno: number): void {
    const b = this.#b;
    if (errno === EINVAL) this.#lose(run.flow.isTcp ? "tso" : "uso", errno);
    putIpTotalLength(b, run.at, run.firstLength);
    if (!run.flow.isTcp) {
      putU16(b, run.at + run.flow.transport + UDP_LENGTH_AT, run.firstLength - run.flow.transport);
    }
    // Real checksums were verified before the packets were joined: the kernel may count them as its own.
    this.#single(run.at, run.firstLength, CHECKSUM_PARTIAL);
    for (let i = 0; i < 2 * (run.count - 1); i += 2) {
      const headers = run.flow.headers;
      this.#single(run.bodies[i]! - headers, run.bodies[i + 1]! + headers, CHECKSUM_PARTIAL);
    }
  }

  #lose(offload: "tso" | "uso", errno: number): void {
    if (!this[offload]) return;
    this[offload] = false;
    this.#onLost(offload, errno);
  }

  #single(at: number, length: number, checksum: number): void {
    this.writes++;
    if (!prepareVnet(this.#b, at, length, this.mtu, checksum)) {
      this.#counters.add(BAD_CHECKSUM);
      return;
    }
    this.tun?.gather(at - VNET_LEN, VNET_LEN + length);
    const written = this.tun !== null && this.tun.write() === 0;
    this.#counters.add(written ? DELIVERED : TUN_WRITE_FAILED);
  }
}
