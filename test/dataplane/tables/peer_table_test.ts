import assert from "node:assert/strict";
import { test } from "node:test";
import { PeerTable } from "../../../src/dataplane/tables/peer_table.ts";
import { MAX_PEERS } from "../../../src/ports/devices.ts";
import type { Tunnel } from "../../../src/ports/planes.ts";
import { below, dirty, hex, seeded, untouchedOutside } from "../../made/seeded.ts";

function tunnel(change: Partial<Tunnel> = {}): Tunnel {
  return {
    encapsulation: "data",
    endpoint: "192.168.1.2:8473",
    ownPort: "192.168.1.2:8473",
    mtu: 1440,
    sendIndex: 0xfffffff0,
    receiveIndex: 0xabcdef00,
    vni: 0,
    mac: "",
    ...change,
  };
}

test("set() stores what the packet path asks for", () => {
  const table = new PeerTable();
  table.set(7, tunnel());
  table.set(8, tunnel({ encapsulation: "vxlan", vni: 0xffffff, mac: "02:00:00:00:00:ff", receiveIndex: 0 }));
  table.set(MAX_PEERS - 1, tunnel({ encapsulation: "flannel", mtu: 1472, receiveIndex: 0 }));
  assert.equal(table.mtu[7], 1440);
  assert.equal(table.mtu[MAX_PEERS - 1], 1472);
  assert.equal(table.sendIndex[7], 0xfffffff0);
  assert.deepEqual([...table.vni.subarray(7, 9)], [0, 0xffffff]);
});

test("putVxlanHeader() writes VXLAN and Ethernet in front of a packet, with our MAC as it is now", () => {
  const table = new PeerTable();
  table.setOwnMac(hex("020000000001"));
  table.set(8, tunnel({ encapsulation: "vxlan", vni: 0xfffffe, mac: "02:00:00:00:00:ff" }));
  const b = dirty(32);
  const view = new DataView(b.buffer);
  table.putVxlanHeader(8, view, 27);
  assert.deepEqual(b.slice(5, 27), hex("08000000fffffe00" + "0200000000ff" + "020000000001" + "0800"));
  assert.ok(untouchedOutside(b, 3, 27));
  table.setOwnMac(hex("020000000002"));
  table.putVxlanHeader(8, view, 27);
  assert.deepEqual(b.slice(13, 27), hex("0200000000ff" + "020000000002" + "0800"));
});

test("a dropped peer may send nothing by VXLAN", () => {
  const table = new PeerTable();
  table.set(8, tunnel({ encapsulation: "vxlan", vni: 7 }));
  table.drop(8);
  assert.equal(table.vni[8], 0);
});

test("byIndex() ignores the lane and knows only peers with an index of ours", () => {
  const table = new PeerTable();
  assert.equal(table.byIndex(0), -1);
  table.set(0, tunnel());
  assert.equal(table.byIndex(0xabcdef00), 0);
  assert.equal(table.byIndex(0xabcdefff), 0);
  assert.equal(table.byIndex(0xabcdee00), -1);
  table.set(1, tunnel({ encapsulation: "vxlan", receiveIndex: 0 }));
  assert.equal(table.byIndex(0), -1);
  table.set(0, tunnel({ receiveIndex: 0x100 }));
  assert.equal(table.byIndex(0xabcdef00), -1);
  assert.equal(table.byIndex(0x1ff), 0);
  table.drop(0);
  assert.equal(table.byIndex(0x100), -1);
});

test("nextCounter() runs on through a changed endpoint and starts over with a new send index", () => {
  const table = new PeerTable();
  table.set(3, tunnel());
  assert.deepEqual([0, 1, 2].map(() => table.nextCounter(3)), [0, 1, 2]);
  table.set(3, tunnel({ endpoint: "192.168.1.3:8473", ownPort: "192.168.1.3:8473", mtu: 1280 }));
  assert.equal(table.nextCounter(3), 3);
  table.set(3, tunnel({ sendIndex: 5 }));
  assert.equal(table.nextCounter(3), 0);
});

test("byIndex() agrees with a naive model through random set() and drop()", () => {
  const random = seeded(17);
  const table = new PeerTable();
  const model = new Map<number, Tunnel>();
  const kinds: Tunnel["encapsulation"][] = ["data", "data", "vxlan", "flannel"];
  for (let round = 0; round < 5000; round++) {
    const slot = below(random, 20);
    if (random() < 0.3) {
      model.delete(slot);
      table.drop(slot);
    } else {
      // The control plane gives no index to two peers at once.
      const next = tunnel({
        encapsulation: kinds[below(random, 4)]!,
        receiveIndex: (slot * 4 + below(random, 4)) << 8,
      });
      model.set(slot, next);
      table.set(slot, next);
    }
    const index = below(random, 80) << 8;
    const held = [...model].find(([, t]) => t.receiveIndex !== 0 && t.receiveIndex === index);
    assert.equal(table.byIndex(index | below(random, 256)), held?.[0] ?? -1);
  }
});

test("a worker stamps its lane into what it sends, and starts its counter anew with a new index only", () => {
  const table = new PeerTable(0x0e);
  table.set(2, tunnel({ sendIndex: 0xfffffe00 }));
  assert.equal(table.sendIndex[2], 0xfffffe0e);
  assert.deepEqual([table.nextCounter(2), table.nextCounter(2)], [0, 1]);
  table.set(2, tunnel({ sendIndex: 0xfffffe00, mtu: 1300 }));
  assert.equal(table.nextCounter(2), 2);
  table.set(2, tunnel({ sendIndex: 0x100 }));
  assert.equal(table.sendIndex[2], 0x10e);
  assert.equal(table.nextCounter(2), 0);
});
