/**
 * The daemon's end of the control socket. The socket is made in a directory only we can enter, gets mode 0600 there,
 * and is then linked to its public name: at no moment can a stranger connect. A dead daemon's socket is replaced, a
 * live one's never. Requests come from strangers with the right to open the socket: bounded in size, number and
 * time, answered with an error when malformed.
 */
import { Buffer } from "node:buffer";
import { chmodSync, linkSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { callApi, NoDaemonError } from "./client.ts";
import type { Handlers, Served } from "../ports/machine.ts";
import { MAX_REQUEST_BYTES } from "./schema.ts";

const MAX_CONNECTIONS = 32;
const IDLE_MS = 60_000;
const PROBE_MS = 2000;
/** Time the last answers have to leave when the daemon stops. */
const LINGER_MS = 200;

/** A server, and what its socket is known by at its path. */
interface Published {
  readonly server: Server;
  readonly dev: number;
  readonly ino: number;
}

/** Serves `handlers` at socket `path`; makes its directory when missing. Throws when another daemon is there. */
export async function serveApi(path: string, handlers: Handlers): Promise<Served> {
  const sockets = new Set<Socket>(); // BOUNDED: ≤ MAX_CONNECTIONS
  const serve = async (): Promise<Published> => {
    makeRunDirectory(dirname(path));
    await removeStale(path);
    return await publish(listener((socket) => admit(socket, sockets, handlers)), path);
  };
  let published = await serve();
  let closed = false;
  return {
    async restore() {
      if (closed || isPublished(published, path)) return false;
      const former = published.server;
      published = await serve();
      former.close();
      if (closed) await closeServer(published, sockets, path); // told to end meanwhile
      return true;
    },
    async close() {
      closed = true;
      await closeServer(published, sockets, path);
    },
  };
}

// Whoever closes its end behind its question is answered, too.
function listener(admit: (socket: Socket) => void): Server {
  return createServer({ allowHalfOpen: true }, admit);
}

function admit(socket: Socket, sockets: Set<Socket>, handlers: Handlers): void {
  if (sockets.size >= MAX_CONNECTIONS) {
    socket.on("error", () => {});
    socket.setTimeout(LINGER_MS, () => socket.destroy());
    socket.end(answer(null, { error: "Too many connections; try again" }));
    return;
  }
  sockets.add(socket);
  socket.on("close", () => sockets.delete(socket));
  serveConnection(socket, handlers);
}

function isPublished({ dev, ino }: Published, path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.dev === dev && found.ino === ino;
}

/** Makes the run directory. True when it was not there. Throws a sentence. */
export function makeRunDirectory(path: string): boolean {
  try {
    return mkdirSync(path, { recursive: true, mode: 0o755 }) !== undefined;
  } catch (cause) {
    const reason = (cause as { code?: string }).code ?? String(cause);
    const hint = reason === "EEXIST" || reason === "ENOTDIR" ? "a file is in its place" : "run as root";
    throw new Error(
      `Cannot create the run directory ${
        JSON.stringify(path)
      }: ${reason} (${hint}, or choose another --run-dir)`,
      { cause },
    );
  }
}

async function removeStale(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  const quoted = JSON.stringify(path);
  if (!found.isSocket()) {
    throw new Error(`${quoted} exists and is not a socket; remove it or choose another --run-dir`);
  }
  try {
    const { pid } = await callApi(path, "version", {}, { timeoutMs: PROBE_MS });
    throw new AnotherDaemon(path, String(pid));
  } catch (error) {
    if (error instanceof NoDaemonError) return rmSync(path, { force: true });
    if (error instanceof AnotherDaemon) throw error;
    throw new AnotherDaemon(path, "unknown"); // it is held, even if the answer is odd or late
  }
}

class AnotherDaemon extends Error {
  constructor(path: string, pid: string) {
    super(
      `Another ovltun daemon (pid ${pid}) is serving ${JSON.stringify(path)}; stop it with ovltun down or ` +
        "use another --run-dir",
    );
    this.name = "AnotherDaemon";
  }
}

/** Listens at `path`, which must be free, without a moment in which others may connect. */
async function publish(server: Server, path: string): Promise<Published> {
  // No longer than the public path, whose length was checked against sockaddr_un.
  const hidden = join(dirname(path), `.${process.pid.toString(36)}`);
  const socketPath = join(hidden, "s");
  rmSync(hidden, { recursive: true, force: true });
  mkdirSync(hidden, { mode: 0o700 });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(socketPath, () => resolve());
    });
    chmodSync(socketPath, 0o600);
    linkSync(socketPath, path);
    const { dev, ino } = lstatSync(path);
    return { server, dev, ino };
  } catch (cause) {
    server.close();
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(
      `Cannot serve ${JSON.stringify(basename(path))} in ${JSON.stringify(dirname(path))}: ${reason}`,
      {
        cause,
      },
    );
  } finally {
    rmSync(hidden, { recursive: true, force: true });
  }
}

