#!/usr/bin/env bash
# A bridge port with a smaller MTU, and superframes (Linux, veth, tried on 6.18; Python's own sockets).
#
# One would guess: a bridge port of MTU 1400 drops every datagram whose packet is longer, so a black hole for large packets
# is made in namespaces by lowering the MTU of one port.
#
# What happens: single datagrams of 1472 bytes are dropped without a word; the same datagrams sent as a train
# (UDP_SEGMENT, and TCP's own superframes likewise) pass that port: the check exempts whatever is still to be segmented
# (is_skb_forwardable), and between veths nobody segments it. All segments arrive, each longer than the MTU.
#
# Why it matters: a test of path MTU discovery in namespaces passes with a program that has none, as long as it sends
# trains. A router between the hosts, or datagrams sent one by one, make the black hole real.
#
# Exits 0 while this is so, 1 when it has changed.
set -euo pipefail
id=$$
for n in a b hub; do ip netns add "f$id$n"; done
trap 'for n in a b hub; do ip netns del "f$id$n"; done' EXIT
at() { ip netns exec "f$id$1" "${@:2}"; }
echo "Linux $(uname -r), $(ip -V)"
at hub ip link add br0 type bridge
at hub ip link set br0 up
for n in a b; do
  ip link add eth0 netns "f$id$n" type veth peer name "to-$n" netns "f${id}hub"
  at hub ip link set "to-$n" master br0 up
  at "$n" ip link set eth0 up
done
at a ip addr add 192.0.2.1/24 dev eth0
at b ip addr add 192.0.2.2/24 dev eth0
at hub ip link set to-b mtu 1400
at a ping -c 1 -W 5 -q 192.0.2.2 >/dev/null

# arrived MODE: how many of ten datagrams of 1472 bytes (packets of 1500) reach b; train: in one send.
arrived() {
  at b timeout 10 python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("192.0.2.2", 7000))
print("ready", flush=True); s.settimeout(2); n = 0
try:
  while n < 10: n += len(s.recv(65536)) == 1472
except TimeoutError: pass
print(n)' >"/tmp/f$id.out" &
  local receiver=$!
  until grep -qs ready "/tmp/f$id.out"; do sleep 0.1; done
  at a python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("192.0.2.2", 7000))
if sys.argv[1] == "train":
  s.setsockopt(17, 103, 1472); s.send(bytes(14720))  # SOL_UDP, UDP_SEGMENT
else:
  for _ in range(10): s.send(bytes(1472))' "$1"
  wait "$receiver"
  tail -n 1 "/tmp/f$id.out"
  rm "/tmp/f$id.out"
}

singly=$(arrived singly)
train=$(arrived train)
echo "port of MTU 1400, ten datagrams in packets of 1500 bytes: singly $singly arrive, as a train $train"
[ "$singly" = 0 ] && [ "$train" = 10 ]

# Output seen (Linux 6.18.44):
#   port of MTU 1400, ten datagrams in packets of 1500 bytes: singly 0 arrive, as a train 10
