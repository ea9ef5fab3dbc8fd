/**
 * The flows of a chaos run: from every host an echo to every other that it can reach, some times a second, through the
 * overlay, where nothing takes packets on the way. Nothing waits.
 */
import { type EchoFan, openEchoFan } from "../../sys/echo_fan.ts";
import type { LabHost } from "../topology.ts";
import type { World } from "./world.ts";

const SEND_EVERY_MS = 200;

/** Hears of every echo, by its number, and of every answer. */
export interface EchoListener {
  sent(number: number, from: string, to: string, now: number): void;
  answered(number: number, from: string, to: string, now: number): void;
}

export class Prober {
  /** BOUNDED: one per host */
  readonly #fans: ReadonlyMap<string, EchoFan>;
  readonly #world: World;
  readonly #listener: EchoListener;
  /** Whose echoes are whose: number → receiver. BOUNDED: by #forgetBefore, to what may still be answered */
  readonly #sentTo = new Map<number, string>();
  #next = 1;
  #sentAt = -Infinity;

  constructor(hosts: readonly LabHost[], world: World, listener: EchoListener) {
    this.#fans = new Map(hosts.map((host) => [host.name, host.inside(openEchoFan)]));
    this.#world = world;
    this.#listener = listener;
  }

  /** Sends what is due, to `addresses` by host, and takes what came in. */
  step(addresses: ReadonlyMap<string, string>, now: number): void {
    this.receive(now);
    if (now - this.#sentAt < SEND_EVERY_MS) return;
    this.#sentAt = now;
    for (const [from, fan] of this.#fans) {
      if (!addresses.has(from)) continue;
      for (const [to, address] of addresses) {
        if (to === from || this.#world.connection(from, to) === null) continue;
        if (!this.#world.isClean(from, to)) continue;
        const number = this.#next++ >>> 0;
        this.#sentTo.set(number, to);
        this.#listener.sent(number, from, to, now);
        // One that the kernel refuses is lost like any other.
        fan.send(address, number);
      }
    }
    this.#forgetOld();
  }

  receive(now: number): void {
    for (const [from, fan] of this.#fans) {
      for (const { number } of fan.receive()) {
        const to = this.#sentTo.get(number);
        if (to !== undefined) this.#listener.answered(number, from, to, now);
      }
    }
  }

  close(): void {
    for (const fan of this.#fans.values()) fan.close();
  }

  #forgetOld(): void {
    const oldest = this.#next - MAX_OPEN;
    for (const number of this.#sentTo.keys()) {
      if (number >= oldest) return;
      this.#sentTo.delete(number);
    }
  }
}

/** More than what all pairs of a lab send within the time that an answer may take. */
const MAX_OPEN = 1 << 18;
