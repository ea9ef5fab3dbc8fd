/** What a finding rests on: while all of that is the same, so is the finding, and nobody has to look again. */
export class Grounds {
  #last: readonly unknown[] = [];

  /** Whether any is another than the last time. */
  news(...grounds: readonly unknown[]): boolean {
    const same = grounds.length === this.#last.length && grounds.every((one, i) => one === this.#last[i]);
    this.#last = grounds;
    return !same;
  }
}
