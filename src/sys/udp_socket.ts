/**
 * UDP sockets (udp(7)): opening with big buffers and the options that the data plane's batches rely on (udp_batches.ts),
 * and single datagrams of the control plane, sent beside the Worker on its own socket. Two things differ from data, of
 * which probes have only the first:
 *
 * The source: an answer leaves from the address that was called. Should that be gone from this host, the datagram leaves
 * all the same, from what the kernel chooses.
 *
 * Don't Fragment: data is cut to fit (a Worker is told what does not), handshakes and gossip are as long as they are. Over
 * IPv4 what may be too long for a small path leaves without DF, so that this host or a router may cut it. DF belongs to
 * the socket, and no control message overrides it, so the option is changed around the send. What a Worker sends in
 * those microseconds may leave without DF as well, and be cut where it would have been refused: it arrives all the same.
 * A socket of its own for this would have to share the port, and the kernel would give it its share of what comes in.
 * IPv6 has no path below 1280 bytes, and nothing here is longer.
 */
import { addressOf } from "#ffi";
import type { ProbeOptions } from "../ports/machine.ts";
import { type Endpoint, isIpv4, parseAddress, parseEndpoint } from "../wire/address.ts";
import { putU32le, putU64le } from "../wire/bytes.ts";
import { cString, libc } from "./libc.ts";
import {
  CMSG_ROOM,
  CONTROL_AT,
  CONTROLLEN_AT,
  encodePktinfo,
  encodeTos,
  IOV_AT,
  IOVLEN_AT,
  MMSGHDR_LEN,
  NAME_AT,
  NAMELEN_AT,
  PKTINFO_ROOM,
  pktinfoLength,
  putPktinfoSource,
} from "./mmsghdr.ts";
import { AF_INET, AF_INET6, encodeSockaddr, SOCKADDR_ROOM, sockaddrLength } from "./sockaddr.ts";
import { EACCES, EADDRINUSE, EAFNOSUPPORT, EINTR, EMSGSIZE, isSourceGone } from "../ports/sys_error.ts";
import { check, failed } from "./failed.ts";
import { IOVEC_LEN } from "./vector.ts";
import {
  IP_MTU_DISCOVER,
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_MTU_DISCOVER,
  IPV6_RECVPKTINFO,
  IPV6_V6ONLY,
  MSG_DONTWAIT,
  SO_BINDTODEVICE,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RXQ_OVFL,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOL_SOCKET,
} from "./linux.ts";

/**
 * Don't Fragment, and only our own link's MTU is obeyed: what is too long for it comes back as EMSGSIZE. What ICMP
 * tells the kernel of the path may be forged; how much passes is found by probes (control/paths/path_mtu_search.ts).
 */
const PMTUDISC_PROBE = 3;
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
  // Each datagram tells which of our addresses it was sent to; of IPv4, too, on a socket of IPv6.
  if (family === 6) setInt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  else setInt(fd, IPPROTO_IP, IP_PKTINFO, 1);
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
    throw failed(`Cannot listen on UDP port ${port}`, errno, bindHint(errno, flag));
  }
}

function bindHint(errno: number, flag: string): string {
  if (errno === EADDRINUSE) return `another program is using it; stop it or choose another ${flag}`;
  // A service has the capabilities that its unit leaves it, and root no others.
  if (errno === EACCES) {
    return `a port below 1024 needs CAP_NET_BIND_SERVICE; grant it or choose another ${flag}`;
  }
  return "";
}

function anyAddress(family: 4 | 6): Uint8Array {
  const address = new Uint8Array(16);
  if (family === 4) address[10] = address[11] = 0xff;
  return address;
}

// ------------------------------------------------------------------------- datagrams of the control plane

/** DF is not set, and this host cuts what its own interface does not take. */
const PMTUDISC_DONT = 0;
/** What every IPv4 path takes whole (RFC 791: 576), less the IP and UDP headers. */
const ALWAYS_FITS = 548;
/** Longer than any datagram. */
const ROOM = 65_536;

