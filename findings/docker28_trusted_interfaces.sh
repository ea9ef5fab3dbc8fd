#!/usr/bin/env bash
# Docker 28.5.2 (Debian sid, docker.io 28.5.2+dfsg4-5), a network with the bridge option trusted_host_interfaces.
#
# One would guess: a list of interfaces is separated by commas, and a name that can be no interface's is refused.
# What happens: the separator is a colon. "near,far0" is taken without a word as the name of one interface, which does
# not exist, and nothing is let in; with "near:far0" each of the two is. A rule with that impossible name stands in raw
# PREROUTING, where it matches nothing.
# Why it matters: a router, VPN or overlay that is to reach containers is named in this option; the network is made, the
# containers start, and packets are dropped before every chain that an administrator looks at.
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

# A routed neighbour on the interface "near"; "far0" is there, too.
ip netns add neighbour
ip link set lo up
ip link add near type veth peer name eth0 netns neighbour
ip link add far0 type veth peer name far1
ip addr add 10.9.0.1/24 dev near && ip link set near up
ip -n neighbour addr add 10.9.0.2/24 dev eth0 && ip -n neighbour link set eth0 up
ip -n neighbour route add 10.42.0.0/16 via 10.9.0.1

echo "{}" >"$tmp/daemon.json"
dockerd --config-file "$tmp/daemon.json" --data-root "$tmp/docker" --storage-driver vfs --cgroup-parent "$group" \
  --exec-opt native.cgroupdriver=cgroupfs --log-level error >"$tmp/dockerd.log" 2>&1 &
for i in $(seq 100); do docker info >/dev/null 2>&1 && break; sleep 0.2; done
mkdir -p "$tmp/image/bin"
cp "$tmp/tree/usr/bin/busybox" "$tmp/image/bin/"
ln -s busybox "$tmp/image/bin/sleep"
tar -C "$tmp/image" -c . | docker import - box >/dev/null
# So that only the option decides.
iptables -I DOCKER-USER -j ACCEPT

echo "Docker $(docker version --format '{{.Server.Version}}')"
# lost OCTET LIST: the loss of pings from the neighbour to a container on a network that trusts LIST
lost() {
  docker network create --subnet "10.42.$1.0/24" --opt com.docker.network.bridge.enable_ip_masquerade=false \
    --opt com.docker.network.bridge.trusted_host_interfaces="$2" "net$1" >/dev/null
  docker run -d --network "net$1" --name "box$1" box sleep 600 >/dev/null
  ip netns exec neighbour ping -c 3 -i 0.2 -W 1 -q "10.42.$1.2" | grep -o '[0-9]*% packet loss' || true
}
comma=$(lost 1 near,far0)
colon=$(lost 2 near:far0)
echo 'A neighbour on the interface "near" pings a container:'
echo "  trusted_host_interfaces=near,far0: $comma"
echo "  trusted_host_interfaces=near:far0: $colon"
iptables -t raw -S PREROUTING
docker rm -f box1 box2 >/dev/null
[ "$comma" = "100% packet loss" ] && [ "$colon" = "0% packet loss" ] ||
  { echo "Not as described any more"; exit 1; }
