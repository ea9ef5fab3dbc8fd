/**
 * A kernel vxlan device over IPv6 that sends no UDP checksums (RFC 6935), as hardware VTEPs do, towards an address that the
 * node's kernel would not choose: it is heard, and answered from there.
 */
import assert from "node:assert/strict";
import type { Host } from "./host.ts";
import { liveTest, NETWORK, transfer, withHosts } from "./mesh.ts";

const MAC = "02:42:0a:2a:03:00";
const KERNEL_ADDRESS = "10.42.3.0";

liveTest(
  "VXLAN over IPv6 with zero UDP checksums is taken, and answered from the address that was called",
  async () => {
    await withHosts(2, async (hosts) => {
      const [alpha, kernel] = hosts as [Host, Host];
      await alpha.sh(
        "ip -6 addr add fd99::1/64 dev eth0 nodad; ip -6 addr add fd99::101/64 dev eth0 nodad",
      );
      await kernel.sh("ip -6 addr add fd99::3/64 dev eth0 nodad");
      const chosen = await alpha.sh("ip -6 route get fd99::3");
      const called = chosen.includes("src fd99::101") ? "fd99::1" : "fd99::101";
      const peer = `10.42.3.0/24=[fd99::3],mac=${MAC},backend=vxlan`;
      alpha.up("compiled", [
        ...["--network", NETWORK, "--backend", "vxlan", "--subnet", "10.42.1.0/24", "--static-peer", peer],
      ]);
      const { node } = await alpha.daemon.ready(0);
      const { stdout } = await alpha.ovltun(["leases", "--json"]);
      const mac = JSON.parse(stdout).find((lease: { name: string }) => lease.name === alpha.name).vtepMac;
      await kernel.sh(`
      ip link add vx0 address ${MAC} type vxlan id 1 dstport 8472 local fd99::3 dev eth0 nolearning \\
        udp6zerocsumtx udp6zerocsumrx
      ip addr add ${KERNEL_ADDRESS}/32 dev vx0
      ip link set vx0 mtu 1430 up
      ip route add ${node.subnet} via ${node.address} dev vx0 onlink src ${KERNEL_ADDRESS}
      ip neigh add ${node.address} lladdr ${mac} dev vx0 nud permanent
      bridge fdb add ${mac} dev vx0 dst ${called}
      nft add table inet f; nft add chain inet f in '{ type filter hook input priority 0; }'
      nft add rule inet f in ip6 saddr != ${called} udp dport 8472 drop
    `);
      await kernel.firstAnswer(node.address!, 3000);
      assert.equal(await kernel.pingLoss(node.address!), 0);
      assert.equal(await alpha.pingLoss(KERNEL_ADDRESS), 0);
      await transfer(kernel, alpha, node.address!, 1_000_000);
      await transfer(alpha, kernel, KERNEL_ADDRESS, 1_000_000);
    });
  },
);
