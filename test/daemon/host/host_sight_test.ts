import { test } from "node:test";
import assert from "node:assert/strict";
import { HostSight } from "../../../src/daemon/host/host_sight.ts";
import { FakeKernel, route } from "../../fakes/fake_kernel.ts";
import { type Prefix, prefix } from "../../../src/wire/prefix.ts";

function host() {
  const net = new FakeKernel();
  const eth0 = net.addLink("eth0");
  const ovl0 = net.addLink("ovl0", { kind: "tun" });
  net.addAddress({ iface: eth0, address: "10.0.2.15", prefixLength: 24, scope: 0 });
  net.addAddress({ iface: ovl0, address: "10.42.7.0", prefixLength: 32, scope: 0 });
  let networks: readonly Prefix[] = [];
  const sight = new HostSight(net, { port: 8473, device: () => "ovl0", networks: () => networks });
  return { net, eth0, ovl0, sight, know: (text: string) => networks = [prefix(text)] };
}

test("HostSight owns the host's addresses and loopback, with our own port", () => {
  const { sight, net, eth0 } = host();
  for (const own of ["10.0.2.15:8473", "127.0.1.1:8473", "[::1]:8473", "10.42.7.0:8473"]) {
    assert.equal(sight.owns(own), true, own);
  }
  for (const other of ["10.0.2.15:8474", "10.0.2.16:8473"]) assert.equal(sight.owns(other), false, other);
  net.addAddress({ iface: eth0, address: "10.0.2.16", prefixLength: 24, scope: 0 });
  sight.changed();
  assert.equal(sight.owns("10.0.2.16:8473"), true);
});

test("HostSight has another revision once the host has changed or the network is known, else the same", () => {
  const { sight, know } = host();
  const first = sight.revision();
  assert.equal(sight.revision(), first);
  know("10.42.0.0/16");
  const second = sight.revision();
  assert.deepEqual([second !== first, sight.revision()], [true, second]);
  sight.changed();
  assert.notEqual(sight.revision(), second);
});

test("HostSight sees which ways leave by our own device, by the routes of now", () => {
  const { sight, net, eth0, ovl0, know } = host();
  know("10.42.0.0/16");
  net.addRoute(route("10.42.0.0/16", { iface: ovl0 }));
  net.addRoute(route("0.0.0.0/0", { gateway: "10.0.2.2", iface: eth0 }));
  assert.equal(sight.tunnelled("192.168.77.10"), false);
  net.addRoute(route("192.168.77.0/24", { iface: ovl0 }));
  sight.changed();
  assert.equal(sight.tunnelled("192.168.77.10"), true);
  assert.equal(sight.tunnelled("192.168.78.10"), false);
  net.addRoute(route("192.168.77.10/32", { gateway: "10.0.2.2", iface: eth0 }));
  sight.changed();
  assert.equal(sight.tunnelled("192.168.77.10"), false);
  assert.equal(sight.tunnelled("192.168.77.11"), true);
  net.deleteInterface(ovl0);
  sight.changed();
  assert.equal(sight.tunnelled("192.168.77.11"), false);
});
