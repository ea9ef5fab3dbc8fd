import assert from "node:assert/strict";
import { test } from "node:test";
import { NOTHING } from "../../../src/control/paths/paths.ts";
import type { Path } from "../../../src/control/paths/path_choice.ts";
import type { NodeView, PeerView } from "../../../src/control/paths/view.ts";
import { LOST_AFTER_MS, LostPaths } from "../../../src/daemon/reports/path_log.ts";

const ID = "b".repeat(64);
const NONE: Path = { path: "none", why: "no answer to this host, though other nodes reach it", mtu: 0 };
const TUNNEL: Path = { path: "tunnel", why: "direct routing is off", asAsked: true, mtu: 1440 };

/** What is logged when a peer is seen like this at this time. */
function looker(): (path: Path, now: number, more?: Partial<PeerView>) => string[] {
  const lost = new LostPaths();
  return (path, now, more = {}) => {
    const endpoints = ["192.168.78.2:8473", "10.99.0.4:8473"];
    const tried = endpoints.map((endpoint) => ({
      endpoint,
      lastTriedAt: 1,
      outcome: { kind: "silent" } as const,
    }));
    const peer = {
      id: ID,
      name: "beta",
      state: "alive",
      endpoint: null,
      endpoints,
      tried,
      translated: [endpoints[1]],
    };
    const own = { name: "alpha", leaseState: "confirmed", endpoints: [], translated: ["10.99.0.3:8473"] };
    const view = { own, peers: [{ ...peer, ...more }] } as unknown as NodeView;
    const wanted = { ...NOTHING, paths: new Map([[ID, path]]) };
    return lost.look({ view, underlay: ["192.168.77.2:8473"] }, wanted, now)
      .map(({ level, message }) => `${level} ${message}`);
  };
}

test("a peer that is alive without a path is told once, with the advice of why, and once when it has one", () => {
  const look = looker();
  assert.deepEqual(look(NONE, 0), []);
  assert.deepEqual(look(NONE, LOST_AFTER_MS - 1), []);
  assert.deepEqual(look(NONE, LOST_AFTER_MS), [
    "warn beta is alive, but this host has no path to it: no answer to this host, though other nodes reach it; fix: both are " +
    "behind NAT: forward 8473/udp to beta on its router, and start beta with --advertise 10.99.0.4; or the same " +
    "for this host: forward 8473/udp to alpha on its router, and start alpha with --advertise 10.99.0.3",
  ]);
  assert.deepEqual(look(NONE, LOST_AFTER_MS * 9), []);
  assert.deepEqual(look(NONE, LOST_AFTER_MS * 10, { state: "suspect" }), []);
  assert.deepEqual(look(NONE, LOST_AFTER_MS * 10), [], "suspect for a moment");
  assert.deepEqual(look(TUNNEL, LOST_AFTER_MS * 11), ["info beta has a path again: tunnel"]);
  assert.deepEqual(look(TUNNEL, LOST_AFTER_MS * 12), []);
});

test("a path that takes a moment is no news, nor is a peer that is dead, nor a node without a lease", () => {
  const look = looker();
  look(NONE, 0);
  assert.deepEqual(look(TUNNEL, LOST_AFTER_MS), []);
  look(NONE, LOST_AFTER_MS * 2);
  assert.deepEqual(look(NONE, LOST_AFTER_MS * 4, { state: "dead" }), []);
  assert.deepEqual(look(NONE, LOST_AFTER_MS * 5), [], "it is back, and gets its time");
});

test("host-gw without the flag on the other side says which", () => {
  const look = looker();
  const path: Path = {
    ...NONE,
    why: "host-gw is in the clear",
    fix: "start ovltun on beta with --allow-plain-direct",
  };
  look(path, 0, { endpoint: "10.99.0.4:8473" });
  assert.match(
    look(path, LOST_AFTER_MS, { endpoint: "10.99.0.4:8473" })[0]!,
    /; fix: start ovltun on beta with/,
  );
});