async function closeServer(published: Published, sockets: Set<Socket>, path: string): Promise<void> {
  if (isPublished(published, path)) rmSync(path, { force: true }); // not one that another process put there since
  const closed = new Promise<void>((resolve) => published.server.close(() => resolve()));
  for (const socket of sockets) socket.end();
  const timer = setTimeout(() => sockets.forEach((socket) => socket.destroy()), LINGER_MS);
  await Promise.race([closed, new Promise<void>((resolve) => setTimeout(resolve, 2 * LINGER_MS))]);
  clearTimeout(timer);
}

/** Reads requests line by line and answers them in order; never throws. */
async function serveConnection(socket: Socket, handlers: Handlers): Promise<void> {
  socket.on("error", () => socket.destroy());
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  const gone = goneSignal(socket);
  let pending: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of socket) {
      pending = pending.length === 0 ? chunk as Buffer : Buffer.concat([pending, chunk as Buffer]);
      for (let end = pending.indexOf(10); end >= 0; end = pending.indexOf(10)) {
        if (end > MAX_REQUEST_BYTES) break;
        const line = pending.subarray(0, end).toString("utf8");
        pending = pending.subarray(end + 1);
        // A client that does not read its answers gets no more.
        if (!socket.write(await handleLine(line, handlers, gone))) await drained(socket);
      }
      if (pending.length > MAX_REQUEST_BYTES) {
        socket.end(answer(null, { error: `A request is limited to ${MAX_REQUEST_BYTES} bytes` }));
        return;
      }
    }
    socket.end();
  } catch {
    socket.destroy();
  }
}

/** Tells that the other side has closed, also while an answer is being made and nothing is read. */
function goneSignal(socket: Socket): AbortSignal {
  const gone = new AbortController();
  // A stream is "readable" with nothing to read when it has come to its end.
  socket.on("readable", () => {
    if (socket.readableLength === 0) gone.abort();
  });
  socket.on("close", () => gone.abort());
  return gone.signal;
}

/** Resolves when what was written has left, or the connection has ended. */
function drained(socket: Socket): Promise<void> {
  if (socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      socket.off("drain", done);
      socket.off("close", done);
      resolve();
    };
    socket.on("drain", done);
    socket.on("close", done);
  });
}

async function handleLine(line: string, handlers: Handlers, gone: AbortSignal): Promise<string> {
  let request: unknown;
  try {
    request = JSON.parse(line);
  } catch {
    return answer(null, { error: "The request is not JSON" });
  }
  if (typeof request !== "object" || request === null) {
    return answer(null, { error: "The request is not an object" });
  }
  const { id, method, params } = request as { id?: unknown; method?: unknown; params?: unknown };
  const name = typeof method === "string" ? method : "";
  const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined;
  if (handler === undefined) {
    return answer(id, {
      error: `Unknown method ${JSON.stringify(method)?.slice(0, 64)} (is the daemon older?)`,
    });
  }
  if (params !== undefined && (typeof params !== "object" || params === null || Array.isArray(params))) {
    return answer(id, { error: "params must be an object" });
  }
  try {
    return answer(id, { result: await handler((params ?? {}) as Record<string, unknown>, gone) ?? null });
  } catch (error) {
    return answer(id, { error: error instanceof Error ? error.message : String(error) });
  }
}

function answer(id: unknown, body: { result: unknown } | { error: string }): string {
  const echoed = typeof id === "number" || typeof id === "string" ? id : null;
  return `${JSON.stringify({ id: echoed, ...body })}\n`;
}
