/** The self-tests of dataplane/self_test.ts over the devices of this host. */
import {
  READ_BACK_TO,
  testReadBack,
  testSuperframes as superframes,
  testTrains as trains,
} from "../dataplane/self_test.ts";
import {
  BATCH,
  type Offloads,
  type OpenedTun,
  type PacketPool,
  SLOT_LENGTH,
  type Tested,
} from "../ports/devices.ts";
import { closeDescriptor } from "../sys/libc.ts";
import { LoopbackPair } from "../sys/loopback_pair.ts";
import { TunQueue } from "../sys/tun.ts";
import { UdpBatches } from "../sys/udp_batches.ts";
import { deviceUdp } from "../sys/udp_socket.ts";

const FAILED_READ_BACK: Tested = { outcome: "failed", failed: ["uso"] };

/** Trains on loopback. */
export function testTrains(wanted: Offloads): Tested {
  const pool = testPool();
  const [four, six] = ["127.0.0.1", "::1"].map((address) =>
    trains((offloads) => LoopbackPair.open(address, pool, offloads), pool, wanted)
  );
  return both(four!, six!);
}

/** Superframes on the device, which must be up and not yet read by a Worker. */
export function testSuperframes(tun: OpenedTun, wanted: Offloads): Tested {
  const pool = testPool();
  const queues = tun.queues.map((queue) => new TunQueue(queue, pool));
  const tested = superframes(queues[0]!, pool, wanted);
  const fine = tested.outcome === "passed" && wanted.uso && wanted.gso;
  return fine && readBack(tun.name, queues, pool) === false ? FAILED_READ_BACK : tested;
}

/** Sends a train through the device and reads it; null where that cannot be tried. */
function readBack(device: string, queues: readonly TunQueue[], pool: PacketPool): boolean | null {
  const socket = deviceUdp(device);
  if (socket === null) return null;
  try {
    // A refused train leaves singly, and is read like that.
    const sender = new UdpBatches(socket, pool, 1, { gso: true, gro: false, slots: 1 });
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
