#!/usr/bin/env bash
# The first address of an IPv6 subnet as a /128 of one device, while a bridge has the subnet (Linux, tried on 6.18).
#
# One would guess: a host that holds fd00:0:0:7::/64 can have fd00:0:0:7::/128 on its tunnel device, as it has the .0/32 of an
# IPv4 subnet (flannel does both), and fd00:0:0:7::1/64 on the bridge of its containers; both addresses take connections.
#
# What happens: with forwarding on, the kernel makes the first address of the bridge's subnet a subnet-router anycast address
# (RFC 4291, 2.6.1). Whichever of the two routes of the table "local" was made first is found. Was it the bridge's, the host
# answers pings to that address, and drops each TCP SYN to it without a word: connections time out. In the other order all
# is well. The order is that of two independent programs, and a restart of one turns it round.
#
# Why it matters: ping says that the host is there, so the fault is looked for everywhere else. A device address must not be
# the first of an IPv6 subnet; any other will do.
#
# Exits 0 while this is so, 1 when it has changed.
set -euo pipefail
id=$$
for n in host peer; do ip netns add "f$id$n"; done
trap 'for n in host peer; do ip netns del "f$id$n"; done' EXIT
at() { ip netns exec "f$id$1" "${@:2}"; }
echo "Linux $(uname -r), $(ip -V)"
ip link add eth0 netns "f${id}host" type veth peer name eth0 netns "f${id}peer"
for n in host peer; do
  at "$n" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0
  at "$n" ip link set lo up
  at "$n" ip link set eth0 up
done
at host ip addr add 2001:db8::1/64 dev eth0 nodad
at peer ip addr add 2001:db8::2/64 dev eth0 nodad
at peer ip -6 route add fd00:0:0:7::/64 via 2001:db8::1
at host sysctl -qw net.ipv6.conf.all.forwarding=1

# tried ORDER ADDRESS: "ping tcp", each yes or no, with the bridge or the tunnel device made first.
tried() {
  for step in $1; do
    if [ "$step" = bridge ]; then
      at host ip link add br0 type bridge
      at host ip addr add fd00:0:0:7::1/64 dev br0 nodad
      at host ip link set br0 up
    else
      at host ip tuntap add ovl0 mode tun
      at host ip link set ovl0 up
      at host ip addr add "$2/128" dev ovl0 nodad
    fi
  done
  at host timeout 8 python3 -c '
import socket
s = socket.socket(socket.AF_INET6); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("::", 7000)); s.listen(); s.settimeout(7)
try: s.accept()
except TimeoutError: pass' &
  local server=$! ping=no tcp=no
  sleep 1
  at peer ping -6 -c 2 -W 2 -q "$2" >/dev/null 2>&1 && ping=yes
  at peer timeout 6 python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET6); s.settimeout(4)
s.connect((sys.argv[1], 7000))' "$2" 2>/dev/null && tcp=yes
  wait "$server" || true
  at host ip link del br0
  at host ip link del ovl0
  echo "$ping $tcp"
}

first=$(tried "bridge device" fd00:0:0:7::)
second=$(tried "device bridge" fd00:0:0:7::)
last=$(tried "bridge device" fd00:0:0:7:ffff:ffff:ffff:ffff)
echo "first address, bridge before device: ping, TCP: $first"
echo "first address, device before bridge: ping, TCP: $second"
echo "last address, bridge before device:  ping, TCP: $last"
[ "$first" = "yes no" ] && [ "$second" = "yes yes" ] && [ "$last" = "yes yes" ]
