/**
 * A Linux kernel vxlan device as a full peer, given by --static-peer: pings and TCP both ways, with the veth's
 * checksum offload on (the kernel hands over unsegmented datagrams with partial checksums) and off.
 */
import assert from "node:assert/strict";
import { assertDatagrams } from "./datagrams.ts";
import { type Host, until } from "./host.ts";
import { figure, iperf, liveTest, NETWORK, transfer, withHosts } from "./mesh.ts";

const MAC = "02:42:0a:2a:03:00";
const KERNEL_ADDRESS = "10.42.3.0";
const MEGABYTES = 6_000_000;

async function vtepMac(host: Host): Promise<string> {
  const { stdout } = await host.ovltun(["leases", "--json"]);
  const own = JSON.parse(stdout).find((lease: { name: string }) => lease.name === host.name);
  return own.vtepMac;
}

liveTest("a kernel vxlan device exchanges pings and TCP with a vxlan node", async () => {
  await withHosts(3, async (hosts) => {
    const [alpha, , kernel] = hosts as [Host, Host, Host];
    const peer = `10.42.3.0/24=${kernel.underlay},mac=${MAC},backend=vxlan`;
    alpha.up("compiled", [
      ...["--network", NETWORK, "--backend", "vxlan", "--subnet", "10.42.1.0/24", "--static-peer", peer],
    ]);
    const { node } = await alpha.daemon.ready(0);
    const mac = await vtepMac(alpha);
    await kernel.sh(`
      ip link add vx0 address ${MAC} type vxlan id 1 dstport 8472 local ${kernel.underlay} dev eth0 nolearning
      ip addr add ${KERNEL_ADDRESS}/32 dev vx0
      ip link set vx0 mtu 1450 up
      ip route add ${node.subnet} via ${node.address} dev vx0 onlink src ${KERNEL_ADDRESS}
      ip neigh add ${node.address} lladdr ${mac} dev vx0 nud permanent
      bridge fdb add ${mac} dev vx0 dst ${alpha.underlay}
    `);
    await assertDatagrams(kernel, alpha, node.address!);
    await assertDatagrams(alpha, kernel, KERNEL_ADDRESS);
    for (const offload of ["on", "off"]) {
      for (const host of [alpha, kernel]) await host.sh(`ethtool -K eth0 tx-checksum-ip-generic ${offload}`);
      await kernel.firstAnswer(node.address!, 3000);
      assert.equal(await kernel.pingLoss(node.address!), 0, `kernel → node, offload ${offload}`);
      assert.equal(await alpha.pingLoss(KERNEL_ADDRESS), 0, `node → kernel, offload ${offload}`);
      await transfer(kernel, alpha, node.address!, MEGABYTES);
      await transfer(alpha, kernel, KERNEL_ADDRESS, MEGABYTES);
      const [inward, outward] = [
        await iperf(kernel, alpha, node.address!, 1),
        await iperf(alpha, kernel, KERNEL_ADDRESS, 1),
      ];
      figure(
        `kernel vxlan, checksum offload ${offload}: ${inward.toFixed(0)} Mbit/s in, ${
          outward.toFixed(0)
        } out`,
      );
    }
  });
});

liveTest("ARP for the node's VTEP address is answered", async () => {
  await withHosts(3, async (hosts) => {
    const [alpha, , kernel] = hosts as [Host, Host, Host];
    const peer = `10.42.3.0/24=${kernel.underlay},mac=${MAC},backend=vxlan`;
    alpha.up("deno", [
      ...["--network", NETWORK, "--backend", "vxlan", "--subnet", "10.42.1.0/24", "--static-peer", peer],
    ]);
    const { node } = await alpha.daemon.ready(0);
    // No neighbour entry: the kernel has to ask, flooding to the one remote it knows.
    await kernel.sh(`
      ip link add vx0 address ${MAC} type vxlan id 1 dstport 8472 local ${kernel.underlay} remote ${alpha.underlay} dev eth0
      ip addr add ${KERNEL_ADDRESS}/32 dev vx0
      ip link set vx0 mtu 1450 up
      ip route add ${node.subnet} via ${node.address} dev vx0 onlink src ${KERNEL_ADDRESS}
    `);
    await kernel.firstAnswer(node.address!, 3000);
    const mac = await vtepMac(alpha);
    await until("the kernel learned the VTEP's MAC", 2000, async () => {
      const neighbours = await kernel.sh("ip neigh show dev vx0");
      return neighbours.toLowerCase().includes(mac) ? neighbours : null;
    });
  });
});
