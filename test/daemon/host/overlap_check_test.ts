import { test } from "node:test";
import assert from "node:assert/strict";
import { ConfigError } from "../../../src/config/config.ts";
import { refuseOverlap } from "../../../src/daemon/host/overlap_check.ts";
import { FakeKernel, route } from "../../fakes/fake_kernel.ts";
import { prefix } from "../../../src/wire/prefix.ts";

const MESH = {
  network: prefix("10.42.0.0/16"),
  subnetLen: 24,
  subnetMin: "10.42.1.0",
  subnetMax: "10.42.255.0",
};

function refusal(net: FakeKernel, settled: boolean): string | null {
  try {
    const config = { found: false, peers: settled ? ["192.168.1.10"] : [], device: "ovl0" };
    refuseOverlap(net, { config, stored: null }, MESH);
    return null;
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
}

test("refuseOverlap() refuses founder and joiner a network that the host has, and neither a broad route", () => {
  const net = new FakeKernel();
  const eth0 = net.addLink("eth0");
  net.addRoute(route("10.0.0.0/8", { iface: eth0 }));
  for (const settled of [true, false]) assert.equal(refusal(net, settled), null);
  net.addAddress({ iface: eth0, address: "10.42.0.1", prefixLength: 24, scope: 0 });
  assert.match(
    refusal(net, false)!,
    /overlaps the route 10\.42\.0\.0\/24 dev eth0; choose another with --network$/,
  );
  assert.match(
    refusal(net, true)!,
    /overlaps the route 10\.42\.0\.0\/24 dev eth0; the network of a mesh cannot be changed/,
  );
});

test("refuseOverlap() lets a host with a bridge of an earlier lease join, and tells a founder what removes it", () => {
  const net = new FakeKernel();
  const cbr0 = net.addLink("cbr0", { kind: "bridge" });
  net.addAddress({ iface: cbr0, address: "10.42.177.1", prefixLength: 24, scope: 0 });
  assert.equal(refusal(net, true), null);
  assert.match(
    refusal(net, false)!,
    /dev cbr0; choose another with --network, or remove the bridge .*: ip link del cbr0$/,
  );
  net.addAddress({ iface: cbr0, address: "10.42.0.1", prefixLength: 24, scope: 0 });
  assert.match(refusal(net, true)!, /10\.42\.0\.0\/24 dev cbr0/, "k3s has its first subnet on a bridge");
});

test("refuseOverlap() takes the mesh of another instance for a network of the host", () => {
  const net = new FakeKernel();
  const other = net.addLink("ovl1", { kind: "tun" });
  net.addRoute(route("10.42.0.0/16", { iface: other, protocol: 84 }));
  assert.match(refusal(net, false)!, /10\.42\.0\.0\/16 dev ovl1/);
  const own = net.addLink("ovl0", { kind: "tun" });
  net.deleteRoute(net.routes().find((r) => r.iface === other)!);
  net.addRoute(route("10.42.0.0/16", { iface: own, protocol: 84 }));
  assert.equal(refusal(net, false), null);
});
