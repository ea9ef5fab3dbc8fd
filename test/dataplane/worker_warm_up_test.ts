import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeHmac } from "../../src/crypto/handshake_mac.ts";
import { warmUpWorker } from "../../src/dataplane/worker_warm_up.ts";
import type { AeadProvider } from "../../src/ports/aead.ts";
import { SeededRandom } from "../fakes/seeded_random.ts";
import { AEAD } from "../made/sealed_pair.ts";

test("warmUpWorker() uses every suite once and wipes its keys", () => {
  let made = 0, wiped = 0;
  const counting: AeadProvider = {
    suites: () => AEAD.suites(),
    key: (suite, key, memory) => {
      const real = AEAD.key(suite, key, memory);
      made++;
      return {
        suite,
        seal: real.seal.bind(real),
        open: real.open.bind(real),
        wipe: () => {
          wiped++;
          real.wipe();
        },
      };
    },
  };
  warmUpWorker(nodeHmac, new SeededRandom(1), counting);
  assert.equal(made, 2 * AEAD.suites().length, "one to send with, one to receive with");
  assert.equal(wiped, made);
});

test("warmUpWorker() throws for a suite that does not open what it sealed, and for a gate that refuses its own", () => {
  const random = new SeededRandom(2);
  const deaf: AeadProvider = {
    suites: () => AEAD.suites().slice(0, 1),
    key: (suite, key, memory) => {
      const real = AEAD.key(suite, key, memory);
      return { suite, seal: real.seal.bind(real), open: () => -1, wipe: real.wipe.bind(real) };
    },
  };
  assert.throws(() => warmUpWorker(nodeHmac, random, deaf), /does not open/);
  let calls = 0;
  const wrong = {
    by: "node:crypto" as const,
    digest: (_key: Uint8Array, _b: Uint8Array, _at: number, _length: number, out: Uint8Array) =>
      void out.fill(calls++),
  };
  assert.throws(() => warmUpWorker(wrong, random, AEAD), /The gate of handshakes fails its own: bad-mac/);
});
