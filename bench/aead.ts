/**
 * What sealing and opening a packet of 1400 bytes costs, for each suite and whoever computes it here:
 * `deno run -A bench/aead.ts`, `bun bench/aead.ts`. Compare ratios taken in one run.
 */
import { Bench } from "tinybench";
import { aeadMakers } from "../src/machine/aead_makers.ts";
import { createPool, packetAt, SEALED_AT } from "../src/dataplane/packet/packet_memory.ts";
import { DATA_LEN } from "../src/wire/data_header.ts";
import { AEAD_TAG_LEN } from "../src/wire/overhead.ts";

const PACKET_LEN = 1400;
/** Packets a call, one behind the other: a superframe's worth. */
const TRAIN = 46;
const DISTANCE = DATA_LEN + PACKET_LEN + AEAD_TAG_LEN;

if (import.meta.main) {
  const { makers, without } = aeadMakers();
  if (without !== null) console.log(without);
  const { bytes } = createPool();
  const bench = new Bench({ time: 300, warmupTime: 100 });
  for (const maker of makers) {
    for (const suite of maker.suites) {
      const key = maker.key(suite, new Uint8Array(32).fill(7), bytes);
      const seal = (i: number) => {
        const header = SEALED_AT + i * DISTANCE;
        bytes[header + DATA_LEN - 1] = i;
        key.seal(bytes, header, packetAt(0) + i * PACKET_LEN, PACKET_LEN, header + DATA_LEN);
      };
      bench.add(`seal, ${suite} by ${maker.by}`, () => {
        for (let i = 0; i < TRAIN; i++) seal(i);
      });
      // Opening is done in place, so every packet has to be made first.
      bench.add(`seal and open, ${suite} by ${maker.by}`, () => {
        for (let i = 0; i < TRAIN; i++) {
          seal(i);
          const header = SEALED_AT + i * DISTANCE;
          const opened = key.open(bytes, header, header + DATA_LEN, PACKET_LEN + AEAD_TAG_LEN);
          if (opened !== PACKET_LEN) throw new Error(`${suite} by ${maker.by} does not open`);
        }
      });
    }
  }
  await bench.run();
  for (const { name, result } of bench.tasks) {
    if (!("latency" in result)) throw new Error(`"${name}" gave no figure`);
    console.log(`${name.padEnd(52)}${(result.latency.p50 * 1e6 / TRAIN).toFixed(0).padStart(8)} ns`);
  }
}
