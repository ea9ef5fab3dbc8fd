/**
 * What the kernel refuses, as the caller sees it: errnos by number and name (asm-generic/errno.h), and a failed
 * system call as an error that a person can act on.
 */

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
export const EROFS = 30;
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

/** From 1 on; "-": there is none. */
const NAMES = (
  "EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY " +
  "EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK " +
  "EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP - ENOMSG EIDRM ECHRNG EL2NSYNC " +
  "EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT - EBFONT ENOSTR " +
  "ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG " +
  "EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE " +
  "EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP " +
  "EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED " +
  "ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH " +
  "EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE " +
  "ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON"
).split(" ");

/** `EADDRINUSE` for 98; `errno 4711` for a number no header names. */
export function errnoName(errno: number): string {
  const name = NAMES[errno - 1] ?? "-";
  return name === "-" ? `errno ${errno}` : name;
}

/** 98 for `EADDRINUSE`; null for a name that no header has. */
export function errnoOf(name: string): number | null {
  const at = NAMES.indexOf(name);
  return at < 0 ? null : at + 1;
}

/** A system call that failed. `op` says what was tried, `detail` are the kernel's own words, `hint` what to do. */
export class SysError extends Error {
  readonly op: string;
  readonly errno: number;
  readonly code: string;
  readonly detail: string;

  constructor(op: string, errno: number, detail: string, hint = "") {
    super(`${op}: ${errnoName(errno)}, ${detail}${hint === "" ? "" : ` (${hint})`}`);
    this.name = "SysError";
    this.op = op;
    this.errno = errno;
    this.code = errnoName(errno);
    this.detail = detail;
  }
}
