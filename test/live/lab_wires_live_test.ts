/** The lab's wires: hosts that are put on different bridges hear nothing of each other, and cannot see why. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { buildTopology } from "../../src/lab/topology.ts";
import { openEchoFan } from "../../src/sys/echo_fan.ts";
import { openHostNetwork } from "../../src/sys/host_network.ts";
import { until } from "./host.ts";
import { liveTest } from "./mesh.ts";

liveTest(
  "a host that is moved to another bridge is gone without a sign, and back when others follow",
  async () => {
    const topology = buildTopology(3, { bridges: 2 });
    const [alpha, beta, gamma] = topology.hosts;
    const fan = alpha!.inside(openEchoFan);
    const network = alpha!.inside(openHostNetwork);
    const heard = new Map<number, string>();
    let number = 0;
    const answered = (from: string) => [...heard.values()].includes(from) ? true : null;
    const listen = () => {
      for (const answer of fan.receive()) heard.set(answer.number, answer.from);
    };
    /** Echoes to both until `done`. */
    const echo = async (what: string, done: () => true | null) => {
      heard.clear();
      await until(what, 5000, async () => {
        for (const host of [beta!, gamma!]) fan.send(host.underlay, ++number);
        await sleep(20);
        listen();
        return done();
      });
    };
    try {
      await echo("both answer", () => answered(beta!.underlay) && answered(gamma!.underlay));
      await sleep(100);
      listen();
      network.changed();
      beta!.moveTo(1);
      const moved = number;
      for (let i = 0; i < 3; i++) await echo("gamma answers", () => answered(gamma!.underlay));
      assert.equal(answered(beta!.underlay), null);
      assert.ok([...heard.keys()].every((n) => n > moved), "answers are told apart by number");
      assert.equal(network.changed(), false, "alpha's kernel was told of something");
      alpha!.moveTo(1);
      await echo("beta answers", () => answered(beta!.underlay));
      assert.equal(answered(gamma!.underlay), null);
    } finally {
      network.close();
      fan.close();
      topology.close();
    }
  },
);
