/**
 * A name that one process of a network namespace has: an abstract Unix address (unix(7)), which needs no file and goes
 * with its process. It stands for a lock whose file can be deleted.
 */
import type { HeldName } from "../ports/locks.ts";
import { closeDescriptor, libc } from "./libc.ts";
import { encodeSockaddrUn } from "./notify.ts";
import { AF_UNIX } from "./sockaddr.ts";
import { EADDRINUSE, ECONNREFUSED } from "../ports/sys_error.ts";
import { failed } from "./failed.ts";
import { SOCK_CLOEXEC, SOCK_DGRAM } from "./linux.ts";

/** Takes `name`, at most 100 characters. Null when another process has it. Throws SysError. */
export function acquireName(name: string): HeldName | null {
  const { fd, address } = openFor(name);
  const c = libc();
  if (c.bind(fd, address, address.length) < 0) {
    const errno = c.errno();
    c.close(fd);
    if (errno === EADDRINUSE) return null;
    throw failed(`Cannot take the name ${JSON.stringify(name)}`, errno);
  }
  let open = true;
  return {
    release() {
      if (open) c.close(fd);
      open = false;
    },
  };
}

/**
 * Whether a process has `name`. Asking does not take it from a process that wants it at the same moment. Throws
 * SysError.
 */
export function isNameHeld(name: string): boolean {
  const { fd, address } = openFor(name);
  const c = libc();
  try {
    if (c.connect(fd, address, address.length) === 0) return true;
    const errno = c.errno();
    if (errno === ECONNREFUSED) return false;
    throw failed(`Cannot look for the name ${JSON.stringify(name)}`, errno);
  } finally {
    closeDescriptor(fd);
  }
}

function openFor(name: string): { readonly fd: number; readonly address: Uint8Array } {
  const address = encodeSockaddrUn(`@${name}`);
  if (address === null) throw new RangeError(`Too long for a name: ${JSON.stringify(name)}`);
  const c = libc();
  const fd = c.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) throw failed("Cannot make a Unix socket", c.errno());
  return { fd, address };
}
