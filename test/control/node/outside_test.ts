import { test } from "node:test";
import assert from "node:assert/strict";
import { Outside } from "../../../src/control/node/outside.ts";
import { prefix } from "../../../src/wire/prefix.ts";

const HOST = { owns: () => false, tunnelled: (address: string) => address === "203.0.113.9" };

test("What is outside has another revision when it may have changed, and the same while it has not", () => {
  let host = 0;
  const outside = new Outside([], { ...HOST, revision: () => host });
  const first = outside.revision();
  assert.equal(outside.revision(), first);
  host++;
  const second = outside.revision();
  assert.notEqual(second, first);
  outside.setNetworks([prefix("10.42.0.0/16")]);
  assert.ok(![first, second].includes(outside.revision()));
  const unsure = new Outside([], HOST);
  assert.notEqual(unsure.revision(), unsure.revision());
});

test("An endpoint is outside unless it lies in the mesh's network or the way to it leads through the tunnel", () => {
  const outside = new Outside([], HOST);
  assert.equal(outside.has("10.42.1.1:8473"), true, "nobody knows the network yet");
  assert.equal(outside.has("203.0.113.9:8473"), false);
  outside.setNetworks([prefix("10.42.0.0/16")]);
  assert.equal(outside.has("10.42.1.1:8473"), false);
  assert.equal(outside.has("10.43.1.1:8473"), true);
  assert.equal(outside.has("[2001:db8::1]:8473"), true);
});
