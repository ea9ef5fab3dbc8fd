/**
 * The TUN device (linux/if_tun.h, Documentation/networking/tuntap.rst), with one queue for each Worker. Opened with
 * IFF_VNET_HDR, so that every packet travels behind a virtio_net_hdr that says what the kernel left undone.
 *
 * A flow must stay on one queue, or its packets overtake one another. The kernel picks by a hash of addresses and
 * ports, but remembers for three seconds by which queue a flow was written and then hands its answers out there
 * (tun_flow_update): with Workers that receive by lane, flows would wander from queue to queue. It does not remember
 * what a detached queue has written. So every Worker reads from an attached queue and writes to a detached one.
 *
 * The device lives as long as its descriptor: a process that dies takes it along.
 */
import { addressOf } from "#ffi";
import {
  HEADROOM,
  MAX_SEGMENTS,
  type OpenedTun,
  type PacketPool,
  SLOT_CAPACITY,
  SLOT_LENGTH,
  type TunDevice,
  type TunOffloads,
  VNET_LEN,
  type WorkerQueue,
} from "../ports/devices.ts";
import { Vector } from "./vector.ts";
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
} from "../ports/sys_error.ts";
import { check, failed } from "./failed.ts";
import { O_CLOEXEC, O_NONBLOCK, O_RDWR } from "./linux.ts";

const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const TUNSETQUEUE = 0x400454d9;
const IFF_TUN = 0x0001;
const IFF_NO_PI = 0x1000;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_DETACH_QUEUE = 0x0400;
const IFF_VNET_HDR = 0x4000;
const IFF_TUN_EXCL = 0x8000;
const FLAGS = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
const IFREQ_LEN = 40;
const IFREQ_FLAGS_AT = 16;
const TUN_F_CSUM = 0x01;
const TUN_F_TSO4 = 0x02;
const TUN_F_TSO6 = 0x04;
const TUN_F_TSO_ECN = 0x08;
const TUN_F_USO4 = 0x20;
const TUN_F_USO6 = 0x40;
/** A vnet header, and the pieces of at most MAX_SEGMENTS packets. */
const MAX_PIECES = MAX_SEGMENTS + 2;

const ALL_OFFLOADS: TunOffloads = { tso: true, uso: true };

function hint(errno: number, name: string): string {
  if (errno === EPERM || errno === EACCES) return "run as root or grant CAP_NET_ADMIN";
  if (errno === ENOENT || errno === ENODEV || errno === ENXIO) {
    return "this kernel has no TUN; run modprobe tun, or give the container /dev/net/tun";
  }
  if (errno === EBUSY) {
    return `device "${name}" already exists; stop what is using it, delete it, or choose another --device`;
  }
  if (errno === ENOTTY) return '"/dev/net/tun" is no TUN; make it again: mknod /dev/net/tun c 10 200';
  return "";
}

/**
 * Creates the TUN device `name` (at most 15 bytes) in this thread's network namespace. One that exists is another
 * program's, also when it waits for an owner. Throws SysError.
 */
export function openTun(
  name: string,
  wanted = ALL_OFFLOADS,
  path = "/dev/net/tun",
  workers = 1,
): OpenedTun {
  const queues: WorkerQueue[] = [];
  const opened: number[] = [];
  let given = { name, ...wanted };
  /** The first creates the device; its offloads are then those of all. */
  const open = (flags: number) => {
    const exclusive = opened.length === 0 ? IFF_TUN_EXCL : 0;
    const queue = openQueue(path, given.name, flags | exclusive);
    opened.push(queue.fd);
    given = { name: queue.name, ...setOffloads(queue.fd, queue.name, given) };
    return queue.fd;
  };
  try {
    if (workers === 1) {
      const fd = open(FLAGS);
      queues.push({ fd, writeFd: fd });
    }
    while (queues.length < workers) {
      // Detached, it keeps the number that its Worker's own queue gets next: what it writes is said to come from there.
      const writeFd = open(FLAGS | IFF_MULTI_QUEUE);
      detach(writeFd, given.name);
      queues.push({ fd: open(FLAGS | IFF_MULTI_QUEUE), writeFd });
    }
    return { ...given, queues };
  } catch (error) {
    opened.forEach((fd) => libc().close(fd));
    throw error;
  }
}

