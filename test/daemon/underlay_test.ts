import { test } from "node:test";
import assert from "node:assert/strict";
import { Underlay } from "../../src/daemon/underlay.ts";
import { FakeKernel } from "../fakes/fake_kernel.ts";

const ADDRESS = { address: "192.168.1.10", prefixLength: 24, scope: 0 };

function host() {
  const net = new FakeKernel();
  const link = net.addLink("eth0", { mtu: 1400 });
  net.addAddress({ link, ...ADDRESS });
  return { net, link };
}

const OPTIONS = { iface: "eth0", device: "ovl0", port: 8473 };

test("Underlay keeps address and MTU while --iface has none, says so, and follows when it is back", () => {
  const { net, link } = host();
  const underlay = new Underlay(net, OPTIONS);
  assert.deepEqual(underlay.endpoints(), ["192.168.1.10:8473"]);
  assert.equal(underlay.facts().underlayMtu, 1400);
  assert.equal(underlay.trouble, null);
  net.deleteAddress({ link, ...ADDRESS });
  assert.deepEqual(underlay.endpoints(), ["192.168.1.10:8473"]);
  assert.equal(underlay.facts().underlayMtu, 1400);
  assert.match(underlay.trouble ?? "", /"eth0" has no address/);
  net.addAddress({ link, ...ADDRESS, address: "192.168.1.77" });
  assert.deepEqual(underlay.endpoints(), ["192.168.1.77:8473"]);
  assert.equal(underlay.trouble, null);
});

test("Underlay refuses to start with an interface that is not there", () => {
  assert.throws(() => new Underlay(host().net, { ...OPTIONS, iface: "eth9" }), /does not exist/);
});

test("Underlay names what --advertise resolves to first", () => {
  const underlay = new Underlay(host().net, OPTIONS);
  underlay.advertised = ["203.0.113.5:99"];
  assert.deepEqual(underlay.endpoints(), ["203.0.113.5:99", "192.168.1.10:8473"]);
});
