/**
 * What one step of the packet path costs, without the kernel: `deno run -A bench/micro.ts`, `bun bench/micro.ts`,
 * with --json for machines. Packets have 1400 bytes; the devices are memory that keeps nothing. Compare ratios
 * taken in one run: machines are noisy.
 */
import process from "node:process";
import { Bench } from "tinybench";
import { Counters } from "../src/dataplane/counters.ts";
import { inboundBatch } from "../src/dataplane/inbound.ts";
import { mailboxMemory, MailboxReader, MailboxWriter } from "../src/dataplane/mailbox.ts";
import { outbound, outboundBatch } from "../src/dataplane/outbound.ts";
import { createPlane, type Plane } from "../src/dataplane/plane.ts";
import { packetAt, socketSlots, TUN_SLOTS } from "../src/dataplane/pool.ts";
import { OWN_SLOT, RouteTable } from "../src/dataplane/route_table.ts";
import { clearVnet, GSO_TCPV4, putVnetChecksum, putVnetGso } from "../src/dataplane/vnet.ts";
import { BATCH, type DatagramSocket, type SocketRole, type TunDevice } from "../src/ports/devices.ts";
import type { Encapsulation } from "../src/wire/overhead.ts";
import { parseMac, parsePrefix } from "../src/wire/address.ts";
import { putU16, putU32 } from "../src/wire/bytes.ts";
import { checksum, fold, pseudoHeaderSum4, sum } from "../src/wire/checksum.ts";
import { DATA_LEN, DATA_PARTIAL, DATA_PLAIN, DATA_TYPE, encodeData } from "../src/wire/data_header.ts";
import { encodeEthernet, ETHERNET_LEN, ETHERTYPE_IPV4 } from "../src/wire/ethernet.ts";
import { encodeIpv4, IPV4_MIN_LEN, IPV4_TOTAL_LENGTH_AT, PROTOCOL_TCP } from "../src/wire/ipv4.ts";
import { putTcpChecksum, TCP_CHECKSUM_AT, TCP_SEQUENCE_AT } from "../src/wire/tcp.ts";
import { encodeVxlan, VXLAN_LEN } from "../src/wire/vxlan.ts";

const PACKET_LEN = 1400;
const OWN = 0x0a2a0105; // 10.42.1.5
const PEER = { data: 0x0a2a0205, vxlan: 0x0a2a0305 }; // 10.42.2.5 and 10.42.3.5
const OWN_MAC = "02:00:0a:2a:01:00";
const PEER_MAC = "02:00:0a:2a:03:00";
const RECEIVE_INDEX = 0x1000;
/** Datagrams that wait for one flush. */
const QUEUE = 2048;
const HEADERS = 40;
const SEGMENTS = 46;
const SUPERFRAME_LEN = HEADERS + SEGMENTS * (PACKET_LEN - HEADERS);

