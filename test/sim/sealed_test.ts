import { test } from "node:test";
import assert from "node:assert/strict";
import { addSealed, agreedSession } from "./sealed.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";

test("Sealed nodes mesh over a lossy network, and nothing but handshakes and sealed data is on the wire", () => {
  const world = new World(1, { loss: 0.05, latency: [1, 20] });
  for (const name of ["a", "b", "c", "d", "e"]) addSealed(world, name, name === "a" ? [] : ["a"]);
  const types = new Set<number>();
  world.network.rewrite = (datagram) => {
    types.add(datagram.bytes[0]!);
    return datagram.bytes;
  };
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 20_000), whyNotOneMesh(world) ?? "");
  world.run(5000);
  assert.deepEqual([...types].filter((type) => type !== 0x01 && type !== 0x10), []);
  assert.ok(world.network.largest <= 1280, `${world.network.largest} bytes`);
  for (const a of world.nodes) {
    for (const b of world.nodes) if (a !== b) assert.ok(agreedSession(a, b), `${a.name} and ${b.name}`);
  }
});
