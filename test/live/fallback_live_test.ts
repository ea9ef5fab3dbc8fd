/**
 * What happens when the kernel refuses a train or a superframe that it seemed to know. The refusal is injected into the
 * real calls: this kernel has none of its own. Everything arrives, once and in order, and the offload is given up.
 */
import assert from "node:assert/strict";
import { CHECKSUM_PARTIAL, packetAt, TUN_SLOTS } from "../../src/dataplane/packet/packet_memory.ts";
import { Coalescer } from "../../src/dataplane/tun/coalescer.ts";
import { Counters } from "../../src/dataplane/tables/counters.ts";
import { BATCH, type Offload, type TunDevice, VNET_LEN } from "../../src/ports/devices.ts";
import { libc } from "../../src/sys/libc.ts";
import type { TunQueue } from "../../src/sys/tun.ts";
import { u32le } from "../../src/wire/bytes.ts";
import { udp } from "../made/packets.ts";
import { randomBytes, seeded } from "../made/seeded.ts";
import { FAR, HOST, liveTest, receiveAll, type Wires } from "./wires.ts";

const EIO = 5, EINVAL = 22;
const MMSGHDR_LEN = 64, CONTROLLEN_AT = 40;
const random = seeded(5);

/** Runs `act` with a kernel that refuses trains with `errno`, from the train `after` on. Returns how often it did. */
function refusingTrains(errno: number, after: number, act: () => void): number {
  const c = libc() as { -readonly [K in keyof ReturnType<typeof libc>]: ReturnType<typeof libc>[K] };
  const { sendmmsg, errno: realErrno } = c;
  let trains = 0, refusals = 0, injected = false;
  c.sendmmsg = (fd, messages, count, flags) => {
    const view = messages as Uint8Array;
    let whole = 0;
    while (whole < count && (u32le(view, whole * MMSGHDR_LEN + CONTROLLEN_AT) === 0 || trains++ < after)) {
      whole++;
    }
    injected = whole === 0;
    if (!injected) return sendmmsg(fd, messages, whole, flags);
    refusals++;
    return -1;
  };
  c.errno = () => injected ? errno : realErrno();
  try {
    act();
  } finally {
    c.sendmmsg = sendmmsg;
    c.errno = realErrno;
  }
  return refusals;
}

for (const errno of [EIO, EINVAL]) {
  for (const after of [0, 2]) {
    liveTest(
      `trains refused with errno ${errno}, the first ${after} not: nothing is lost or doubled`,
      (wires) => {
        const sender = wires.batches(41001, "own", { gso: true, gro: true });
        const receiver = wires.batches(41002, "vxlan");
        sender.setDestination(0, "127.0.0.1:41002");
        const wanted: Uint8Array[] = [];
        // Trains of different lengths and single datagrams between them, three batches.
        const refusals = refusingTrains(errno, after, () => {
          for (let round = 0; round < 3; round++) {
            let at = packetAt(TUN_SLOTS);
            for (const [count, size] of [[1, 50], [20, 700], [1, 60], [9, 1200], [5, 80]] as const) {
              for (let i = 0; i < count; i++, at += size) {
                const bytes = randomBytes(random, size);
                wires.pool.bytes.set(bytes, at);
                wanted.push(bytes);
                assert.ok(sender.enqueue(0, at, size, 0, 0));
              }
            }
            assert.equal(sender.flush(), 0);
          }
        });
        const got = receiveAll(wires, receiver, wanted.length).map(({ bytes }) => bytes);
        assert.deepEqual(got, wanted);
        assert.deepEqual(wires.lost, [errno], "told once");
        // What was queued as trains when the first was refused comes apart too; afterwards nothing is tried again.
        assert.equal(refusals, 3 - after);
      },
    );
  }
}

/** A device that takes no superframes. */
class RefusingTun implements TunDevice {
  readonly #tun: TunQueue;
  readonly #b: Uint8Array;
  #superframe = false;
  #pieces: [number, number][] = [];
  refusals = 0;

  constructor(tun: TunQueue, b: Uint8Array) {
    this.#tun = tun;
    this.#b = b;
  }

  read(slot: number): number {
    return this.#tun.read(slot);
  }

  gather(at: number, length: number): boolean {
    if (this.#pieces.length === 0) this.#superframe = this.#b[at + 1] !== 0;
    this.#pieces.push([at, length]);
    return true;
  }

  write(): number {
    const pieces = this.#pieces.splice(0);
    if (this.#superframe) {
      this.refusals++;
      return EINVAL;
    }
    for (const [at, length] of pieces) assert.ok(this.#tun.gather(at, length));
    return this.#tun.write();
  }
}

liveTest("superframes refused with EINVAL reach the host packet by packet", (wires: Wires) => {
  const b = wires.pool.bytes;
  const tun = new RefusingTun(wires.tunUp(), b);
  const socket = wires.batches(2000, "own");
  const counters = new Counters();
  const lost: [Offload, number][] = [];
  const coalescer = new Coalescer(b, counters, (offload, errno) => lost.push([offload, errno]));
  coalescer.tun = tun;
  coalescer.tso = coalescer.uso = true;
  coalescer.mtu = 1400;
  const wanted: Uint8Array[] = [];
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 10; i++) {
      const payload = randomBytes(random, 1000);
      const packet = udp([FAR, HOST], payload, "partial");
      const at = packetAt(TUN_SLOTS + 1 + i % BATCH);
      b.fill(0, at - VNET_LEN, at);
      b.set(packet, at);
      wanted.push(payload);
      coalescer.add(at, packet.length, CHECKSUM_PARTIAL);
    }
    coalescer.flush();
  }
  assert.deepEqual(receiveAll(wires, socket, 30).map(({ bytes }) => bytes), wanted);
  assert.deepEqual(lost, [["uso", EINVAL]], "told once");
  assert.equal(tun.refusals, 1);
  assert.equal(counters.events()["delivered"], 30);
});
