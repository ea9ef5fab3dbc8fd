/** Failed system calls as errors a person can act on: what was tried, the errno's name, the kernel's words. */
import { constants } from "node:os";
import { libc } from "./libc.ts";

const NAMES = new Map<number, string>();
for (const [name, code] of Object.entries(constants.errno)) {
  if (!NAMES.has(code) || name === "EAGAIN" || name === "EOPNOTSUPP") NAMES.set(code, name);
}

export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const EAGAIN = 11;
export const EACCES = 13;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENODEV = 19;
export const EINVAL = 22;
export const EBADFD = 77;
export const ENOTTY = 25;
export const EMSGSIZE = 90;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ENETDOWN = 100;
export const ENETUNREACH = 101;
export const ENOBUFS = 105;
export const ECONNREFUSED = 111;
export const EHOSTUNREACH = 113;
export const EAFNOSUPPORT = 97;
export const ENOTSUP = 95;

/**
 * Whether a send that names its source may have failed because that address is no longer one of this host: over IPv4
 * ENETUNREACH although there is a route, over IPv6 EINVAL.
 */
export function isSourceGone(errno: number): boolean {
  return errno === ENETUNREACH || errno === EINVAL || errno === EADDRNOTAVAIL || errno === EHOSTUNREACH;
}

/** `EADDRINUSE` for 98; `errno 4711` for a number no header names. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`;
}

/** A system call that failed. `op` says what was tried, `detail` overrides the C library's words. */
export class SysError extends Error {
  readonly op: string;
  readonly errno: number;
  readonly code: string;
  readonly detail: string;

  constructor(op: string, errno: number, detail: string = libc().message(errno), hint = "") {
    super(`${op}: ${errnoName(errno)}, ${detail}${hint === "" ? "" : ` (${hint})`}`);
    this.name = "SysError";
    this.op = op;
    this.errno = errno;
    this.code = errnoName(errno);
    this.detail = detail;
  }
}

/** Passes a non-negative result through; throws `SysError` for −1 with the errno of this thread. */
export function check(op: string, result: number, hint = ""): number {
  if (result >= 0) return result;
  throw new SysError(op, libc().errno(), undefined, hint);
}
