/**
 * Readiness for systemd (sd_notify(3)): one datagram to the Unix socket named by NOTIFY_SOCKET. A leading "@" is an
 * abstract name, whose sockaddr_un starts with a zero byte (unix(7)). Never fails loudly: a supervisor that went
 * away must not stop a daemon.
 */
import process from "node:process";
import { libc } from "./libc.ts";
import { AF_UNIX } from "./sockaddr.ts";
import { SOCK_CLOEXEC, SOCK_DGRAM } from "./linux.ts";

const PATH_AT = 2;
const SOCKADDR_UN_LEN = 110;

/** Tells systemd that the daemon is up. False when not asked to, or when the message could not be sent. */
export function notifyReady(): boolean {
  return notify("READY=1");
}

/** Tells systemd that the daemon is about to stop. */
export function notifyStopping(): boolean {
  return notify("STOPPING=1");
}

/** Sends `state` ("READY=1", "STATUS=…") to the supervisor. */
function notify(state: string): boolean {
  const name = process.env["NOTIFY_SOCKET"] ?? "";
  if (!name.startsWith("/") && !name.startsWith("@")) return false;
  const address = encodeSockaddrUn(name);
  if (address === null) return false;
  const c = libc();
  const fd = c.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const text = new TextEncoder().encode(state);
  const message = new Uint8Array(new ArrayBuffer(text.length));
  message.set(text);
  const sent = c.sendto(fd, message, message.length, 0, address, address.length);
  c.close(fd);
  return sent === message.length;
}

/** sockaddr_un of just the length the name needs; null when it does not fit. */
export function encodeSockaddrUn(name: string): Uint8Array | null {
  const path = new TextEncoder().encode(name);
  const abstract = name.startsWith("@");
  const length = PATH_AT + path.length + (abstract ? 0 : 1);
  if (length > SOCKADDR_UN_LEN) return null;
  const address = new Uint8Array(new ArrayBuffer(length));
  address[0] = AF_UNIX;
  address.set(path, PATH_AT);
  if (abstract) address[PATH_AT] = 0;
  return address;
}
