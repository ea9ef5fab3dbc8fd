/**
 * Many small flows whose content is checked. `serve ADDRESS PORT` answers each TCP connection and each UDP datagram
 * with the SHA-256 of what came; `load ADDRESS PORT FLOWS` opens FLOWS of either kind, random bytes in random small
 * writes, and prints what became of them. Run by the live tests, inside hosts.
 */
import { createHash, randomBytes, randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { createConnection, createServer, isIPv6 } from "node:net";
import process from "node:process";

const [role, address, port, flows] = process.argv.slice(2);
const UDP = isIPv6(address!) ? "udp6" : "udp4";
const AT_ONCE = 100;
const TRIES = 20;
const WAIT_MS = 1500;

const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();

function serve(): void {
  createServer({ allowHalfOpen: true }, (socket) => {
    const hash = createHash("sha256");
    socket.on("data", (chunk) => hash.update(chunk));
    socket.on("end", () => socket.end(hash.digest()));
    socket.on("error", () => socket.destroy());
  }).listen(Number(port), address, 1024, () => {
    const udp = createSocket(UDP);
    udp.on("message", (bytes, from) => udp.send(digest(bytes), from.port, from.address));
    udp.bind(Number(port), address, () => process.stdout.write("listening\n"));
  });
}

/** One connection: up to 60 KB, written in pieces of up to 3000 bytes, each at once. */
function tcpFlow(): Promise<string> {
  return new Promise((resolve) => {
    const bytes = randomBytes(randomInt(1, 60_000));
    const answer: Buffer[] = [];
    const socket = createConnection({ port: Number(port), host: address!, allowHalfOpen: true }, async () => {
      socket.setNoDelay(true);
      for (let at = 0; at < bytes.length;) {
        const end = Math.min(at + randomInt(1, 3000), bytes.length);
        if (!socket.write(bytes.subarray(at, end))) {
          await new Promise((drained) => socket.once("drain", drained));
        }
        at = end;
      }
      socket.end();
    });
    socket.on("data", (chunk: Buffer) => answer.push(chunk));
    socket.on("error", (error) => resolve(`tcp-${(error as NodeJS.ErrnoException).code}`));
    socket.on("end", () => resolve(Buffer.concat(answer).equals(digest(bytes)) ? "tcp-right" : "tcp-wrong"));
  });
}

/** One socket: a few datagrams, sent again while unanswered; an answer to anything else is wrong. */
async function udpFlow(): Promise<string> {
  const socket = createSocket(UDP);
  const size = randomInt(1, randomInt(4) === 0 ? 9000 : 1300);
  const wanted = new Map<string, Uint8Array>();
  for (let n = randomInt(1, 6); n > 0; n--) {
    const bytes = randomBytes(size);
    wanted.set(digest(bytes).toString("hex"), bytes);
  }
  const all = new Set(wanted.keys());
  let wrong = false;
  const done = new Promise<void>((resolve) =>
    socket.on("message", (bytes) => {
      const hash = bytes.toString("hex");
      if (!all.has(hash)) wrong = true;
      wanted.delete(hash);
      if (wanted.size === 0 || wrong) resolve();
    })
  );
  for (let tries = 0; tries < TRIES && wanted.size > 0 && !wrong; tries++) {
    for (const bytes of wanted.values()) socket.send(bytes, Number(port), address);
    let timer;
    await Promise.race([done, new Promise((resolve) => timer = setTimeout(resolve, WAIT_MS))]);
    clearTimeout(timer);
  }
  socket.close();
  return wrong ? "udp-wrong" : wanted.size > 0 ? "udp-lost" : "udp-right";
}

async function load(): Promise<void> {
  const results: Record<string, number> = {};
  let left = Number(flows);
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left-- > 0) {
      const result = await (left % 2 === 0 ? tcpFlow() : udpFlow());
      results[result] = (results[result] ?? 0) + 1;
    }
  }));
  process.stdout.write(JSON.stringify(results) + "\n");
  process.exit(0);
}

if (role === "serve") serve();
else await load();
