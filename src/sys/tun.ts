/**
 * The TUN device (linux/if_tun.h, Documentation/networking/tuntap.rst). Opened with IFF_VNET_HDR, so that
 * every packet travels behind a virtio_net_hdr and the offloads need no other device; no offload is asked
 * for yet: the kernel hands over whole, checksummed packets of at most the device's MTU.
 * The device lives as long as its descriptor: a process that dies takes it along.
 */
import { addressOf } from "#ffi";
import { HEADROOM, type PacketPool, SLOT_CAPACITY, SLOT_LENGTH, type TunDevice, VNET_LEN } from "../ports.ts";
import { cString, libc } from "./libc.ts";
import {
  EACCES,
  EAGAIN,
  EBADFD,
  EBUSY,
  EINTR,
  ENODEV,
  ENOENT,
  ENOTTY,
  ENXIO,
  EPERM,
  SysError,
} from "./sys_error.ts";

const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const IFF_TUN_EXCL = 0x8000;
const FLAGS = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL;
const IFREQ_LEN = 40;
const IFREQ_FLAGS_AT = 16;
const O_RDWR = 2;
const O_NONBLOCK = 0x800;
const O_CLOEXEC = 0x80000;

/** A TUN device created by this process. */
export interface OpenedTun {
  readonly fd: number;
  readonly name: string;
}

function hint(errno: number, name: string): string {
  if (errno === EPERM || errno === EACCES) return "run as root or grant CAP_NET_ADMIN";
  if (errno === ENOENT || errno === ENODEV || errno === ENXIO) {
    return "this kernel offers no TUN; load it with modprobe tun, or give the container /dev/net/tun";
  }
  if (errno === EBUSY) {
    return `there is a device "${name}" already; stop what holds it, delete it, or choose another --device`;
  }
  if (errno === ENOTTY) return '"/dev/net/tun" is no TUN; make it again: mknod /dev/net/tun c 10 200';
  return "";
}

/**
 * Creates the TUN device `name` (at most 15 bytes) in this thread's network namespace. One that exists is somebody
 * else's, also when it waits for an owner. Throws SysError.
 */
export function openTun(name: string, path = "/dev/net/tun"): OpenedTun {
  const c = libc();
  const fd = c.open(cString(path), O_RDWR | O_NONBLOCK | O_CLOEXEC, 0);
  if (fd < 0) {
    const errno = c.errno();
    throw new SysError(`Cannot open "${path}"`, errno, undefined, hint(errno, name));
  }
  const request = new Uint8Array(new ArrayBuffer(IFREQ_LEN));
  request.set(new TextEncoder().encode(name).subarray(0, 15));
  new DataView(request.buffer).setUint16(IFREQ_FLAGS_AT, FLAGS, true);
  if (c.ioctl(fd, TUNSETIFF, request) < 0) {
    const errno = c.errno();
    c.close(fd);
    throw new SysError(`Cannot create the device "${name}"`, errno, undefined, hint(errno, name));
  }
  if (c.ioctl(fd, TUNSETOFFLOAD, null) < 0) {
    const errno = c.errno();
    c.close(fd);
    throw new SysError(`Cannot set the offloads of "${name}"`, errno);
  }
  const end = request.indexOf(0);
  return { fd, name: new TextDecoder().decode(request.slice(0, Math.min(end < 0 ? 16 : end, 16))) };
}

/** One queue of the device over packet memory. */
export class TunQueue implements TunDevice {
  readonly #fd: number;
  readonly #libc = libc();
  readonly #frames: Uint8Array[] = [];
  readonly #iovec = new Uint8Array(new ArrayBuffer(16));
  readonly #iovecWords = new Uint32Array(this.#iovec.buffer);
  readonly #base: number;

  constructor(fd: number, pool: PacketPool) {
    this.#fd = fd;
    this.#base = addressOf(pool.memory);
    for (let slot = 0; slot < pool.slots; slot++) {
      const at = slot * SLOT_LENGTH + HEADROOM - VNET_LEN;
      this.#frames.push(new Uint8Array(pool.memory, at, SLOT_CAPACITY + VNET_LEN));
    }
  }

  read(slot: number): number {
    const frame = this.#frames[slot]!;
    const length = this.#libc.read(this.#fd, frame, SLOT_CAPACITY + VNET_LEN);
    if (length > VNET_LEN) return length - VNET_LEN;
    if (length >= 0) return 0;
    const errno = this.#libc.errno();
    if (errno === EAGAIN || errno === EINTR) return 0;
    if (errno === EBADFD) return -1;
    throw new SysError("Cannot read from the TUN device", errno);
  }

  write(at: number, length: number): number {
    const address = this.#base + at - VNET_LEN;
    this.#iovecWords[0] = address >>> 0;
    this.#iovecWords[1] = Math.floor(address / 4294967296);
    this.#iovecWords[2] = length + VNET_LEN;
    return this.#libc.writev(this.#fd, this.#iovec, 1) < 0 ? this.#libc.errno() : 0;
  }
}
