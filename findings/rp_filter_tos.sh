#!/usr/bin/env bash
# rp_filter=1 and routes with a Type of Service (Linux, tried on 6.18; iproute2).
#
# One would guess: the strict source check looks the way back up as for a packet with TOS 0, or only by fwmark where
# src_valid_mark is set, so a route that only packets of one TOS take changes nothing for it.
#
# What happens: the reverse lookup is made with the TOS of the packet that came. A host drops a packet whose source is
# routed by another device, and takes the same packet once it has a route back for its TOS by the device it came by;
# packets with TOS 0 are dropped as before. ARP is checked, too, with TOS 0: a request whose sender address is the one that
# is routed elsewhere gets no answer, so the neighbour has to be known already.
#
# Why it matters: whether a path would carry packets with foreign source addresses, strict checks included, can be tried
# with a TOS of its own before any other packet takes it, without rules, tables or marks.
#
# Exits 0 while this is so, 1 when it has changed.
set -euo pipefail
id=$$
for n in a b; do ip netns add "f$id$n"; done
trap 'for n in a b; do ip netns del "f$id$n"; done' EXIT
at() { ip netns exec "f$id$1" "${@:2}"; }
echo "Linux $(uname -r), $(ip -V)"
ip link add eth0 netns "f${id}a" type veth peer name eth0 netns "f${id}b"
for n in a b; do
  at "$n" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter'
  at "$n" ip tuntap add other mode tun
  at "$n" ip link set other up
  at "$n" ip link set eth0 up
done
at a ip addr add 192.0.2.1/24 dev eth0
at b ip addr add 192.0.2.2/24 dev eth0
at a ip addr add 198.18.1.1/32 dev other
at b ip addr add 198.18.2.1/32 dev other
for n in a b; do at "$n" ip route add 198.18.0.0/16 dev other; done
at a ip route add 198.18.2.1/32 tos 0x1c via 192.0.2.2 src 198.18.1.1
at a ip route add 198.18.2.1/32 tos 0x10 via 192.0.2.2 src 198.18.1.1

# answered TOS: yes or no
answered() {
  if at a ping -c 1 -W 2 -q -Q "$1" -I 198.18.1.1 198.18.2.1 >/dev/null; then echo yes; else echo no; fi
}

at b ip route add 198.18.1.1/32 tos 0x1c via 192.0.2.1 src 198.18.2.1
unknown=$(answered 0x1c)
at a ping -c 1 -W 5 -q 192.0.2.2 >/dev/null
known=$(answered 0x1c)
other=$(answered 0x10)
at b ip route del 198.18.1.1/32 tos 0x1c
without=$(answered 0x1c)
echo "rp_filter 1, with a route back for TOS 0x1c: TOS 0x1c answered $known (neighbour unknown: $unknown), TOS 0x10 $other; without it: $without"
[ "$unknown" = no ] && [ "$known" = yes ] && [ "$other" = no ] && [ "$without" = no ]

# Output seen (Linux 6.18.44):
#   rp_filter 1, with a route back for TOS 0x1c: TOS 0x1c answered yes (neighbour unknown: no), TOS 0x10 no; without it: no
