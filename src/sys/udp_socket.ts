/**
 * UDP sockets (udp(7)): opening with big buffers, sending one datagram from the control plane, and the
 * batches of the data plane over sendmmsg/recvmmsg (recvmmsg(2)). The message structures are laid out once;
 * per batch only positions and lengths are written.
 */
import { parseEndpoint } from "../wire/address.ts";
import { putU32le } from "../wire/bytes.ts";
import { cString, libc } from "./libc.ts";
import { AF_INET, AF_INET6, encodeSockaddr, SOCKADDR_ROOM, sockaddrLength } from "./sockaddr.ts";
import { check, EADDRINUSE, EAFNOSUPPORT, SysError } from "./sys_error.ts";

const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_BINDTODEVICE = 25;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SO_RXQ_OVFL = 40;
const IPPROTO_IP = 0;
const IPPROTO_IPV6 = 41;
const IP_MTU_DISCOVER = 10;
const IPV6_MTU_DISCOVER = 23;
/**
 * Don't Fragment, and only our own link's MTU is obeyed: what is too long for it comes back as EMSGSIZE. What ICMP tells the
 * kernel of the path anybody could have sent; how much passes is found by probes (control/path_mtu_search.ts).
 */
export const PMTUDISC_PROBE = 3;
const IPV6_V6ONLY = 26;
const MSG_DONTWAIT = 0x40;
/** Socket buffers, bytes; published gains of 30 % over the default. */
const BUFFER_BYTES = 7 << 20;

/** An open UDP socket and the address family it speaks. */
export interface OpenedSocket {
  readonly fd: number;
  /** Where datagrams leave from, if not from `fd`. */
  readonly sendFd?: number;
  readonly family: 4 | 6;
}

/** setsockopt(2) with an int; −1 and errno when the kernel refuses. */
export function setInt(fd: number, level: number, name: number, value: number): number {
  const bytes = new Uint8Array(new ArrayBuffer(4));
  putU32le(bytes, 0, value);
  return libc().setsockopt(fd, level, name, bytes, 4);
}

/** Opens a UDP socket on every address of the host: IPv6 and IPv4, or IPv4 where there is no IPv6. */
export function openUdp(port: number, flag = "--port"): OpenedSocket {
  const socket = unboundUdp();
  bindUdp(socket, port, flag);
  return socket;
}

/** The socket without a port: it gets one when it first sends. */
export function unboundUdp(): OpenedSocket {
  const c = libc();
  let family: 4 | 6 = 6;
  let fd = c.socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 && c.errno() === EAFNOSUPPORT) {
    family = 4;
    fd = c.socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  }
  check("Cannot open a UDP socket", fd);
  if (family === 6) setInt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  // The FORCE options pass the limits of net.core.*mem_max but need CAP_NET_ADMIN.
  if (setInt(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES) < 0) {
    setInt(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES);
  }
  if (setInt(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES) < 0) {
    setInt(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES);
  }
  setInt(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
  setInt(fd, IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE);
  if (family === 6) setInt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE);
  return { fd, family };
}

/** A socket that sends by one device only, whatever the routes say; null when the kernel refuses. */
export function deviceUdp(device: string): OpenedSocket | null {
  const socket = unboundUdp();
  const name = cString(device);
  if (libc().setsockopt(socket.fd, SOL_SOCKET, SO_BINDTODEVICE, name, name.length) === 0) return socket;
  libc().close(socket.fd);
  return null;
}

/** Gives the socket its port. Closes it and throws SysError when that is taken. */
export function bindUdp({ fd, family }: OpenedSocket, port: number, flag: string): void {
  const c = libc();
  const name = new Uint8Array(new ArrayBuffer(SOCKADDR_ROOM));
  encodeSockaddr(name, 0, family, { address: anyAddress(family), port });
  if (c.bind(fd, name, sockaddrLength(family)) < 0) {
    const errno = c.errno();
    c.close(fd);
    const hint = errno === EADDRINUSE ? `another program holds it; stop that or choose another ${flag}` : "";
    throw new SysError(`Cannot listen on UDP port ${port}`, errno, undefined, hint);
  }
}

function anyAddress(family: 4 | 6): Uint8Array {
  const address = new Uint8Array(16);
  if (family === 4) address[10] = address[11] = 0xff;
  return address;
}

const destination = new Uint8Array(new ArrayBuffer(SOCKADDR_ROOM));

/** Sends one datagram. Returns 0, or the errno of the refusal: what cannot be sent now is tried again by its owner. */
export function sendDatagram(socket: OpenedSocket, bytes: Uint8Array, to: string): number {
  const endpoint = parseEndpoint(to);
  if (endpoint === null || !encodeSockaddr(destination, 0, socket.family, endpoint)) return EAFNOSUPPORT;
  // A copy: the bytes may lie in memory that the runtime moves.
  const copy = new Uint8Array(new ArrayBuffer(bytes.length));
  copy.set(bytes);
  const sent = libc().sendto(
    socket.fd,
    copy,
    copy.length,
    MSG_DONTWAIT,
    destination,
    sockaddrLength(socket.family),
  );
  return sent < 0 ? libc().errno() : 0;
}
