/**
 * Numbered datagrams, to see whether any overtakes another of its flow: `serve ADDRESS PORT FLOWS` prints how many
 * came, how many behind a later one, and how many milliseconds the slowest took (one machine, one clock);
 * `send ADDRESS PORT FLOWS COUNT [WINDOW]` sends COUNT of each flow, many at a time, and the end; with at most WINDOW
 * under way, of all flows, so that no queue between the two needs to drop any, however busy the processors are.
 * Run by the live tests, inside hosts.
 */
import { createSocket } from "node:dgram";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

const [role, address, port, flows, count, window] = process.argv.slice(2);
/** Datagrams of one flow sent without a pause; together they are less than a socket buffer. */
const BURST = 20;
const LENGTH = 1000;
const END = 0xffffffff;
/** After so long without an answer, datagrams of the window count as lost. */
const LOST_MS = 15_000;

function now(): number {
  return performance.timeOrigin + performance.now();
}

function serve(): void {
  const socket = createSocket("udp4");
  /** BOUNDED: one per flow. */
  const newest = new Map<number, number>();
  /** BOUNDED: one per flow. */
  const ended = new Set<number>();
  let received = 0, late = 0, slowest = 0;
  socket.on("message", (bytes, from) => {
    const n = bytes.readUInt32BE(0);
    if (n === END) {
      ended.add(from.port);
      if (ended.size < Number(flows)) return;
      process.stdout.write(JSON.stringify({ received, late, slowest }) + "\n");
      process.exit(0);
    }
    received++;
    slowest = Math.max(slowest, now() - bytes.readDoubleBE(4));
    if (n <= (newest.get(from.port) ?? -1)) late++;
    else newest.set(from.port, n);
    // Answers, as of a real protocol: the device's queues follow them, and so does the sender's window.
    if (n % BURST === BURST - 1) socket.send(bytes, from.port, from.address);
  });
  socket.bind(Number(port), address, () => {
    try {
      socket.setRecvBufferSize(8 << 20);
    } catch {
      // A small buffer loses datagrams and reorders none.
    }
    process.stdout.write("listening\n");
  });
}

async function send(): Promise<void> {
  let underWay = 0;
  let answered = () => {};
  const onAnswer = () => {
    underWay -= BURST;
    answered();
  };
  const sockets = Array.from({ length: Number(flows) }, () => createSocket("udp4").on("message", onAnswer));
  const sendAll = (n: number) => {
    const bytes = new Uint8Array(LENGTH);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, n);
    view.setFloat64(4, now());
    for (const socket of sockets) socket.send(bytes, Number(port), address);
    underWay += sockets.length;
  };
  for (let n = 0; n < Number(count); n++) {
    sendAll(n);
    if (n % BURST !== BURST - 1) continue;
    await sleep(1);
    while (window !== undefined && underWay > Number(window)) {
      const last = underWay;
      await Promise.race([new Promise<void>((resolve) => answered = resolve), sleep(LOST_MS)]);
      if (underWay === last) underWay = 0;
    }
  }
  for (let i = 0; i < 20; i++) {
    await sleep(50);
    sendAll(END);
  }
  process.exit(0);
}

if (role === "serve") serve();
else await send();
