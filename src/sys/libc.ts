/**
 * The C library: the one symbol table, with the prototype beside each entry, and errno.
 * `ssize_t` results are declared i32: no call of ours moves 2 GiB, and Deno would box them as BigInt.
 * Load it explicitly once per thread (`libc()`), never at import.
 */
import { i32Reader, loadLibrary, type NativeFunctions, readCString } from "#ffi";

const SYMBOLS = {
  // int *__errno_location(void)
  __errno_location: { args: [], result: "pointer" },
  // char *strerror(int errnum)
  strerror: { args: ["i32"], result: "pointer" },
  // int open(const char *path, int flags, mode_t mode)
  open: { args: ["buffer", "i32", "u32"], result: "i32" },
  // int close(int fd)
  close: { args: ["i32"], result: "i32" },
  // ssize_t read(int fd, void *buf, size_t count)
  read: { args: ["i32", "buffer", "u64"], result: "i32" },
  // ssize_t write(int fd, const void *buf, size_t count)
  write: { args: ["i32", "buffer", "u64"], result: "i32" },
  // ssize_t writev(int fd, const struct iovec *iov, int iovcnt)
  writev: { args: ["i32", "buffer", "i32"], result: "i32" },
  // int ioctl(int fd, unsigned long request, unsigned long value or address)
  ioctl: { args: ["i32", "u64", "u64"], result: "i32" },
  // int fcntl(int fd, int cmd, int arg)
  fcntl: { args: ["i32", "i32", "i32"], result: "i32" },
  // int flock(int fd, int operation)
  flock: { args: ["i32", "i32"], result: "i32" },
  // int socket(int domain, int type, int protocol)
  socket: { args: ["i32", "i32", "i32"], result: "i32" },
  // int bind(int fd, const struct sockaddr *addr, socklen_t len)
  bind: { args: ["i32", "buffer", "u32"], result: "i32" },
  // int connect(int fd, const struct sockaddr *addr, socklen_t len)
  connect: { args: ["i32", "buffer", "u32"], result: "i32" },
  // int getsockname(int fd, struct sockaddr *addr, socklen_t *len)
  getsockname: { args: ["i32", "buffer", "buffer"], result: "i32" },
  // int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
  setsockopt: { args: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  // int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
  getsockopt: { args: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  // ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to, socklen_t tolen)
  sendto: { args: ["i32", "buffer", "u64", "i32", "buffer", "u32"], result: "i32" },
  // ssize_t recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *fromlen)
  recvfrom: { args: ["i32", "buffer", "u64", "i32", "buffer", "buffer"], result: "i32" },
  // int sendmmsg(int fd, struct mmsghdr *vec, unsigned int vlen, int flags)
  sendmmsg: { args: ["i32", "buffer", "u32", "i32"], result: "i32" },
  // int recvmmsg(int fd, struct mmsghdr *vec, unsigned int vlen, int flags, struct timespec *timeout)
  recvmmsg: { args: ["i32", "buffer", "u32", "i32", "buffer"], result: "i32" },
  // int epoll_create1(int flags)
  epoll_create1: { args: ["i32"], result: "i32" },
  // int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
  epoll_ctl: { args: ["i32", "i32", "i32", "buffer"], result: "i32" },
  // int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)
  epoll_wait: { args: ["i32", "buffer", "i32", "i32"], result: "i32" },
  // int eventfd(unsigned int initval, int flags)
  eventfd: { args: ["u32", "i32"], result: "i32" },
  // int poll(struct pollfd *fds, nfds_t nfds, int timeout)
  poll: { args: ["buffer", "u64", "i32"], result: "i32" },
  // int ppoll(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout, const sigset_t *sigmask)
  ppoll: { args: ["buffer", "u64", "buffer", "buffer"], result: "i32" },
  // int sched_getscheduler(pid_t pid)
  sched_getscheduler: { args: ["i32"], result: "i32" },
  // int sched_setscheduler(pid_t pid, int policy, const struct sched_param *param)
  sched_setscheduler: { args: ["i32", "i32", "buffer"], result: "i32" },
  // int madvise(void *addr, size_t length, int advice)
  madvise: { args: ["u64", "u64", "i32"], result: "i32" },
  // int adjtimex(struct timex *buf)
  adjtimex: { args: ["buffer"], result: "i32" },
  // int unshare(int flags)
  unshare: { args: ["i32"], result: "i32" },
  // int setns(int fd, int nstype)
  setns: { args: ["i32", "i32"], result: "i32" },
} as const;

export type Libc = NativeFunctions<typeof SYMBOLS> & {
  /** errno of this thread; read it right after the call that returned −1. */
  readonly errno: () => number;
  /** The C library's words for an errno. */
  readonly message: (errno: number) => string;
};

let loaded: Libc | null = null;

/** The C library of this thread (each Worker has a module instance of its own). */
export function libc(): Libc {
  if (loaded !== null) return loaded;
  const functions = loadLibrary("libc.so.6", SYMBOLS);
  const errno = i32Reader(functions.__errno_location());
  loaded = { ...functions, errno, message: (code) => readCString(functions.strerror(code)) };
  return loaded;
}

/** A NUL-terminated copy of `text` for a `const char *` parameter. */
export function cString(text: string): Uint8Array {
  const encoded = new TextEncoder().encode(text);
  const bytes = new Uint8Array(new ArrayBuffer(encoded.length + 1));
  bytes.set(encoded);
  return bytes;
}

/** close(2) for a descriptor we own; a second close is a fault of ours and ignored by the kernel. */
export function closeDescriptor(fd: number): void {
  libc().close(fd);
}
