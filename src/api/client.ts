/**
 * The near end of the control socket: one request, one answer, one connection. Failures are sentences for people:
 * no daemon, no permission, no answer in time, or what the daemon itself says.
 */
import { connect, type Socket } from "node:net";
import { Buffer } from "node:buffer";
import type { ApiMethod, ApiMethods } from "./schema.ts";

export const DEFAULT_TIMEOUT_MS = 5000;

/** The daemon answered, and its answer is a refusal. */
export class ApiError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ApiError";
  }
}

/** No daemon listens at the socket. */
export class NoDaemonError extends Error {
  readonly path: string;

  constructor(path: string) {
    super(`No ovltun daemon is running at ${JSON.stringify(path)} (start one with: ovltun up)`);
    this.name = "NoDaemonError";
    this.path = path;
  }
}

/** The daemon took the connection and closed it without an answer: it is ending. */
export class HungUpError extends Error {
  constructor(path: string, cause?: Error) {
    super(`The daemon at ${JSON.stringify(path)} closed the connection without an answer`, { cause });
    this.name = "HungUpError";
  }
}

/** Asks the daemon at socket `path`. Throws NoDaemonError, HungUpError, ApiError or Error, each fit to be shown. */
export async function callApi<M extends ApiMethod>(
  path: string,
  method: M,
  params: ApiMethods[M]["params"],
  options: { readonly timeoutMs?: number } = {},
): Promise<ApiMethods[M]["result"]> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const line = await exchange(path, `${JSON.stringify({ id: 1, method, params })}\n`, timeoutMs);
  return readAnswer(path, line) as ApiMethods[M]["result"];
}

function readAnswer(path: string, line: string): unknown {
  let answer: unknown;
  try {
    answer = JSON.parse(line);
  } catch {
    answer = null;
  }
  if (typeof answer !== "object" || answer === null) {
    throw new Error(`The server at ${JSON.stringify(path)} is not an ovltun daemon`);
  }
  const { result, error } = answer as { result?: unknown; error?: unknown };
  if (error !== undefined) throw new ApiError(String(error));
  return result;
}

/** Sends `request` and gives the first line that comes back. */
function exchange(path: string, request: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket: Socket = connect({ path });
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      socket.destroy();
      settle();
    };
    const timer = setTimeout(() => {
      const seconds = timeoutMs / 1000;
      finish(() =>
        reject(new Error(`The daemon at ${JSON.stringify(path)} did not answer within ${seconds} s`))
      );
    }, timeoutMs);
    socket.on("connect", () => socket.write(request));
    socket.on("data", (data: Buffer) => {
      chunks.push(data);
      if (!data.includes(10)) return;
      const text = Buffer.concat(chunks).toString("utf8");
      finish(() => resolve(text.slice(0, text.indexOf("\n"))));
    });
    socket.on("error", (cause: Error) => finish(() => reject(connectionError(path, cause))));
    socket.on("close", () => finish(() => reject(new HungUpError(path))));
  });
}

function connectionError(path: string, cause: Error): Error {
  const code = (cause as { code?: string }).code ?? "";
  if (["ENOENT", "ECONNREFUSED", "ENOTSOCK", "ENOTDIR"].includes(code)) return new NoDaemonError(path);
  if (code === "ECONNRESET" || code === "EPIPE") return new HungUpError(path, cause);
  if (code === "EACCES" || code === "EPERM") {
    return new Error(`Cannot open ${JSON.stringify(path)}: ${code} (run as root, like the daemon)`, {
      cause,
    });
  }
  return new Error(`Cannot talk to the daemon at ${JSON.stringify(path)}: ${cause.message}`, { cause });
}
