/**
 * How far this node's own view can be trusted: Lifeguard (Dadgar, Phillips, Currey 2018). Who is late itself, has not read yet
 * what others have said, or was called dead by others while it lives, is slower to call anybody silent. A tick that came
 * three seconds late proves nothing about others: the time does not count against them, and what waits in the socket
 * is read first.
 */

const TICK_MS = 100;
/** A tick, or a datagram, that is so late is a sign that this host is slow. */
const LATE_MS = 500;
/** After a late tick, so long for what waits to be read. */
const READING_MS = 200;
const SCORE_MAX = 8;
/** Silence of others may be theirs: it makes us no more cautious than that. */
const SILENCE_SCORE_MAX = 1;

export class LocalHealth {
  #score = 0;
  #tickedAt: number | null = null;
  #lag = 0;
  #read = false;

  /** 1 for a node that is well; 9 for one that is as slow as can be told: everything takes that many times as long. */
  get caution(): number {
    return 1 + this.#score;
  }

  /** What came to our socket since then has not been looked at yet: of that time we know nothing. */
  get lagMs(): number {
    return this.#lag;
  }

  /** What comes waits here for long. */
  get behind(): boolean {
    return this.#lag >= LATE_MS;
  }

  /** A datagram that the socket read at `at` is dealt with now. */
  reads(at: number, now: number): void {
    this.#lag = Math.max(0, now - at);
    this.#read = true;
  }

  /**
   * A tick that was due at `dueAt`; absent: TICK_MS after the last. Returns for how long nothing happened here that should
   * have: that time proves nothing.
   */
  ticks(now: number, dueAt = (this.#tickedAt ?? now) + TICK_MS): number {
    const late = this.#tickedAt === null ? 0 : now - dueAt;
    this.#tickedAt = now;
    if (!this.#read) this.#lag = 0; // nothing waits
    this.#read = false;
    if (late >= LATE_MS || this.#lag >= LATE_MS) this.#worse(SCORE_MAX);
    return late >= LATE_MS ? late + READING_MS : 0;
  }

  /** A member that counted as alive has answered a probe, or has not. */
  probed(answered: boolean): void {
    if (answered) this.#score = Math.max(0, this.#score - 1);
    else this.#worse(SILENCE_SCORE_MAX);
  }

  /** Others called us silent, and we are not. */
  refutes(): void {
    this.#worse(SCORE_MAX);
  }

  #worse(most: number): void {
    if (this.#score < most) this.#score++;
  }
}