const destination = new Uint8Array(new ArrayBuffer(SOCKADDR_ROOM));
const payload = new Uint8Array(new ArrayBuffer(ROOM));
const vector = new Uint8Array(new ArrayBuffer(IOVEC_LEN));
const header = new Uint8Array(new ArrayBuffer(MMSGHDR_LEN));
const control = new Uint8Array(new ArrayBuffer(PKTINFO_ROOM));

/**
 * Sends one datagram, from our address `local` where one is given. Returns 0, or the errno of the refusal: what cannot be
 * sent now is tried again by its owner.
 */
export function sendDatagram(socket: OpenedSocket, bytes: Uint8Array, to: string, local = ""): number {
  const endpoint = parseEndpoint(to);
  const problem = load(socket, bytes, endpoint);
  if (endpoint === null || problem !== 0) return problem;
  const cut = bytes.length > ALWAYS_FITS && isIpv4(endpoint.address);
  if (cut) setInt(socket.fd, IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DONT);
  const errno = sendFrom(socket, bytes.length, endpoint, local);
  if (cut) setInt(socket.fd, IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE);
  return errno;
}

/**
 * Sends a probe of a way: whole or not at all, as the socket does with data. With a Type of Service (ip(7) IP_TOS as a
 * control message) the kernel looks the route up by it, and takes the source address from that route. Returns 0, or the
 * errno of the refusal: EMSGSIZE where our own link does not take it.
 */
export function sendProbe(
  socket: OpenedSocket,
  bytes: Uint8Array,
  to: string,
  { tos = 0, local = "" }: ProbeOptions = {},
): number {
  const endpoint = parseEndpoint(to);
  const problem = load(socket, bytes, endpoint);
  if (endpoint === null || problem !== 0) return problem;
  if (tos === 0) return sendFrom(socket, bytes.length, endpoint, local);
  encodeTos(control, 0, tos);
  return send(socket, bytes.length, CMSG_ROOM);
}

/** Puts a datagram where `send` takes it from. Returns 0, or the errno of the refusal. */
function load({ family }: OpenedSocket, bytes: Uint8Array, to: Endpoint | null): number {
  if (bytes.length > ROOM) return EMSGSIZE;
  if (to === null || !encodeSockaddr(destination, 0, family, to)) return EAFNOSUPPORT;
  payload.set(bytes);
  return 0;
}

function sendFrom(socket: OpenedSocket, length: number, to: Endpoint, local: string): number {
  const { family } = socket;
  const source = sourceOf(family, to, local);
  if (source === null) return send(socket, length, 0);
  encodePktinfo(control, 0, family);
  putPktinfoSource(control, 0, family, source, 0);
  const errno = send(socket, length, pktinfoLength(family));
  return isSourceGone(errno) ? send(socket, length, 0) : errno;
}

/** Null where there is none, or one that a datagram to `to` cannot have. */
function sourceOf(family: 4 | 6, to: Endpoint, local: string): Uint8Array | null {
  const address = local === "" ? null : parseAddress(local);
  if (address === null || isIpv4(address) !== isIpv4(to.address)) return null;
  return family === 4 && !isIpv4(address) ? null : address;
}

/** Sends what was loaded, with the first `controlLength` bytes of `control`. */
function send({ fd, family }: OpenedSocket, length: number, controlLength: number): number {
  putU64le(vector, 0, addressOf(payload.buffer));
  putU64le(vector, 8, length);
  putU64le(header, NAME_AT, addressOf(destination.buffer));
  putU32le(header, NAMELEN_AT, sockaddrLength(family));
  putU64le(header, IOV_AT, addressOf(vector.buffer));
  putU64le(header, IOVLEN_AT, 1);
  putU64le(header, CONTROL_AT, addressOf(control.buffer));
  putU64le(header, CONTROLLEN_AT, controlLength);
  for (;;) {
    if (libc().sendmmsg(fd, header, 1, MSG_DONTWAIT) === 1) return 0;
    const errno = libc().errno();
    if (errno !== EINTR) return errno;
  }
}
