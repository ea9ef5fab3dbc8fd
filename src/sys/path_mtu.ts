/**
 * What the kernel knows of the path to an endpoint (ip(7) IP_MTU, ipv6(7) IPV6_MTU): the interface's MTU, lowered
 * by the ICMP errors it has seen. Only a connected socket may ask, so one is made for the question; it sends nothing.
 */
import { isIpv4, parseEndpoint } from "../wire/address.ts";
import { putU32le, u32le } from "../wire/bytes.ts";
import { libc } from "./libc.ts";
import { AF_INET, AF_INET6, encodeSockaddr, SOCKADDR_ROOM, sockaddrLength } from "./sockaddr.ts";
import { IP_MTU, IPPROTO_IP, IPPROTO_IPV6, IPV6_MTU, SOCK_CLOEXEC, SOCK_DGRAM } from "./linux.ts";

/** The largest IP packet that reaches `endpoint` whole, bytes; null when the kernel cannot say (no route). */
export function pathMtu(endpoint: string): number | null {
  const parsed = parseEndpoint(endpoint);
  if (parsed === null) return null;
  const c = libc();
  const family = isIpv4(parsed.address) ? 4 : 6;
  const fd = c.socket(family === 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return null;
  const name = new Uint8Array(new ArrayBuffer(SOCKADDR_ROOM));
  encodeSockaddr(name, 0, family, parsed);
  const value = new Uint8Array(new ArrayBuffer(4));
  const length = new Uint8Array(new ArrayBuffer(4));
  putU32le(length, 0, 4);
  const [level, option] = family === 4 ? [IPPROTO_IP, IP_MTU] : [IPPROTO_IPV6, IPV6_MTU];
  const known = c.connect(fd, name, sockaddrLength(family)) === 0 &&
    c.getsockopt(fd, level, option, value, length) === 0;
  c.close(fd);
  return known ? u32le(value, 0) : null;
}
