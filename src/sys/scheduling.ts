/**
 * How the kernel's scheduler treats the calling thread (sched(7)). Woken under SCHED_OTHER it soon interrupts the
 * running thread; under SCHED_BATCH it waits until their turn is over, at most some milliseconds, if no other processor
 * is free.
 */
import { libc } from "./libc.ts";

const SCHED_OTHER = 0;
const SCHED_BATCH = 3;
const THIS_THREAD = 0;

/** A thread that may let others finish their turns. One that was given another policy keeps that. */
export class Turns {
  readonly #libc = libc();
  /** struct sched_param: priority 0, which is the only one of both policies. */
  readonly #parameters = new Uint8Array(new ArrayBuffer(4));
  #mayChange: boolean;
  #patient = false;

  constructor() {
    this.#mayChange = this.#libc.sched_getscheduler(THIS_THREAD) === SCHED_OTHER;
  }

  /** Whether to wait for others' turns from now on. A kernel or sandbox that does not allow it is not asked again. */
  set patient(patient: boolean) {
    if (patient === this.#patient || !this.#mayChange) return;
    this.#patient = patient;
    const policy = patient ? SCHED_BATCH : SCHED_OTHER;
    this.#mayChange = this.#libc.sched_setscheduler(THIS_THREAD, policy, this.#parameters) === 0;
  }

  /** Whether it waits for others' turns now, by the kernel's word. */
  get patient(): boolean {
    return this.#libc.sched_getscheduler(THIS_THREAD) === SCHED_BATCH;
  }
}
