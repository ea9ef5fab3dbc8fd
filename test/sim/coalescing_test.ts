/** How often the host and the data plane are compared with what is wanted, counted in simulated networks. */

import { test } from "node:test";
import assert from "node:assert/strict";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";

/** What may be followed at once: so many, and so many a second (node/core.ts). */
const [PROMPT, PROMPT_PER_S] = [16, 2];

test("However many records change, a node reconciles four times a second, and at once only while little changes", () => {
  const world = new World(1);
  for (let i = 0; i < 30; i++) world.add(`n${i}`, i === 0 ? [] : ["n0"]);
  const bound = new Map<string, number>();
  let most = 0;
  world.onAction = (node, action) => {
    if (action.kind === "leaseChanged") bound.set(node.name, (bound.get(node.name) ?? 0) + 1);
    if (action.kind === "reconcile") most = Math.max(most, node.reconciles + 1 - (bound.get(node.name) ?? 0));
  };
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 10_000), whyNotOneMesh(world) ?? "");
  const seconds = world.clock.now() / 1000;
  const bounds = 4 * seconds + 2 + PROMPT + PROMPT_PER_S * seconds;
  assert.ok(most <= bounds, `${most} reconciles in ${seconds} s, ${bounds} at most`);
});

test("A lease that is lost is withdrawn with the event that says so", () => {
  const world = new World(2);
  const [alpha, beta] = [world.add("alpha"), world.add("beta", ["alpha"])];
  for (const node of world.nodes) world.start(node);
  assert.ok(world.runUntil(() => oneMesh(world), 5000));
  const at: string[] = [];
  world.onAction = (node, { kind }) => {
    if (node === beta && (kind === "leaseChanged" || kind === "reconcile")) {
      at.push(`${kind} ${world.clock.now()}`);
    }
  };
  world.event(alpha, { kind: "forget", target: beta.identity.id, revoke: false });
  assert.ok(world.runUntil(() => at.some((one) => one.startsWith("lease")), 3000));
  const [, when] = at.find((one) => one.startsWith("lease"))!.split(" ");
  assert.ok(at.includes(`reconcile ${when}`), `${at}`);
});

test("A lease that a peer tells is followed with the event that tells it, where little changes", () => {
  const world = new World(3);
  const [alpha, beta] = [world.add("alpha"), world.add("beta", ["alpha"])];
  world.start(alpha);
  world.run(3000);
  let told: number | null = null;
  const followed: number[] = [];
  world.onAction = (node, { kind }) => {
    if (node !== alpha) return;
    const known = alpha.plane!.peer(beta.identity.id)?.subnet != null;
    if (known) told ??= world.clock.now(); // acknowledged in the same event
    if (kind === "reconcile") followed.push(world.clock.now());
  };
  world.start(beta);
  assert.ok(world.runUntil(() => oneMesh(world), 5000), whyNotOneMesh(world) ?? "");
  assert.ok(told !== null && followed.includes(told), `told at ${told}, followed at ${followed}`);
});
