/**
 * A TCP transfer whose content is checked: `serve ADDRESS PORT` receives one connection, `send ADDRESS PORT
 * BYTES [small]` sends pseudo-random bytes; both print how many and their SHA-256. Run by the live tests, inside hosts.
 */
import { createHash } from "node:crypto";
import { createConnection, createServer, type Socket } from "node:net";
import process from "node:process";

const [role, address, port, bytes, small] = process.argv.slice(2);

function report(count: number, digest: string): void {
  process.stdout.write(JSON.stringify({ bytes: count, sha256: digest }) + "\n");
}

function receive(socket: Socket): void {
  const hash = createHash("sha256");
  let count = 0;
  socket.on("data", (chunk) => {
    count += chunk.length;
    hash.update(chunk);
  });
  socket.on("end", () => {
    report(count, hash.digest("hex"));
    socket.end();
  });
}

async function send(socket: Socket, total: number): Promise<void> {
  const hash = createHash("sha256");
  let state = 0x2545f491;
  for (let sent = 0; sent < total;) {
    const words = new Uint32Array(16384);
    for (let i = 0; i < words.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[i] = state;
    }
    const chunk = new Uint8Array(words.buffer).subarray(0, total - sent);
    sent += chunk.length;
    hash.update(chunk);
    for (let at = 0; at < chunk.length;) {
      const end = small === undefined ? chunk.length : at + 1 + Math.floor(Math.random() * 3000);
      if (!socket.write(chunk.subarray(at, end))) {
        await new Promise((resolve) => socket.once("drain", resolve));
      }
      at = end;
    }
  }
  report(total, hash.digest("hex"));
  socket.end();
}

if (role === "serve") {
  const server = createServer((socket) => {
    server.close();
    receive(socket);
  });
  server.listen(Number(port), address, () => process.stdout.write("listening\n"));
} else {
  const socket = createConnection(Number(port), address, () => {
    socket.setNoDelay(small !== undefined);
    void send(socket, Number(bytes));
  });
  socket.resume();
}
