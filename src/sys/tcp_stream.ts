/**
 * Blocking TCP over the C library: what a throughput measurement needs, at the speed of the kernel instead of
 * that of an event loop. socket(7), tcp(7). For a process of its own: a blocked call runs no timers.
 */
import { loadLibrary } from "#ffi";
import { ipVersion, parseEndpoint } from "../wire/address.ts";
import { putU32le, putU64le } from "../wire/bytes.ts";
import { libc } from "./libc.ts";
import { AF_INET, AF_INET6, encodeSockaddr, SOCKADDR_ROOM, sockaddrLength } from "./sockaddr.ts";
import { EINTR } from "../ports/sys_error.ts";
import { check, failed } from "./failed.ts";
import {
  MSG_NOSIGNAL,
  SO_RCVTIMEO,
  SO_REUSEADDR,
  SO_SNDTIMEO,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SOL_SOCKET,
} from "./linux.ts";

/** A listening or connected socket; closeTcp() ends it. */
export interface TcpSocket {
  readonly fd: number;
  readonly family: 4 | 6;
}

function bindings() {
  return loadLibrary("libc.so.6", {
    // int listen(int fd, int backlog)
    listen: { args: ["i32", "i32"], result: "i32" },
    // int accept(int fd, struct sockaddr *addr, socklen_t *len)
    accept: { args: ["i32", "buffer", "buffer"], result: "i32" },
  });
}

function setTimeouts(fd: number, timeoutMs: number): void {
  // struct timeval { time_t tv_sec; suseconds_t tv_usec; }, also the timeout of accept and connect.
  const timeval = new Uint8Array(new ArrayBuffer(16));
  putU64le(timeval, 0, Math.floor(timeoutMs / 1000));
  putU64le(timeval, 8, (timeoutMs % 1000) * 1000);
  check("Cannot set a receive timeout", libc().setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, timeval, 16));
  check("Cannot set a send timeout", libc().setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, timeval, 16));
}

function open(endpoint: string, timeoutMs: number): { socket: TcpSocket; name: Uint8Array } {
  const parsed = parseEndpoint(endpoint);
  if (parsed === null) throw new TypeError(`Expected an endpoint like "10.0.0.1:5201", not "${endpoint}"`);
  const family = ipVersion(endpoint);
  const name = new Uint8Array(new ArrayBuffer(SOCKADDR_ROOM));
  encodeSockaddr(name, 0, family, parsed);
  const fd = libc().socket(family === 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check("Cannot open a TCP socket", fd);
  setTimeouts(fd, timeoutMs);
  return { socket: { fd, family }, name };
}

/** Listens on "address:port". */
export function listenTcp(endpoint: string, timeoutMs: number): TcpSocket {
  const { socket, name } = open(endpoint, timeoutMs);
  const one = new Uint8Array(new ArrayBuffer(4));
  putU32le(one, 0, 1);
  libc().setsockopt(socket.fd, SOL_SOCKET, SO_REUSEADDR, one, 4);
  check(`Cannot bind TCP ${endpoint}`, libc().bind(socket.fd, name, sockaddrLength(socket.family)));
  check(`Cannot listen on TCP ${endpoint}`, bindings().listen(socket.fd, 8));
  return socket;
}

/** Waits for one connection, at most the listener's timeout. */
export function acceptTcp(listener: TcpSocket, timeoutMs: number): TcpSocket {
  const fd = check("Cannot accept a TCP connection", bindings().accept(listener.fd, null, null));
  setTimeouts(fd, timeoutMs);
  return { fd, family: listener.family };
}

/** Connects to "address:port". */
export function connectTcp(endpoint: string, timeoutMs: number): TcpSocket {
  const { socket, name } = open(endpoint, timeoutMs);
  const result = libc().connect(socket.fd, name, sockaddrLength(socket.family));
  if (result < 0) {
    const errno = libc().errno();
    libc().close(socket.fd);
    throw failed(`Cannot connect to TCP ${endpoint}`, errno);
  }
  return socket;
}

/** Sends from `bytes` (a view over an ArrayBuffer of its own). Returns how many went; throws SysError. */
export function sendTcp(socket: TcpSocket, bytes: Uint8Array): number {
  for (;;) {
    const sent = libc().sendto(socket.fd, bytes, bytes.length, MSG_NOSIGNAL, null, 0);
    if (sent >= 0) return sent;
    if (libc().errno() !== EINTR) throw failed("Cannot send over TCP", libc().errno());
  }
}

/** Receives into `bytes` (a view over an ArrayBuffer of its own). Returns 0 at the end; throws SysError. */
export function receiveTcp(socket: TcpSocket, bytes: Uint8Array): number {
  for (;;) {
    const received = libc().recvfrom(socket.fd, bytes, bytes.length, 0, null, null);
    if (received >= 0) return received;
    if (libc().errno() !== EINTR) throw failed("Cannot receive over TCP", libc().errno());
  }
}

export function closeTcp(socket: TcpSocket): void {
  libc().close(socket.fd);
}
