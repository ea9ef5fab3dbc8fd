#!/usr/bin/env bash
# Docker 28.5.2 (Debian sid, docker.io 28.5.2+dfsg4-5), a bridge without masquerade behind a router.
#
# One would guess: what a container itself starts is answered. The chain DOCKER-CT accepts RELATED,ESTABLISHED, as every
# Docker before did, and DOCKER-USER, here with an accept for everything, comes before all of Docker's own rules.
# What happens: requests leave, and the answers are dropped before both, in raw PREROUTING, by a rule for each container
# that takes whatever comes by another interface than its bridge. No state of a connection is known there. With
# masquerade one never sees it: the answers then go to the host's address.
# Why it matters: overlays and routed networks (flannel, Calico's style of routing, VPNs to container subnets) run Docker
# without masquerade. After an upgrade containers reach nobody, and no rule in DOCKER-USER helps; an accept in raw does.
#
# Needs root, apt of Debian, and a kernel with overlayfs. Nothing of it stays behind.
set -euo pipefail
if [ "${1-}" != inside ]; then
  tmp=$(mktemp -d)
  trap 'rm -rf "$tmp"; find /sys/fs/cgroup -depth -type d -path "*finding-$$*" -exec rmdir {} + 2>/dev/null || true' EXIT
  mkdir -p "$tmp"/{lists/partial,archives/partial,tree}
  archive=$(apt-get indextargets --format '$(REPO_URI)' | grep -m1 -E '/debian/?$')
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $archive sid main" >"$tmp/sources"
  : >"$tmp/status"
  printf '%s;\n' "Dir::Etc::sourcelist \"$tmp/sources\"" 'Dir::Etc::sourceparts "-"' "Dir::State::lists \"$tmp/lists\"" \
    "Dir::State::status \"$tmp/status\"" "Dir::Cache::archives \"$tmp/archives\"" 'Dir::Cache::pkgcache ""' \
    'Dir::Cache::srcpkgcache ""' 'Acquire::Languages "none"' 'APT::Sandbox::User "root"' >"$tmp/conf"
  export APT_CONFIG=$tmp/conf
  apt-get -qq update
  (cd "$tmp/archives" && apt-get -qq download docker.io=28.5.2+dfsg4-5 docker-cli=28.5.2+dfsg4-5 \
    containerd=2.1.9+ds1-5 runc=1.3.6+ds1-1 tini-static=0.19.0-6+b2 busybox-static=1:1.38.0-3+b1 iptables=1.8.13-1 \
    libc6 libgcc-s1 libseccomp2 libsystemd0 libip4tc2 libip6tc2 libxtables12 libnftnl11 libmnl0 libnfnetlink0 \
    libnetfilter-conntrack3)
  for package in "$tmp"/archives/*.deb; do dpkg -x "$package" "$tmp/tree"; done
  unset APT_CONFIG
  unshare --mount --net --pid --fork --kill-child bash "$0" inside "$tmp" "finding-$$"
  exit
fi

tmp=$2 group=$3
exec 2>"$tmp/log"
trap 'tail -n 20 "$tmp/log" "$tmp/dockerd.log"' ERR
mount -t proc proc /proc
mount -t overlay overlay -o "lowerdir=$tmp/tree/usr:/usr" /usr
mount -t tmpfs tmpfs /run
PATH=/usr/sbin:/usr/bin:/sbin:/bin

# A router's network on one side, the containers' on the other, and routes between them.
ip netns add far
ip link set lo up
ip link add near type veth peer name eth0 netns far
ip addr add 10.9.0.1/24 dev near && ip link set near up
ip -n far addr add 10.9.0.2/24 dev eth0 && ip -n far link set eth0 up
ip -n far route add 10.42.1.0/24 via 10.9.0.1

echo "{}" >"$tmp/daemon.json"
dockerd --config-file "$tmp/daemon.json" --data-root "$tmp/docker" --storage-driver vfs --cgroup-parent "$group" \
  --exec-opt native.cgroupdriver=cgroupfs --bip 10.42.1.1/24 --ip-masq=false --log-level error >"$tmp/dockerd.log" 2>&1 &
for i in $(seq 100); do docker info >/dev/null 2>&1 && break; sleep 0.2; done
mkdir -p "$tmp/image/bin"
cp "$tmp/tree/usr/bin/busybox" "$tmp/image/bin/"
ln -s busybox "$tmp/image/bin/ping" && ln -s busybox "$tmp/image/bin/sleep"
tar -C "$tmp/image" -c . | docker import - box >/dev/null
docker run -d --name box box sleep 600 >/dev/null
iptables -I DOCKER-USER -j ACCEPT

echo "Docker $(docker version --format '{{.Server.Version}}')"
lost() { docker exec box ping -c 3 -i 0.2 -W 1 -q 10.9.0.2 | grep -o '[0-9]*% packet loss' || true; }
arrived() { ip netns exec far awk '/^Icmp:/ && !/InMsgs/ { print $10 }' /proc/net/snmp; }
before=$(lost)
echo "A container pings a routed host, with an accept for everything in DOCKER-USER: $before"
echo "Requests that arrived there, and were answered: $(arrived)"
iptables -t raw -nvL PREROUTING | sed -n '1,4p'
dropped=$(iptables -t raw -nvxL PREROUTING | awk '/DROP/ { print $1 }')
iptables -t raw -I PREROUTING -s 10.9.0.0/24 -j ACCEPT
after=$(lost)
echo "With an accept in raw PREROUTING: $after"
docker rm -f box >/dev/null
[ "$before" = "100% packet loss" ] && [ "$dropped" = 3 ] && [ "$after" = "0% packet loss" ] ||
  { echo "Not as described any more"; exit 1; }
