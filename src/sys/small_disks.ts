/**
 * Small disks of their own for the lab's hosts: tmpfs(5) in a mount namespace (mount_namespaces(7)) that only the calling
 * thread and the processes it starts from now on are in. Nobody else sees them, and the kernel takes them away with the
 * last of these processes, however that ends. The files in them are reached by synchronous calls of this thread only:
 * the runtimes' other threads, which perform asynchronous ones, stay outside.
 */
import { loadLibrary } from "#ffi";
import { EPERM } from "../ports/sys_error.ts";
import { check, failed } from "./failed.ts";
import { cString, libc } from "./libc.ts";

// unshare(2), mount(2), umount(2); linux/sched.h, linux/mount.h.
const CLONE_NEWNS = 0x00020000;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_REC = 0x4000;
const MS_PRIVATE = 1 << 18;
const MNT_DETACH = 2;

function bindings() {
  return loadLibrary("libc.so.6", {
    // int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)
    mount: { args: ["buffer", "buffer", "buffer", "u64", "buffer"], result: "i32" },
    // int umount2(const char *target, int flags)
    umount2: { args: ["buffer", "i32"], result: "i32" },
  });
}

let bound: ReturnType<typeof bindings> | null = null;

/** Takes the calling thread, for good, into a mount namespace of its own. Throws SysError. */
export function leaveMounts(): void {
  if (libc().unshare(CLONE_NEWNS) !== 0) {
    const errno = libc().errno();
    const hint = errno === EPERM ? "run as root or grant CAP_SYS_ADMIN" : "";
    throw failed("Cannot make a mount namespace", errno, hint);
  }
  // Else what is mounted here would appear outside, too.
  mount("none", "/", "none", MS_REC | MS_PRIVATE, "");
}

/** Mounts an empty disk of `bytes` on an existing directory. Call `leaveMounts` before. Throws SysError. */
export function mountSmallDisk(path: string, bytes: number): void {
  mount("ovltun-lab", path, "tmpfs", MS_NOSUID | MS_NODEV, `size=${bytes},mode=0700`);
}

/** Takes the disk away, with all that is on it, also while something uses it. Throws SysError. */
export function unmountSmallDisk(path: string): void {
  check(`Cannot unmount "${path}"`, (bound ??= bindings()).umount2(cString(path), MNT_DETACH));
}

function mount(source: string, target: string, type: string, flags: number, data: string): void {
  bound ??= bindings();
  const result = bound.mount(cString(source), cString(target), cString(type), flags, cString(data));
  check(`Cannot mount on "${target}"`, result);
}
