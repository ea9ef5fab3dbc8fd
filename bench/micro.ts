/**
 * What one step of the packet path costs, without the kernel: `deno run -A bench/micro.ts`, `bun bench/micro.ts`,
 * with --json for machines and words that the names of the steps must contain (one encapsulation alone is what a node
 * has). Packets have 1400 bytes; the devices are memory (still_devices.ts). Compare ratios
 * taken in one run: machines are noisy.
 */
import process from "node:process";
import { Bench } from "tinybench";
import { Counters } from "../src/dataplane/tables/counters.ts";
import { DataPlane } from "../src/dataplane/dataplane.ts";
import { mailboxMemory, MailboxReader, MailboxWriter } from "../src/dataplane/mailbox.ts";
import { packetAt, socketSlots, TUN_SLOTS } from "../src/dataplane/packet/packet_memory.ts";
import { RouteTable } from "../src/dataplane/tables/route_table.ts";
import { BATCH, type SocketRole } from "../src/ports/devices.ts";
import { parseMac } from "../src/wire/address.ts";
import { putU16, putU32 } from "../src/wire/bytes.ts";
import { checksum, fold, pseudoHeaderSum4, sum } from "../src/wire/checksum.ts";
import { DATA_LEN, DATA_PARTIAL, DATA_PLAIN, DATA_TYPE, encodeData } from "../src/wire/data_header.ts";
import { encodeEthernet, ETHERNET_LEN, ETHERTYPE_IPV4 } from "../src/wire/ethernet.ts";
import { encodeIpv4, IPV4_MIN_LEN, IPV4_TOTAL_LENGTH_AT, PROTOCOL_TCP } from "../src/wire/ipv4.ts";
import { AEAD_TAG_LEN } from "../src/wire/overhead.ts";
import { putTcpChecksum, TCP_SEQUENCE_AT } from "../src/wire/tcp.ts";
import { encodeVxlan, VXLAN_LEN } from "../src/wire/vxlan.ts";
import { STILL_AEAD, StillSocket, StillTun, TCP_HEADERS } from "./still_devices.ts";
import { parsePrefix } from "../src/wire/prefix.ts";

const PACKET_LEN = 1400;
const OWN = 0x0a2a0105; // 10.42.1.5
const PEER = 0x0a2a0205; // 10.42.2.5
const ENCAPSULATIONS = ["data", "vxlan", "sealed"] as const;
type Measured = (typeof ENCAPSULATIONS)[number];
const OWN_MAC = "02:00:0a:2a:01:00";
const PEER_MAC = "02:00:0a:2a:02:00";
const RECEIVE_INDEX = 0x1000;
const SEGMENTS = 46;
const SUPERFRAME_LEN = TCP_HEADERS + SEGMENTS * (PACKET_LEN - TCP_HEADERS);

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
  readonly dataPlane: DataPlane;
  readonly b: Uint8Array;
  readonly tun: StillTun;
  readonly socket: StillSocket;
  readonly role: SocketRole;
}

/** A node with one peer; a batch of packets to it lies in the TUN slots, one from it in the socket's. */
function path(encapsulation: Measured, tso: boolean): Path {
  let tun: StillTun, socket: StillSocket;
  const dataPlane = new DataPlane(
    {
      tun: (_queue, pool) => tun = new StillTun(pool, PACKET_LEN),
      socket: (_opened, role, pool) => socket = new StillSocket(pool, role),
      watch: () => {},
      unwatch: () => {},
    },
    { counters: new Counters(), handUp: () => {}, aead: STILL_AEAD },
  );
  const role = encapsulation === "vxlan" ? "vxlan" : "own";
  dataPlane.apply({ kind: "attachSocket", role, family: 4, sockets: [{ fd: 1, sendFd: 1 }] });
  dataPlane.apply({ kind: "attachTun", queues: [{ fd: 2, writeFd: 2 }], tso, uso: false });
  tellPeer(dataPlane, encapsulation);
  const { b } = dataPlane.plane;
  const header = headerFrom(encapsulation);
  socket!.header = header;
  socket!.size = header.length + PACKET_LEN + (encapsulation === "sealed" ? AEAD_TAG_LEN : 0);
  socket!.counted = encapsulation === "sealed";
  for (let i = 0; i < BATCH; i++) {
    putPacket(b, packetAt(TUN_SLOTS + i), OWN, PEER);
    putPacket(b, packetAt(socketSlots(role) + i) + header.length, PEER, OWN);
  }
  return { dataPlane, b, tun: tun!, socket: socket!, role };
}

function tellPeer(dataPlane: DataPlane, encapsulation: Measured): void {
  const own = { networks: ["10.42.0.0/16"], subnets: ["10.42.1.0/24"], address: "10.42.1.0", mac: OWN_MAC };
  dataPlane.apply({ kind: "setOwn", own: { ...own, mtu: PACKET_LEN } });
  const ports = { endpoint: "192.168.1.2:8473", ownPort: "192.168.1.2:8473" };
  const sealed = encapsulation === "sealed";
  const indices = { sendIndex: sealed ? 0 : 0x2000, receiveIndex: sealed ? 0 : RECEIVE_INDEX };
  dataPlane.apply({
    kind: "setPeer",
    slot: 0,
    tunnel: { encapsulation, ...ports, mtu: 1450, ...indices, vni: 1, mac: PEER_MAC },
  });
  dataPlane.apply({ kind: "addRoute", prefix: "10.42.2.0/24", slot: 0 });
  if (!sealed) return;
  dataPlane.apply({
    kind: "installSession",
    slot: 0,
    receiveIndex: RECEIVE_INDEX,
    sendIndex: 0x2000,
    suite: "aes-256-gcm",
    sendKey: new Uint8Array(32),
    receiveKey: new Uint8Array(32),
    confirmed: true,
  });
}

