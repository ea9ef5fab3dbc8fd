import { test } from "node:test";
import { warmUp } from "../../../src/control/handshake/warm_up.ts";
import { SeededRandom } from "../../fakes/seeded_random.ts";

test("warmUp() comes to a session by both patterns, and takes nothing but randomness", () => {
  warmUp(new SeededRandom(1)); // throws when one of the four is missing
});
