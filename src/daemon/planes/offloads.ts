/**
 * Which offloads are in use, and why the others are not: switched off, unknown to the kernel, failed at the self-test,
 * refused later. The self-test runs here, over the real devices, before the node carries traffic.
 */
import {
  READ_BACK_TO,
  type SelfTest,
  type Tested,
  testReadBack,
  testSuperframes,
  testTrains,
} from "../../dataplane/self_test.ts";
import { BATCH, type Offload, type Offloads, type PacketPool, SLOT_LENGTH } from "../../ports/devices.ts";
import { closeDescriptor } from "../../sys/libc.ts";
import { LoopbackPair } from "../../sys/loopback_pair.ts";
import { type OpenedTun, type TunOffloads, TunQueue } from "../../sys/tun.ts";
import { systemClock } from "../../sys/system.ts";
import { UdpBatches } from "../../sys/udp_batches.ts";
import { deviceUdp } from "../../sys/udp_socket.ts";
import { logger } from "../../log/log.ts";

const OFFLOADS: readonly Offload[] = ["tso", "uso", "gso", "gro"];
const SWITCHED_OFF = "switched off";
const UNKNOWN = "unknown to this kernel";
const SELF_TEST = "self-test";

/** What the self-test said: of trains, of superframes. */
export interface SelfTests {
  readonly trains: SelfTest;
  readonly superframes: SelfTest;
}

export class OffloadState {
  /** BOUNDED: one per offload. Why it is off; the first reason stays. */
  readonly #off = new Map<Offload, string>();
  /** BOUNDED: one per offload. How often it was found not to work: at the start, and by each Worker once. */
  readonly #lost = new Map<Offload, number>();
  #tests: SelfTests = { trains: "not tested", superframes: "not tested" };

  constructor(wanted: Offloads) {
    for (const offload of OFFLOADS) if (!wanted[offload]) this.#off.set(offload, SWITCHED_OFF);
  }

  get inUse(): Offloads {
    const on = (offload: Offload) => !this.#off.has(offload);
    return { tso: on("tso"), uso: on("uso"), gso: on("gso"), gro: on("gro") };
  }

  /** Why each that is not in use is not. */
  get off(): Readonly<Partial<Record<Offload, string>>> {
    return Object.fromEntries(this.#off);
  }

  /** "gso-lost": 2 */
  get counters(): Record<string, number> {
    return Object.fromEntries(OFFLOADS.map((offload) => [`${offload}-lost`, this.#lost.get(offload) ?? 0]));
  }

  get tests(): SelfTests {
    return this.#tests;
  }

  /** The kernel never claimed to know it. */
  unknown(offload: Offload): void {
    if (!this.#off.has(offload)) this.#off.set(offload, UNKNOWN);
  }

  /** It was found not to work. True the first time. */
  lose(offload: Offload, reason: string): boolean {
    this.#lost.set(offload, (this.#lost.get(offload) ?? 0) + 1);
    if (this.#off.has(offload)) return false;
    this.#off.set(offload, reason);
    return true;
  }

  /** Takes the outcome of a self-test. */
  tested(what: keyof SelfTests, { outcome, failed }: Tested): void {
    this.#tests = { ...this.#tests, [what]: outcome };
    for (const offload of failed) {
      if (this.lose(offload, SELF_TEST)) {
        logger.warn(`The kernel fails the self-test of ${offload}: slower without it`);
      }
    }
  }

  /** Tries trains on loopback. */
  testTrains(): void {
    const pool = testPool();
    const wanted = this.inUse;
    this.#timed("trains", () => {
      const [four, six] = ["127.0.0.1", "::1"].map((address) =>
        testTrains((offloads) => LoopbackPair.open(address, pool, offloads), pool, wanted)
      );
      return both(four!, six!);
    });
  }

  /** Tries superframes on the device, which must be up and not yet read by a Worker. Returns what it may carry. */
  testSuperframes(tun: OpenedTun): TunOffloads {
    if (!tun.tso) this.unknown("tso");
    if (!tun.uso) this.unknown("uso");
    const pool = testPool();
    const queues = tun.queues.map((queue) => new TunQueue(queue, pool));
    const { inUse } = this;
    this.#timed("superframes", () => {
      const tested = testSuperframes(queues[0]!, pool, inUse);
      const fine = tested.outcome === "passed" && inUse.uso && inUse.gso;
      return fine && readBack(tun.name, queues, pool) === false ? FAILED_READ_BACK : tested;
    });
    return { tso: this.inUse.tso, uso: this.inUse.uso };
  }

  #timed(what: keyof SelfTests, test: () => Tested): void {
    const began = systemClock.now();
    const tested = test();
    const milliseconds = Math.round((systemClock.now() - began) * 10) / 10;
    logger.debug(`Self-test of ${what}: ${tested.outcome}`, { milliseconds });
    this.tested(what, tested);
  }
}

const FAILED_READ_BACK: Tested = { outcome: "failed", failed: ["uso"] };

/** Sends a train through the device and reads it; null where that cannot be tried. */
function readBack(device: string, queues: readonly TunQueue[], pool: PacketPool): boolean | null {
  const socket = deviceUdp(device);
  if (socket === null) return null;
  try {
    // A refused train leaves singly, and is read like that.
    const sender = new UdpBatches(socket, pool, 1, { gso: true, gro: false }, () => {});
    sender.setDestination(0, READ_BACK_TO);
    return testReadBack(sender, queues, pool);
  } finally {
    closeDescriptor(socket.fd);
  }
}

/** One slot to send from, the others to receive into. */
function testPool(): PacketPool {
  const slots = 1 + BATCH;
  const memory = new ArrayBuffer(slots * SLOT_LENGTH);
  return { memory, bytes: new Uint8Array(memory), slots };
}

/** Two families as one: what fails in either is off, and one of them tested is tested. */
function both(a: Tested, b: Tested): Tested {
  const failed = [...new Set([...a.failed, ...b.failed])];
  const outcome = failed.length > 0 ? "failed" : a.outcome === "passed" ? a.outcome : b.outcome;
  return { outcome, failed };
}