/** What datagrams of the peer begin with. */
function headerFrom(encapsulation: Measured): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(encapsulation === "vxlan" ? VXLAN_LEN + ETHERNET_LEN : DATA_LEN);
  if (encapsulation === "vxlan") {
    encodeVxlan(header, 0, 1);
    encodeEthernet(header, VXLAN_LEN, parseMac(OWN_MAC)!, parseMac(PEER_MAC)!, ETHERTYPE_IPV4);
  } else encodeData(header, 0, encapsulation === "data" ? DATA_PLAIN : 0, 0, RECEIVE_INDEX, 0);
  return header;
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
  for (const encapsulation of ENCAPSULATIONS) {
    const { dataPlane, tun, socket, role } = path(encapsulation, false);
    bench.add(`outbound batch, ${encapsulation}`, () => {
      tun.left = BATCH;
      dataPlane.pump("tun", 0);
    });
    bench.add(`inbound batch, ${encapsulation}`, () => {
      socket.arriving = BATCH;
      dataPlane.pump(role, 0);
    });
    bench.addEventListener("complete", () => assertCounted(dataPlane));
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
function addSuperframes(bench: Bench, encapsulation: Measured): void {
  const leaving = path(encapsulation, true);
  putU16(leaving.b, packetAt(TUN_SLOTS) + IPV4_TOTAL_LENGTH_AT, SUPERFRAME_LEN);
  leaving.tun.length = SUPERFRAME_LEN;
  leaving.tun.gsoSize = PACKET_LEN - TCP_HEADERS;
  // Sealing makes each segment whole over the end of the one before, and so spoils what lies there.
  const frame = leaving.b.slice(packetAt(TUN_SLOTS), packetAt(TUN_SLOTS) + TCP_HEADERS);
  bench.add(`cut ${SEGMENTS} segments, ${encapsulation}`, () => {
    leaving.b.set(frame, packetAt(TUN_SLOTS));
    leaving.tun.left = 1;
    leaving.dataPlane.pump("tun", 0);
  });
  const { dataPlane, b, socket, role } = path(encapsulation, true);
  const header = socket.header.length;
  const first = packetAt(socketSlots(role));
  if (encapsulation !== "vxlan") socket.header[0] = socket.header[0]! | DATA_TYPE | DATA_PARTIAL;
  for (let i = 0; i < SEGMENTS; i++) {
    const packet = first + i * socket.size + header;
    b.set(socket.header, packet - header);
    putPacket(b, packet, PEER, OWN);
    putU32(b, packet + IPV4_MIN_LEN + TCP_SEQUENCE_AT, i * (PACKET_LEN - TCP_HEADERS));
    completeTcp(b, packet, PACKET_LEN);
  }
  // The first packet becomes the superframe's header: it is made a packet again.
  socket.header = b.slice(first, first + header + TCP_HEADERS);
  socket.train = SEGMENTS;
  bench.add(`join ${SEGMENTS} segments, ${encapsulation}`, () => {
    socket.arriving = 1;
    dataPlane.pump(role, 0);
  });
  bench.addEventListener("complete", () => [leaving.dataPlane, dataPlane].forEach(assertCounted));
}

function completeTcp(b: Uint8Array, at: number, length: number): void {
  const tcp = at + IPV4_MIN_LEN, rest = length - IPV4_MIN_LEN;
  putTcpChecksum(b, tcp, 0);
  putTcpChecksum(b, tcp, ~fold(sum(b, tcp, rest, pseudoHeaderSum4(b, at, PROTOCOL_TCP, rest))) & 0xffff);
}

/** A figure for packets that were dropped would mean nothing. */
function assertCounted({ plane }: DataPlane): void {
  const drops = plane.counters.drops();
  if (Object.values(drops).some((count) => count > 0)) {
    throw new Error(`The measured path dropped packets: ${JSON.stringify(drops)}`);
  }
}

function runtime(): string {
  const { bun, deno } = process.versions as Record<string, string | undefined>;
  return bun !== undefined ? `bun ${bun}` : deno !== undefined ? `deno ${deno}` : `node ${process.version}`;
}

if (import.meta.main) {
  const bench = tasks();
  const wanted = process.argv.slice(2).filter((word) => !word.startsWith("--"));
  for (const { name } of wanted.length === 0 ? [] : bench.tasks) {
    if (!wanted.some((word) => name.includes(word))) bench.remove(name);
  }
  await bench.run();
  const figures = bench.tasks.map(({ name, result }) => {
    if (!("latency" in result)) throw new Error(`"${name}" gave no figure`);
    const ns = (milliseconds: number) => milliseconds * 1e6 / (name.includes("segments") ? SEGMENTS : BATCH);
    return {
      name,
      minNs: ns(result.latency.min),
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
