import { test } from "node:test";
import assert from "node:assert/strict";
import { nextHop } from "../../src/host/next_hop.ts";
import { FakeKernel } from "../fakes/fake_kernel.ts";

test("nextHop() names the link of a neighbour, and nothing behind a gateway", () => {
  const net = new FakeKernel();
  const eth0 = net.addLink("eth0", { mac: "02:00:00:00:00:01" });
  net.addAddress({ iface: eth0, address: "192.168.1.10", prefixLength: 24, scope: 0 });
  assert.deepEqual(nextHop(net, "192.168.1.11", net.interfaces()), { iface: eth0 });
  assert.deepEqual(nextHop(net, "8.8.8.8", net.interfaces()), { why: "8.8.8.8 is behind a gateway" });
});

test("nextHop() refuses a link whose neighbours have no link addresses: tun, WireGuard, ppp", () => {
  const net = new FakeKernel();
  const wg0 = net.addLink("wg0", { kind: "wireguard", noNeighbours: true });
  net.addAddress({ iface: wg0, address: "10.8.0.1", prefixLength: 24, scope: 0 });
  const hop = nextHop(net, "10.8.0.2", net.interfaces());
  assert.match(
    "why" in hop ? hop.why : "",
    /^10\.8\.0\.2 is behind wg0, a device without link-layer addresses/,
  );
});
