// What did not go as it should, counted: `ovltun status` shows both.

export class Tally {
  #rejected = 0;
  #unsent = 0;

  /** A datagram was looked at and not used: malformed, unverified, of no link, or too many. */
  reject(): void {
    this.#rejected++;
  }

  get rejected(): number {
    return this.#rejected;
  }

  /** A message of our own fits in no datagram. */
  leaveUnsent(): void {
    this.#unsent++;
  }

  get unsent(): number {
    return this.#unsent;
  }
}
