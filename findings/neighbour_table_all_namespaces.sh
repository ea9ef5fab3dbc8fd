#!/usr/bin/env bash
# A full neighbour table and UDP (Linux, tried on 6.18; iproute2, python3). Needs the host's own namespace: the limit is set there.
#
# One would guess: a network namespace has a neighbour table of its own, as it has its own interfaces and routes; and a datagram
# that cannot leave because the table has no room is an error of the send.
#
# What happens: there is one table of each family for all namespaces. net.ipv4.neigh.default.gc_thresh3 (1024 unless set) bounds
# their entries together; entries of one namespace leave no room for those of another. While it is full, a datagram to an address
# without an entry is dropped, and sendto(2) succeeds: only a socket with IP_RECVERR gets ENOBUFS, as it does when a queue
# is full. The namespace counts it as SndbufErrors in /proc/net/snmp, though no send buffer was full. Which of the two it was is
# told by `table_fulls` of the table, which also a namespace can ask for (RTM_GETNEIGHTBL); /proc/net/stat/arp_cache is in the
# first namespace alone.
#
# Why it matters: hosts in namespaces of one machine that all talk to all need n × (n - 1) entries, and from the 33rd on no answers
# come to some of them. Nothing tells why: sends succeed, and what has an entry goes on.
#
# Exits 0 while this is so, 1 when it has changed. For a second it leaves the machine no room for new IPv4 neighbours.
set -euo pipefail
id=$$
limit=/proc/sys/net/ipv4/neigh/default/gc_thresh3
[ -w "$limit" ] || { echo "run as root in the host's own namespace: $limit is not there to be set"; exit 2; }
before=$(cat "$limit")
end() {
  echo "$before" >"$limit"
  for n in a b; do ip netns del "f$id$n" 2>/dev/null || true; done
}
trap end EXIT
for n in a b; do
  ip netns add "f$id$n"
  ip netns exec "f$id$n" ip link add eth0 type veth peer name eth1
  for dev in eth0 eth1; do ip netns exec "f$id$n" ip link set "$dev" up; done
  ip netns exec "f$id$n" ip addr add 198.18.0.1/16 dev eth0
done
echo "Linux $(uname -r), $(ip -V), $(python3 --version)"
entries() { ip netns exec "f$id$1" ip -s ntable show name arp_cache | sed -n 's/.*entries \([0-9]*\).*/\1/p' | head -1; }

# sends NAMESPACE FIRST RECVERR: how 20 datagrams to 20 addresses without an entry go: "ok 20"
sends() {
  ip netns exec "f$id$1" python3 -c '
import collections, errno, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
if sys.argv[2] == "1": s.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
how = collections.Counter()
for n in range(int(sys.argv[1]), int(sys.argv[1]) + 20):
    try: s.sendto(b"x", ("198.18.7.%d" % n, 9)); how["ok"] += 1
    except OSError as e: how[errno.errorcode[e.errno]] += 1
print(*["%s %d" % one for one in sorted(how.items())])' "$2" "$3"
}
unsent() { ip netns exec "f$id$1" awk '/^Udp: [0-9]/ { print $7 }' /proc/net/snmp; }
fulls() {
  python3 -c 'print(sum(int(l.split()[-1], 16) for l in open("/proc/net/stat/arp_cache").readlines()[1:]))'
}

seen=$(entries b)
free=$(sends a 10 1)
seen_more=$(($(entries b) - seen))
fulls_before=$(fulls)
echo 1 >"$limit"
silent=$(sends b 40 0)
told=$(sends b 80 1)
echo "$before" >"$limit"
counted=$(unsent b)
fulls_more=$(($(fulls) - fulls_before))
files=$(ip netns exec "f${id}b" ls /proc/net/stat | grep -c arp_cache || true)
after=$(sends b 120 1)
echo "an idle namespace sees the entries of another: $([ "$seen_more" -ge 10 ] && echo yes || echo "no, $seen_more")"
echo "with room: $free; without: $silent; with IP_RECVERR: $told; with room again: $after"
echo "SndbufErrors of the namespace: $counted of 40; table_fulls grew: $([ "$fulls_more" -ge 30 ] && echo yes || echo "no, by $fulls_more"); in its /proc/net/stat: $files"
# Entries of others may go meanwhile: some ten of the forty datagrams then find room.
[ "$seen_more" -ge 10 ] && [ "$free" = "ok 20" ] && [ "$silent" = "ok 20" ] && [ "${told#ENOBUFS }" != "$told" ] &&
  [ "$after" = "ok 20" ] && [ "$counted" -ge 30 ] && [ "$fulls_more" -ge 30 ] && [ "$files" = 0 ]

# Output seen (Linux 6.18.44):
#   an idle namespace sees the entries of another: yes
#   with room: ok 20; without: ok 20; with IP_RECVERR: ENOBUFS 20; with room again: ok 20
#   SndbufErrors of the namespace: 40 of 40; table_fulls grew: yes; in its /proc/net/stat: 0
