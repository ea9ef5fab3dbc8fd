import { test } from "node:test";
import assert from "node:assert/strict";
import { type Encapsulation, overhead, overlayMtu } from "../../src/wire/overhead.ts";

test("overhead() gives the documented bytes, 20 more over IPv6", () => {
  const expected: [Encapsulation, number][] = [
    ["data", 44],
    ["sealed", 60],
    ["vxlan", 50],
    ["flannel", 28],
  ];
  for (const [encapsulation, bytes] of expected) {
    assert.equal(overhead(encapsulation, 4), bytes);
    assert.equal(overhead(encapsulation, 6), bytes + 20);
  }
});

test("overlayMtu() is what is left of the underlay, never below 0", () => {
  assert.equal(overlayMtu(1500, "vxlan", 4), 1450); // what flannel sets
  assert.equal(overlayMtu(1500, "sealed", 6), 1420); // what WireGuard sets
  assert.equal(overlayMtu(10, "data", 4), 0);
});
