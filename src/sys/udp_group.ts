/**
 * One UDP port for several Workers (socket(7) SO_REUSEPORT): each has a socket of its own on it. On our own port a
 * classic BPF program picks the socket by the lane in the data header (linux/filter.h; it sees the UDP payload); on
 * the ports of other protocols the kernel's hash of addresses and ports does, so that a flow stays on one.
 *
 * The program's answer counts sockets in the order of binding, and the kernel fills the gap that a closed one leaves
 * with the last: a group is opened as a whole and closed as a whole. A later socket with SO_REUSEPORT, of the
 * same user, joins behind the last and gets nothing by lane; ovltun itself never does, for it binds the first socket
 * without the option, which fails while any socket has the port.
 */
import { addressOf } from "#ffi";
import type { WorkerSocket } from "../ports/devices.ts";
import { putU16le, putU32le, putU64le, u32le } from "../wire/bytes.ts";
import { DATA_INDEX_AT, DATA_TYPE } from "../wire/data_header.ts";
import { closeDescriptor, libc } from "./libc.ts";
import { check } from "./failed.ts";
import { bindUdp, type OpenedSocket, setInt, unboundUdp } from "./udp_socket.ts";
import {
  SO_ATTACH_REUSEPORT_CBPF,
  SO_MEMINFO,
  SO_RCVBUF,
  SO_REUSEPORT,
  SOL_SOCKET,
  SOL_UDP,
} from "./linux.ts";

const MEMINFO_LEN = 36;
const MEMINFO_DROPS_AT = 32;
const UDP_NO_CHECK6_RX = 102;

/** The sockets of one port, one pair for each Worker. */
export interface UdpGroup {
  readonly family: 4 | 6;
  readonly sockets: readonly WorkerSocket[];
}

/** Opens `port` for `workers` Workers; `byLane`: it is our own, and data has lanes. Throws SysError. */
export function openUdpGroup(port: number, flag: string, workers: number, byLane: boolean): UdpGroup {
  const first = unboundUdp();
  bindUdp(first, port, flag);
  const sockets: WorkerSocket[] = [{ fd: first.fd, sendFd: first.fd }];
  const group: UdpGroup = { family: first.family, sockets };
  try {
    if (workers > 1) share(first);
    while (sockets.length < workers) {
      const next = unboundUdp();
      share(next);
      bindUdp(next, port, flag);
      // The group exists from the second socket on.
      if (byLane && sockets.length === 1) steerByLane(next.fd, workers);
      sockets.push({ fd: next.fd, sendFd: openSender() });
    }
    return group;
  } catch (error) {
    closeUdpGroup(group);
    throw error;
  }
}

export function closeUdpGroup({ sockets }: UdpGroup): void {
  for (const { fd, sendFd } of sockets) {
    closeDescriptor(fd);
    if (sendFd !== fd) closeDescriptor(sendFd);
  }
}

/**
 * Lets datagrams over IPv6 come without a UDP checksum (RFC 6935, RFC 6936): hardware VTEPs and kernel VXLAN devices with
 * udp6zerocsumtx send such, and the kernel drops them unseen otherwise. A kernel before 3.16 does so as ever.
 */
export function takeZeroChecksums({ family, sockets }: UdpGroup): void {
  if (family === 6) { for (const { fd } of sockets) setInt(fd, SOL_UDP, UDP_NO_CHECK6_RX, 1); }
}

/**
 * Datagrams that the kernel had no room for in the sockets that receive, since they were opened (SO_MEMINFO,
 * linux/sock_diag.h: the last of nine u32). 0 where the kernel does not tell.
 */
export function droppedByGroup({ sockets }: UdpGroup): number {
  const memory = new Uint8Array(new ArrayBuffer(MEMINFO_LEN));
  const length = new Uint8Array(new ArrayBuffer(4));
  let dropped = 0;
  for (const { fd } of sockets) {
    putU32le(length, 0, MEMINFO_LEN);
    const told = libc().getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, length) === 0;
    if (told && u32le(length, 0) === MEMINFO_LEN) dropped += u32le(memory, MEMINFO_DROPS_AT);
  }
  return dropped;
}

function share({ fd }: OpenedSocket): void {
  check("Cannot share a UDP port among workers", setInt(fd, SOL_SOCKET, SO_REUSEPORT, 1));
}

/** It is never read from: what is sent there finds no room. */
function openSender(): number {
  const { fd } = unboundUdp();
  setInt(fd, SOL_SOCKET, SO_RCVBUF, 0);
  return fd;
}

const LOAD_BYTE = 0x30; // A = byte k of the payload; past its end the program returns 0
const AND = 0x54;
const MODULO = 0x94;
const JUMP_IF_EQUAL = 0x15;
const RETURN_A = 0x16;
const RETURN = 0x06;
const LANE_AT = DATA_INDEX_AT + 3;

/** struct sock_filter: | code 2 | if true 1 | if false 1 | k 4 |. Data goes by its lane, the rest to Worker 0. */
function program(workers: number): readonly (readonly [code: number, yes: number, no: number, k: number])[] {
  return [
    [LOAD_BYTE, 0, 0, 0],
    [AND, 0, 0, 0xf0],
    [JUMP_IF_EQUAL, 0, 3, DATA_TYPE],
    [LOAD_BYTE, 0, 0, LANE_AT],
    [MODULO, 0, 0, workers],
    [RETURN_A, 0, 0, 0],
    [RETURN, 0, 0, 0],
  ];
}

function steerByLane(fd: number, workers: number): void {
  const lines = program(workers);
  const filter = new Uint8Array(new ArrayBuffer(lines.length * 8));
  lines.forEach(([code, yes, no, k], i) => {
    putU16le(filter, i * 8, code);
    filter[i * 8 + 2] = yes;
    filter[i * 8 + 3] = no;
    putU32le(filter, i * 8 + 4, k);
  });
  // struct sock_fprog: | len 2 · pad 6 | filter 8 |
  const fprog = new Uint8Array(new ArrayBuffer(16));
  putU16le(fprog, 0, lines.length);
  putU64le(fprog, 8, addressOf(filter.buffer));
  const attached = libc().setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, fprog, fprog.length);
  check("Cannot steer datagrams to their workers", attached);
}