/** The device with fewer offloads than it has. Throws SysError. */
export function limitTun(tun: OpenedTun, { tso, uso }: TunOffloads): OpenedTun {
  if (tso === tun.tso && uso === tun.uso) return tun;
  const given = tun.queues.map(({ fd }) => setOffloads(fd, tun.name, { tso, uso }));
  return { ...tun, ...given[0]! };
}

/** The device goes with the last of its descriptors. */
export function closeTun({ queues }: OpenedTun): void {
  for (const { fd, writeFd } of queues) {
    libc().close(fd);
    if (writeFd !== fd) libc().close(writeFd);
  }
}

function detach(fd: number, name: string): void {
  const request = new Uint8Array(new ArrayBuffer(IFREQ_LEN));
  new DataView(request.buffer).setUint16(IFREQ_FLAGS_AT, IFF_DETACH_QUEUE, true);
  const done = libc().ioctl(fd, TUNSETQUEUE, addressOf(request.buffer));
  check(`Cannot detach a queue of "${name}"`, done);
}

function openQueue(path: string, name: string, flags: number): { fd: number; name: string } {
  const c = libc();
  const fd = c.open(cString(path), O_RDWR | O_NONBLOCK | O_CLOEXEC, 0);
  if (fd < 0) {
    const errno = c.errno();
    throw failed(`Cannot open "${path}"`, errno, hint(errno, name));
  }
  const request = new Uint8Array(new ArrayBuffer(IFREQ_LEN));
  request.set(new TextEncoder().encode(name).subarray(0, 15));
  new DataView(request.buffer).setUint16(IFREQ_FLAGS_AT, flags, true);
  if (c.ioctl(fd, TUNSETIFF, addressOf(request.buffer)) < 0) {
    const errno = c.errno();
    c.close(fd);
    throw failed(`Cannot create the device "${name}"`, errno, hint(errno, name));
  }
  const end = request.indexOf(0);
  return { fd, name: new TextDecoder().decode(request.slice(0, Math.min(end < 0 ? 16 : end, 16))) };
}

/** Asks for the offloads from the best down to none: kernels differ in what they know. */
function setOffloads(fd: number, name: string, wanted: TunOffloads): TunOffloads {
  const attempts: TunOffloads[] = [wanted, { tso: wanted.tso, uso: false }, { tso: false, uso: false }];
  const c = libc();
  for (const offloads of attempts) {
    let mask = 0;
    if (offloads.tso || offloads.uso) mask |= TUN_F_CSUM;
    if (offloads.tso) mask |= TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    if (offloads.uso) mask |= TUN_F_USO4 | TUN_F_USO6;
    if (c.ioctl(fd, TUNSETOFFLOAD, mask) >= 0) return offloads;
  }
  throw failed(`Cannot set the offloads of "${name}"`, c.errno());
}

/** One queue of the device over packet memory. */
export class TunQueue implements TunDevice {
  readonly #fd: number;
  readonly #writeFd: number;
  readonly #libc = libc();
  readonly #frames: Uint8Array[] = [];
  readonly #vector: Vector;

  constructor({ fd, writeFd }: WorkerQueue, pool: PacketPool) {
    this.#fd = fd;
    this.#writeFd = writeFd;
    this.#vector = new Vector(pool, MAX_PIECES);
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
    throw failed("Cannot read from the TUN device", errno);
  }

  gather(at: number, length: number): boolean {
    return this.#vector.push(at, length);
  }

  write(): number {
    const pieces = this.#vector.count;
    this.#vector.count = 0;
    return this.#libc.writev(this.#writeFd, this.#vector.bytes, pieces) < 0 ? this.#libc.errno() : 0;
  }
}
