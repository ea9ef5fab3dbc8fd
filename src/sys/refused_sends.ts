/** What the kernel refused to send since the last question: the slot of the latest, and its errno. */
import type { Refusal } from "../ports/devices.ts";
import { EMSGSIZE } from "../ports/sys_error.ts";

export class RefusedSends {
  #slot = -1;
  #errno = 0;
  #tooLong = -1;

  note(slot: number, errno: number): void {
    if (errno === EMSGSIZE) this.#tooLong = slot;
    this.#slot = slot;
    this.#errno = errno;
  }

  /** Null: nothing was refused. */
  take(): Refusal | null {
    const slot = this.#slot;
    this.#slot = -1;
    return slot < 0 ? null : { slot, errno: this.#errno };
  }

  /** The slot of a datagram that was longer than its path takes, or −1. */
  takeTooLong(): number {
    const slot = this.#tooLong;
    this.#tooLong = -1;
    return slot;
  }
}
