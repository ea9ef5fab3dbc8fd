/**
 * TCP throughput between two hosts of the lab. One child of this same program in each namespace (the hidden
 * command `lab-traffic`): the server receives and counts, the sender sends for some seconds; both block in the
 * kernel with big buffers, so that the tunnel is what is measured and not the generator.
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { selfCommand } from "../sys/self_command.ts";
import { acceptTcp, closeTcp, connectTcp, listenTcp, receiveTcp, sendTcp } from "../sys/tcp_stream.ts";

/** Bytes of one send or receive. */
const CHUNK = 512 * 1024;
const TIMEOUT_MS = 10_000;
/** The namespace is the lab's own: no other program listens there. */
const PORT = 5201;

interface Received {
  readonly bytes: number;
  readonly seconds: number;
}

/** What `lab-traffic serve ENDPOINT` does: tells that it listens, receives one connection, tells what came. */
export async function serveTraffic(endpoint: string): Promise<void> {
  const listener = listenTcp(endpoint, TIMEOUT_MS);
  await printLine({ listening: endpoint });
  const connection = acceptTcp(listener, TIMEOUT_MS);
  const buffer = new Uint8Array(new ArrayBuffer(CHUNK));
  let bytes = receiveTcp(connection, buffer);
  const began = performance.now();
  for (let got = bytes; got > 0; bytes += got) got = receiveTcp(connection, buffer);
  const result: Received = { bytes, seconds: (performance.now() - began) / 1000 };
  closeTcp(connection);
  closeTcp(listener);
  await printLine(result);
}

/** Resolves when it is written: the next call blocks this thread. */
function printLine(value: object): Promise<void> {
  return new Promise((resolve) => process.stdout.write(JSON.stringify(value) + "\n", () => resolve()));
}

/** What `lab-traffic send ENDPOINT SECONDS` does. */
export function sendTraffic(endpoint: string, seconds: number): void {
  const connection = connectTcp(endpoint, TIMEOUT_MS);
  const buffer = new Uint8Array(new ArrayBuffer(CHUNK)).fill(0x5a);
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) sendTcp(connection, buffer);
  closeTcp(connection);
}

/** A running generator; `lines` are what it says on stdout. */
interface Child {
  readonly lines: AsyncIterator<string>;
  readonly failed: () => string;
  kill(): void;
}

type InHost = <T>(start: () => T) => T;

function startChild(inHost: InHost, args: readonly string[]): Child {
  const [program, ...leading] = selfCommand();
  const child = inHost(() =>
    spawn(program!, [...leading, "lab-traffic", ...args], { stdio: ["ignore", "pipe", "pipe"] })
  );
  let complaints = "";
  child.stderr.setEncoding("utf8").on(
    "data",
    (text: string) => complaints = (complaints + text).slice(-2000),
  );
  child.on("error", (error) => complaints += error.message);
  return {
    lines: linesOf(child.stdout.setEncoding("utf8")),
    failed: () => complaints.trim(),
    kill: () => void child.kill("SIGKILL"),
  };
}

async function* linesOf(stream: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

async function nextObject<T>(child: Child): Promise<T> {
  const line = await child.lines.next();
  if (line.done === true) {
    throw new Error(`The traffic generator ended early: ${child.failed() || "no reason given"}`);
  }
  return JSON.parse(line.value) as T;
}

/**
 * Mbit/s of TCP payload from one host to the overlay address of another over `seconds`, counted by the receiver.
 * `stop` ends it early.
 */
export async function measureTraffic(
  hosts: { readonly from: InHost; readonly to: InHost; readonly address: string },
  seconds: number,
  stop: AbortSignal,
): Promise<number> {
  const children: Child[] = [];
  const endpoint = `${hosts.address}:${PORT}`;
  const killAll = () => children.forEach((child) => child.kill());
  stop.addEventListener("abort", killAll);
  try {
    const server = startChild(hosts.to, ["serve", endpoint]);
    children.push(server);
    await nextObject<{ listening: string }>(server);
    const sender = startChild(hosts.from, ["send", endpoint, String(seconds)]);
    children.push(sender);
    const ended = sender.lines.next().then(() => {
      if (sender.failed() !== "") throw new Error(`The traffic generator failed: ${sender.failed()}`);
    });
    const [received] = await Promise.all([nextObject<Received>(server), ended]);
    return received.bytes * 8 / received.seconds / 1e6;
  } finally {
    stop.removeEventListener("abort", killAll);
    killAll();
  }
}
