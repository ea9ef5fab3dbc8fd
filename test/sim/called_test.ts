/**
 * Hosts with more than one address. Whoever is called at one answers from there; and where an answer comes from another
 * address all the same, the endpoint that was asked has been answered, and is not asked for ever.
 */

import { test } from "node:test";
import assert from "node:assert/strict";
import { TYPE_HANDSHAKE, TYPE_HELLO } from "../../src/wire/datagram.ts";
import { HELLO_ASK } from "../../src/wire/hello.ts";
import { IK1, XX1 } from "../../src/wire/handshake.ts";
import { addSealed } from "./sealed.ts";
import type { SimNode } from "./sim_node.ts";
import { oneMesh, whyNotOneMesh, World } from "./world.ts";

const CALLED = "192.168.7.7:8473";

function twoHosts(seed: number, sealed: boolean, tells: boolean): [World, SimNode, SimNode] {
  const world = new World(seed);
  const add = (name: string, seeds: string[] = []) =>
    sealed ? addSealed(world, name, seeds) : world.add(name, seeds);
  const alpha = add("alpha");
  const beta = add("beta", [CALLED]);
  world.aliases.set(CALLED, { node: alpha, tells });
  world.start(alpha);
  world.start(beta);
  return [world, alpha, beta];
}

function asks(bytes: Uint8Array): boolean {
  return (bytes[0] === TYPE_HELLO && bytes[2] === HELLO_ASK) ||
    (bytes[0] === TYPE_HANDSHAKE && [XX1, IK1].includes(bytes[2]!));
}

for (const sealed of [false, true]) {
  const mesh = sealed ? "sealed" : "plain";

  test(`A host called at its second address answers from there, through a NAT that takes nothing else: ${mesh}`, () => {
    const [world, , beta] = twoHosts(11, sealed, true);
    const called = new Set<string>();
    world.onAction = (node, action) => {
      if (node === beta && (action.kind === "send" || action.kind === "sendSealed")) called.add(action.to);
    };
    world.filter = (from, to) => to !== beta.endpoint || (from === CALLED && called.has(from));
    assert.ok(world.runUntil(() => oneMesh(world), 5000), whyNotOneMesh(world) ?? "");
    world.run(60_000);
    assert.ok(oneMesh(world), whyNotOneMesh(world) ?? "");
    assert.equal(world.view(beta).peers[0]!.endpoint, CALLED);
  });

  test(`An endpoint whose answers come from another address is asked no more once it has answered: ${mesh}`, () => {
    const [world, , beta] = twoHosts(12, sealed, false);
    assert.ok(world.runUntil(() => oneMesh(world), 5000), whyNotOneMesh(world) ?? "");
    world.run(2000);
    let asked = 0;
    world.onAction = (node, action) => {
      if (node === beta && action.kind === "send" && action.to === CALLED && asks(action.bytes)) asked++;
    };
    world.run(60_000);
    assert.equal(asked, 0);
    assert.ok(oneMesh(world), whyNotOneMesh(world) ?? "");
  });
}

test("A forged source makes nobody a link: a hello's answer from elsewhere is asked back there first", () => {
  const [world, alpha, beta] = twoHosts(13, false, false);
  // What alpha sends seems to come from where nobody is.
  world.filter = (from) => from !== alpha.endpoint;
  world.run(5000);
  assert.equal(world.view(beta).peers.length, 0);
});

test("What this host refuses to send is the outcome of the endpoint, and a warning while nobody is reached", () => {
  const world = new World(14);
  const beta = world.add("beta", ["10.0.0.9:8473"]);
  world.start(beta);
  world.run(3000);
  const why = "EPERM, this host's firewall stops it";
  world.event(beta, { kind: "sendRefused", to: "10.0.0.9:8473", refusal: { why, avoidable: false } });
  world.run(1500);
  const { warnings, waitingFor } = world.view(beta).own;
  assert.deepEqual(warnings, [`Cannot send to 10.0.0.9:8473: ${why}`]);
  assert.match(waitingFor[0]!.message, /cannot send: EPERM, this host's firewall/);
  assert.ok(beta.logs.some(({ message }) => message === warnings[0]));
  world.event(beta, { kind: "sendRefused", to: "10.0.0.9:8473", refusal: null });
  assert.deepEqual(world.view(beta).own.warnings, []);
  assert.match(world.view(beta).own.waitingFor[0]!.message, /no answer for/);
});

test("An address that cannot be reached by this host is no warning while the same peer has others", () => {
  const world = new World(15);
  const beta = world.add("beta", ["alpha.example"]);
  world.start(beta);
  const endpoints = ["10.0.0.9:8473", "[fd00::9]:8473"];
  world.event(beta, { kind: "seeds", seeds: [{ text: "alpha.example", endpoints }] });
  world.event(beta, {
    kind: "sendRefused",
    to: endpoints[1]!,
    refusal: { why: "ENETUNREACH, this host has no route to it", avoidable: true },
  });
  world.run(1500);
  assert.deepEqual(world.view(beta).own.warnings, []);
  assert.match(world.view(beta).own.waitingFor[0]!.message, /no answer for/);
  world.event(beta, {
    kind: "sendRefused",
    to: endpoints[0]!,
    refusal: { why: "ENETUNREACH, this host has no route to it", avoidable: true },
  });
  assert.equal(world.view(beta).own.warnings.length, 2, "none is left");
});
