/**
 * epoll(7) and eventfd(2): how the data-plane Worker sleeps, and how any thread wakes it.
 * struct epoll_event is packed on x86-64 only: 12 bytes there, 16 elsewhere.
 */
import { arch } from "node:process";
import { putU32le, u32le } from "../wire/bytes.ts";
import { libc } from "./libc.ts";
import { EINTR } from "../ports/sys_error.ts";
import { check, failed } from "./failed.ts";

const EPOLLIN = 1;
const EPOLLET = 2 ** 31;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CLOEXEC = 0x80000;
const EFD_CLOEXEC = 0x80000;
const EFD_NONBLOCK = 0x800;
const EVENT_LEN = arch === "x64" ? 12 : 16;
const DATA_AT = arch === "x64" ? 4 : 8;
const MAX_EVENTS = 8;
const POLLFD_EVENTS_AT = 4;
const NANOSECONDS_AT = 8;

/** A set of descriptors waited on for reading, level-triggered unless it is said. */
export class Epoll {
  readonly #libc = libc();
  readonly #fd = check("Cannot create an epoll set", libc().epoll_create1(EPOLL_CLOEXEC));
  /** struct pollfd: | fd 4 | events 2 | revents 2 |; struct timespec: | seconds 8 | nanoseconds 8 |. */
  readonly #pollfd = new Uint8Array(new ArrayBuffer(8));
  readonly #timespec = new Uint8Array(new ArrayBuffer(16));
  readonly #events = new Uint8Array(new ArrayBuffer(MAX_EVENTS * EVENT_LEN));

  add(fd: number): void {
    this.#control(EPOLL_CTL_ADD, fd);
  }

  /** It is ready once each time that more comes, whether or not what was there is read: another thread reads it. */
  addEdge(fd: number): void {
    this.#control(EPOLL_CTL_ADD, fd, EPOLLIN + EPOLLET);
  }

  remove(fd: number): void {
    this.#control(EPOLL_CTL_DEL, fd);
  }

  #control(operation: number, fd: number, events = EPOLLIN): void {
    const event = new Uint8Array(new ArrayBuffer(EVENT_LEN));
    putU32le(event, 0, events);
    putU32le(event, DATA_AT, fd);
    check(`Cannot watch descriptor ${fd}`, this.#libc.epoll_ctl(this.#fd, operation, fd, event));
  }

  /** Waits until something is readable or `timeoutMs` passed (−1: for ever). Returns how many are ready. */
  wait(timeoutMs: number): number {
    const count = this.#libc.epoll_wait(this.#fd, this.#events, MAX_EVENTS, timeoutMs);
    if (count >= 0) return count;
    const errno = this.#libc.errno();
    if (errno === EINTR) return 0;
    throw failed("Cannot wait for packets", errno);
  }

  /** The same for less than a millisecond, 0 < `microseconds` < 10^6. Timers of a process come up to 50 µs late. */
  waitBriefly(microseconds: number): number {
    putU32le(this.#pollfd, 0, this.#fd);
    putU32le(this.#pollfd, POLLFD_EVENTS_AT, EPOLLIN);
    putU32le(this.#timespec, NANOSECONDS_AT, microseconds * 1000);
    const happened = this.#libc.ppoll(this.#pollfd, 1, this.#timespec, null);
    if (happened > 0) return this.wait(0);
    if (happened === 0) return 0;
    const errno = this.#libc.errno();
    if (errno === EINTR) return 0;
    throw failed("Cannot wait for packets", errno);
  }

  /** The descriptor of ready event `i`. */
  ready(i: number): number {
    return u32le(this.#events, i * EVENT_LEN + DATA_AT);
  }

  close(): void {
    this.#libc.close(this.#fd);
  }
}

/** A counter in the kernel that one thread raises and another waits for. */
export class EventFd {
  readonly fd: number;
  readonly #word = new Uint8Array(new ArrayBuffer(8));

  /** Without a descriptor a new one is made; with one, another thread's is shared. */
  constructor(fd = check("Cannot create an eventfd", libc().eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))) {
    this.fd = fd;
  }

  /** Wakes the waiting thread. A full counter wakes too, so EAGAIN is no failure. */
  signal(): void {
    this.#word.fill(0);
    this.#word[0] = 1;
    libc().write(this.fd, this.#word, 8);
  }

  /** Takes the signal back, so that the descriptor is not readable until the next one. */
  clear(): void {
    libc().read(this.fd, this.#word, 8);
  }

  close(): void {
    libc().close(this.fd);
  }
}
