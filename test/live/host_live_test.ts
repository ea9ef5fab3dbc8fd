/**
 * What host/ does, on the real kernel in a network namespace of its own, and beside it the same on the fake kernel
 * that the other tests of host/ trust. Needs root and iproute2; nothing outside is touched.
 */
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import type { HostEvent, HostKernel, HostNetwork, Route } from "../../src/ports/host.ts";
import { removeOwned } from "../../src/host/cleanup.ts";
import { type HostState, isOwned } from "../../src/host/owned.ts";
import { reconcileHost, type Reconciliation } from "../../src/host/reconcile_host.ts";
import { type InterfaceMaker, openInterfaceMaker } from "../../src/sys/interface_maker.ts";
import { createNamespace, inNamespace, type Namespace } from "../../src/sys/namespaces.ts";
import { SysError } from "../../src/ports/sys_error.ts";
import { FakeKernel } from "../fakes/fake_kernel.ts";
import { prefix } from "../../src/wire/prefix.ts";

const skip = process.getuid?.() !== 0 ? "needs root" : false;

let ns: Namespace;
let net: HostKernel & InterfaceMaker;
let bridge = 0;

before(() => {
  if (skip !== false) return;
  ns = createNamespace();
  net = inNamespace(ns, openInterfaceMaker);
  bridge = net.addBridge("br0");
  net.setInterface(bridge, { up: true });
  net.addAddress({ iface: bridge, address: "192.168.7.1", prefixLength: 24, scope: 0 });
  net.addAddress({ iface: bridge, address: "fd07::1", prefixLength: 64, scope: 0 });
});

after(() => {
  if (skip !== false) return;
  net.close();
  ns.close();
});

function addTun(name: string): number {
  const words = ["tuntap", "add", name, "mode", "tun"];
  assert.equal(inNamespace(ns, () => spawnSync("ip", words)).status, 0);
  return net.interfaces().find((iface) => iface.name === name)!.index;
}

function refusal(fn: () => void): SysError {
  try {
    fn();
  } catch (error) {
    assert.ok(error instanceof SysError, `${error}`);
    return error;
  }
  throw new assert.AssertionError({ message: "Nothing was thrown" });
}

const lines = ({ repaired, failed }: Reconciliation) => [...repaired, ...failed];

/** One story on any kernel: what was said, what was refused, what was left. */
function story(kernel: HostNetwork, device: number, lan: number): unknown[] {
  const direct = (gateway: string) => ({ destination: prefix("10.42.9.0/24"), gateway, iface: lan });
  const state = (n: number, directRoutes: HostState["directRoutes"]): HostState => ({
    device: { iface: device, address: `10.42.${n}.0`, mtu: 1440 },
    network: prefix("10.42.0.0/16"),
    subnet: prefix(`10.42.${n}.0/24`),
    directRoutes,
  });
  const owned = (r: Route) => isOwned(r, null);
  const routes = () =>
    kernel.routes().filter(owned).map((r) => ({ ...r, iface: r.iface === device })).sort(byText);
  const byText = (a: unknown, b: unknown) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
  const told: unknown[] = [reconcileHost(kernel, state(7, [direct("192.168.7.2")])), routes()];
  told.push(reconcileHost(kernel, state(7, [direct("192.168.7.2")])));
  told.push(reconcileHost(kernel, state(8, [direct("192.168.7.3")])), routes());
  kernel.setInterface(device, { up: false });
  told.push(routes(), reconcileHost(kernel, state(8, [])), routes());
  const network = kernel.routes().find((r) => r.destination.text === "10.42.0.0/16")!;
  told.push(refusal(() => kernel.addRoute(network)).code);
  kernel.deleteRoute(network);
  told.push(refusal(() => kernel.deleteRoute(network)).code);
  const address = kernel.addresses().find((a) => a.iface === device && a.address === "10.42.8.0")!;
  told.push(refusal(() => kernel.addAddress(address)).code);
  told.push(
    lines(reconcileHost(kernel, state(8, [direct("172.31.0.1")]))).map((line) =>
      line.replace(/ link \d+/, "")
    ),
  );
  kernel.deleteAddress(address);
  told.push(refusal(() => kernel.deleteAddress(address)).code, routes());
  told.push(refusal(() => kernel.setInterface(9999, { up: true })).code);
  told.push(removeOwned(kernel, prefix("10.42.0.0/16")), routes());
  kernel.deleteInterface(device);
  told.push(refusal(() => kernel.deleteInterface(device)).code);
  return told;
}

/** What a kernel told by itself: of our routes, and of the device and its IPv4 addresses; what it says twice, once. */
function toldBy(events: readonly HostEvent[], device: number): string[] {
  const lines = events.flatMap((event) => {
    switch (event.kind) {
      case "route":
        return isOwned(event.route, null) ? [`${event.how} ${event.route.destination}`] : [];
      case "interface":
        return event.iface === device ? [event.down ? "down" : "up"] : [];
      case "address":
        return event.iface === device && !event.address.includes(":")
          ? [`${event.gone ? "lost" : "got"} ${event.address}`]
          : [];
      default:
        return [];
    }
  });
  const once = lines.filter((line, i) => line !== lines[i - 1]);
  // Routes that go together go in the order of the kernel's tree.
  const runs = once.join("\n").split(/\n(?!removed)/);
  return runs.flatMap((run) => [run.split("\n")[0]!, ...run.split("\n").slice(1).sort()]);
}

test("the fake kernel tells the same story as the real one", { skip }, () => {
  const fake = new FakeKernel();
  const lan = fake.addLink("br0", { kind: "bridge" });
  fake.addAddress({ iface: lan, address: "192.168.7.1", prefixLength: 24, scope: 0 });
  const device = fake.addLink("ovl0", { kind: "tun", up: false });
  const tun = addTun("ovl0");
  net.events();
  const real = story(net, tun, bridge);
  fake.events();
  assert.deepEqual(story(fake, device, lan), real);
  const events = toldBy(net.events(), tun);
  assert.ok(events.length > 20, events.join(", "));
  assert.deepEqual(toldBy(fake.events(), device), events);
});

test("reconcileHost() is idempotent for an IPv6 network too", { skip }, () => {
  const iface = addTun("ovl6");
  const device = { iface, address: "fd42:7::", mtu: 1440 };
  const directRoutes = [{ destination: prefix("fd42:9::/32"), gateway: "fd07::9", iface: bridge }];
  const state = { device, network: prefix("fd42::/16"), subnet: prefix("fd42:7::/32"), directRoutes };
  assert.equal(lines(reconcileHost(net, state)).filter((line) => /^(Added|Set)/.test(line)).length, 6);
  assert.deepEqual(lines(reconcileHost(net, state)), []);
  assert.equal(removeOwned(net, state.network).repaired.length, 3);
});
