/**
 * What the kernel refuses and drops, as the user hears of it: errnos become advice, changes are told once, and drops count
 * from the daemon's start. And which source packets get.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { constants } from "node:os";
import { DeviceDrops } from "../../../src/daemon/host/device_drops.ts";
import { SendRefusals, whyRefused } from "../../../src/daemon/planes/send_refusals.ts";
import { UnderlayWatch } from "../../../src/daemon/host/underlay_watch.ts";
import { kernelDrops } from "../../../src/daemon/reports/reports.ts";
import { FakeKernel } from "../../fakes/fake_kernel.ts";
import { systemMachine } from "../../../src/machine/machine.ts";

const { EPERM, EACCES, ENETUNREACH, EHOSTUNREACH, EMSGSIZE, ENOBUFS, EAFNOSUPPORT } = constants.errno;
const THERE = "10.0.0.9:8473";

function refusals(): { refusals: SendRefusals; control: (string | null)[]; warned: string[] } {
  const control: (string | null)[] = [], warned: string[] = [];
  const made = new SendRefusals(
    (_to, refusal) => control.push(refusal?.why ?? null),
    (sentence) => warned.push(sentence),
  );
  return { refusals: made, control, warned };
}

test("the control plane is told what its datagrams are refused for, and when that is over, each once", () => {
  const { refusals: r, control } = refusals();
  for (const errno of [0, EPERM, EPERM, ENETUNREACH, 0, 0]) r.control(THERE, errno);
  assert.equal(control.length, 3);
  assert.match(control[0]!, /^EPERM, this host's firewall .*udp to port 8473/);
  assert.match(control[1]!, /^ENETUNREACH, this host has no route to it \(ip route get 10\.0\.0\.9\)/);
  assert.equal(control[2], null);
});

test("data that is refused is warned of once a minute, and shown while it goes on; what is too long, or too much, is not", () => {
  const { refusals: r, warned } = refusals();
  for (const errno of [EMSGSIZE, ENOBUFS]) r.data(THERE, errno, 0);
  assert.deepEqual([warned, r.at(0)], [[], []]);
  for (let now = 0; now < 30_000; now += 1000) r.data(THERE, EACCES, now);
  assert.equal(warned.length, 1);
  assert.match(warned[0]!, /^Cannot send data to 10\.0\.0\.9:8473: EACCES, this host's firewall/);
  assert.deepEqual(r.at(31_000), warned);
  assert.deepEqual(r.at(60_000), []);
});

test("whyRefused() says what to do for every errno that a send comes back with", () => {
  for (const errno of [EPERM, EACCES, ENETUNREACH, EHOSTUNREACH, EMSGSIZE, ENOBUFS, EAFNOSUPPORT, 4711]) {
    for (const to of [THERE, "[fd00::9]:8472"]) {
      assert.match(whyRefused(to, errno), /^(E[A-Z]+|errno 4711), \w.{15}/);
    }
  }
});

test("drops of the device count from its first look on, over a device that takes its place", () => {
  const drops = new DeviceDrops();
  drops.note(7, null);
  assert.deepEqual(drops.total, { rx: 0, tx: 0 });
  drops.note(7, { rx: 100, tx: 5 });
  assert.deepEqual(drops.total, { rx: 0, tx: 0 }, "what was before us");
  drops.note(7, { rx: 103, tx: 9 });
  drops.note(8, { rx: 0, tx: 0 });
  drops.note(8, { rx: 1, tx: 1 });
  assert.deepEqual(drops.total, { rx: 4, tx: 5 });
  assert.deepEqual(kernelDrops(drops.total, { own: 3, vxlan: 0 }), {
    "device-rx-dropped": 4,
    "device-tx-dropped": 5,
    "socket-overflow-own": 3,
    "socket-overflow-vxlan": 0,
  });
});

test("a source is set only where the kernel would choose another, and only while it is an address of this host", () => {
  const net = new FakeKernel();
  const eth0 = net.addLink("eth0");
  for (const address of ["192.168.1.2", "192.168.1.50"]) {
    net.addAddress({ iface: eth0, address, prefixLength: 24, scope: 0 });
  }
  const asked: string[] = [];
  const local = new Map([["192.168.1.2", "local"], ["192.168.1.50", "local"]]);
  const look = {
    ...{ interfaces: () => net.interfaces(), addresses: () => net.addresses(), routes: () => net.routes() },
    revision: () => net.revision(),
    routeTo: (address: string) => {
      asked.push(address);
      const type = local.get(address) === "local" ? "local" as const : "unicast" as const;
      return { type, gateway: null, link: eth0, source: "192.168.1.2" };
    },
  };
  const underlay = new UnderlayWatch(systemMachine, Object.assign(Object.create(net), look), {
    iface: "eth0",
    device: "ovl0",
    port: 8473,
    underlayMtu: null,
  });
  assert.equal(underlay.local(THERE), null, "nobody has called");
  let called = "192.168.1.50";
  underlay.called = () => called;
  assert.deepEqual(underlay.local(THERE), { address: "192.168.1.50", pinned: true });
  called = "192.168.1.2";
  assert.deepEqual(underlay.local(THERE), { address: "192.168.1.2", pinned: false });
  called = "192.168.1.50";
  underlay.local(THERE);
  asked.length = 0;
  underlay.local(THERE);
  assert.deepEqual(asked, [], "it was found out before");
  local.delete("192.168.1.50");
  underlay.hostChanged();
  assert.equal(underlay.local(THERE), null);
});
