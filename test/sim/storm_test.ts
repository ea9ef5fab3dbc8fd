/** Storms over a simulated mesh (storm.ts). `OVLTUN_SEED=N` runs the one of that seed alone. */

import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { seeds } from "../made/seeds.ts";
import { FOUND_OUT_MS } from "./lease_watch.ts";
import { settled, Storm } from "./storm.ts";
import { oneMesh, whyNotOneMesh } from "./world.ts";

/**
 * A storm over fifty takes twenty-five seconds of a processor, one over sixteen two. OVLTUN_STORMS=1000: so many over fifty.
 * Either runtime has half of them.
 */
const STORMS = process.env["OVLTUN_STORMS"] ?? (process.env["OVLTUN_LONG"] === undefined ? "" : "100");
const [N, SEEDS, ROUNDS] = STORMS === "" ? [16, 20, 2] : [50, Number(STORMS), 4];
const SHARE = STORMS === "" ? undefined : "Bun" in globalThis ? "1/2" : "2/2";

test(
  "A mesh in storms never has two holders on one side for long, and is one within ten seconds of peace",
  {
    timeout: 36_000_000,
  },
  () => {
    const [plain, sealed] = [settled(N, false), settled(N, true)];
    const conflicts: number[] = [];
    for (const seed of seeds(SEEDS, 1, SHARE)) {
      const storm = seed % 3 === 0 ? new Storm(seed, plain, false) : new Storm(seed, sealed, true);
      const { world, watch } = storm;
      storm.harsh = STORMS !== "";
      storm.run(6000);
      for (let i = 0; i < ROUNDS; i++) {
        storm.disturb();
        storm.run(4000 + world.random.below(8000));
      }
      storm.peace();
      storm.run(FOUND_OUT_MS);
      assert.deepEqual(watch.double, [], `seed ${seed}: after ten seconds of peace`);
      assert.equal(watch.failure, null, `seed ${seed}`);
      assert.ok(world.runUntil(() => oneMesh(world), 20_000), `seed ${seed}: ${whyNotOneMesh(world)}`);
      conflicts.push(watch.seen.size);
    }
    assert.ok(conflicts.some((n) => n > 0), "some storms brought a subnet to two holders");
    console.log(`figure: storms: ${conflicts.length}, pairs that held one subnet: ${conflicts.join(" ")}`);
  },
);
