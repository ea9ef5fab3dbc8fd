/**
 * Which process listens at a Unix socket (SO_PEERCRED, unix(7)), as a pid of our own pid namespace: what a daemon in a
 * container calls its pid is another process here.
 */
import { closeDescriptor, libc } from "./libc.ts";
import { encodeSockaddrUn } from "./notify.ts";
import { AF_UNIX } from "./sockaddr.ts";
import { SO_PEERCRED, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM, SOL_SOCKET } from "./linux.ts";

/** struct ucred { pid_t pid; uid_t uid; gid_t gid; } */
const UCRED_LEN = 12;

/** The pid, or null: no process listens, or it is of a pid namespace that we do not see into. */
export function listenerPid(path: string): number | null {
  const address = encodeSockaddrUn(path);
  const c = libc();
  const fd = address === null ? -1 : c.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (address === null || fd < 0) return null;
  try {
    if (c.connect(fd, address, address.length) < 0) return null;
    const ucred = new Uint8Array(new ArrayBuffer(UCRED_LEN));
    const length = new Uint8Array(new ArrayBuffer(4));
    new DataView(length.buffer).setUint32(0, UCRED_LEN, true);
    if (c.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ucred, length) < 0) return null;
    const pid = new DataView(ucred.buffer).getInt32(0, true);
    return pid > 0 ? pid : null; // 0: the kernel has no number for it here
  } finally {
    closeDescriptor(fd);
  }
}
