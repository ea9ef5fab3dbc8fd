/**
 * What a router owes the sender of a packet that it does not carry: an ICMP error (RFC 1812 §5.2.7, RFC 4443), written to
 * TUN, as many as the rate allows.
 */
import { VNET_LEN } from "../../ports/devices.ts";
import {
  encodeIcmpError,
  type IcmpReason,
  NO_ROUTE_REASON,
  PROHIBITED_REASON,
  TOO_BIG_REASON,
} from "../../wire/icmp.ts";
import { ipAddressLength, ipDestinationAt } from "../../wire/ip.ts";
import { ICMP_SENT, TUN_WRITE_FAILED } from "../tables/counters.ts";
import type { Outgoing, Plane } from "../plane/plane.ts";
import { clearVnet, ICMP_SLOT, packetAt } from "../packet/packet_memory.ts";

/** Tells the sender that no node holds the destination. */
export function refuseNoRoute(plane: Plane, packet: Outgoing): void {
  sendError(plane, packet, NO_ROUTE_REASON, 0);
}

/** Tells the sender that its address is not part of our lease. */
export function refuseNotOurs(plane: Plane, packet: Outgoing): void {
  sendError(plane, packet, PROHIBITED_REASON, 0);
}

/** Tells the sender how long a packet may be. */
export function refuseTooBig(plane: Plane, packet: Outgoing, mtu: number): void {
  sendError(plane, packet, TOO_BIG_REASON, mtu);
}

function sendError(plane: Plane, { at, length }: Outgoing, reason: IcmpReason, mtu: number): void {
  const { b, tun } = plane;
  if (tun === null || !plane.icmpLimit.take(plane.now)) return;
  const out = packetAt(ICMP_SLOT);
  // The error comes from the address the packet was sent to. RFC 1812 §4.3.2.4 wants our own, but the kernel
  // drops what arrives on TUN from an address of this host (a martian source, accept_local = 0).
  const destination = ipDestinationAt(b, at);
  const source = b.subarray(destination, destination + ipAddressLength(b, at));
  const size = encodeIcmpError(b, out, { reason, mtu, source }, b.subarray(at, at + length));
  if (size === 0) return;
  clearVnet(b, out);
  tun.gather(out - VNET_LEN, VNET_LEN + size);
  plane.counters.add(tun.write() === 0 ? ICMP_SENT : TUN_WRITE_FAILED);
}
