/** Something worked out from tables that change seldom and are large: anew only when one of them has changed. */

export class Derived<T> {
  #of: string | null = null;
  #value: T | undefined;

  /** The value of the tables in the state that `of` names; `make` is called when it was another the last time. */
  at(of: string, make: () => T): T {
    if (this.#of !== of) {
      this.#value = make();
      this.#of = of;
    }
    return this.#value as T;
  }
}
