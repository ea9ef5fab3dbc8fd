/**
 * Network namespaces without an external program (network_namespaces(7), setns(2)). A namespace lives as long
 * as a descriptor, a process or a thread of it does, so nothing is left behind on the host: no name in
 * /run/netns, nothing to clean up after a crash. setns changes the calling thread only, hence two rules:
 * use these on the main thread, and do nothing asynchronous inside `inNamespace` but start processes and
 * Workers, which are born in it. /sys is still the old mount there: ask rtnetlink, not /sys/class/net.
 * A thread that the runtime itself happens to start inside (Bun: one of its compiler) is born there too; it
 * touches no network, but keeps the namespace alive until the process ends: delete the interfaces you want gone.
 */

import { cString, libc } from "./libc.ts";
import { openHostNetwork } from "./host_network.ts";
import { EPERM, SysError } from "../ports/sys_error.ts";
import { check, failed } from "./failed.ts";
import { O_CLOEXEC, O_RDONLY } from "./linux.ts";

const CLONE_NEWNET = 0x40000000;
const OWN = "/proc/thread-self/ns/net";

/** A network namespace, held by a descriptor that is not inherited by child processes. */
export interface Namespace {
  /** For setns(2) and IFLA_NET_NS_FD; −1 once closed. */
  readonly fd: number;
  /** Lets go of it; it ends with the last process and descriptor in it. Closing twice is harmless. */
  close(): void;
}

/** A new namespace with its loopback link up; the calling thread stays where it is. Throws SysError. */
export function createNamespace(): Namespace {
  return away(() => {
    const result = libc().unshare(CLONE_NEWNET);
    if (result !== 0) throw refused("Cannot make a network namespace");
    const namespace = currentNamespace();
    try {
      raiseLoopback();
    } catch (error) {
      namespace.close();
      throw error;
    }
    return namespace;
  });
}

/** The namespace of the calling thread. Throws SysError. */
function currentNamespace(): Namespace {
  let fd = openOwn();
  return {
    get fd() {
      return fd;
    },
    close() {
      if (fd >= 0) libc().close(fd);
      fd = -1;
    },
  };
}

/**
 * Runs `fn` with the calling thread in `namespace` and comes back, also when `fn` throws. Processes started by
 * node:child_process inside are born there (tried in both runtimes: they fork on the calling thread).
 * Throws SysError, and TypeError for a closed namespace or an asynchronous `fn`, whose rest would run outside.
 */
export function inNamespace<T>(namespace: Namespace, fn: () => T): T {
  if (namespace.fd < 0) throw new TypeError("This namespace is closed");
  return away(() => {
    if (libc().setns(namespace.fd, CLONE_NEWNET) !== 0) throw refused("Cannot enter a network namespace");
    const result = fn();
    if (result instanceof Promise) throw new TypeError("inNamespace() takes a synchronous function");
    return result;
  });
}

// Runs `fn`, which may change the thread's namespace, and returns to where the thread was.
function away<T>(fn: () => T): T {
  const home = openOwn();
  try {
    return fn();
  } finally {
    const result = libc().setns(home, CLONE_NEWNET);
    const errno = result === 0 ? 0 : libc().errno();
    libc().close(home);
    // deno-lint-ignore no-unsafe-finally -- a thread in the wrong namespace outweighs whatever `fn` threw
    if (errno !== 0) throw failed("Cannot return to the network namespace of this thread", errno);
  }
}

function openOwn(): number {
  return check(`Cannot open "${OWN}"`, libc().open(cString(OWN), O_RDONLY | O_CLOEXEC, 0));
}

function refused(op: string): SysError {
  const errno = libc().errno();
  return failed(op, errno, errno === EPERM ? "run as root or grant CAP_SYS_ADMIN" : "");
}

function raiseLoopback(): void {
  const net = openHostNetwork();
  try {
    const loopback = net.interfaces().find((iface) => iface.loopback);
    if (loopback !== undefined) net.setInterface(loopback.index, { up: true });
  } finally {
    net.close();
  }
}
