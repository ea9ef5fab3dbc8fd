/**
 * Hosts with as many and as long addresses as a record takes: nothing that changes at once ends a control plane, and no
 * datagram is longer than it may be, in a plain mesh and in a sealed one.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import { GOSSIP_MAX_LEN } from "../../src/wire/gossip.ts";
import { HANDSHAKE_MAX_LEN } from "../../src/wire/handshake.ts";
import { sealedSetup } from "../made/network_keys.ts";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";

/** Its own endpoint first, and seven more; another `prefix` is another provider's. */
function addresses(node: SimNode, n: number, prefix: number): string[] {
  const more = Array.from(
    { length: 7 },
    (_, i) => `[2001:db8:${1000 + prefix}:2222:3333:4444:5555:${1000 + 10 * n + i}]:65535`,
  );
  return [node.endpoint, ...more];
}

for (const security of ["plain", "sealed"] as const) {
  test(`Hosts with eight addresses found a ${security} mesh together, and lose and get them all at once`, () => {
    for (const [seed, hosts] of [[1, 3], [2, 3], [3, 8]] as const) {
      const world = new World(seed, { loss: seed === 2 ? 0.1 : 0 });
      const names = Array.from({ length: hosts }, (_, n) => `${"h".repeat(60)}${n}`);
      for (const name of names) {
        const others = names.filter((other) => other !== name);
        const node = world.add(name, others, { plain: security === "plain", version: "9".repeat(32) });
        if (security === "sealed") node.sealed = sealedSetup();
      }
      let longest = 0;
      world.onAction = (_, action) => {
        if (action.kind === "sendSealed") longest = Math.max(longest, action.bytes.length);
        if (action.kind === "send" && action.bytes[0]! >= 0x20) {
          longest = Math.max(longest, action.bytes.length);
        }
      };
      for (const [n, node] of world.nodes.entries()) {
        world.start(node);
        world.event(node, { kind: "ownEndpoints", endpoints: addresses(node, n, 0) });
      }
      assert.ok(world.runUntil(() => oneMesh(world), 60_000), whyNotOneMesh(world) ?? "");
      for (let round = 1; round <= 6; round++) {
        for (const [n, node] of world.nodes.entries()) {
          const all = addresses(node, n, round >> 1);
          const endpoints = round % 2 === 1 ? all.slice(0, 1) : all;
          world.event(node, { kind: "ownEndpoints", endpoints });
        }
        world.run(3000);
      }
      assert.ok(world.runUntil(() => oneMesh(world), 30_000), whyNotOneMesh(world) ?? "");
      assert.ok(longest <= GOSSIP_MAX_LEN, `${longest} bytes`);
      assert.ok(longest > 700, `records as long as that were told: ${longest} bytes`);
      assert.ok(world.network.largest <= HANDSHAKE_MAX_LEN, `${world.network.largest} bytes`);
      for (const node of world.nodes) {
        const view = world.view(node);
        assert.equal(view.own.unsent, 0, node.name);
        for (const peer of view.peers) assert.equal(peer.endpoints.length, 8, `${node.name}: ${peer.name}`);
      }
    }
  });
}
