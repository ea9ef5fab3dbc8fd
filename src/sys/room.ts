/** poll(2) for the rare case of a full send buffer: until it has room, or something came in meanwhile. */
import { putU16le, putU32le, u16le } from "../wire/bytes.ts";
import { libc } from "./libc.ts";
import { EINTR } from "../ports/sys_error.ts";
import { failed } from "./failed.ts";
import { POLLFD_LEN, POLLIN } from "./linux.ts";

const POLLOUT = 4;
/** | fd 4 | events 2 | revents 2 | */
const EVENTS_AT = 4;
const HAPPENED_AT = 6;

/** What happened: the sender has room, these descriptors are readable. */
export interface Room {
  readonly writable: boolean;
  readonly readable: readonly number[];
}

/** Waits at most `milliseconds` until `sender` has room or one of `receivers` is readable. Throws SysError. */
export function waitForRoom(sender: number, receivers: readonly number[], milliseconds: number): Room {
  const fds = [sender, ...receivers];
  const b = new Uint8Array(new ArrayBuffer(fds.length * POLLFD_LEN));
  fds.forEach((fd, i) => {
    putU32le(b, i * POLLFD_LEN, fd);
    putU16le(b, i * POLLFD_LEN + EVENTS_AT, i === 0 ? POLLOUT : POLLIN);
  });
  const c = libc();
  if (c.poll(b, fds.length, milliseconds) < 0) {
    const errno = c.errno();
    if (errno !== EINTR) throw failed("Cannot wait for room in a send buffer", errno);
  }
  const happened = (i: number) => u16le(b, i * POLLFD_LEN + HAPPENED_AT) !== 0;
  return { writable: happened(0), readable: receivers.filter((_, i) => happened(i + 1)) };
}