/** The host's end: hands out what already lies in the slot, behind a new vnet header, takes everything. */
class StillTun implements TunDevice {
  readonly #b: Uint8Array;
  left = 0;
  /** Bytes of what is handed out; with `gsoSize`, a superframe. */
  length = PACKET_LEN;
  gsoSize = 0;
  constructor(plane: Plane) {
    this.#b = plane.b;
  }
  read(slot: number): number {
    if (this.left-- <= 0) return 0;
    const at = packetAt(slot);
    clearVnet(this.#b, at);
    if (this.gsoSize > 0) {
      putVnetChecksum(this.#b, at, IPV4_MIN_LEN, TCP_CHECKSUM_AT);
      putVnetGso(this.#b, at, GSO_TCPV4, HEADERS, this.gsoSize);
    }
    return this.length;
  }
  gather(_at: number, _length: number): boolean {
    return true;
  }
  write(): number {
    return 0;
  }
}

/** The network's end: the same for datagrams, but for the header, which delivering them overwrites. */
class StillSocket implements DatagramSocket {
  readonly #b: Uint8Array;
  readonly #firstSlot: number;
  /** What each train that arrives begins with. */
  header: Uint8Array;
  readonly #length: number;
  arriving = 0;
  /** Datagrams in each train that arrives. */
  train = 1;
  #queued = 0;
  constructor(plane: Plane, role: SocketRole, header: Uint8Array) {
    this.#b = plane.b;
    this.#firstSlot = socketSlots(role);
    this.header = header;
    this.#length = header.length + PACKET_LEN;
  }
  setDestination(_slot: number, _endpoint: string): void {}
  enqueue(
    _slot: number,
    _headAt: number,
    _headLength: number,
    _bodyAt: number,
    _bodyLength: number,
  ): boolean {
    if (this.#queued === QUEUE) return false;
    this.#queued++;
    return true;
  }
  flush(): number {
    this.#queued = 0;
    return 0;
  }
  receive(): number {
    for (let i = 0; i < this.arriving; i++) this.#b.set(this.header, this.position(i));
    return this.arriving;
  }
  receiveAgain(datagram: Uint8Array, _from: string): number {
    this.#b.set(datagram, this.position(0));
    return this.position(0);
  }
  position(i: number): number {
    return packetAt(this.#firstSlot + i);
  }
  length(_i: number): number {
    return this.train * this.#length;
  }
  segment(_i: number): number {
    return this.#length;
  }
  isFrom(_i: number, _slot: number, _withPort: boolean): boolean {
    return true;
  }
  source(_i: number): string {
    return "";
  }
  local(_i: number): string {
    return "";
  }
  isTo(_i: number, _slot: number): boolean {
    return true;
  }
  isUnmoved(_i: number, _slot: number): boolean {
    return true;
  }
  setLocal(_slot: number, _local: null | object): void {}
  follow(_slot: number, _i: number): void {}
  followLocal(_slot: number, _i: number): void {}
  sourceGoneFor(): number {
    return -1;
  }
  refusal(): null {
    return null;
  }
  overflows(): number {
    return 0;
  }
  tooLongFor(): number {
    return -1;
  }
}

function putPacket(b: Uint8Array, at: number, source: number, destination: number): void {
  const fields = {
    totalLength: PACKET_LEN,
    id: 1,
    dontFragment: true,
    ttl: 64,
    protocol: PROTOCOL_TCP,
    source,
    destination,
  };
  encodeIpv4(b, at, fields);
  putU16(b, at + 32, 0x5010); // a TCP header of 20 bytes, ACK
}

interface Path {
  readonly plane: Plane;
  readonly tun: StillTun;
  readonly socket: StillSocket;
  readonly role: SocketRole;
}

/** A node with one peer; a batch of packets to it lies in the TUN slots, one from it in the socket's. */
function path(encapsulation: "data" | "vxlan"): Path {
  const plane = createPlane(new Counters(), () => {});
  const role: SocketRole = encapsulation === "data" ? "own" : "vxlan";
  plane.ownMac = parseMac(OWN_MAC)!;
  const header = new Uint8Array(encapsulation === "data" ? DATA_LEN : VXLAN_LEN + ETHERNET_LEN);
  if (encapsulation === "data") encodeData(header, 0, DATA_PLAIN, 0, RECEIVE_INDEX, 0);
  else {
    encodeVxlan(header, 0, 1);
    encodeEthernet(header, VXLAN_LEN, plane.ownMac, parseMac(PEER_MAC)!, ETHERTYPE_IPV4);
  }
  const tun = new StillTun(plane);
  const socket = new StillSocket(plane, role, header);
  plane.tun = tun;
  plane.coalescer.tun = tun;
  plane.sockets[role] = socket;
  plane.peers.set(0, {
    encapsulation: encapsulation satisfies Encapsulation,
    endpoint: "192.168.1.2:8473",
    ownPort: "192.168.1.2:8473",
    mtu: 1450,
    sendIndex: 0x2000,
    receiveIndex: RECEIVE_INDEX,
    vni: 1,
    mac: PEER_MAC,
  });
  plane.routes.set("10.42.1.0/24", parsePrefix("10.42.1.0/24")!, OWN_SLOT);
  const lease = encapsulation === "data" ? "10.42.2.0/24" : "10.42.3.0/24";
  plane.routes.set(lease, parsePrefix(lease)!, 0);
  for (let i = 0; i < BATCH; i++) {
    putPacket(plane.b, packetAt(TUN_SLOTS + i), OWN, PEER[encapsulation]);
    putPacket(plane.b, packetAt(socketSlots(role) + i) + header.length, PEER[encapsulation], OWN);
  }
  return { plane, tun, socket, role };
}

/** A table of 4,096 leases and two ways to ask it. */
function routes(): { hit: () => number; miss: () => number } {
  const table = new RouteTable();
  for (let i = 0; i < 4096; i++) {
    const text = `10.${i >> 8}.${i & 255}.0/24`;
    table.set(text, parsePrefix(text)!, i);
  }
  const b = new Uint8Array(4);
  let next = 0;
  return {
    hit: () => {
      putU32(b, 0, 0x0a000005 + ((next++ & 63) << 8));
      return table.lookup(b, 0, 4);
    },
    // More addresses than the cache holds, in a circle: each was thrown out before it comes again.
    miss: () => {
      putU32(b, 0, 0x0a000000 + (next++ & 0x7fff) * 31);
      return table.lookup(b, 0, 4);
    },
  };
}

/** Runs `BATCH` times the work a call, so that the timer's own cost does not show. */
function add(bench: Bench, name: string, once: () => unknown): void {
  bench.add(name, () => {
    for (let i = 0; i < BATCH; i++) once();
  });
}

function tasks(): Bench {
  const bench = new Bench({ time: 400, warmupTime: 200 });
  const arena = new Uint8Array(1 << 16).fill(0xa5);
  let counter = 0;
  add(bench, "checksum of 1400 bytes", () => checksum(arena, 1024 + (counter++ & 3), PACKET_LEN));
  const { hit, miss } = routes();
  add(bench, "route lookup, cached", hit);
  add(bench, "route lookup, walked", miss);
  add(bench, "encode data header", () => encodeData(arena, 0, DATA_PLAIN, 0, 0x2000, counter++));
  const macs = [parseMac(OWN_MAC)!, parseMac(PEER_MAC)!] as const;
  add(bench, "encode VXLAN and Ethernet", () => {
    encodeVxlan(arena, 0, counter++ & 0xffffff);
    encodeEthernet(arena, VXLAN_LEN, macs[1], macs[0], ETHERTYPE_IPV4);
  });
  for (const encapsulation of ["data", "vxlan"] as const) {
    const { plane, tun, socket, role } = path(encapsulation);
    add(bench, `outbound(), ${encapsulation}`, () => {
      clearVnet(plane.b, packetAt(TUN_SLOTS));
      outbound(plane, packetAt(TUN_SLOTS), PACKET_LEN);
    });
    bench.add(`outbound batch, ${encapsulation}`, () => {
      tun.left = BATCH;
      outboundBatch(plane);
    });
    bench.add(`inbound batch, ${encapsulation}`, () => {
      socket.arriving = BATCH;
      inboundBatch(plane, role);
    });
    bench.addEventListener("complete", () => assertCounted(plane));
    addSuperframes(bench, encapsulation);
  }
  const memory = mailboxMemory();
  const writer = new MailboxWriter(memory, () => {});
  const reader = new MailboxReader(memory);
  let applied = 0;
  bench.add("mailbox, post and drain", () => {
    for (let i = 0; i < BATCH; i++) writer.post({ kind: "addRoute", prefix: "10.42.2.0/24", slot: i });
    reader.drain(() => applied++);
  });
  return bench;
}

/** Segments of superframes, cut and joined: one superframe a call, as many segments as the name says. */
function addSuperframes(bench: Bench, encapsulation: "data" | "vxlan"): void {
  const { plane, tun } = path(encapsulation);
  const at = packetAt(TUN_SLOTS);
  putU16(plane.b, at + IPV4_TOTAL_LENGTH_AT, SUPERFRAME_LEN);
  tun.length = SUPERFRAME_LEN;
  tun.gsoSize = PACKET_LEN - HEADERS;
  bench.add(`cut ${SEGMENTS} segments, ${encapsulation}`, () => {
    tun.left = 1;
    outboundBatch(plane);
  });
  const arriving = path(encapsulation);
  const joined = arriving.plane;
  joined.coalescer.tso = true;
  const header = arriving.socket.header.length;
  const first = packetAt(socketSlots(arriving.role));
  for (let i = 0; i < SEGMENTS; i++) {
    const packet = first + i * (header + PACKET_LEN) + header;
    joined.b.set(arriving.socket.header, packet - header);
    if (encapsulation === "data") joined.b[packet - header] = DATA_TYPE | DATA_PLAIN | DATA_PARTIAL;
    putPacket(joined.b, packet, PEER[encapsulation], OWN);
    putU32(joined.b, packet + IPV4_MIN_LEN + TCP_SEQUENCE_AT, i * (PACKET_LEN - HEADERS));
    completeTcp(joined.b, packet, PACKET_LEN);
  }
  // The first packet becomes the superframe's header: it is made a packet again.
  arriving.socket.header = joined.b.slice(first, first + header + HEADERS);
  arriving.socket.train = SEGMENTS;
  bench.add(`join ${SEGMENTS} segments, ${encapsulation}`, () => {
    arriving.socket.arriving = 1;
    inboundBatch(joined, arriving.role);
  });
  bench.addEventListener("complete", () => [plane, joined].forEach(assertCounted));
}

function completeTcp(b: Uint8Array, at: number, length: number): void {
  const tcp = at + IPV4_MIN_LEN, rest = length - IPV4_MIN_LEN;
  putTcpChecksum(b, tcp, 0);
  putTcpChecksum(b, tcp, ~fold(sum(b, tcp, rest, pseudoHeaderSum4(b, at, PROTOCOL_TCP, rest))) & 0xffff);
}

/** A figure for packets that were dropped would mean nothing. */
function assertCounted(plane: Plane): void {
  const dropped = Object.values(plane.counters.drops()).some((count) => count > 0);
  if (dropped) {
    throw new Error(`The measured path dropped packets: ${JSON.stringify(plane.counters.drops())}`);
  }
}

function runtime(): string {
  const { bun, deno } = process.versions as Record<string, string | undefined>;
  return bun !== undefined ? `bun ${bun}` : deno !== undefined ? `deno ${deno}` : `node ${process.version}`;
}

if (import.meta.main) {
  const bench = tasks();
  await bench.run();
  const figures = bench.tasks.map(({ name, result }) => {
    if (!("latency" in result)) throw new Error(`"${name}" gave no figure`);
    const ns = (milliseconds: number) => milliseconds * 1e6 / (name.includes("segments") ? SEGMENTS : BATCH);
    return {
      name,
      medianNs: ns(result.latency.p50),
      meanNs: ns(result.latency.mean),
      p99Ns: ns(result.latency.p99),
    };
  });
  if (process.argv.includes("--json")) console.log(JSON.stringify({ runtime: runtime(), figures }));
  else {
    console.log(`${runtime()}, ns for one packet, segment, header or message`);
    console.log(`${"".padEnd(28)}${["median", "mean", "p99"].map((head) => head.padStart(10)).join("")}`);
    for (const { name, medianNs, meanNs, p99Ns } of figures) {
      console.log(
        `${name.padEnd(28)}${[medianNs, meanNs, p99Ns].map((ns) => ns.toFixed(1).padStart(10)).join("")}`,
      );
    }
  }
}
