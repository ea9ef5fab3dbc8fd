import { createSocket } from "node:dgram";
import { test } from "node:test";
import assert from "node:assert/strict";
import type { Mailbox } from "../../../src/ports/planes.ts";
import type { Config } from "../../../src/config/config.ts";
import { socketsFor } from "../../../src/control/paths/paths.ts";
import { foundersSockets, Sockets } from "../../../src/daemon/planes/sockets.ts";
import { socketsOn } from "../../../src/sys/port_holder.ts";
import { systemMachine } from "../../../src/machine/machine.ts";
import { prefix } from "../../../src/wire/prefix.ts";

const STATIC = {
  subnet: prefix("10.42.3.0/24"),
  address: "10.99.0.3",
  port: null,
  mac: null,
  vni: null,
} as const;

test("socketsFor() opens a port only where something uses it", () => {
  const mesh = (backend: "udp" | "vxlan" | "host-gw", security: "plain" | "sealed") => ({
    backend,
    security,
    vxlanPort: 9,
  });
  const none = { vxlan: null, flannel: false };
  for (const backend of ["udp", "vxlan", "host-gw"] as const) {
    assert.deepEqual(socketsFor(mesh(backend, "sealed"), []), none, backend);
    assert.deepEqual(socketsFor(mesh(backend, "sealed"), [{ ...STATIC, backend: "vxlan" }]), {
      ...none,
      vxlan: 9,
    });
    assert.deepEqual(socketsFor(mesh(backend, "sealed"), [{ ...STATIC, backend: "udp" }]), {
      ...none,
      flannel: true,
    });
  }
  assert.deepEqual(socketsFor(mesh("vxlan", "plain"), []), { ...none, vxlan: 9 });
  assert.deepEqual(socketsFor(mesh("udp", "plain"), []), none);
});

test("foundersSockets() follows the founder's flags", () => {
  const of = (change: Partial<Config>) =>
    foundersSockets(
      { backend: "vxlan", plain: false, vxlanPort: null, staticPeers: [], ...change } as unknown as Config,
    );
  assert.deepEqual(of({}), { vxlan: null, flannel: false });
  assert.deepEqual(of({ plain: true }), { vxlan: 8472, flannel: false });
  assert.deepEqual(of({ plain: true, vxlanPort: 4789 }), { vxlan: 4789, flannel: false });
  assert.deepEqual(of({ plain: true, backend: null }), { vxlan: null, flannel: false });
});

test("a port that stays taken is tried again every few seconds, its holder looked for once a minute", async () => {
  const holder = createSocket("udp4");
  await new Promise<void>((resolve) => holder.bind(0, "127.0.0.1", resolve));
  const { port } = holder.address();
  let looked = 0;
  const mailbox = { post: () => 0, flush: () => {}, retry: () => {}, applied: () => true };
  const sockets = new Sockets(systemMachine.udp, mailbox as unknown as Mailbox, {
    port: 0,
    workers: 1,
    interfaces: () => (looked++, []),
  });
  try {
    const wanted = { vxlan: port, flannel: false };
    for (let now = 0; now < 60_000; now += 5000) {
      const [sentence, ...more] = sockets.ensure(wanted, now);
      assert.match(
        sentence!,
        /EADDRINUSE.*\(this node itself is using it; ovltun takes it as soon as it is free/,
      );
      assert.deepEqual(more, []);
    }
    assert.equal(looked, 1);
    sockets.ensure(wanted, 60_000);
    assert.equal(looked, 2);
    await new Promise<void>((resolve) => holder.close(resolve));
    assert.deepEqual(sockets.ensure(wanted, 65_000), []);
  } finally {
    sockets.close();
  }
});

test("socketsOn() finds the sockets of a port in /proc/net/udp", () => {
  const table =
    `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 4410: 00000000:2118 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 239664 2 00000000c631fcee 0
 4411: 0100007F:2119 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 7 2 00000000c631fcee 0
 4412: 00000000000000000000000000000000:2118 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 8 2 0 0
`;
  assert.deepEqual(socketsOn(8472, table), ["socket:[239664]", "socket:[8]"]);
  assert.deepEqual(socketsOn(8473, table), ["socket:[7]"]);
  assert.deepEqual(socketsOn(8474, table), []);
  assert.deepEqual(socketsOn(8472, ""), []);
});
