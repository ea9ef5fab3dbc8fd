/**
 * Numbers of the Linux system calls, each once: the same on every architecture that we run on. What only one file needs
 * and nobody would look for elsewhere (offsets of a struct, requests of one device) stays there.
 */

// Opening files: open(2), asm-generic/fcntl.h.
export const O_RDONLY = 0;
export const O_RDWR = 2;
export const O_CREAT = 0x40;
export const O_NONBLOCK = 0x800;
export const O_NOFOLLOW = 0x20000;
export const O_CLOEXEC = 0x80000;

// Kinds of sockets: socket(2), linux/net.h.
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0x800;
export const SOCK_CLOEXEC = 0x80000;

// Levels of socket options: asm-generic/socket.h, linux/in.h, linux/netlink.h.
export const IPPROTO_IP = 0;
export const SOL_SOCKET = 1;
export const SOL_UDP = 17;
export const IPPROTO_IPV6 = 41;
export const SOL_NETLINK = 270;

// Options of every socket: socket(7), asm-generic/socket.h.
export const SO_REUSEADDR = 2;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_REUSEPORT = 15;
export const SO_PEERCRED = 17;
export const SO_RCVTIMEO = 20;
export const SO_SNDTIMEO = 21;
export const SO_BINDTODEVICE = 25;
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;
export const SO_RXQ_OVFL = 40;
export const SO_ATTACH_REUSEPORT_CBPF = 51;
export const SO_MEMINFO = 55;

// Options of UDP over IPv4 and IPv6: ip(7), ipv6(7), udp(7).
export const IP_TOS = 1;
export const IP_PKTINFO = 8;
export const IP_MTU_DISCOVER = 10;
export const IP_MTU = 14;
export const IPV6_MTU_DISCOVER = 23;
export const IPV6_MTU = 24;
export const IPV6_V6ONLY = 26;
export const IPV6_RECVPKTINFO = 49;
export const IPV6_PKTINFO = 50;
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;

// Flags of one message: recv(2), send(2), linux/socket.h.
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;

// Waiting: poll(2); struct pollfd is 8 bytes.
export const POLLIN = 1;
export const POLLFD_LEN = 8;
