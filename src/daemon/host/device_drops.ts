/**
 * What the TUN device itself dropped since this daemon uses it: `rx` on the way into the host, of what the Workers wrote,
 * `tx` on the way out, because its queue was full. The kernel counts for each device; another that takes its place begins
 * at 0, and one that was there before us had its own history.
 */
import type { InterfaceDrops } from "../../ports/host.ts";

const NONE: InterfaceDrops = { rx: 0, tx: 0 };

export class DeviceDrops {
  #index: number | null = null;
  /** Of the present device, when we began, and when it was read last. */
  #first = NONE;
  #last = NONE;
  /** Of the devices before it. */
  #before = NONE;

  /** Takes in what device `index` counts now; null: it does not tell. */
  note(index: number, drops: InterfaceDrops | null): void {
    if (drops === null) return;
    if (index !== this.#index) {
      this.#before = this.total;
      this.#first = drops;
      this.#index = index;
    }
    this.#last = drops;
  }

  get total(): InterfaceDrops {
    return {
      rx: this.#before.rx + this.#last.rx - this.#first.rx,
      tx: this.#before.tx + this.#last.tx - this.#first.tx,
    };
  }
}
