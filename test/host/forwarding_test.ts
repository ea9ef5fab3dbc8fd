import { test } from "node:test";
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { advertisedBy, Forwarding } from "../../src/host/forwarding.ts";
import { FakeKernel, route } from "../fakes/fake_kernel.ts";
import { FakeSysctls } from "../fakes/fake_sysctls.ts";

const V4 = "net/ipv4/ip_forward", V6 = "net/ipv6/conf/all/forwarding";
const BOTH = { families: [4, 6], advertised: () => ["eth0"] } as const;

interface Story {
  readonly sysctls: FakeSysctls;
  readonly note: string;
  /** As a new process sees it. */
  readonly again: () => Forwarding;
}

function onHost(story: (host: Story) => void): void {
  const directory = mkdtempSync(join(tmpdir(), "forwarding-"));
  try {
    const sysctls = new FakeSysctls(["lo", "eth0", "docker0"]);
    const note = join(directory, "sysctl.json");
    story({ sysctls, note, again: () => new Forwarding(sysctls, note) });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("ensure() turns on what is asked for, says so once, and giveBack() leaves everything as it was", () =>
  onHost(({ sysctls, note, again }) => {
    sysctls.set("net/ipv4/conf/eth0/forwarding", "1");
    sysctls.set("net/ipv4/conf/all/accept_redirects", "0");
    sysctls.set("net/ipv6/conf/docker0/forwarding", "1");
    const before = sysctls.all;
    const forwarding = again();
    assert.deepEqual(forwarding.ensure(BOTH), {
      repaired: [
        "Set net.ipv4.ip_forward to 1; it was 0, and is set back when ovltun stops",
        "Set net.ipv6.conf.all.forwarding to 1; it was 0, and is set back when ovltun stops",
        "Set net.ipv6.conf.eth0.accept_ra to 2: this host goes on taking its routes from routers",
      ],
      failed: [],
    });
    assert.deepEqual([sysctls.read(V4), sysctls.read(V6)], ["1", "1"]);
    assert.deepEqual(forwarding.ensure(BOTH), { repaired: [], failed: [] });
    assert.deepEqual(forwarding.giveBack().repaired, [
      "Set net.ipv4.ip_forward back to 0",
      "Set net.ipv6.conf.all.forwarding back to 0",
    ]);
    assert.deepEqual(sysctls.all, before);
    assert.equal(existsSync(note), false);
    assert.deepEqual(forwarding.giveBack(), { repaired: [], failed: [] });
  }));

test("what was on already is neither told nor taken back, nor the family that is not asked for", () =>
  onHost(({ sysctls, note, again }) => {
    sysctls.set(V4, "1");
    const before = sysctls.all;
    const forwarding = again();
    assert.deepEqual(forwarding.ensure({ ...BOTH, families: [4] }), { repaired: [], failed: [] });
    assert.equal(existsSync(note), false);
    assert.deepEqual(forwarding.giveBack(), { repaired: [], failed: [] });
    assert.deepEqual(sysctls.all, before);
  }));

test("after a crash the next run gives back what the first one found, however often it crashed", () =>
  onHost(({ sysctls, again }) => {
    const before = sysctls.all;
    again().ensure(BOTH);
    again().ensure(BOTH);
    sysctls.set(V4, "0"); // somebody turned it off, and the next run on again
    again().ensure(BOTH);
    assert.equal(sysctls.read(V4), "1");
    again().giveBack();
    assert.deepEqual(sysctls.all, before);
  }));

test("a note of another boot counts for nothing, nor does one of others, or half of one", () =>
  onHost(({ sysctls, note, again }) => {
    again().ensure(BOTH);
    const text = readFileSync(note, "utf8");
    sysctls.reboot();
    assert.deepEqual(again().giveBack(), { repaired: [], failed: [] });
    const place = sysctls.place();
    const strange = {
      "kernel/core_pattern": "1",
      "net/ipv4/conf/../tcp_syncookies/forwarding": "0",
      [V6]: "rm",
    };
    for (const broken of ["", "{", "[]", "null", text, JSON.stringify({ place, before: strange })]) {
      writeFileSync(note, broken);
      assert.deepEqual(again().giveBack(), { repaired: [], failed: [] }, broken);
    }
    assert.equal(sysctls.read(V4), "1");
  }));

test("what somebody set meanwhile stays as it is", () =>
  onHost(({ sysctls, again }) => {
    const forwarding = again();
    forwarding.ensure(BOTH);
    sysctls.set(V6, "0");
    sysctls.set("net/ipv6/conf/eth0/accept_ra", "0");
    forwarding.giveBack();
    assert.deepEqual(
      [V6, "net/ipv6/conf/eth0/accept_ra", V4].map((path) => sysctls.read(path)),
      ["0", "0", "0"],
    );
  }));

test("where it may not be set, the sentence has the command, and nothing is noted or given back", () =>
  onHost(({ sysctls, note, again }) => {
    sysctls.readOnly = true;
    const forwarding = again();
    const { repaired, failed } = forwarding.ensure({ ...BOTH, families: [4] });
    assert.deepEqual(repaired, []);
    assert.match(
      failed.join(),
      /^Cannot set net.ipv4.ip_forward to 1: EROFS, .*as root on the host: sysctl -w net.ipv4.ip_forward=1\)$/,
    );
    assert.equal(existsSync(note), false);
    sysctls.readOnly = false;
    sysctls.set(V4, "1"); // as the sentence says
    assert.deepEqual(forwarding.giveBack(), { repaired: [], failed: [] });
    assert.equal(sysctls.read(V4), "1");
  }));

test("without a place for the note nothing is changed; a note that is deleted is written again", () =>
  onHost(({ sysctls, note, again }) => {
    const before = sysctls.all;
    const nowhere = new Forwarding(sysctls, join(note, "below", "nothing"));
    assert.match(nowhere.ensure(BOTH).failed.join(), /^Cannot note what net.ipv4.ip_forward was/);
    assert.deepEqual(sysctls.all, before);
    const forwarding = again();
    forwarding.ensure(BOTH);
    rmSync(note);
    forwarding.ensure(BOTH);
    again().giveBack();
    assert.deepEqual(sysctls.all, before);
  }));

test("advertisedBy() names the interfaces with a default route by a router's advertisement", () => {
  const kernel = new FakeKernel();
  const eth0 = kernel.addLink("eth0"), eth1 = kernel.addLink("eth1");
  kernel.addRoute(route("fe80::/64", { iface: eth0 }));
  kernel.addRoute(route("::/0", { iface: eth0, gateway: "fe80::1", protocol: 9, metric: 1024 }));
  kernel.addRoute(route("2001:db8::/64", { iface: eth1, protocol: 9 }));
  kernel.addRoute(route("0.0.0.0/0", { iface: eth1, protocol: 16 }));
  assert.deepEqual(advertisedBy(kernel), ["eth0"]);
});
